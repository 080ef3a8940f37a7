#pragma once

#include "protocol/base/bytes.hpp"
#include "protocol/postgres/message.hpp"

#include <array>
#include <cstdint>

namespace protocol::postgres {

/// Whether a message of a conversation is understood from its header alone; never: it has no place there.
enum class Look : std::uint8_t { header, whole, never };
[[nodiscard]] Look look_for(BackendMessage tag);

/// The fields of an ErrorResponse or NoticeResponse that decide what happens next.
struct ErrorSummary {
  std::array<char, 5> code{};
  bool is_fatal = false;
  bool is_of_its_own = false;  ///< the backend is stopped or crashes: nothing that the request has brought about
};
/// Source: PostgreSQL 15 manual 55.8 "Error and Notice Message Fields"; appendix A, class 57.
[[nodiscard]] ErrorSummary summarise_error(ByteView payload);

}  // namespace protocol::postgres
