#include "protocol/postgres/client_half.hpp"

#include "protocol/postgres/error_response.hpp"
#include "protocol/postgres/frame_writer.hpp"
#include "protocol/postgres/sqlstate.hpp"
#include "protocol/wire/byte_reader.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <utility>

/// Writes of a session that is tied to a side which they do not belong to.
namespace protocol::postgres {

namespace {

constexpr std::string_view refused_text = "crossfade refuses a write of a session that is tied to the other side";
constexpr std::string_view refused_name = "_crossfade_0";

/// Gives back what ties the session, and touches no table.
bool gives_back_locks(const StatementFacts& facts) {
  constexpr std::array<std::string_view, 3> unlocking{"pg_advisory_unlock", "pg_advisory_unlock_all",
                                                      "pg_advisory_unlock_shared"};
  return facts.statement_class == StatementClass::write && facts.pin == PinReason::none && facts.tables.empty() &&
         !facts.functions.empty() && std::all_of(facts.functions.begin(), facts.functions.end(), [&](std::string_view name) {
           constexpr std::string_view system = "pg_catalog.";
           if (name.starts_with(system)) name.remove_prefix(system.size());
           return std::find(unlocking.begin(), unlocking.end(), name) != unlocking.end();
         });
}

bool may_write(const StatementFacts& facts) {
  return (facts.statement_class >= StatementClass::write || facts.pin != PinReason::none) && !gives_back_locks(facts);
}

/// What a session can do while its writes are refused: of the ways to end the pin those that are no writes themselves.
std::string_view way_out_of(PinReason reason) {
  return reason == PinReason::temporary_object ? "DISCARD TEMP, DISCARD ALL" : clearing_of(reason);
}

}  // namespace

bool PostgresClientHalf::is_refused(const ScannedRequest& scanned, ByteView unread, const PostgresBackendHalf& target) const {
  if (writes_ == WritePermission::granted) return false;
  const ReplyTracker& tracker = target.tracker;
  if (tracker.status() == TransactionStatus::failed && !tracker.is_transaction_unsettled()) return false;  // 25P02
  switch (scanned.tag) {
    case FrontendMessage::query: return may_write(*scanned.analysis.facts);
    case FrontendMessage::function_call: return true;
    case FrontendMessage::bind: {
      ByteReader reader(unread.subspan(scanned.offset + frame_header_bytes, scanned.available - frame_header_bytes));
      reader.read_text_z();
      const PreparedStatementPointer statement = statement_known_as(reader.read_text_z());
      if (!statement || !statement->facts) return true;
      return may_write(*resolve_execute({statement->facts, statement->tags}).facts);
    }
    default: return false;
  }
}

void PostgresClientHalf::refuse_write(const ScannedRequest& scanned, PostgresBackendHalf& target, Gather& to_backend) {
  target.refusal = write_refusal();
  target.refusal_code = sqlstate::read_only_sql_transaction;
  send_failing(scanned.tag, refused_text, target, to_backend);
}

/// What is sent in the place of a refused text: no grammar takes it, so that the server's transaction fails as it would
/// have for any error, and its log says why.
void PostgresClientHalf::send_failing(FrontendMessage in_place_of, std::string_view why, PostgresBackendHalf& target, Gather& to_backend) {
  const bool is_bind = in_place_of == FrontendMessage::bind;
  Bytes message;
  FrameWriter frame(message, is_bind ? FrontendMessage::parse : FrontendMessage::query);
  if (is_bind) frame.fields().write_text_z(refused_name);
  frame.fields().write_text_z(why);
  if (is_bind) frame.fields().write_u16_be(0);
  frame.finish();
  to_backend.own(message);
  target.tracker.expect(ExpectedReply{is_bind ? Kind::parse : Kind::query, Disposition::refuse, false, nullptr, nullptr});
}

Bytes PostgresClientHalf::write_refusal() const {
  const PinReason reason = pin();
  ErrorFields fields;
  fields.severity = "ERROR";
  fields.code = sqlstate::read_only_sql_transaction;
  if (reason == PinReason::none) {
    fields.message = "cannot write: it is not known which database server has the authority";
    fields.detail = "Nothing of this statement was run.";
    fields.hint = "An operator has to say it, with crossfade authority set.";
    Bytes refusal;
    write_error_response(fields, refusal);
    return refusal;
  }
  fields.message = "cannot write in a session that is tied to the other database server by " + std::string(protocol::name_of(reason));
  fields.detail = "What ties it lives on one server, and its writes belong to another. Nothing of this statement was run.";
  fields.hint = "It is tied until " + std::string(way_out_of(reason)) + ".";
  Bytes refusal;
  write_error_response(fields, refusal);
  return refusal;
}

/// The error at hand answers what was refused: the client hears of that. False: it is another one.
bool PostgresClientHalf::tell_refusal(PostgresBackendHalf& source, Gather& to_client) {
  const std::vector<ExpectedReply>& discarded = source.tracker.discarded();
  const Disposition disposition = discarded.empty() ? source.tracker.front_disposition() : discarded.front().disposition;
  if (disposition != Disposition::refuse) return false;
  if (!source.held_back.empty()) to_client.own(std::exchange(source.held_back, {}));
  to_client.own(source.refusal);
  std::copy(source.refusal_code.begin(), source.refusal_code.end(), source.error_code.begin());
  source.has_answered = true;
  return true;
}

}  // namespace protocol::postgres
