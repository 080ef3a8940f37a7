#include "proxy/secrets/local_users.hpp"

#include <pwd.h>

#include <charconv>
#include <vector>

namespace proxy::secrets {

namespace {

/// Of all that is known of one user: name, folder, shell …
constexpr std::size_t entry_bytes_max = std::size_t{64} << 10;

}  // namespace

protocol::Result<FoundSecret> name_of_local_user(const std::string& number) {
  uid_t user = 0;
  const auto parsed = std::from_chars(number.data(), number.data() + number.size(), user);
  if (parsed.ec != std::errc{} || parsed.ptr != number.data() + number.size()) return FoundSecret{};
  std::vector<char> storage(entry_bytes_max);
  passwd entry{};
  passwd* found = nullptr;
  if (getpwuid_r(user, &entry, storage.data(), storage.size(), &found) != 0) {
    return protocol::failure(protocol::ErrorCode::backend_unreachable, protocol::Blame::operator_, "a user's name cannot be looked up");
  }
  FoundSecret name;
  if (found != nullptr) name.secret = protocol::SecretText(std::string(found->pw_name));
  return name;
}

}  // namespace proxy::secrets
