#include "protocol/statement.hpp"

namespace protocol {

std::string_view name_of(StatementClass statement_class) {
  switch (statement_class) {
    case StatementClass::read: return "read";
    case StatementClass::session: return "session";
    case StatementClass::transaction_control: return "transaction_control";
    case StatementClass::write: return "write";
    case StatementClass::schema_change: return "schema_change";
    case StatementClass::unknown: return "unknown";
  }
  return "unknown";
}

std::string_view name_of(PinReason reason) {
  switch (reason) {
    case PinReason::none: return "none";
    case PinReason::temporary_object: return "temporary_object";
    case PinReason::advisory_lock: return "advisory_lock";
    case PinReason::listen: return "listen";
    case PinReason::hold_cursor: return "hold_cursor";
    case PinReason::replication: return "replication";
    case PinReason::loaded_library: return "loaded_library";
    case PinReason::untracked_state: return "untracked_state";
    case PinReason::restore_failed: return "restore_failed";
  }
  return "unknown";
}

}  // namespace protocol
