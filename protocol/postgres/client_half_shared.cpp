#include "protocol/postgres/client_half.hpp"

#include "protocol/postgres/frame_writer.hpp"
#include "protocol/postgres/sqlstate.hpp"
#include "protocol/wire/byte_reader.hpp"

#include <algorithm>
#include <utility>

namespace protocol::postgres {

namespace {

/// A Close of a statement that nobody has: CloseComplete is its answer, whatever the state of the transaction, and after
/// an error it is skipped as the Parse in whose place it goes would be. Source: PostgreSQL 15 manual 55.2.3.
constexpr std::string_view stand_in_name = "_crossfade_0";

/// Shared statements whose change of result one session remembers; beyond, it is told again.
constexpr std::size_t outdated_max = 32;

constexpr std::string_view invalid_sql_statement_name = "26000";

}  // namespace

SurroundingsNumber PostgresClientHalf::surroundings() {
  const SettingsPointer& settings = is_sharing() ? state_.settings() : no_settings();
  const bool is_known = surroundings_ != 0 && surrounding_settings_ == settings &&
                        (!is_sharing() || surrounding_parameters_ == client_parameters_);
  if (is_known) return surroundings_;
  static const ParameterMap no_parameters;
  surroundings_ =
      library_->surroundings_of(database_, *settings, is_sharing() && client_parameters_ ? *client_parameters_ : no_parameters);
  surrounding_settings_ = settings;
  surrounding_parameters_ = client_parameters_;
  return surroundings_;
}

/// What names other statements, or changes the session, is left to the client's own names: what it means depends on them.
bool PostgresClientHalf::is_sharable(const ScannedRequest& scanned, std::string_view name,
                                     const PostgresBackendHalf& target) const {
  if (!is_sharing() || name.empty() || !scanned.is_whole() || target.tracker.is_copy_in()) return false;
  const StatementFacts& facts = *scanned.analysis.facts;
  const bool is_alone = facts.executes.empty() && facts.changes.empty();
  return is_alone && facts.statement_class != StatementClass::unknown && !statement_known_as(name);
}

/// What is parsed now means the same to every session with these settings.
bool PostgresClientHalf::is_state_common(const PostgresBackendHalf& target) const {
  return !has_touched_state_ && !target.has_changed_schema && !target.has_unseen_settings && pin() == PinReason::none;
}

bool PostgresClientHalf::is_outdated(const HeldStatement& held) const {
  return std::any_of(outdated_.begin(), outdated_.end(), [&](const auto& each) {
    return each.first == held.statement && held.schema_version < each.second;
  });
}

void PostgresClientHalf::expect_shared_parse(PreparedStatementPointer statement, ByteView frame,
                                             PostgresBackendHalf& target, Gather& to_backend) {
  const PreparedStatementPointer& shared = statement->shared;
  HeldStatement* held = target.held.find(*shared);
  const bool is_good = held != nullptr && held->owner == 0 && held->schema_version == library_->schema_version() &&
                       (held->is_confirmed || held->prepared_segment == target.segment);
  ExpectedReply entry{Kind::parse, Disposition::forward, false, statement, nullptr};
  if (is_good && is_state_common(target) && is_transaction_sound(target)) {
    entry.disposition = Disposition::synthesise;
    target.held.note_use(*held, target.segment);
    write_close(stand_in_name, to_backend);
  } else {
    make_way_for(*shared, target, to_backend);
    write_renamed(frame, 0, statement->name, shared->name, to_backend);
  }
  const bool is_real = entry.disposition == Disposition::forward;
  if (target.tracker.expect(std::move(entry)) != ReplyTracker::Noted::yes) return;
  if (is_real) note_held(shared, target);
  propose(std::move(statement), target);
}

/// A Parse of a name that is in use: sent under ours, which is in use on the server.
void PostgresClientHalf::expect_refused_parse(const PreparedStatement& used, ByteView frame, PostgresBackendHalf& target,
                                              Gather& to_backend) {
  provide_shared(used.shared, target, to_backend);
  write_renamed(frame, 0, used.name, used.shared->name, to_backend);
  auto refused = std::make_shared<PreparedStatement>();
  refused->name = used.name;
  refused->origin = PreparedStatement::Origin::freed;
  refused->shared = used.shared;
  target.tracker.expect(ExpectedReply{Kind::parse, Disposition::forward, false, std::move(refused), nullptr});
}

/// Sees to it that `target` holds what several sessions share, for a message that uses it.
void PostgresClientHalf::provide_shared(const PreparedStatementPointer& shared, PostgresBackendHalf& target,
                                        Gather& to_backend) {
  HeldStatement* held = target.held.find(*shared);
  if (held != nullptr && (held->owner == 0 || held->owner == id_) && !is_outdated(*held)) {
    target.held.note_use(*held, target.segment);
    return;
  }
  make_way_for(*shared, target, to_backend);
  to_backend.own(shared->parse_message);
  const ReplyTracker::Noted noted =
      target.tracker.expect(ExpectedReply{Kind::parse, Disposition::forward_error, false, shared, nullptr});
  if (noted != ReplyTracker::Noted::yes) return;
  target.provisions.push_back(UnderWay{shared, target.segment});
  note_held(shared, target);
}

/// Frees the name on `target`, or room for one more.
void PostgresClientHalf::make_way_for(const PreparedStatement& shared, PostgresBackendHalf& target, Gather& to_backend) {
  if (target.held.find(shared) != nullptr) {
    write_close(shared.name, to_backend);
    target.tracker.expect(ExpectedReply{Kind::close, Disposition::swallow, false, nullptr, nullptr});
    return;
  }
  while (target.held.count() >= options_.prepared_statements_max) {
    const PreparedStatementPointer least = target.held.find_least_used(target.segment);
    if (least == nullptr) return;
    write_close(least->name, to_backend);
    const ReplyTracker::Noted noted =
        target.tracker.expect(ExpectedReply{Kind::close, Disposition::swallow, false, least, nullptr});
    if (noted != ReplyTracker::Noted::yes) return;
    target.provisions.push_back(UnderWay{least, target.segment});
    target.held.erase(*least);
  }
}

/// `shared` is being prepared on `target`.
void PostgresClientHalf::note_held(const PreparedStatementPointer& shared, PostgresBackendHalf& target) {
  const bool was_held = target.held.find(*shared) != nullptr;
  HeldStatement& held = target.held.insert(shared);
  held.was_held = was_held;
  held.is_confirmed = false;
  held.shape = 0;
  held.owner = is_state_common(target) ? 0 : id_;
  held.schema_version = library_->schema_version();
  held.prepared_segment = target.segment;
  target.held.note_use(held, target.segment);
}

void PostgresClientHalf::on_shared_prepared(PostgresBackendHalf& source, const PreparedStatementPointer& shared) const {
  HeldStatement* held = source.held.find(*shared);
  if (held == nullptr) {  // all were deallocated in front of it
    held = &source.held.insert(shared);
    held->owner = nobody;
  }
  held->is_confirmed = true;
}

/// A Parse or Close of a shared statement has failed or was skipped.
void PostgresClientHalf::take_back_shared(PostgresBackendHalf& source, const ExpectedReply& entry, bool has_run) {
  const PreparedStatementPointer& shared = entry.statement->shared ? entry.statement->shared : entry.statement;
  if (entry.kind == Kind::close) {
    HeldStatement& held = source.held.insert(shared);
    held.is_confirmed = true;
    return;
  }
  HeldStatement* held = source.held.find(*shared);
  if (held == nullptr) return;
  if (has_run || !held->was_held) {
    source.held.erase(*shared);
    return;
  }
  // The Close in front of it was skipped too.
  held->owner = nobody;
  held->is_confirmed = true;
}

/// A message that used a shared statement has failed.
/// Source: PostgreSQL 15 manual 55.2.3; "cached plan must not change result type" is 0A000, as observed.
void PostgresClientHalf::on_shared_error(PostgresBackendHalf& source, const PreparedStatement& statement,
                                         std::string_view code) {
  if (statement.shared == nullptr) return;  // we have asked about it ourselves
  if (code == invalid_sql_statement_name) {
    source.held.erase(*statement.shared);
  } else if (code == sqlstate::feature_not_supported) {
    library_->note_schema_change();
    // What was told to this very client is not true any more: it must hear so, now and whenever it uses the statement.
    if (is_shape_as_told(statement, source)) return;
    if (outdated_.size() == outdated_max) outdated_.erase(outdated_.begin());
    outdated_.emplace_back(statement.shared, library_->schema_version());
    // Its Sync is owed, and nothing behind it.
    source.is_worth_another_try = source.tracker.status() == TransactionStatus::idle && !source.has_freed_name &&
                                  source.tracker.owed_count() == 1;
  }
}

/// `statement` is answered.
void PostgresClientHalf::withdraw(std::vector<UnderWay>& ways, const PreparedStatementPointer& statement) {
  const auto place =
      std::find_if(ways.begin(), ways.end(), [&](const UnderWay& way) { return way.statement == statement; });
  if (place != ways.end()) ways.erase(place);
}

void PostgresClientHalf::on_parsed(PostgresBackendHalf& source, ExpectedReply& entry) {
  if (entry.statement->origin == PreparedStatement::Origin::freed) return;  // it was to be refused
  if (!is_clients(entry.disposition)) {
    withdraw(source.provisions, entry.statement);
    if (entry.statement->origin == PreparedStatement::Origin::shared) on_shared_prepared(source, entry.statement);
    return;
  }
  withdraw(proposed_, entry.statement);
  // Else nothing would bound them: a transaction may prepare and close for as long as it likes.
  const bool may_be_made_again = source.tracker.status() == TransactionStatus::idle && !source.has_freed_name;
  if (may_be_made_again && !entry.statement->name.empty()) source.prepared_names.push_back(entry.statement->name);
  told_shapes_.erase(entry.statement.get());  // an earlier one of that name and text
  if (entry.statement->shared == nullptr) {
    source.statements.insert_or_assign(entry.statement->name, entry.statement);
  } else if (entry.disposition == Disposition::forward) {
    on_shared_prepared(source, entry.statement->shared);
  }
  state_.on_prepared(std::move(entry.statement));
}

/// What an error has made the backend skip, the message that failed first.
void PostgresClientHalf::take_back_discarded(PostgresBackendHalf& source, std::string_view code) {
  const std::vector<ExpectedReply>& discarded = source.tracker.discarded();
  for (const ExpectedReply& entry : discarded) {
    const bool has_run = &entry == &discarded.front();
    if (has_run && entry.effects) note_lasting_changes(source, *entry.effects, {});
    if (!entry.statement) continue;
    const bool is_shared = entry.statement->shared != nullptr || entry.statement->origin == PreparedStatement::Origin::shared;
    if (entry.kind == Kind::bind || entry.kind == Kind::describe_statement) {
      if (has_run) on_shared_error(source, *entry.statement, code);
      continue;
    }
    // Source: PostgreSQL 15 manual 55.2.3: an unnamed statement lasts until the next Parse of it, a failed one included.
    if (has_run && entry.kind == Kind::parse && entry.statement->name.empty()) forget_unnamed(source);
    if (is_clients(entry.disposition)) {
      withdraw(proposed_, entry.statement);
      const bool is_prepared = entry.statement->origin == PreparedStatement::Origin::protocol;
      if (is_shared && is_prepared && entry.kind == Kind::parse && entry.disposition == Disposition::forward) {
        take_back_shared(source, entry, has_run);
      }
      continue;
    }
    withdraw(source.provisions, entry.statement);
    if (is_shared) {
      take_back_shared(source, entry, has_run);
    } else if (entry.kind == Kind::close) {  // it was to go, and is still there
      source.statements.insert_or_assign(entry.statement->name, entry.statement);
    } else if (const auto held = source.statements.find(entry.statement->name);
               held != source.statements.end() && held->second == entry.statement) {
      source.statements.erase(held);
    }
  }
}

/// What `source` holds after this change of prepared statements, which the session's state has been told of.
void PostgresClientHalf::note_statement_change(PostgresBackendHalf& source, const SessionChange& change) {
  switch (change.kind) {
    case SessionChange::Kind::prepare:
      if (PreparedStatementPointer statement = state_.find_statement(change.name)) {
        source.statements.insert_or_assign(change.name, std::move(statement));
      }
      break;
    case SessionChange::Kind::deallocate: source.statements.erase(change.name); break;
    case SessionChange::Kind::deallocate_all:
    case SessionChange::Kind::discard_all:
      source.statements.clear();
      source.held.clear();
      break;
    default: break;
  }
}

/// A text failed after so much of it had been done: changes to prepared statements stay.
void PostgresClientHalf::note_lasting_changes(PostgresBackendHalf& source, const StatementFacts& facts,
                                              DoneCounts done) {
  state_.on_failure(facts, done);
  // Whoever asks for a sequence's value in vain will ask again; but not where nothing can draw from one.
  const bool wants_value = facts.pin == PinReason::sequence_value && !source.is_transaction_read_only;
  if (wants_value) state_.pin_for(PinReason::sequence_value, facts.fingerprint);
  doubted_ = &source;
  for (const SessionChange& change : facts.changes) {
    if (done.statement_changes == 0) break;
    if (!is_lasting(change.kind)) continue;
    note_statement_change(source, change);
    --done.statement_changes;
  }
}

void PostgresClientHalf::forget_unnamed(PostgresBackendHalf& source) {
  state_.drop_unnamed();
  if (const auto unnamed = source.statements.find(std::string_view{}); unnamed != source.statements.end()) {
    source.statements.erase(unnamed);
  }
}

/// An error about a statement calls it by our name, which the client does not know. False: this one does not.
bool PostgresClientHalf::tell_renamed_error(PostgresBackendHalf& source, ByteView frame, Gather& to_client) {
  const std::vector<ExpectedReply>& discarded = source.tracker.discarded();
  if (discarded.empty() || !discarded.front().statement || !discarded.front().statement->shared) return false;
  const PreparedStatement& statement = *discarded.front().statement;
  const std::string quoted = '"' + statement.shared->name + '"';
  const std::string_view payload = as_text(frame.subspan(frame_header_bytes));
  const std::size_t at = payload.find(quoted);
  if (at == std::string_view::npos) return false;
  Bytes message;
  FrameWriter writer(message, BackendMessage::error_response);
  writer.fields().write_text(payload.substr(0, at + 1));
  writer.fields().write_text(statement.name);
  writer.fields().write_text(payload.substr(at + quoted.size() - 1));
  writer.finish();
  if (!source.held_back.empty()) to_client.own(std::exchange(source.held_back, {}));
  to_client.own(message);
  source.has_answered = true;
  return true;
}

}  // namespace protocol::postgres
