#pragma once

#include "proxy/admin/router.hpp"

#include <optional>

namespace proxy::admin {

// Answers of the endpoints about switchovers; see the table in endpoints.cpp.
[[nodiscard]] Response post_switchover(const Call& call);
[[nodiscard]] Response get_switchover(const Call& call);
[[nodiscard]] Response post_switchover_abort(const Call& call);
[[nodiscard]] Response post_freeze(const Call& call);
[[nodiscard]] Response post_thaw(const Call& call);
[[nodiscard]] Response post_verification(const Call& call);
[[nodiscard]] Response get_history(const Call& call);
[[nodiscard]] Response put_authority(const Call& call);
/// A rollback of the authority, if that is what was changed last; nothing: the weights were.
[[nodiscard]] std::optional<Response> roll_authority_back(const Call& call);

}  // namespace proxy::admin
