#include "config/settings.hpp"

#include <algorithm>

namespace config {

const User* find_user(const Pair& pair, const std::string& name) {
  const auto named = [&](const std::string& wanted) {
    return std::find_if(pair.users.begin(), pair.users.end(),
                        [&](const User& user) { return user.name == wanted; });
  };
  // A client that calls itself "*" is no one's entry: it gets the one for any user, if there is one.
  auto found = named(name);
  if (found == pair.users.end()) found = named(any_user);
  return found == pair.users.end() ? nullptr : &*found;
}

}  // namespace config
