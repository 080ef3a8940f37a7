#include "tests/sim/teller.hpp"

#include <algorithm>
#include <utility>

namespace sim {

using proxy::net::IoState;

namespace {

/// The value of a field of an ErrorResponse.
std::string field_of(const std::string& payload, char code) {
  for (std::size_t at = 0; at < payload.size() && payload[at] != '\0';) {
    const std::size_t end = payload.find('\0', at);
    if (payload[at] == code) return payload.substr(at + 1, end - at - 1);
    at = end + 1;
  }
  return "";
}

}  // namespace

Teller::Teller(std::string name, model::Random& random, const Nature& nature, std::function<void()> on_lost)
    : name_(std::move(name)), own_key_("own-" + name_), random_(random), nature_(nature), on_lost_(std::move(on_lost)), turns_left_(nature.turns) {}

void Teller::connect(std::unique_ptr<test_support::MemoryStream> stream) {
  stream_ = std::move(stream);
  stream_->set_listener(this);
  received_.clear();
  unsent_.clear();
  is_greeted_ = false;
  own_value_.reset();
  send(model::startup_packet({{"user", name_}, {"database", "shop"}}));
}

void Teller::lose_connection() {
  if (stream_ == nullptr) return;
  stream_->cut(test_support::CutKind::reset);
  note_lost();
}

/// What was under way has an end that nobody will be told.
void Teller::note_lost() {
  stream_->close();
  lost_.push_back(std::move(stream_));  // we may be inside a call of its
  const bool is_commit_asked = asked_ == "COMMIT" || (!is_in_transaction_ && !asked_.empty());
  decide_writes(is_commit_asked ? Told::unknown : Told::failed);
  steps_.clear();
  asked_.clear();
  is_in_transaction_ = false;
  has_failed_ = false;
  if (turns_left_ != 0) on_lost_();
}

void Teller::on_stream_ready() {
  if (stream_ == nullptr) return;
  std::byte chunk[4096];
  bool is_open = true;
  while (true) {
    const proxy::net::IoOutcome outcome = stream_->try_read(chunk);
    received_ += protocol::as_text(std::span(chunk).first(outcome.bytes));
    is_open = outcome.state != IoState::end && outcome.state != IoState::failed;
    if (!is_open || (outcome.state == IoState::would_block && !stream_->is_readable())) break;
  }
  std::vector<model::ServerMessage> messages;
  model::take_messages(received_, messages);
  for (const model::ServerMessage& message : messages) take(message);
  if (!is_open && stream_ != nullptr) return note_lost();
  send("");
}

void Teller::send(std::string bytes) {
  unsent_ += bytes;
  if (stream_ == nullptr || unsent_.empty()) return;
  const proxy::net::IoOutcome outcome = stream_->try_write(protocol::as_bytes(unsent_));
  unsent_.erase(0, outcome.bytes);
}

void Teller::take(const model::ServerMessage& message) {
  switch (message.tag) {
    case 'E': return take_error(message.payload);
    case 'C': return note_end(std::string_view(message.payload).substr(0, message.payload.size() - 1));
    case 'Z': return take_ready();
    case 'D': {
      const std::string value = message.payload.substr(6);
      const std::size_t mark = value.rfind('@');
      ++reads_[value[mark + 1] == 'b' ? routing::Side::blue : routing::Side::green];
      if (own_value_ && value.substr(0, mark) != *own_value_) {
        complaints_ += name_ + " has read " + value + " after it had written " + *own_value_ + "\n";
      }
      return;
    }
    default: return;
  }
}

void Teller::take_error(const std::string& payload) {
  if (field_of(payload, 'V') == "FATAL") return;  // the end of the connection says the rest
  if (is_in_transaction_ && asked_ != "COMMIT") {
    has_failed_ = true;
  } else {
    decide_writes(field_of(payload, 'C') == "08007" ? Told::unknown : Told::failed);
    is_in_transaction_ = false;
  }
}

void Teller::note_end(std::string_view tag) {
  if (tag == "BEGIN") {
    is_in_transaction_ = true;
  } else if (tag == "COMMIT" || tag == "ROLLBACK") {
    is_in_transaction_ = false;
    decide_writes(tag == "COMMIT" ? Told::acknowledged : Told::failed);
  } else if (!is_in_transaction_ && !tag.starts_with("SELECT")) {
    decide_writes(Told::acknowledged);
  }
}

void Teller::decide_writes(Told told) {
  for (; decided_ < writes_.size(); ++decided_) {
    writes_[decided_].told = told;
    if (writes_[decided_].key != own_key_) continue;
    if (told == Told::acknowledged) own_value_ = writes_[decided_].value;
    if (told == Told::unknown) own_value_.reset();
  }
}

void Teller::take_ready() {
  asked_.clear();
  is_greeted_ = true;
  if (has_failed_) {
    has_failed_ = false;
    steps_.assign(1, "ROLLBACK");
  }
  say_next();
}

void Teller::say_next() {
  if (steps_.empty()) {
    if (turns_left_ == 0) {
      send(model::terminate().frame);
      stream_->close();
      lost_.push_back(std::move(stream_));
      return;
    }
    --turns_left_;
    plan_turn();
  }
  asked_ = steps_.front();
  steps_.pop_front();
  if (asked_ == "WRITE") asked_ = write_text();
  send(model::query(asked_).frame);
}

void Teller::plan_turn() {
  switch (random_.weighted({35, 20, 45})) {
    case 0: steps_ = {"WRITE"}; return;
    case 1:
      steps_ = {"BEGIN"};
      for (std::size_t i = random_.between(1, 3); i > 0; --i) steps_.emplace_back("WRITE");
      steps_.push_back(random_.chance(80) ? "COMMIT" : "ROLLBACK");
      return;
    default: steps_ = {"SELECT v FROM t WHERE id = '" + own_key_ + "'"}; return;
  }
}

std::string Teller::write_text() {
  const std::string value = name_ + "-" + std::to_string(++number_);
  const std::size_t kind = random_.weighted({30, 40, nature_.shared_keys == 0 ? 0U : 40U});
  std::string key = own_key_;
  if (kind == 0) key = "new-" + value;
  if (kind == 2) key = "shared-" + std::to_string(random_.below(nature_.shared_keys));
  // What the same transaction wrote there before is nobody's value any more.
  const auto open = writes_.begin() + static_cast<std::ptrdiff_t>(decided_);
  writes_.erase(std::remove_if(open, writes_.end(), [&](const Write& before) { return before.key == key; }), writes_.end());
  writes_.push_back({key, value});
  if (kind == 0) return "INSERT INTO t VALUES ('" + key + "', '" + value + "')";
  return "UPDATE t SET v = '" + value + "' WHERE id = '" + key + "'";
}

}  // namespace sim
