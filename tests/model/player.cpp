#include "tests/model/player.hpp"

#include <algorithm>
#include <optional>
#include <thread>

namespace model {

struct Player::Play {
  Session session;
  const Recording* expected;  ///< null: the first play, which finds the wait points
  Recording recording;
  std::size_t step_number = 0;

  bool give_up(const std::string& why) {
    recording.trouble = "step " + std::to_string(step_number) + ": " + why;
    return false;
  }
};

namespace {

constexpr std::chrono::microseconds glance{100};
constexpr std::chrono::milliseconds farewell_timeout{5000};

}  // namespace

Recording Player::play_first(const Conversation& conversation) { return play(conversation, direct_, nullptr); }

Recording Player::play_again(const Conversation& conversation, const Address& address, const Recording& expected) {
  return play(conversation, address, &expected);
}

Recording Player::play(const Conversation& conversation, const Address& address, const Recording* expected) {
  for (Control* control : controls_) {
    if (is_pooled_) control->tolerate_idle(std::chrono::milliseconds(0));
    if (!control->await_no_session(std::chrono::milliseconds(0))) control->end_sessions();
    if (!keeps_objects_) control->reset_objects();
  }
  std::map<std::string, std::string> parameters = conversation.parameters;
  if (is_pooled_) parameters.erase("application_name");  // RESET may bring out the name of whom the connection was opened for
  parameters["user"] = client_role;
  parameters["database"] = database_;
  Play play{Session(address), expected, {}, 0};
  play.session.log_in(parameters, std::chrono::steady_clock::now() + patience_);
  play.recording.greeting = play.session.greeting();

  std::vector<Step> steps = conversation.steps;
  for (Step& step : farewell()) steps.push_back(std::move(step));
  for (const Step& step : steps) {
    ++play.step_number;
    if (!perform(play, step)) break;
  }
  if (play.recording.trouble.empty()) await_close(play);
  char status = 'I';
  for (const ServerMessage& message : play.session.messages()) {
    if (message.tag == 'Z' && !message.payload.empty()) status = message.payload[0];
    // On a side that must be taught a statement first, an error of the transaction may meet that teaching already.
    const bool may_be_taught = keeps_objects_;
    play.recording.messages.push_back(masked(may_be_taught ? without_source_place(message, status) : message));
  }
  if (play.session.is_garbled()) play.give_up("the bytes are not a message");
  for (Control* control : controls_) {
    if (is_pooled_ && expected != nullptr) control->tolerate_idle(farewell_timeout);
    if (!control->await_no_session(farewell_timeout)) {
      if (play.recording.trouble.empty()) play.give_up("a server's session outlives the client's");
      control->end_sessions();
    }
    play.recording.digest += control->digest();
  }
  return std::move(play.recording);
}

bool Player::perform(Play& play, const Step& step) {
  if (play.session.is_closed()) return false;
  return step.kind == StepKind::send ? send(play, step) : wait(play, step);
}

bool Player::send(Play& play, const Step& step) {
  const std::string bytes = bytes_of(step);
  std::size_t begin = 0;
  std::vector<std::size_t> ends = step.cuts;
  ends.push_back(bytes.size());
  for (const std::size_t end : ends) {
    const auto piece = std::string_view(bytes).substr(begin, end - begin);
    if (!play.session.write(piece, std::chrono::steady_clock::now() + patience_) && !play.session.is_closed()) {
      return play.give_up("nobody reads what the driver writes");
    }
    begin = end;
    if (step.pause_us > 0) play.session.read_some(std::chrono::microseconds(step.pause_us));
  }
  return true;
}

bool Player::wait(Play& play, const Step& step) {
  const bool may_sleep = step.kind == StepKind::cancel;
  if (play.expected == nullptr) {
    if (!await_silence(play, may_sleep)) return false;
  } else {
    const std::size_t index = play.recording.wait_points.size();
    if (index >= play.expected->wait_points.size()) {
      await_close(play);  // the server itself ended the session before this point
      return false;
    }
    const WaitPoint& expected = play.expected->wait_points[index];
    if (!await_count(play, expected.message_count)) return false;
    if (may_sleep && !await_all_waiting(play, expected.is_asleep)) return false;
    play.recording.wait_points.push_back(expected);
  }
  if (may_sleep && !play.session.is_closed()) {
    play.session.cancel(std::chrono::steady_clock::now() + patience_);
    ++cancel_count_;
  }
  return true;
}

bool Player::await_silence(Play& play, bool may_sleep) {
  Session& session = play.session;
  const Deadline deadline = std::chrono::steady_clock::now() + patience_;
  bool is_asleep = false;
  for (;;) {
    while (session.read_some(glance)) {
    }
    if (session.is_closed()) break;
    const bool has_unread = session.has_unread();
    if (!has_unread || may_sleep) {
      const std::string event = controls_.front()->wait_event(session.process_id());
      is_asleep = event == "PgSleep";
      // A wait for the client began after the last byte was read, so all replies are on their way here already.
      // A sleeper may have bytes in front of it; they are not answered before it is awake.
      if ((event == "ClientRead" && !has_unread) || (is_asleep && may_sleep)) break;
    }
    if (std::chrono::steady_clock::now() > deadline) return play.give_up("the server itself never came to rest");
  }
  while (session.read_some(std::chrono::microseconds(0))) {
  }
  play.recording.wait_points.push_back({session.messages().size(), is_asleep});
  return true;
}

bool Player::await_count(Play& play, std::size_t count) {
  const Deadline deadline = std::chrono::steady_clock::now() + patience_;
  while (play.session.messages().size() < count && !play.session.is_closed()) {
    play.session.read_some(std::chrono::milliseconds(20));
    if (std::chrono::steady_clock::now() > deadline) {
      return play.give_up("a driver hangs here: " + std::to_string(count) + " messages are due by now, " +
                          std::to_string(play.session.messages().size()) + " came");
    }
  }
  return true;
}

bool Player::await_all_waiting(Play& play, bool is_asleep) {
  const Deadline deadline = std::chrono::steady_clock::now() + patience_;
  for (;;) {
    std::vector<std::string> events;
    for (Control* control : controls_) {
      if (is_pooled_) control->tolerate_idle(std::chrono::milliseconds(0));
      for (std::string& event : control->wait_events()) events.push_back(std::move(event));
    }
    const auto waits_for = [&events](const char* name) {
      return static_cast<std::size_t>(std::count(events.begin(), events.end(), name));
    };
    const std::size_t asleep = waits_for("PgSleep");
    if (asleep + waits_for("ClientRead") == events.size() && (asleep > 0) == is_asleep) return true;
    if (play.session.is_closed()) return true;
    if (std::chrono::steady_clock::now() > deadline) return play.give_up("the server does not do what it should be doing");
    play.session.read_some(std::chrono::microseconds(500));
  }
}

bool Player::await_close(Play& play) {
  const Deadline deadline = std::chrono::steady_clock::now() + patience_;
  while (!play.session.is_closed()) {
    play.session.read_some(std::chrono::milliseconds(20));
    if (std::chrono::steady_clock::now() > deadline) return play.give_up("the connection stays open after its end");
  }
  return true;
}

}  // namespace model
