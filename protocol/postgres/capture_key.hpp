#pragma once

#include "protocol/postgres/capture_table.hpp"
#include "protocol/postgres/capture_text.hpp"

#include <string>
#include <string_view>

namespace protocol::postgres {

/// What tells the key that a row had before an UPDATE changed it, as an expression over the row as it is now; for RETURNING, whose row is the
/// new one. It gives a text that read_row_text() reads, with the key's columns in their order. Empty where the statement does not say.
///
/// A column of the key is known when it is not assigned, when WHERE demands that it equals a constant or parameter, or when it is
/// shifted by one (`id = id + 1`) or negated, and is a whole or decimal number.
/// `source` is the text of the statement, alone. Precondition: it was read as an UPDATE.
[[nodiscard]] std::string old_key_expression(std::string_view source, const CaptureStatement& statement, const CaptureTable& table);

}  // namespace protocol::postgres
