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

/// What a statement that is executed by itself frees: a name, or all of them; null if nothing. Whatever follows in its batch
/// runs only if it succeeds. Source: PostgreSQL 15 manual, DEALLOCATE and DISCARD; 55.2.3.
PreparedStatementPointer freed_by(const StatementFacts& facts) {
  if (facts.statement_count != 1) return nullptr;
  for (const SessionChange& change : facts.changes) {
    if (change.kind == SessionChange::Kind::deallocate) return freed_name(change.name);
    if (change.kind != SessionChange::Kind::deallocate_all && change.kind != SessionChange::Kind::discard_all) continue;
    auto all = std::make_shared<PreparedStatement>();
    all->origin = PreparedStatement::Origin::all_freed;
    return all;
  }
  return nullptr;
}

/// Whether the client asks what the statement returns in the batch that it prepares it in. `frame` is the Parse, `name` the statement's.
bool is_described_behind(const std::vector<ScannedRequest>& batch, const ScannedRequest& parse, ByteView frame, std::string_view name) {
  return std::any_of(batch.begin(), batch.end(), [&](const ScannedRequest& other) {
    if (other.tag != FrontendMessage::describe || other.offset < parse.offset || !other.is_whole()) return false;
    ByteReader reader(payload_of(ByteView(frame.data() + (other.offset - parse.offset), other.available)));
    return reader.read_u8() == 'S' && reader.read_text_z() == name;
  });
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

}  // namespace

void PostgresClientHalf::forward(const NextRequest& request, ByteView unread, BackendHalf& target, Gather& to_backend) {
  auto& backend = static_cast<PostgresBackendHalf&>(target);
  current_ = &backend;
  if (backend.request_remaining > 0) {
    backend.request_remaining -= request.bytes;
    if (!backend.is_request_dropped) to_backend.borrow(unread.first(request.bytes));
    return;
  }
  if (request.verdict == RequestVerdict::route) {
    writes_ = request.writes;
    if (backend.tracker.is_at_boundary()) backend.prepared_names.clear();
    drop_sequence_values(request.facts, backend, to_backend);
    looked_at_.clear();
  }
  backend.last_session = id_;
  for (ScannedRequest& scanned : scan_) {
    backend.is_request_dropped = is_refused(scanned, unread, backend);
    if (!scanned.is_whole()) backend.request_remaining = scanned.frame_bytes - scanned.available;
    if (backend.is_request_dropped) {
      refuse_write(scanned, backend, to_backend);
      continue;
    }
    if (is_misshapen(scanned, unread, backend)) {
      backend.is_request_dropped = true;
      refuse_misshapen(backend, to_backend);
      continue;
    }
    if (request.verdict == RequestVerdict::route && scanned.analysis.facts) {
      seal_read_only(*scanned.analysis.facts, backend, to_backend);
    }
    forward_one(scanned, unread, backend, to_backend);
  }
}

