#pragma once

#include "protocol/postgres/capture_text.hpp"
#include "protocol/statement.hpp"

#include <pg_query/pg_query.pb-c.h>

namespace protocol::postgres {

/// What a change of the schema means to the mirror.
[[nodiscard]] CaptureStatement read_definition(const PgQuery__Node& node, const StatementFacts& facts);

}  // namespace protocol::postgres
