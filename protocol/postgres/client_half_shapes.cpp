#include "protocol/postgres/client_half.hpp"

#include "protocol/postgres/error_response.hpp"
#include "protocol/postgres/frame_writer.hpp"
#include "protocol/postgres/result_shape.hpp"
#include "protocol/postgres/sqlstate.hpp"
#include "protocol/wire/byte_reader.hpp"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <utility>

/// A client that has asked what a prepared statement returns decodes rows by the answer. The server would refuse to run the statement
/// once that is not true any more; the connections of a pool may have prepared it since.
namespace protocol::postgres {

namespace {

/// Source: PostgreSQL 15 manual 55.7, RowDescription; 8.19 and transam.h: numbers from here on are the database's own.
constexpr std::uint32_t first_assigned = 16384;

std::string_view statement_name_of(ByteView bind) {
  ByteReader reader(bind);
  reader.read_text_z();
  return reader.read_text_z();
}

}  // namespace

std::uint64_t shape_of(BackendMessage tag, ByteView payload) {
  std::uint64_t shape = static_cast<std::uint64_t>(tag);
  if (tag == BackendMessage::no_data) return shape;
  ByteReader reader(payload);
  for (std::uint16_t count = reader.read_u16_be(); count > 0 && reader.ok(); --count) {
    const std::string_view name = reader.read_text_z();
    reader.read_u32_be();  // the table
    reader.read_u16_be();  // and the column in it
    const std::uint32_t type = reader.read_u32_be();
    const std::uint16_t size = reader.read_u16_be();
    const std::uint32_t modifier = reader.read_u32_be();
    reader.read_u16_be();  // a format: always text here
    const std::array<std::uint32_t, 3> rest{type < first_assigned ? type : first_assigned, size, modifier};
    shape = XXH3_64bits_withSeed(name.data(), name.size(), shape);
    shape = XXH3_64bits_withSeed(rest.data(), sizeof rest, shape);
  }
  return shape == 0 ? 1 : shape;
}

/// The statement is the client's, which hears of it, or the shared one, which we have asked about.
void PostgresClientHalf::note_shape(PostgresBackendHalf& source, const ExpectedReply& answered, BackendMessage tag, ByteView payload) {
  const PreparedStatementPointer& statement = answered.statement;
  if (answered.kind != Kind::describe_statement || statement == nullptr) return;
  const std::uint64_t shape = shape_of(tag, payload);
  const PreparedStatement& shared = statement->shared ? *statement->shared : *statement;
  if (HeldStatement* held = source.held.find(shared)) held->shape = shape;
  if (!statement->shared) return;
  if (told_shapes_.size() >= told_shapes_max_) {
    std::erase_if(told_shapes_, [&](const auto& each) { return state_.find_statement(each.second.statement->name) != each.second.statement; });
    told_shapes_max_ = std::max(told_shapes_max_, 2 * told_shapes_.size());
  }
  told_shapes_.insert_or_assign(statement.get(), ToldShape{statement, shape});
}

const PostgresClientHalf::ToldShape* PostgresClientHalf::told_shape_of(const PreparedStatement* statement) const {
  if (statement == nullptr || told_shapes_.empty()) return nullptr;
  const auto place = told_shapes_.find(statement);
  return place == told_shapes_.end() ? nullptr : &place->second;
}

/// What `target` would run for `statement`, as far as it has described it; 0: not known.
std::uint64_t PostgresClientHalf::held_shape_of(const PreparedStatement& statement, const PostgresBackendHalf& target) const {
  const HeldStatement* held = target.held.find(*statement.shared);
  return held != nullptr && (held->owner == 0 || held->owner == id_) ? held->shape : 0;
}

/// Whether `target` holds for `statement` what the client was told of it.
bool PostgresClientHalf::is_shape_as_told(const PreparedStatement& statement, const PostgresBackendHalf& target) const {
  const ToldShape* told = told_shape_of(&statement);
  return told != nullptr && held_shape_of(statement, target) == told->shape;
}

/// Of each Bind: does `target` hold its statement as the client was told it? Where it does not, or that is not known, it is prepared
/// and described there, in earnest, once for the batch.
bool PostgresClientHalf::look_ahead(const NextRequest& /*request*/, ByteView unread, BackendHalf& backend, Gather& to_backend) {
  auto& target = static_cast<PostgresBackendHalf&>(backend);
  if (told_shapes_.empty() || pin() != PinReason::none || target.tracker.is_batch_open()) return false;
  if (target.tracker.status() == TransactionStatus::failed || target.has_changed_schema) return false;
  bool has_asked = false;
  for (const ScannedRequest& scanned : scan_) {
    if (scanned.tag != FrontendMessage::bind) continue;
    const ByteView payload = unread.subspan(scanned.offset + frame_header_bytes, scanned.available - frame_header_bytes);
    const PreparedStatementPointer statement = state_.find_statement(statement_name_of(payload));
    if (told_shape_of(statement.get()) == nullptr || is_shape_as_told(*statement, target)) continue;
    if (std::ranges::find(looked_at_, statement->shared.get()) != looked_at_.end()) continue;
    looked_at_.push_back(statement->shared.get());
    describe_shared(statement->shared, target, to_backend);
    has_asked = true;
  }
  if (!has_asked) return false;
  Bytes sync;
  FrameWriter(sync, FrontendMessage::sync).finish();
  to_backend.own(sync);
  if (target.tracker.expect(ExpectedReply{Kind::sync, Disposition::swallow, false, nullptr, nullptr}) == ReplyTracker::Noted::yes) ++target.segment;
  return true;
}

void PostgresClientHalf::describe_shared(const PreparedStatementPointer& shared, PostgresBackendHalf& target, Gather& to_backend) {
  make_way_for(*shared, target, to_backend);
  to_backend.own(shared->parse_message);
  target.tracker.expect(ExpectedReply{Kind::parse, Disposition::swallow, false, shared, nullptr});
  target.provisions.push_back(UnderWay{shared, target.segment});
  note_held(shared, target);
  Bytes message;
  FrameWriter frame(message, FrontendMessage::describe);
  frame.fields().write_u8('S');
  frame.fields().write_text_z(shared->name);
  frame.finish();
  to_backend.own(message);
  target.tracker.expect(ExpectedReply{Kind::describe_statement, Disposition::swallow, false, shared, nullptr});
}

/// A Bind of what has another shape by now than its client was told, as `target` has just said.
bool PostgresClientHalf::is_misshapen(const ScannedRequest& scanned, ByteView unread, const PostgresBackendHalf& target) const {
  if (scanned.tag != FrontendMessage::bind || told_shapes_.empty()) return false;
  if (target.tracker.status() == TransactionStatus::failed) return false;
  const ByteView payload = unread.subspan(scanned.offset + frame_header_bytes, scanned.available - frame_header_bytes);
  const PreparedStatementPointer statement = statement_known_as(statement_name_of(payload));
  const ToldShape* told = told_shape_of(statement.get());
  if (told == nullptr) return false;
  const std::uint64_t held = held_shape_of(*statement, target);
  return held != 0 && held != told->shape;
}

/// In the server's words. Drivers that describe it anew go by the code, or by the routine.
void PostgresClientHalf::refuse_misshapen(PostgresBackendHalf& target, Gather& to_backend) const {
  ErrorFields fields;
  fields.severity = "ERROR";
  fields.code = sqlstate::feature_not_supported;
  fields.message = "cached plan must not change result type";
  fields.file = "plancache.c";
  fields.routine = "RevalidateCachedQuery";
  target.refusal.clear();
  write_error_response(fields, target.refusal);
  target.refusal_code = sqlstate::feature_not_supported;
  send_failing(FrontendMessage::bind, "crossfade refuses a statement whose result has changed since it was described", target, to_backend);
}

}  // namespace protocol::postgres
