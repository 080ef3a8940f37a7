#include "protocol/postgres/client_half.hpp"

#include "protocol/postgres/frame_writer.hpp"
#include "protocol/wire/byte_reader.hpp"

#include <algorithm>
#include <array>
#include <span>
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

void write_length(std::span<std::byte> header, std::size_t length) {
  for (std::size_t i = 1; i < frame_header_bytes; ++i) {
    header[i] = static_cast<std::byte>(length >> (8 * (frame_header_bytes - 1 - i)));
  }
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
    expect_shared_parse(library_->find_or_make(frame, scanned.analysis, surroundings(), StatementLibrary::Sharing::shared),
                        frame, target, to_backend);
    return Rewritten::yes;
  }
  PreparedStatementPointer known = name.empty() ? state_.find_statement(name) : nullptr;
  const bool is_same = known && scanned.is_whole() && known->parse_message.size() == frame.size() &&
                       std::equal(frame.begin(), frame.end(), known->parse_message.begin());
  if (!is_same && scanned.is_whole() && library_ != nullptr) {
    known = library_->find_or_make(frame, scanned.analysis, surroundings(), StatementLibrary::Sharing::own_name);
  } else if (!is_same) {
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
  return Rewritten::no;
}

PostgresClientHalf::Rewritten PostgresClientHalf::expect_bind(ByteView frame, PostgresBackendHalf& target,
                                                              Gather& to_backend) {
  ByteReader reader(payload_of(frame));
  const std::string_view portal = reader.read_text_z();
  const std::string_view name = reader.read_text_z();
  PreparedStatementPointer statement = statement_known_as(name);
  const bool is_shared = statement && statement->shared;
  if (is_shared) {
    provide_shared(statement->shared, target, to_backend);
  } else {
    provide_statement(name, target, to_backend);
  }
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

/// Prepares on `target`, under its own name, what the session has prepared on another backend.
PostgresClientHalf::Provision PostgresClientHalf::provide_statement(std::string_view name, PostgresBackendHalf& target,
                                                                    Gather& to_backend, Disposition disposition) {
  const auto proposed = std::find_if(proposed_.rbegin(), proposed_.rend(),
                                     [&](const UnderWay& way) { return way.statement->name == name; });
  const bool is_proposed = proposed != proposed_.rend();
  // On its way to this very backend; but not under its own name, if it is shared.
  if (is_proposed && proposed->statement->shared == nullptr) return Provision::not_needed;
  PreparedStatementPointer statement = is_proposed ? proposed->statement : state_.find_statement(name);
  if (statement && statement->shared) return provide_own_name(*statement, target, to_backend, disposition);
  const auto held = target.statements.find(name);
  const bool is_held = held != target.statements.end();
  if (statement && is_held && is_same(*held->second, *statement)) return Provision::not_needed;
  if (!statement || statement->parse_message.empty()) {
    if (name.empty() && is_held) close_unnamed(target, to_backend);
    return Provision::not_needed;
  }
  return inject(std::move(statement), target, to_backend, disposition);
}

/// A text names a statement that servers know by a name of ours.
PostgresClientHalf::Provision PostgresClientHalf::provide_own_name(const PreparedStatement& statement,
                                                                   PostgresBackendHalf& target, Gather& to_backend,
                                                                   Disposition disposition) {
  auto own = std::make_shared<PreparedStatement>();
  own->name = statement.name;
  own->parse_message = renamed_parse(statement.shared->parse_message, statement.name);
  own->facts = statement.facts;
  own->tags = statement.tags;
  const auto held = target.statements.find(statement.name);
  if (held != target.statements.end() && is_same(*held->second, *own)) return Provision::not_needed;
  target.has_lent_names = true;
  return inject(std::move(own), target, to_backend, disposition);
}

PostgresClientHalf::Provision PostgresClientHalf::inject(PreparedStatementPointer statement, PostgresBackendHalf& target,
                                                         Gather& to_backend, Disposition disposition) {
  to_backend.own(statement->parse_message);
  const ReplyTracker::Noted noted =
      target.tracker.expect(ExpectedReply{Kind::parse, disposition, false, statement, nullptr});
  // Taken as held at once, so that a second Bind behind this one does not prepare it again; an error takes it back.
  if (noted == ReplyTracker::Noted::yes) {
    target.provisions.push_back(UnderWay{statement, target.segment});
    target.statements.insert_or_assign(statement->name, statement);
  }
  return Provision::injected;
}

/// The client's message with another name in it, which stands `name_at` bytes into its payload. What follows the name is
/// not copied.
void PostgresClientHalf::write_renamed(ByteView frame, std::size_t name_at, std::string_view name,
                                       const std::string& new_name, Gather& to_backend) {
  const std::size_t length = scan_frame_header(frame)->length - name.size() + new_name.size();
  std::array<std::byte, frame_header_bytes> header{frame[0]};
  write_length(header, length);
  const ByteView payload = payload_of(frame);
  to_backend.own(header);
  to_backend.own(payload.first(name_at));
  to_backend.own(as_bytes(std::string_view(new_name.c_str(), new_name.size() + 1)));
  to_backend.borrow(payload.subspan(name_at + name.size() + 1));
}

void PostgresClientHalf::write_close(std::string_view name, Gather& to_backend) {
  const std::size_t length = frame_length_min + 1 + name.size() + 1;
  std::array<std::byte, frame_header_bytes + 1> header{static_cast<std::byte>(FrontendMessage::close)};
  write_length(header, length);
  header.back() = std::byte{'S'};
  constexpr std::array<std::byte, 1> end{};
  to_backend.own(header);
  to_backend.own(as_bytes(name));
  to_backend.own(end);
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

}  // namespace protocol::postgres
