#include "protocol/postgres/capture.hpp"

#include "protocol/postgres/error_response.hpp"
#include "protocol/postgres/frame_writer.hpp"

#include <string>
#include <utility>

// Commits in two phases: the transaction is prepared, and committed when the other side has prepared it too. The client hears of
// one COMMIT.
// Source: PostgreSQL 15 manual, PREPARE TRANSACTION, COMMIT PREPARED, ROLLBACK PREPARED.
namespace protocol::postgres {

namespace {

/// A cancel request of the client's can hit the second phase, which must be carried out all the same.
constexpr unsigned decision_tries_max = 3;

}  // namespace

void PostgresCapture::send_prepare() {
  commit_.stage = CommitStage::preparing;
  send_hidden("PREPARE TRANSACTION '" + commit_.phase_name + "'", Purpose::prepare);
}

void PostgresCapture::send_decision(Purpose purpose) {
  commit_.has_failed = false;
  ++commit_.tries;
  const std::string_view verb = purpose == Purpose::commit_prepared ? "COMMIT" : "ROLLBACK";
  send_hidden(std::string(verb) + " PREPARED '" + commit_.phase_name + "'", purpose);
}

void PostgresCapture::decide(PhaseDecision decision, std::string_view cause) {
  if (commit_.stage != CommitStage::prepared) return;
  commit_.stage = CommitStage::sent;
  commit_.cause = cause;
  send_decision(decision == PhaseDecision::commit ? Purpose::commit_prepared : Purpose::rollback_prepared);
  work();
}

void PostgresCapture::give_commit_complete(std::string_view tag) {
  if (commit_.is_own) return;
  Bytes complete;
  FrameWriter frame(complete, BackendMessage::command_complete);
  frame.fields().write_text_z(tag);
  frame.finish();
  give(complete);
}

bool PostgresCapture::take_phase_complete(const Owed& owed, std::string_view tag) {
  switch (owed.purpose) {
    case Purpose::prepare: commit_.is_prepared = tag == "PREPARE TRANSACTION"; return true;
    case Purpose::commit_prepared:
      note_commit_ended(End::committed);
      give_commit_complete("COMMIT");
      return true;
    case Purpose::rollback_prepared: return true;
    default: return false;
  }
}

bool PostgresCapture::take_phase_error(const Owed& owed, std::string_view sqlstate, ByteView frame) {
  constexpr std::string_view undefined_object = "42704";  // somebody else has carried it out
  switch (owed.purpose) {
    case Purpose::prepare:
      held_complete_.clear();
      note_commit_ended(End::rolled_back);
      give(frame);
      return true;
    case Purpose::commit_prepared:
      if (sqlstate == undefined_object) return take_phase_complete(owed, "COMMIT PREPARED");
      commit_.has_failed = true;
      return true;
    case Purpose::rollback_prepared: commit_.has_failed = sqlstate != undefined_object; return true;
    default: return false;
  }
}

/// Of a COMMIT that came in a batch the server's next words are those to the client's Sync.
void PostgresCapture::end_prepare(ByteView ready) {
  if (commit_.is_prepared) {
    commit_.stage = CommitStage::prepared;
    is_prepared_news_ = true;
    return;
  }
  const bool was_failed_before = commit_.stage == CommitStage::preparing;  // COMMIT is a ROLLBACK then, and no error
  if (was_failed_before) {
    note_commit_ended(End::rolled_back);
    give_commit_complete("ROLLBACK");
  }
  if (commit_.is_of_batch()) {
    drops_to_sync_ = !was_failed_before;
  } else {
    give(ready);
  }
}

void PostgresCapture::end_decision(Purpose purpose, ByteView ready) {
  if (commit_.has_failed && commit_.tries < decision_tries_max) {
    send_decision(purpose);
    return;
  }
  if (purpose == Purpose::commit_prepared && !commit_.has_failed) {
    if (!commit_.is_of_batch()) give(ready);
    return;
  }
  const Commit ended = std::exchange(commit_, Commit{});
  if (ended.is_recorded) end_ = ended.has_failed ? End::left : End::rolled_back;
  reset_unit();
  held_complete_.clear();
  if (purpose == Purpose::commit_prepared) {
    write_error_response({"ERROR", "08007", "the transaction is prepared on both sides, and its commit is not done yet", {},
                          "It is going to be committed. Look whether its effects are there before it is made again."},
                         replies_);
  } else {
    write_error_response({"ERROR", "40000", "the transaction could not be prepared on the other side and was rolled back on both",
                          ended.cause, "Trying again is safe."},
                         replies_);
  }
  if (ended.is_of_batch()) {
    drops_to_sync_ = true;
  } else {
    give(ready);
  }
}

}  // namespace protocol::postgres
