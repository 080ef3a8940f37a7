#include "proxy/session/session.hpp"

#include <utility>

namespace proxy::session {

using protocol::Blame;
using protocol::ErrorCode;
using protocol::SessionStage;
using runtime::Task;

/// Whether the login was for the console.
bool Session::is_for_console() {
  if (environment_.console == nullptr) return false;
  console_role_ = environment_.console->role_of(login_);
  return console_role_.has_value();
}

/// Commands in, answers out. Who carries them out is elsewhere, and this worker does not wait for it.
/// Suspends: until the client leaves or the proxy stops. Cancel: by destroying the session.
Task<> Session::serve_console() {
  if (*console_role_ == ConsoleRole::nobody) {
    fail(protocol::failure(ErrorCode::access_denied, Blame::client, "neither an admin nor a viewer of the console"));
    co_return;
  }
  const std::unique_ptr<protocol::Console> console = environment_.dialect.make_console();
  key_ = environment_.registry.enrol(*this, login_.cancel_secret_bytes, 0);
  protocol::Bytes words;
  console->write_welcome(*key_, words);
  client_.send(words);
  stage_ = SessionStage::conversing;
  while (true) {
    if (client_.is_readable() && client_.held_bytes() < environment_.scratch.size()) client_.receive(environment_.scratch);
    const bool is_open = advance_console(*console);
    client_.keep_unread();
    // A client that is gone will not hear the answer: what it waits for is taken back.
    if (!is_open || client_.state() != net::Channel::State::open) end();
    if (stop_ && (!console_call_ || *stop_ == Stop::now)) {
      fail(protocol::failure(ErrorCode::shutting_down, Blame::self, "the proxy is shutting down"));
    }
    if (is_over_) break;
    co_await signal_.wait();
    client_.flush();
  }
  console_call_.reset();
}

/// As far as it goes without waiting. False: the client has said goodbye, or nonsense.
bool Session::advance_console(protocol::Console& console) {
  while (!client_.is_clogged()) {
    protocol::Bytes to_send;
    if (is_console_cancelled_) {
      is_console_cancelled_ = false;
      protocol::ConsoleAnswer answer;
      answer.refusal = protocol::ConsoleRefusal::cancelled;
      answer.words = "canceling statement due to user request";
      console.answer(std::move(answer), to_send);
    } else if (console_call_) {
      std::optional<protocol::ConsoleAnswer> answer = console_call_->take_answer();
      if (!answer) return true;
      console_call_.reset();
      console.answer(std::move(*answer), to_send);
    }
    const protocol::Console::Progress progress = console.advance(client_.unread(), to_send);
    client_.use(progress.consumed);
    client_.send(to_send);
    switch (progress.state) {
      case protocol::Console::State::finished: return false;
      case protocol::Console::State::failed: fail(console.error()); return false;
      case protocol::Console::State::reading: return true;
      case protocol::Console::State::asking: break;
    }
    console_call_ = environment_.console->ask(console.command(), *console_role_, login_, environment_.loop,
                                              [this] { signal_.notify(); });
  }
  return true;
}

/// A cancel request of the console's client: the command under way is taken back, and a PAUSE undone.
bool Session::cancel_console() {
  if (!console_role_) return false;
  if (console_call_) {
    console_call_.reset();
    is_console_cancelled_ = true;
    signal_.notify();
  }
  return true;
}

}  // namespace proxy::session
