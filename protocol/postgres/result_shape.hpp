#pragma once

#include "protocol/base/bytes.hpp"
#include "protocol/postgres/message.hpp"

#include <cstdint>

namespace protocol::postgres {

/// A number for what a RowDescription, or NoData, says of a result: names, types, lengths and modifiers of the columns. Never 0. What
/// servers number themselves (tables, types of the database's own) is left out, as it differs between servers.
[[nodiscard]] std::uint64_t shape_of(BackendMessage tag, ByteView payload);

}  // namespace protocol::postgres
