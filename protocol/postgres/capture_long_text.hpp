#pragma once

#include "protocol/postgres/catalogue.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace protocol::postgres {

/// Whether calling it leaves nothing in the database that the follower must have. `function` is as StatementFacts names it.
/// Sequences count as harmless: they are brought over by the switchover.
[[nodiscard]] bool is_harmless(const Catalogue& catalogue, std::string_view function);

/// INSERT … VALUES with many rows, as if it had the first one only: to the mirror all rows are alike, but for functions that
/// they call. Nothing: it is something else, or longer than it pays to look through, or calls what may write.
[[nodiscard]] std::optional<std::string> with_first_row(std::string_view text, const Catalogue& catalogue);

}  // namespace protocol::postgres
