#include "protocol/postgres/capture.hpp"

#include "protocol/postgres/error_response.hpp"
#include "protocol/postgres/frame_writer.hpp"
#include "protocol/postgres/quoting.hpp"

#include <string>
#include <utility>

// What transactions have written, and how they end.
namespace protocol::postgres {

using Kind = CaptureStatement::Kind;

namespace {

/// Of "UPDATE 0" and the like: nothing was written.
bool is_without_effect(std::string_view tag) { return tag.ends_with(" 0"); }

}  // namespace

/// A statement has succeeded.
void PostgresCapture::note_done(Tap& tap, std::string_view tag) {
  if (tap.statement.is_prepare) {
    prepared_.insert_or_assign(tap.statement.name, std::make_shared<Tap>(tap));
    return;
  }
  if (tap.statement.is_control()) {
    note_control(tap, tag);
    return;
  }
  const bool is_lost = !tap.unsafe_because.empty() || !tap.trouble.empty();
  if (is_lost && !is_without_effect(tag)) note_unmirrored(tap);
  note_written(tap);
  tap.trouble.clear();
  change_bytes_ = 0;
}

void PostgresCapture::note_control(const Tap& tap, std::string_view tag) {
  switch (tap.statement.kind) {
    case Kind::begin:
      is_wrapped_ = false;  // the client's own from here on
      break;
    case Kind::savepoint: unit_.savepoint(tap.statement.name); break;
    case Kind::release: unit_.release(tap.statement.name); break;
    case Kind::rollback_to: unit_.roll_back_to(tap.statement.name); break;
    default: {
      const bool is_kept = tag == "COMMIT" || tag == "PREPARE TRANSACTION";  // else it had failed before
      if (unit_.has_items() && is_kept) note_unit_lost("a transaction ended unseen");
      if (is_kept) flush_notes();
      reset_unit();
      break;
    }
  }
}

/// Settings under which values are written now.
UnitBuilder::Settings PostgresCapture::form_of_values(const Tap& tap) const {
  UnitBuilder::Settings form;
  for (const std::string_view name : {"client_encoding", "DateStyle", "IntervalStyle", "TimeZone"}) {
    const auto known = parameters_.find(name);
    if (known != parameters_.end()) form.emplace_back(name, known->second);
  }
  // Not for all: it is the name of a locale, which the follower may lack.
  if (tap.table.has_money && !money_form_.empty()) form.emplace_back("lc_monetary", money_form_);
  return form;
}

void PostgresCapture::note_written(Tap& tap) {
  UnitItem item;
  std::size_t bytes = change_bytes_;
  if (!tap.change.rows.empty()) {
    item.rows = std::exchange(tap.change, RowChange{});
  } else if (!tap.text.empty()) {
    has_changed_schema_ = true;
    own_tables_.clear();
    item.statement = CarriedStatement{tap.text, {}, true, surroundings_};
    bytes = tap.text.size();
  } else if (tap.statement.kind == Kind::copy_in && tap.unsafe_because.empty() && tap.trouble.empty() && !copy_data_.empty()) {
    std::string text = "COPY " + quote_name(tap.table.schema) + "." + quote_name(tap.table.name) + tap.statement.copy_tail;
    item.statement = CarriedStatement{std::move(text), std::exchange(copy_data_, {}), false, {}};
  } else {
    return;
  }
  if (!unit_.set_settings(form_of_values(tap))) {  // a unit has one form
    unit_.note(UnmirroredWrite{tap.tables, tap.fingerprint, "how values are written was changed within the transaction"});
    return;
  }
  unit_.add(std::move(item), bytes, tap.tables);
  unit_.set_last_write_done(options_.tick());
}

void PostgresCapture::note_unmirrored(const Tap& tap) {
  unit_.note(UnmirroredWrite{tap.tables, tap.fingerprint, tap.trouble.empty() ? tap.unsafe_because : tap.trouble});
}

/// What was collected cannot be carried after all.
void PostgresCapture::note_unit_lost(std::string_view reason) {
  std::vector<std::string> tables = unit_.tables();
  const bool is_something = unit_.has_items();
  std::vector<UnmirroredWrite> notes = unit_.take_notes();
  reset_unit();
  for (UnmirroredWrite& note : notes) unit_.note(std::move(note));
  if (is_something) unit_.note(UnmirroredWrite{std::move(tables), 0, std::string(reason)});
}

void PostgresCapture::flush_notes() {
  for (UnmirroredWrite& note : unit_.take_notes()) unmirrored_.push_back(std::move(note));
}

void PostgresCapture::reset_unit() {
  unit_.reset();
  has_surroundings_ = false;
  if (std::exchange(has_changed_schema_, false)) own_tables_.clear();
  if (std::exchange(has_changed_form_, false)) has_asked_form_ = false;  // what was SET LOCAL, or rolled back, is as before
  suspended_tap_.reset();
}

/// The transaction is to end, by a COMMIT of ours or by the client's `frame`. Precondition: nothing is owed.
void PostgresCapture::begin_commit(bool is_own, FrontendMessage message, ByteView frame, bool may_be_phased) {
  if (suspended_tap_ != nullptr) {
    unit_.note(UnmirroredWrite{suspended_tap_->tables, suspended_tap_->fingerprint, "its rows were not all fetched"});
  }
  commit_ = Commit{};
  commit_.is_own = is_own;
  commit_.message = message;
  commit_.frame.assign(frame.begin(), frame.end());
  MirrorUnit unit = unit_.take();
  if (options_.is_two_phase && unit_.has_notes()) {
    refuse_commit("a part of it cannot be carried to the other side: " + unit_.first_note());
    return;
  }
  if (unit.items.empty()) {
    send_commit();
    return;
  }
  if (options_.is_two_phase && !may_be_phased) {
    refuse_commit("COMMIT AND CHAIN and PREPARE TRANSACTION are not possible where every commit is in two phases");
    return;
  }
  unit.database = database_;
  unit.user = user_;
  unit_to_record_ = std::move(unit);
  commit_.stage = CommitStage::recording;
  commit_.is_recorded = true;
  is_stuck_ = true;
}

std::optional<MirrorUnit> PostgresCapture::take_unit() { return std::exchange(unit_to_record_, std::nullopt); }

void PostgresCapture::admit(Admission admission, std::string_view phase_name) {
  if (admission == Admission::granted && !phase_name.empty()) {
    commit_.phase_name = phase_name;
    send_prepare();
  } else if (admission == Admission::granted) {
    send_commit();
  } else {
    refuse_commit({});
  }
  work();
}

/// `cause`: nothing: the journal did not take it.
void PostgresCapture::refuse_commit(std::string_view cause) {
  commit_.is_refused = true;
  commit_.cause = cause;
  commit_.stage = CommitStage::sent;
  commit_.is_recorded = false;
  send_hidden("ROLLBACK", Purpose::rollback);
}

void PostgresCapture::send_commit() {
  commit_.stage = CommitStage::sent;
  if (commit_.is_own) {
    send_hidden("COMMIT", Purpose::commit);
    return;
  }
  Owed owed{commit_.message};
  owed.is_clients_commit = true;
  forward(commit_.frame, std::move(owed));
}

/// A transaction that we began is over for the client: it is ended in earnest.
void PostgresCapture::finish_wrapped(char status, ByteView ready) {
  is_wrapped_ = false;
  if (status == 'T') {
    begin_commit(true, FrontendMessage::query, {});
  } else if (status == 'E') {
    commit_ = Commit{};
    commit_.stage = CommitStage::sent;
    commit_.is_own = true;
    reset_unit();
    send_hidden("ROLLBACK", Purpose::rollback);
  } else {
    give(ready);
    flush_notes();
    reset_unit();
  }
}

void PostgresCapture::note_commit_ended(End end) {
  if (commit_.is_recorded) end_ = end;
  if (end != End::rolled_back) flush_notes();
  reset_unit();
  commit_.stage = end != End::rolled_back && commit_.is_recorded ? CommitStage::telling : CommitStage::none;
  commit_.is_recorded = false;
}

std::optional<Capture::End> PostgresCapture::take_end() { return std::exchange(end_, std::nullopt); }

void PostgresCapture::acknowledge() {
  if (commit_.stage != CommitStage::telling) return;
  append(replies_, std::exchange(commit_.ending, {}));
  commit_.stage = CommitStage::none;
  work();
}

/// A ROLLBACK of ours is done: one that the statement's own failure asked for, or a COMMIT that could not be recorded.
void PostgresCapture::end_rollback(ByteView ready) {
  const Commit ended = std::exchange(commit_, Commit{});
  reset_unit();
  if (ended.is_refused) {
    held_complete_.clear();
    if (ended.cause.empty()) {
      write_error_response({"ERROR", "53000", "the transaction could not be recorded for the other side and was rolled back", {},
                            "The journal of the mirror is full or cannot be written. Trying again is safe."},
                           replies_);
    } else {
      write_error_response({"ERROR", "0A000", "the transaction cannot be committed on both sides and was rolled back", ended.cause, {}}, replies_);
    }
    if (ended.is_of_batch()) {
      drops_to_sync_ = true;
      return;
    }
  }
  give(ready);
}

}  // namespace protocol::postgres
