#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

namespace proxy::cli {

/// A user of this system that may own and run the throw-away servers.
struct Account {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
};

/// The PostgreSQL server refuses to run as root, so root lends it another user: `postgres`, else `nobody`.
/// Nothing when this process is not root: then its own user will do.
/// Throws DemoFailure when root finds neither.
[[nodiscard]] std::optional<Account> unprivileged_account();

}  // namespace proxy::cli
