#pragma once

#include "protocol/base/result.hpp"
#include "proxy/secrets/secret_desk.hpp"

#include <string>

namespace proxy::secrets {

/// The name of the machine's user with this number, in decimal; empty: there is no such user. Blocks for as long as the machine takes
/// to look it up. Errors: backend_unreachable when it cannot be looked up.
[[nodiscard]] protocol::Result<FoundSecret> name_of_local_user(const std::string& number);

}  // namespace proxy::secrets
