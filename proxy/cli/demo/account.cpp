#include "proxy/cli/demo/account.hpp"

#include "proxy/cli/demo/failure.hpp"

#include <pwd.h>
#include <unistd.h>

#include <array>

namespace proxy::cli {

std::optional<Account> unprivileged_account() {
  if (::geteuid() != 0) return std::nullopt;
  for (const char* name : std::array<const char*, 2>{"postgres", "nobody"}) {
    // The demo asks before it starts its first thread, so the static storage of getpwnam is safe.
    const passwd* entry = ::getpwnam(name);
    if (entry != nullptr && entry->pw_uid != 0) return Account{entry->pw_name, entry->pw_uid, entry->pw_gid};
  }
  throw DemoFailure("PostgreSQL does not run as root, and there is neither a user postgres nor a user nobody");
}

}  // namespace proxy::cli