/// A transaction that was declared READ ONLY may run on the side that writes must not reach, so it must not
/// become READ WRITE. The server itself refuses that once the transaction has taken a snapshot (25001).
/// Source: PostgreSQL 15 manual, SET TRANSACTION. A replication connection is where writes go, and must not have taken one
/// when it creates a slot with SNAPSHOT 'use'. Source: PostgreSQL 15 manual 55.4, CREATE_REPLICATION_SLOT.
void PostgresClientHalf::seal_read_only(const StatementFacts& facts, PostgresBackendHalf& target, Gather& to_backend) {
  const bool is_at_risk = target.is_transaction_read_only && !target.is_read_only_sealed && !is_replicating() &&
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
  Rewritten rewritten = Rewritten::no;
  switch (scanned.tag) {
    case FrontendMessage::query: expect_query(scanned, target, to_backend); break;
    case FrontendMessage::parse: rewritten = expect_parse(scanned, frame, target, to_backend); break;
    case FrontendMessage::bind: rewritten = expect_bind(frame, target, to_backend); break;
    case FrontendMessage::describe: rewritten = expect_describe(frame, target, to_backend); break;
    case FrontendMessage::execute: expect_execute(frame, target); break;
    case FrontendMessage::close: expect_close(frame, target); break;
    case FrontendMessage::function_call:
      has_touched_state_ = true;
      note_draw(nullptr, target);
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
  if (rewritten == Rewritten::no) to_backend.borrow(frame);
}

/// A text is on its way. What it changes before its transaction ends is this session's alone; so are its tables.
void PostgresClientHalf::note_sent(const StatementFacts& facts, PostgresBackendHalf& target) {
  if (!facts.changes.empty() || facts.may_change_settings || facts.pin != PinReason::none) has_touched_state_ = true;
  const bool may_change_schema =
      facts.statement_class >= StatementClass::schema_change || facts.pin == PinReason::temporary_object ||
      std::any_of(facts.changes.begin(), facts.changes.end(), [](const SessionChange& change) {
        return change.kind == SessionChange::Kind::discard_temporary || change.kind == SessionChange::Kind::discard_all;
      });
  if (may_change_schema) target.has_changed_schema = true;
}

void PostgresClientHalf::expect_query(const ScannedRequest& scanned, PostgresBackendHalf& target, Gather& to_backend) {
  const StatementFacts& facts = *scanned.analysis.facts;
  note_sent(facts, target);
  note_draw(&facts, target);
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

PostgresClientHalf::Rewritten PostgresClientHalf::expect_parse(const ScannedRequest& scanned, ByteView frame,
                                                               PostgresBackendHalf& target, Gather& to_backend) {
  ByteReader reader(payload_of(frame));
  const std::string_view name = reader.read_text_z();
  // A name that the session has in use must be in use here too: the backend then refuses it (42P05).
  if (const PreparedStatementPointer used = name.empty() ? nullptr : statement_known_as(name); used && used->shared) {
    expect_refused_parse(*used, frame, target, to_backend);
    return Rewritten::yes;
  }
  if (!name.empty()) provide_statement(name, target, to_backend);
  provide_named_in(*scanned.analysis.facts, target, to_backend);
  if (is_sharable(scanned, name, target)) {
    PreparedStatementPointer statement =
        library_->find_or_make(frame, scanned.analysis, surroundings(), StatementLibrary::Sharing::shared);
    // What another has left there may describe itself with an error (0A000) since its table was changed beside us, and as by the server
    // straight there must be none.
    if (is_described_behind(scan_, scanned, frame, name)) {
      if (HeldStatement* held = target.held.find(*statement->shared)) held->owner = nobody;
    }
    expect_shared_parse(std::move(statement), frame, target, to_backend);
    return Rewritten::yes;
  }
  PreparedStatementPointer known = name.empty() ? state_.find_statement(name) : nullptr;
  const bool is_same = known && scanned.is_whole() && known->parse_message.size() == frame.size() &&
                       std::equal(frame.begin(), frame.end(), known->parse_message.begin());
  const bool is_readable = scanned.is_whole() && !scanned.is_malformed;
  if (!is_same && is_readable && library_ != nullptr) {
    known = library_->find_or_make(frame, scanned.analysis, surroundings(), StatementLibrary::Sharing::own_name);
  } else if (!is_same) {
    auto statement = std::make_shared<PreparedStatement>();
    statement->name = name;
    statement->origin = PreparedStatement::Origin::protocol;
    if (is_readable) statement->parse_message.assign(frame.begin(), frame.end());
    statement->facts = scanned.analysis.facts;
    statement->tags = scanned.analysis.tags;
    if (is_readable) statement->assigned_types = assigned_types_of(frame);
    known = std::move(statement);
  }
  const ReplyTracker::Noted noted =
      target.tracker.expect(ExpectedReply{Kind::parse, Disposition::forward, false, known, nullptr});
  if (noted == ReplyTracker::Noted::yes) propose(std::move(known), target);
  return Rewritten::no;
}

PostgresClientHalf::Rewritten PostgresClientHalf::expect_bind(ByteView frame, PostgresBackendHalf& target,
                                                              Gather& to_backend) {
  ByteReader reader(payload_of(frame));
  const std::string_view portal = reader.read_text_z();
  const std::string_view name = reader.read_text_z();
  PreparedStatementPointer statement = statement_known_as(name);
  const bool is_shared = statement && statement->shared;
  note_draw(statement ? statement->facts.get() : nullptr, target);
  if (is_shared) {
    provide_shared(statement->shared, target, to_backend);
  } else {
    provide_statement(name, target, to_backend);
  }
  // What was parsed long ago may name what this connection does not hold by that name.
  if (statement && statement->facts) provide_named_in(*statement->facts, target, to_backend);
  const bool is_remembered = statement && statement->facts &&
                             (effects_of(statement->facts) || may_change_transaction(*statement->facts) ||
                              statement->facts->statement_class >= StatementClass::schema_change);
  if (is_remembered) {
    portals_.insert_or_assign(std::string(portal), statement->facts);
  } else if (!portals_.empty()) {
    const auto place = portals_.find(portal);
    if (place != portals_.end()) portals_.erase(place);
  }
  ExpectedReply entry{Kind::bind, Disposition::forward, false, nullptr, nullptr};
  if (is_shared) {
    write_renamed(frame, portal.size() + 1, name, statement->shared->name, to_backend);
    entry.statement = std::move(statement);
  }
  target.tracker.expect(std::move(entry));
  return is_shared ? Rewritten::yes : Rewritten::no;
}

PostgresClientHalf::Rewritten PostgresClientHalf::expect_describe(ByteView frame, PostgresBackendHalf& target,
                                                                  Gather& to_backend) {
  ByteReader reader(payload_of(frame));
  const bool is_statement = reader.read_u8() == 'S';
  const std::string_view name = reader.read_text_z();
  ExpectedReply entry{is_statement ? Kind::describe_statement : Kind::describe_portal, Disposition::forward, false, nullptr,
                      nullptr};
  Rewritten rewritten = Rewritten::no;
  if (is_statement) {
    PreparedStatementPointer statement = statement_known_as(name);
    if (statement && statement->shared) {
      provide_shared(statement->shared, target, to_backend);
      write_renamed(frame, 1, name, statement->shared->name, to_backend);
      entry.statement = std::move(statement);
      rewritten = Rewritten::yes;
    } else {
      provide_statement(name, target, to_backend);
    }
  }
  target.tracker.expect(std::move(entry));
  return rewritten;
}

void PostgresClientHalf::expect_execute(ByteView frame, PostgresBackendHalf& target) {
  ExpectedReply entry{Kind::execute, Disposition::forward, false, nullptr, nullptr};
  if (!portals_.empty()) {
    ByteReader reader(payload_of(frame));
    const auto place = portals_.find(reader.read_text_z());
    if (place != portals_.end()) {
      const StatementFacts& facts = *place->second;
      note_sent(facts, target);
      entry.effects = effects_of(place->second);
      entry.statement = freed_by(facts);
      entry.may_change_transaction = may_change_transaction(facts);
      if (facts.transaction_effect == TransactionEffect::begin_read_only) {
        target.is_transaction_read_only = true;
        target.is_read_only_sealed = false;
      }
    }
  }
  const PreparedStatementPointer freed = entry.statement;
  const ReplyTracker::Noted noted = target.tracker.expect(std::move(entry));
  if (noted == ReplyTracker::Noted::yes && freed) propose(freed, target);
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

}  // namespace protocol::postgres
