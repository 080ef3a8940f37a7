#include "protocol/postgres/client_half.hpp"

#include "protocol/postgres/frame_writer.hpp"
#include "protocol/wire/byte_reader.hpp"

#include <algorithm>
#include <utility>

namespace protocol::postgres {

namespace {

ByteView payload_of(ByteView frame) { return frame.subspan(frame_header_bytes); }

/// Facts that the session must hear of when the statement succeeds; null for most statements.
std::shared_ptr<const StatementFacts> effects_of(const std::shared_ptr<const StatementFacts>& facts) {
  if (!facts) return nullptr;
  const bool has_effects = !facts->changes.empty() || facts->pin != PinReason::none ||
                           facts->transaction_effect == TransactionEffect::unclear || facts->may_change_settings ||
                           !facts->may_begin.empty() || !facts->may_end.empty();
  return has_effects ? facts : nullptr;
}

/// Whether what follows cannot be judged for certain before this is answered: a transaction may open or end, or a
/// prepared name may come to mean something else.
bool may_change_transaction(const StatementFacts& facts) {
  if (facts.transaction_effect != TransactionEffect::none && facts.transaction_effect != TransactionEffect::inside) {
    return true;
  }
  return std::any_of(facts.changes.begin(), facts.changes.end(),
                     [](const SessionChange& change) { return is_lasting(change.kind); });
}

/// A FunctionCall names a function by its number: it may be any. Source: PostgreSQL 15 manual 55.2.5.
const std::shared_ptr<const StatementFacts>& facts_of_function_call() {
  static const std::shared_ptr<const StatementFacts> facts = [] {
    StatementFacts any;
    any.statement_class = StatementClass::write;
    any.statement_count = 1;
    any.functions = {"FunctionCall"};
    any.fingerprint = 1;
    any.may_change_settings = true;
    return std::make_shared<const StatementFacts>(std::move(any));
  }();
  return facts;
}

PreparedStatementPointer freed_name(std::string_view name) {
  auto freed = std::make_shared<PreparedStatement>();
  freed->name = name;
  freed->origin = PreparedStatement::Origin::freed;
  return freed;
}

void write_sync(Gather& to_backend) {
  Bytes sync;
  FrameWriter(sync, FrontendMessage::sync).finish();
  to_backend.own(sync);
}

void expect_sync(Disposition disposition, PostgresBackendHalf& target) {
  const ReplyTracker::Noted noted =
      target.tracker.expect(ExpectedReply{ExpectedReply::Kind::sync, disposition, false, nullptr, nullptr});
  if (noted == ReplyTracker::Noted::yes) ++target.segment;
}

/// Calls `use` for every name of a prepared statement in a text: EXECUTE and DEALLOCATE need it, PREPARE must find it
/// taken if it is.
template <typename Use>
void for_each_named_in(const StatementFacts& facts, const Use& use) {
  if (!facts.executes.empty()) use(facts.executes);
  for (const SessionChange& change : facts.changes) {
    const bool names_statement =
        change.kind == SessionChange::Kind::prepare || change.kind == SessionChange::Kind::deallocate;
    if (names_statement) use(change.name);
  }
}

}  // namespace

void PostgresClientHalf::forward(const NextRequest& request, ByteView unread, BackendHalf& target, Gather& to_backend) {
  auto& backend = static_cast<PostgresBackendHalf&>(target);
  current_ = &backend;
  if (request.verdict == RequestVerdict::route) drop_sequence_values(backend, unread, to_backend);
  backend.last_session = id_;
  if (backend.request_remaining > 0) {
    backend.request_remaining -= request.bytes;
    to_backend.borrow(unread.first(request.bytes));
    return;
  }
  for (ScannedRequest& scanned : scan_) {
    if (request.verdict == RequestVerdict::route && scanned.analysis.facts) {
      seal_read_only(*scanned.analysis.facts, backend, to_backend);
    }
    forward_one(scanned, unread, backend, to_backend);
    if (!scanned.is_whole()) backend.request_remaining = scanned.frame_bytes - scanned.available;
  }
}

/// A transaction that was declared READ ONLY may run on the side that writes must not reach, so it must not
/// become READ WRITE. The server itself refuses that once the transaction has taken a snapshot (25001).
/// Source: PostgreSQL 15 manual, SET TRANSACTION.
void PostgresClientHalf::seal_read_only(const StatementFacts& facts, PostgresBackendHalf& target, Gather& to_backend) {
  const bool is_at_risk = target.is_transaction_read_only && !target.is_read_only_sealed &&
                          target.tracker.status() == TransactionStatus::open && !target.tracker.is_batch_open() &&
                          facts.may_leave_read_only;
  if (!is_at_risk) return;
  Bytes query;
  FrameWriter frame(query, FrontendMessage::query);
  frame.fields().write_text_z("SELECT 1");
  frame.finish();
  to_backend.own(query);
  target.tracker.expect(ExpectedReply{Kind::query, Disposition::swallow, false, nullptr, nullptr});
  target.is_read_only_sealed = true;
}

void PostgresClientHalf::forward_one(ScannedRequest& scanned, ByteView unread, PostgresBackendHalf& target,
                                     Gather& to_backend) {
  const ByteView frame = unread.subspan(scanned.offset, scanned.available);
  ReplyTracker& tracker = target.tracker;
  switch (scanned.tag) {
    case FrontendMessage::query: expect_query(scanned, target, to_backend); break;
    case FrontendMessage::parse: expect_parse(scanned, frame, target, to_backend); break;
    case FrontendMessage::bind: expect_bind(frame, target, to_backend); break;
    case FrontendMessage::describe: expect_describe(frame, target, to_backend); break;
    case FrontendMessage::execute: expect_execute(frame, target); break;
    case FrontendMessage::close: expect_close(frame, target); break;
    case FrontendMessage::function_call:
      tracker.expect(ExpectedReply{Kind::function_call, Disposition::forward, false, nullptr, facts_of_function_call()});
      break;
    case FrontendMessage::sync:
      expect_sync(Disposition::forward, target);
      break;
    case FrontendMessage::copy_done:
    case FrontendMessage::copy_fail: tracker.note_copy_end(); break;
    case FrontendMessage::copy_data: tracker.note_copy_bytes(); break;
    case FrontendMessage::flush:
    case FrontendMessage::password:
    case FrontendMessage::terminate: break;
  }
  to_backend.borrow(frame);
}

void PostgresClientHalf::expect_query(const ScannedRequest& scanned, PostgresBackendHalf& target, Gather& to_backend) {
  const StatementFacts& facts = *scanned.analysis.facts;
  if (target.tracker.is_batch_open()) {
    // A Sync of our own would end the client's batch, and with it the transaction that it makes up.
    provide_named_in(facts, target, to_backend);
  } else if (provide_named_in(facts, target, to_backend, Disposition::keep_error) == Provision::injected) {
    // If the Parse failed, the backend would skip the client's query too: a Sync of our own ends that.
    expect_sync(Disposition::swallow, target);
    write_sync(to_backend);
  }
  if (facts.transaction_effect == TransactionEffect::begin_read_only && facts.statement_count == 1) {
    target.is_transaction_read_only = true;
    target.is_read_only_sealed = false;
  }
  // A simple query frees the unnamed statement. Source: manual 55.2.3.
  const PreparedStatementPointer freed = statement_known_as({}) ? freed_name({}) : nullptr;
  const ReplyTracker::Noted noted = target.tracker.expect(ExpectedReply{
      Kind::query, Disposition::forward, may_change_transaction(facts), freed, effects_of(scanned.analysis.facts)});
  if (noted == ReplyTracker::Noted::yes && freed) propose(freed, target);
}

void PostgresClientHalf::expect_parse(const ScannedRequest& scanned, ByteView frame, PostgresBackendHalf& target,
                                      Gather& to_backend) {
  ByteReader reader(payload_of(frame));
  const std::string_view name = reader.read_text_z();
  // A name that the session has in use must be in use here too: the backend then refuses it (42P05).
  if (!name.empty()) provide_statement(name, target, to_backend);
  provide_named_in(*scanned.analysis.facts, target, to_backend);
  PreparedStatementPointer known = name.empty() ? state_.find_statement(name) : nullptr;
  const bool is_same = known && scanned.is_whole() && known->parse_message.size() == frame.size() &&
                       std::equal(frame.begin(), frame.end(), known->parse_message.begin());
  if (!is_same) {
    auto statement = std::make_shared<PreparedStatement>();
    statement->name = name;
    statement->origin = PreparedStatement::Origin::protocol;
    if (scanned.is_whole()) statement->parse_message.assign(frame.begin(), frame.end());
    statement->facts = scanned.analysis.facts;
    statement->tags = scanned.analysis.tags;
    known = std::move(statement);
  }
  const ReplyTracker::Noted noted =
      target.tracker.expect(ExpectedReply{Kind::parse, Disposition::forward, false, known, nullptr});
  if (noted == ReplyTracker::Noted::yes) propose(std::move(known), target);
}

void PostgresClientHalf::expect_bind(ByteView frame, PostgresBackendHalf& target, Gather& to_backend) {
  ByteReader reader(payload_of(frame));
  const std::string_view portal = reader.read_text_z();
  const std::string_view name = reader.read_text_z();
  provide_statement(name, target, to_backend);
  const PreparedStatementPointer statement = statement_known_as(name);
  if (statement && statement->facts && (effects_of(statement->facts) || may_change_transaction(*statement->facts))) {
    portals_.insert_or_assign(std::string(portal), statement->facts);
  } else if (!portals_.empty()) {
    const auto place = portals_.find(portal);
    if (place != portals_.end()) portals_.erase(place);
  }
  target.tracker.expect(ExpectedReply{Kind::bind, Disposition::forward, false, nullptr, nullptr});
}

void PostgresClientHalf::expect_describe(ByteView frame, PostgresBackendHalf& target, Gather& to_backend) {
  ByteReader reader(payload_of(frame));
  const bool is_statement = reader.read_u8() == 'S';
  if (is_statement) provide_statement(reader.read_text_z(), target, to_backend);
  const Kind kind = is_statement ? Kind::describe_statement : Kind::describe_portal;
  target.tracker.expect(ExpectedReply{kind, Disposition::forward, false, nullptr, nullptr});
}

void PostgresClientHalf::expect_execute(ByteView frame, PostgresBackendHalf& target) {
  ExpectedReply entry{Kind::execute, Disposition::forward, false, nullptr, nullptr};
  if (!portals_.empty()) {
    ByteReader reader(payload_of(frame));
    const auto place = portals_.find(reader.read_text_z());
    if (place != portals_.end()) {
      const StatementFacts& facts = *place->second;
      entry.effects = effects_of(place->second);
      entry.may_change_transaction = may_change_transaction(facts);
      if (facts.transaction_effect == TransactionEffect::begin_read_only) {
        target.is_transaction_read_only = true;
        target.is_read_only_sealed = false;
      }
    }
  }
  target.tracker.expect(std::move(entry));
}

void PostgresClientHalf::expect_close(ByteView frame, PostgresBackendHalf& target) {
  ByteReader reader(payload_of(frame));
  ExpectedReply entry{Kind::close, Disposition::forward, false, nullptr, nullptr};
  if (reader.read_u8() == 'S') {
    entry.statement = freed_name(reader.read_text_z());
  }
  const PreparedStatementPointer freed = entry.statement;
  const ReplyTracker::Noted noted = target.tracker.expect(std::move(entry));
  if (noted == ReplyTracker::Noted::yes && freed) propose(freed, target);
}

void PostgresClientHalf::propose(PreparedStatementPointer statement, const PostgresBackendHalf& target) {
  proposed_.push_back(UnderWay{std::move(statement), target.segment});
}

PostgresClientHalf::Provision PostgresClientHalf::provide_named_in(const StatementFacts& facts,
                                                                   PostgresBackendHalf& target, Gather& to_backend,
                                                                   Disposition disposition) {
  Provision provision = Provision::not_needed;
  for_each_named_in(facts, [&](const std::string& name) {
    if (provide_statement(name, target, to_backend, disposition) == Provision::injected) provision = Provision::injected;
  });
  return provision;
}

/// Prepares on `target` what the session has prepared on another backend.
PostgresClientHalf::Provision PostgresClientHalf::provide_statement(std::string_view name, PostgresBackendHalf& target,
                                                                    Gather& to_backend, Disposition disposition) {
  for (const UnderWay& proposed : proposed_) {
    if (proposed.statement->name == name) return Provision::not_needed;  // on its way to this very backend
  }
  PreparedStatementPointer statement = state_.find_statement(name);
  const auto held = target.statements.find(name);
  const bool is_held = held != target.statements.end();
  if (statement && is_held && is_same(*held->second, *statement)) return Provision::not_needed;
  if (!statement || statement->parse_message.empty()) {
    if (name.empty() && is_held) close_unnamed(target, to_backend);
    return Provision::not_needed;
  }
  to_backend.own(statement->parse_message);
  const ReplyTracker::Noted noted =
      target.tracker.expect(ExpectedReply{Kind::parse, disposition, false, statement, nullptr});
  // Taken as held at once, so that a second Bind behind this one does not prepare it again; an error takes it back.
  if (noted == ReplyTracker::Noted::yes) {
    target.provisions.push_back(UnderWay{statement, target.segment});
    target.statements.insert_or_assign(std::string(name), std::move(statement));
  }
  return Provision::injected;
}

void PostgresClientHalf::write_close(std::string_view name, Gather& to_backend) {
  Bytes close;
  FrameWriter frame(close, FrontendMessage::close);
  frame.fields().write_u8('S');
  frame.fields().write_text_z(name);
  frame.finish();
  to_backend.own(close);
}

/// The unnamed statement of another session, or one that this session has freed elsewhere, must not answer here.
void PostgresClientHalf::close_unnamed(PostgresBackendHalf& target, Gather& to_backend) {
  const auto held = target.statements.find(std::string_view{});
  write_close({}, to_backend);
  PreparedStatementPointer statement = held->second;
  const ReplyTracker::Noted noted =
      target.tracker.expect(ExpectedReply{Kind::close, Disposition::swallow, false, statement, nullptr});
  if (noted != ReplyTracker::Noted::yes) return;
  target.provisions.push_back(UnderWay{std::move(statement), target.segment});
  target.statements.erase(held);
}

/// How many messages of scan_, from its start, can be forwarded to `target` without waiting for a reply.
std::size_t PostgresClientHalf::count_certain(ByteView unread, const PostgresBackendHalf& target) const {
  if (proposed_.empty() && target.provisions.empty() && !target.tracker.is_transaction_unsettled()) return scan_.size();
  const auto place = std::find_if(scan_.begin(), scan_.end(), [&](const ScannedRequest& scanned) {
    return is_holding_uncertain(scanned, unread, target);
  });
  return static_cast<std::size_t>(place - scan_.begin());
}

bool PostgresClientHalf::is_holding_uncertain(const ScannedRequest& scanned, ByteView unread,
                                              const PostgresBackendHalf& target) const {
  ByteReader reader(payload_of(unread.subspan(scanned.offset, scanned.available)));
  switch (scanned.tag) {
    case FrontendMessage::bind:
      reader.read_text_z();
      return is_holding_uncertain(reader.read_text_z(), target);
    case FrontendMessage::describe:
      return reader.read_u8() == 'S' && is_holding_uncertain(reader.read_text_z(), target);
    case FrontendMessage::parse:
    case FrontendMessage::query: {
      const std::string_view parsed = scanned.tag == FrontendMessage::parse ? reader.read_text_z() : std::string_view{};
      bool is_uncertain = !parsed.empty() && is_holding_uncertain(parsed, target);
      for_each_named_in(*scanned.analysis.facts,
                        [&](const std::string& name) { is_uncertain = is_uncertain || is_holding_uncertain(name, target); });
      return is_uncertain;
    }
    default: return false;
  }
}

/// What was sent up to an earlier Sync and is not answered yet may be skipped, or not, and with it what would make
/// `target` hold the statement `name` of the session or no longer need to. (Within a batch that is not ended a
/// DEALLOCATE may be unanswered for as long as its Sync is missing, so there nobody waits for it.)
bool PostgresClientHalf::is_holding_uncertain(std::string_view name, const PostgresBackendHalf& target) const {
  const auto is_under_way = [&](const std::vector<UnderWay>& ways) {
    return std::any_of(ways.begin(), ways.end(), [&](const UnderWay& way) {
      return way.statement->name == name && way.segment != target.segment;
    });
  };
  if (is_under_way(target.provisions)) return true;
  const PreparedStatementPointer statement = state_.find_statement(name);
  const auto held = target.statements.find(name);
  const bool is_any_held = held != target.statements.end();
  if (statement && is_any_held && is_same(*held->second, *statement)) return false;
  const bool must_be_closed = name.empty() && is_any_held;
  if (!must_be_closed && (!statement || statement->parse_message.empty())) return false;
  const ReplyTracker& tracker = target.tracker;
  return (tracker.is_transaction_unsettled() && !tracker.is_batch_open()) || is_under_way(proposed_);
}

}  // namespace protocol::postgres
