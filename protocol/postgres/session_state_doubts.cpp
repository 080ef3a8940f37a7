#include "protocol/postgres/question.hpp"
#include "protocol/postgres/session_state.hpp"

#include <algorithm>
#include <memory>
#include <utility>

/// What a session asks its server about, and what it makes of the answer.
namespace protocol::postgres {

namespace {

constexpr PinReasonSet askable{PinReason::temporary_object, PinReason::advisory_lock, PinReason::listen,
                               PinReason::hold_cursor, PinReason::untracked_state};

/// More settings with a point in their names than this, set unseen, are beyond asking.
constexpr std::size_t names_to_ask_max = 32;

}  // namespace

void SessionState::doubt(const StatementFacts& facts, Where where) {
  if (facts.pin == PinReason::untracked_state) return doubt_everything(facts.fingerprint);
  if (facts.may_begin.empty() && facts.may_end.empty()) return;
  may_have_begun_.add(facts.may_begin);
  if (where == Where::home) may_have_ended_.add(facts.may_end);
  doubted_fingerprint_ = facts.fingerprint;
}

void SessionState::doubt_everything(std::uint64_t fingerprint) {
  may_have_begun_.add(askable);
  doubted_fingerprint_ = fingerprint;
}

void SessionState::note_unseen(const std::string& name) {
  const bool is_full = names_to_ask_.size() >= names_to_ask_max;
  is_beyond_asking_ = is_beyond_asking_ || name.empty() || is_full;
  if (!is_full && name.find('.') != std::string::npos) names_to_ask_.push_back(name);
}

PinReasonSet SessionState::doubts() const {
  PinReasonSet doubts = may_have_begun_;
  for (const Pin& pin : pins_) {
    if (may_have_ended_.has(pin.reason)) doubts.add(pin.reason);
  }
  return doubts;
}

Question SessionState::take_doubts() {
  Question question;
  question.asked = doubts();
  question.fingerprint = doubted_fingerprint_;
  forget_doubts();
  return question;
}

void SessionState::forget_doubts() {
  may_have_begun_ = {};
  may_have_ended_ = {};
}

void SessionState::settle(const Question& question, PinReason reason, bool is_there, Where where) {
  if (!question.asked.has(reason)) return;
  if (is_there) {
    pins_.add(reason, question.fingerprint);
  } else if (where == Where::home) {
    pins_.remove(reason);
  }
}

/// All that PREPARE has prepared on the server is known to the session.
bool SessionState::is_prepared(const Answer& answer) const {
  return std::all_of(answer.prepared_names.begin(), answer.prepared_names.end(),
                     [&](const std::string& name) { return find_statement(name) != nullptr; });
}

SessionState::Learned SessionState::on_answer(const Question& question, Where where) {
  const Answer& answer = question.answer;
  if (!answer.is_usable) return Learned::unclear;
  const std::uint32_t pins_before = pins_.version();
  for (const PinReason reason :
       {PinReason::temporary_object, PinReason::advisory_lock, PinReason::hold_cursor, PinReason::listen}) {
    settle(question, reason, answer.found.has(reason), where);
  }
  Learned learned = Learned::nothing_new;
  if (question.asked.has(PinReason::untracked_state)) {
    Adopted adopted = adopt_settings(*settings_, answer);
    settle(question, PinReason::untracked_state, is_beyond_asking_ || !adopted.is_complete || !is_prepared(answer), where);
    names_to_ask_.clear();
    if (adopted.settings != *settings_) {
      const bool has_same_names =
          std::equal(adopted.settings.begin(), adopted.settings.end(), settings_->begin(), settings_->end(),
                     [](const auto& left, const auto& right) { return left.first == right.first; });
      // Texts that differ may still mean the same.
      learned = has_same_names ? Learned::unclear : Learned::something;
      settings_ = adopted.settings.empty() ? no_settings() : std::make_shared<const Settings>(std::move(adopted.settings));
    }
  }
  return pins_.version() == pins_before ? learned : Learned::something;
}

}  // namespace protocol::postgres
