#include "protocol/postgres/reply_look.hpp"

#include "protocol/postgres/sqlstate.hpp"
#include "protocol/wire/byte_reader.hpp"

#include <algorithm>
#include <string_view>

namespace protocol::postgres {

Look look_for(BackendMessage tag) {
  switch (tag) {
    case BackendMessage::bind_complete:
    case BackendMessage::close_complete:
    case BackendMessage::copy_both_response:
    case BackendMessage::copy_data:
    case BackendMessage::copy_done:
    case BackendMessage::copy_in_response:
    case BackendMessage::copy_out_response:
    case BackendMessage::data_row:
    case BackendMessage::empty_query_response:
    case BackendMessage::function_call_response:
    case BackendMessage::no_data:
    case BackendMessage::parameter_description:
    case BackendMessage::parse_complete:
    case BackendMessage::portal_suspended:
    case BackendMessage::row_description: return Look::header;
    case BackendMessage::command_complete:
    case BackendMessage::error_response:
    case BackendMessage::notice_response:
    case BackendMessage::notification_response:
    case BackendMessage::parameter_status:
    case BackendMessage::ready_for_query: return Look::whole;
    case BackendMessage::authentication:
    case BackendMessage::backend_key_data:
    case BackendMessage::negotiate_protocol_version: break;  // only during login
  }
  return Look::never;
}

ErrorSummary summarise_error(ByteView payload) {
  ErrorSummary summary;
  ByteReader reader(payload);
  bool has_plain_severity = false;
  while (reader.ok() && reader.remaining() > 0) {
    const char field = static_cast<char>(reader.read_u8());
    if (field == 0) break;
    const std::string_view value = reader.read_text_z();
    const bool is_fatal = value == "FATAL" || value == "PANIC";
    if (field == 'V') {  // never localised, from PostgreSQL 9.6 on
      summary.is_fatal = is_fatal;
      has_plain_severity = true;
    } else if (field == 'S' && !has_plain_severity) {
      summary.is_fatal = is_fatal;
    } else if (field == 'C' && value.size() == summary.code.size()) {
      std::copy(value.begin(), value.end(), summary.code.begin());
      summary.is_of_its_own = value == sqlstate::admin_shutdown || value == sqlstate::crash_shutdown ||
                              value == sqlstate::cannot_connect_now;
    }
  }
  return summary;
}

}  // namespace protocol::postgres
