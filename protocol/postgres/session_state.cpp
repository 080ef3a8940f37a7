#include "protocol/postgres/session_state.hpp"

#include <algorithm>
#include <atomic>
#include <utility>

namespace protocol::postgres {

using Kind = SessionChange::Kind;

const SettingsPointer& no_settings() {
  static const SettingsPointer none = std::make_shared<const Settings>();
  return none;
}

std::uint64_t fresh_number() {
  // Each thread has a range of its own: a connection may come to another thread with the numbers that it holds.
  constexpr unsigned range_bits = 40;
  static std::atomic<std::uint64_t> thread_count{0};
  static thread_local std::uint64_t number = thread_count.fetch_add(1) << range_bits;
  return ++number;
}

bool is_lasting(Kind kind) {
  return kind == Kind::prepare || kind == Kind::deallocate || kind == Kind::deallocate_all || kind == Kind::discard_all;
}

SettingChange effect_on(std::string_view name, const SessionChange& change) {
  switch (change.kind) {
    case Kind::reset_all:
    case Kind::discard_all: return SettingChange::reset;
    case Kind::reset: return change.name == name ? SettingChange::reset : SettingChange::none;
    case Kind::set: return change.name == name ? SettingChange::set : SettingChange::none;
    default: return SettingChange::none;
  }
}

namespace {

/// What one remembered statement costs beyond its text, roughly.
constexpr std::size_t statement_overhead_bytes = 256;

std::size_t bytes_of(const PreparedStatement& statement) {
  const std::size_t shared_bytes = statement.shared ? statement.shared->parse_message.size() : 0;
  return statement.parse_message.size() + statement.sql_text.size() + shared_bytes + statement_overhead_bytes;
}

}  // namespace

void SessionState::on_success(const StatementFacts& facts, Where where) {
  for (const SessionChange& change : facts.changes) propose(change, where);
  doubt(facts, where);
  switch (facts.pin) {
    case PinReason::none: break;
    case PinReason::advisory_lock:
    case PinReason::loaded_library:
    case PinReason::sequence_value:
    case PinReason::random_seed:
    case PinReason::external_link:
    case PinReason::untracked_state:
      // Session-level locks, loaded libraries and the like outlive a rollback.
      pins_.add(facts.pin, facts.fingerprint);
      break;
    case PinReason::temporary_object:
    case PinReason::listen:
    case PinReason::hold_cursor:
    case PinReason::replication:
    case PinReason::restore_failed:
    case PinReason::login_refused:
      pending_.push_back(Pending{SessionChange{Kind::set_local, {}, {}}, Pin{facts.pin, facts.fingerprint}});
      break;
  }
}

void SessionState::on_failure(const StatementFacts& facts, DoneCounts done) {
  for (const SessionChange& change : facts.changes) {
    if (is_lasting(change.kind) && done.statement_changes > 0) {
      propose(change, Where::home);
      --done.statement_changes;
    }
    const bool is_set = change.kind == Kind::set || change.kind == Kind::set_local;
    if (is_set && done.sets > 0) {
      note_custom(change);
      --done.sets;
    }
  }
  // A lock that was taken before the error is held.
  if (facts.pin == PinReason::advisory_lock) pins_.add(facts.pin, facts.fingerprint);
  // So may be one of a function, or of a statement before it in the same text. All else is rolled back.
  const bool may_hold_lock = facts.may_change_settings || facts.pin == PinReason::untracked_state ||
                             facts.may_begin.has(PinReason::advisory_lock) || facts.may_end.has(PinReason::advisory_lock);
  if (!may_hold_lock) return;
  may_have_begun_.add(PinReason::advisory_lock);
  doubted_fingerprint_ = facts.fingerprint;
}

void SessionState::propose(const SessionChange& change, Where where) {
  switch (change.kind) {
    case Kind::prepare: {
      auto statement = std::make_shared<PreparedStatement>();
      statement->name = change.name;
      statement->origin = PreparedStatement::Origin::sql;
      statement->sql_text = change.text;
      statement->facts = change.prepared;
      on_prepared(std::move(statement));
      return;
    }
    case Kind::deallocate: on_closed(change.name); return;
    case Kind::discard_all:
      if (where == Where::home) pins_.discard();
      is_beyond_asking_ = false;
      pending_.push_back(Pending{change});
      [[fallthrough]];
    case Kind::deallocate_all:
      statements_.clear();
      statement_bytes_ = 0;
      has_unnamed_ = false;
      statements_version_ = fresh_number();
      return;
    case Kind::unlock_all:
      if (where == Where::home) pins_.remove(PinReason::advisory_lock);
      return;
    case Kind::discard_sequences:
      if (where == Where::home) pins_.remove(PinReason::sequence_value);
      return;
    case Kind::set_unseen: note_unseen(change.name); return;
    case Kind::rollback_to: roll_back_to(change.name); return;
    case Kind::release: return;  // what was done since stays pending
    case Kind::set_local: note_custom(change); return;
    case Kind::set: note_custom(change); [[fallthrough]];
    case Kind::reset:
    case Kind::reset_all:
    case Kind::unlisten_all:
    case Kind::close_all_cursors:
    case Kind::discard_temporary:
    case Kind::savepoint: pending_.push_back(Pending{change, {}, where}); return;
  }
}

void SessionState::roll_back_to(const std::string& savepoint) {
  for (std::size_t i = pending_.size(); i > 0; --i) {
    const SessionChange& change = pending_[i - 1].change;
    if (change.kind != Kind::savepoint || change.name != savepoint) continue;
    pending_.resize(i, Pending{SessionChange{Kind::savepoint, {}, {}}});  // the savepoint itself stays
    return;
  }
}

void SessionState::on_transaction_end(Outcome outcome) {
  if (!pending_.empty() || !customs_.empty()) settle_transaction(outcome);
  if (!may_have_ended_.empty() && doubts().empty()) may_have_ended_ = {};
}

void SessionState::settle_transaction(Outcome outcome) {
  auto settings = std::make_shared<Settings>(*settings_);
  if (outcome == Outcome::committed) {
    for (const Pending& pending : pending_) apply(pending, *settings);
  }
  settle_customs(*settings);
  if (*settings != *settings_) settings_ = settings->empty() ? no_settings() : SettingsPointer(std::move(settings));
  pending_.clear();
}

/// A setting with a point in its name that no extension has defined comes into being when it is set, and stays when
/// that is taken back, as an empty text. Policies of row security read such settings.
/// Source: PostgreSQL 15 manual 20.16 "Customized Options"; that it stays is observed behaviour.
void SessionState::note_custom(const SessionChange& change) {
  if (change.name.find('.') == std::string::npos || settings_->count(change.name) != 0) return;
  if (std::find(customs_.begin(), customs_.end(), change.name) == customs_.end()) customs_.push_back(change.name);
}

void SessionState::settle_customs(Settings& settings) {
  for (const std::string& name : customs_) {
    if (name.find_first_of("'\\") != std::string::npos) continue;
    settings.try_emplace(name, "SELECT pg_catalog.set_config('" + name + "', '', false) WHERE pg_catalog.current_setting('" +
                                   name + "', true) IS NULL");
  }
  customs_.clear();
}

void SessionState::apply(const Pending& pending, Settings& settings) {
  if (pending.pin.reason != PinReason::none) {
    pins_.add(pending.pin.reason, pending.pin.fingerprint);
    return;
  }
  const bool is_home = pending.where == Where::home;
  switch (pending.change.kind) {
    case Kind::set: settings.insert_or_assign(pending.change.name, pending.change.text); return;
    case Kind::reset: settings.erase(pending.change.name); return;
    case Kind::reset_all: {
      // RESET ALL leaves role and session authorization alone. Source: manual, RESET.
      Settings kept;
      for (const char* name : {"role", "session_authorization"}) {
        if (auto node = settings.extract(name)) kept.insert(std::move(node));
      }
      settings = std::move(kept);
      return;
    }
    case Kind::discard_all: settings.clear(); return;
    case Kind::unlisten_all:
      if (is_home) pins_.remove(PinReason::listen);
      return;
    case Kind::close_all_cursors:
      if (is_home) pins_.remove(PinReason::hold_cursor);
      return;
    case Kind::discard_temporary:
      if (is_home) pins_.remove(PinReason::temporary_object);
      return;
    case Kind::set_local:
    case Kind::prepare:
    case Kind::deallocate:
    case Kind::deallocate_all:
    case Kind::savepoint:
    case Kind::release:
    case Kind::rollback_to:
    case Kind::unlock_all:
    case Kind::discard_sequences:
    case Kind::set_unseen: return;
  }
}

void SessionState::on_prepared(PreparedStatementPointer statement) {
  on_closed(statement->name);
  statement_bytes_ += bytes_of(*statement);
  std::string name = statement->name;
  note_statement_change(*statement);
  if (name.empty()) has_unnamed_ = true;
  statements_.insert_or_assign(std::move(name), std::move(statement));
}

/// The unnamed statement is looked after by itself: it changes with nearly every batch of some drivers. So are shared
/// ones, which no server knows by the session's name.
void SessionState::note_statement_change(const PreparedStatement& statement) {
  if (!statement.name.empty() && statement.shared == nullptr) statements_version_ = fresh_number();
}

void SessionState::on_closed(const std::string& name) {
  if (name.empty()) has_unnamed_ = false;
  const auto place = statements_.find(name);
  if (place == statements_.end()) return;
  statement_bytes_ -= bytes_of(*place->second);
  note_statement_change(*place->second);
  statements_.erase(place);
}

PreparedStatementPointer SessionState::find_statement(std::string_view name) const {
  const auto place = statements_.find(name);
  return place == statements_.end() ? nullptr : place->second;
}

bool SessionState::is_reset(std::string_view name) const {
  for (std::size_t i = pending_.size(); i > 0; --i) {
    const SettingChange change = effect_on(name, pending_[i - 1].change);
    if (change != SettingChange::none) return change == SettingChange::reset;
  }
  return settings_->count(std::string(name)) == 0;
}

}  // namespace protocol::postgres
