#pragma once

#include "protocol/postgres/user_secret.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace protocol::postgres {

/// Whether a server that holds `held` (as pg_authid.rolpassword does; empty: no such user, or one without a password)
/// will let in who has `known`: a password that fits, or the very same verifier, from which a login recovers what the
/// server wants to see. Nothing when it will; otherwise what is wrong, in words that quote neither. A password costs a
/// PBKDF2 run.
[[nodiscard]] std::optional<std::string> disagreement(std::string_view user, const UserSecret& known,
                                                      std::string_view held);

}  // namespace protocol::postgres
