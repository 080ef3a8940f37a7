#pragma once

#include "protocol/base/bytes.hpp"
#include "protocol/base/error.hpp"
#include "protocol/base/result.hpp"
#include "protocol/dialect.hpp"

#include <string>
#include <string_view>

/// ErrorResponse and NoticeResponse: the same fields under two tags.
/// Source: PostgreSQL 15 manual, 55.7 "Message Formats" and 55.8 "Error and Notice Message Fields".
namespace protocol::postgres {

/// What a report says. `severity` is sent as field S and as V (the form that is never translated).
struct ErrorFields {
  std::string severity;
  std::string code;  ///< SQLSTATE, five characters
  std::string message;
  std::string detail;  ///< left out when empty
  std::string hint;    ///< left out when empty
  std::string file = {};     ///< of the server's source; left out when empty
  std::string routine = {};  ///< likewise
};

/// Appends an ErrorResponse. NUL bytes inside the fields are dropped, so the result is always well-formed.
void write_error_response(const ErrorFields& fields, Bytes& target);
/// Appends a NoticeResponse.
void write_notice_response(const ErrorFields& fields, Bytes& target);

/// The fields of a report that matter to a proxy. Lifetime: loans of the payload.
struct ErrorReport {
  std::string_view severity;  ///< V where sent (PostgreSQL 9.6 and later), otherwise S
  std::string_view code;      ///< five characters, or empty when the field was missing
  std::string_view message;
  std::string_view detail;
  std::string_view hint;
  /// FATAL and PANIC end the session; anything else does not.
  [[nodiscard]] bool is_fatal() const { return severity == "FATAL" || severity == "PANIC"; }
};

/// Reads the fields of an ErrorResponse or NoticeResponse. Unknown field types are skipped, as the manual
/// asks; a repeated field counts once, the first time.
/// Errors: message_malformed (blame backend) without the final zero byte, or with bytes after it, or with a
/// SQLSTATE that is not five characters long.
[[nodiscard]] Result<ErrorReport> decode_error_report(ByteView payload);

/// THE mapping from our errors to what a PostgreSQL client is told. Severity is always FATAL: the session
/// ends. `error.detail` is not used, so that no address or internal name can leak.
[[nodiscard]] ErrorFields describe(const Error& error, SessionStage stage);
/// The SQLSTATE that describe() uses. Lifetime: static.
[[nodiscard]] std::string_view sqlstate_of(const Error& error);

}  // namespace protocol::postgres
