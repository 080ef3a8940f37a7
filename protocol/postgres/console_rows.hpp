#pragma once

#include "protocol/base/bytes.hpp"
#include "protocol/console.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace protocol::postgres {

/// Result formats as Bind gives them: none (text), one for all columns, or one each. 0 is text, 1 binary.
/// Source: PostgreSQL 15 manual, 55.7, Bind.
using ResultFormats = std::vector<std::int16_t>;
[[nodiscard]] bool are_formats_valid(const ResultFormats& formats, std::size_t column_count);

void write_row_description(const ConsoleTable& table, const ResultFormats& formats, Bytes& to_send);
void write_data_row(const ConsoleTable& table, std::size_t row, const ResultFormats& formats, Bytes& to_send);

}  // namespace protocol::postgres
