#include "tests/bench/experiments/toy_scram.hpp"

#include "protocol/wire/byte_reader.hpp"
#include "protocol/wire/byte_writer.hpp"
#include "protocol/wire/dialogue_coroutine.hpp"

#include <map>
#include <utility>

namespace experiments {

using protocol::Blame;
using protocol::Bytes;
using protocol::ByteView;
using protocol::DialogueProgress;
using protocol::DialogueState;
using protocol::Error;
using protocol::ErrorCode;
using protocol::Result;
using protocol::Status;
using protocol::Task;

Result<std::size_t> scan_toy_frame(ByteView unread, std::size_t frame_bytes_max) {
  if (unread.size() < 5) return std::size_t{0};
  protocol::ByteReader reader(unread.subspan(1));
  const std::size_t length = reader.read_u32_be();
  if (length < 4 || length > frame_bytes_max) {
    return protocol::failure(ErrorCode::frame_length_invalid, Blame::backend, "toy frame length");
  }
  return length + 1;
}

char tag_of(ByteView frame) { return static_cast<char>(frame[0]); }
std::string_view text_of(ByteView frame) { return protocol::as_text(frame.subspan(5)); }

void write_toy_frame(char tag, std::string_view text, Bytes& target) {
  protocol::ByteWriter writer(target);
  writer.write_u8(static_cast<std::uint8_t>(tag));
  const std::size_t position = writer.position();
  writer.write_u32_be(0);
  writer.write_text(text);
  writer.patch_length_u32_be(position);
}

std::string toy_proof(std::string_view password, std::string_view nonce) {
  std::string proof(nonce);
  for (std::size_t i = 0; i < proof.size(); ++i) {
    proof[i] = static_cast<char>('a' + (static_cast<unsigned char>(proof[i]) + password.size() + i) % 26);
  }
  return proof;
}

namespace {

Error unexpected() { return protocol::failure(ErrorCode::message_unexpected, Blame::backend, "toy frame"); }
Error wrong_signature() {
  return protocol::failure(ErrorCode::authentication_failed, Blame::backend, "toy signature");
}

class CoroutineLogin final : public protocol::Dialogue {
 public:
  CoroutineLogin(std::string user, std::string password) : user_(std::move(user)), password_(std::move(password)) {
    coroutine_.start(run());
  }
  DialogueProgress advance(ByteView received, Bytes& to_send) override {
    return coroutine_.advance(received, to_send);
  }
  const Error& error() const override { return coroutine_.error(); }

 private:
  Task<Result<std::string>> expect_text(char tag) {
    const Result<ByteView> frame = co_await coroutine_.next_frame(scan_toy_frame, toy_frame_bytes_max);
    if (!frame) co_return frame.error();
    if (tag_of(*frame) != tag) co_return unexpected();
    co_return std::string(text_of(*frame));
  }

  Task<Status> authenticate() {
    write_toy_frame('p', "n=" + user_, coroutine_.to_send());
    const Result<std::string> nonce = co_await expect_text('c');
    if (!nonce) co_return nonce.error();
    write_toy_frame('p', toy_proof(password_, *nonce), coroutine_.to_send());
    const Result<std::string> signature = co_await expect_text('v');
    if (!signature) co_return signature.error();
    const std::string wanted = toy_proof(*nonce, password_);
    if (*signature != wanted) co_return wrong_signature();
    co_return Status{};
  }

  Task<Status> run() {
    write_toy_frame('u', user_, coroutine_.to_send());
    const Status authenticated = co_await authenticate();
    if (!authenticated) {
      write_toy_frame('X', "", coroutine_.to_send());
      co_return authenticated.error();
    }
    while (true) {
      const Result<ByteView> frame = co_await coroutine_.next_frame(scan_toy_frame, toy_frame_bytes_max);
      if (!frame) co_return frame.error();
      if (tag_of(*frame) == 'Z') co_return Status{};
      if (tag_of(*frame) != 'S') co_return unexpected();
      ++parameter_count_;
    }
  }

  std::string user_;
  std::string password_;
  std::size_t parameter_count_ = 0;
  protocol::DialogueCoroutine coroutine_;
};

class StepLogin final : public protocol::Dialogue {
 public:
  StepLogin(std::string user, std::string password) : user_(std::move(user)), password_(std::move(password)) {}

  DialogueProgress advance(ByteView received, Bytes& to_send) override {
    std::size_t consumed = 0;
    if (step_ == Step::start) {
      write_toy_frame('u', user_, to_send);
      write_toy_frame('p', "n=" + user_, to_send);
      step_ = Step::nonce;
    }
    while (true) {
      const ByteView unread = received.subspan(consumed);
      const Result<std::size_t> length = scan_toy_frame(unread, toy_frame_bytes_max);
      if (!length) return fail(length.error(), consumed, to_send);
      if (*length == 0 || *length > unread.size()) return {DialogueState::reading, consumed};
      consumed += *length;
      const DialogueState state = take(unread.first(*length), to_send);
      if (state == DialogueState::failed) return fail(error_, consumed, to_send);
      if (state == DialogueState::finished) return {state, consumed};
    }
  }
  const Error& error() const override { return error_; }

 private:
  enum class Step { start, nonce, signature, parameters };

  DialogueState take(ByteView frame, Bytes& to_send) {
    switch (step_) {
      case Step::start: break;
      case Step::nonce:
        if (tag_of(frame) != 'c') break;
        nonce_ = text_of(frame);
        write_toy_frame('p', toy_proof(password_, nonce_), to_send);
        step_ = Step::signature;
        return DialogueState::reading;
      case Step::signature:
        if (tag_of(frame) != 'v') break;
        if (text_of(frame) != toy_proof(nonce_, password_)) {
          error_ = wrong_signature();
          return DialogueState::failed;
        }
        step_ = Step::parameters;
        return DialogueState::reading;
      case Step::parameters:
        if (tag_of(frame) == 'Z') return DialogueState::finished;
        if (tag_of(frame) != 'S') break;
        ++parameter_count_;
        return DialogueState::reading;
    }
    error_ = unexpected();
    return DialogueState::failed;
  }

  DialogueProgress fail(const Error& error, std::size_t consumed, Bytes& to_send) {
    error_ = error;
    if (step_ != Step::parameters) write_toy_frame('X', "", to_send);
    return {DialogueState::failed, consumed};
  }

  std::string user_;
  std::string password_;
  std::string nonce_;
  std::size_t parameter_count_ = 0;
  Step step_ = Step::start;
  Error error_;
};

}  // namespace

std::unique_ptr<protocol::Dialogue> make_coroutine_login(std::string user, std::string password) {
  return std::make_unique<CoroutineLogin>(std::move(user), std::move(password));
}

std::unique_ptr<protocol::Dialogue> make_step_login(std::string user, std::string password) {
  return std::make_unique<StepLogin>(std::move(user), std::move(password));
}

Bytes server_script(std::string_view password) {
  Bytes script;
  const std::string_view nonce = "fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j";
  write_toy_frame('c', nonce, script);
  write_toy_frame('v', toy_proof(nonce, password), script);
  for (int i = 0; i < 13; ++i) write_toy_frame('S', "client_encoding=UTF8", script);
  write_toy_frame('Z', "I", script);
  return script;
}

}  // namespace experiments
