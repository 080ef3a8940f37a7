#include "proxy/app.hpp"

#include "proxy/lifecycle/cancel_line.hpp"
#include "proxy/lifecycle/message.hpp"
#include "proxy/lifecycle/takeover_words.hpp"

#include <algorithm>
#include <set>
#include <utility>

// A new process takes over the listening sockets; this one finishes its sessions.
namespace proxy {

using protocol::Blame;
using protocol::ErrorCode;

config::Takeover App::takeover() const {
  const std::lock_guard lock(control_mutex_);
  return settings_->takeover;
}

std::string App::summary() const {
  const std::lock_guard lock(control_mutex_);
  std::string text = "serving";
  for (const std::shared_ptr<AppPair>& pair : pairs_) text += " " + pair->name() + " on " + pair->listen_text();
  return text;
}

/// Precondition: control_mutex_ is held.
std::optional<protocol::Error> App::refusal_of_changes() const {
  if (is_draining_) return protocol::failure(ErrorCode::shutting_down, Blame::self, "the proxy is shutting down");
  if (!is_handing_over_) return std::nullopt;
  return protocol::failure(ErrorCode::shutting_down, Blame::self, "a new process takes over just now: ask it, in a moment");
}

/// The one after the process before, that none of those before has.
protocol::Status App::choose_tag(const Inheritance& inheritance) {
  if (!inheritance.running_tag) return {};
  std::set<std::uint32_t> taken{*inheritance.running_tag};
  for (const lifecycle::Predecessor& each : inheritance.predecessors) taken.insert(each.tag);
  for (std::uint32_t i = 1; i < session::PairWorker::process_tag_count; ++i) {
    const std::uint32_t tag = (*inheritance.running_tag + i) % session::PairWorker::process_tag_count;
    if (taken.contains(tag)) continue;
    process_tag_ = tag;
    return {};
  }
  return protocol::failure(ErrorCode::configuration_invalid, Blame::operator_,
                           "too many processes before this one still have sessions");
}

std::vector<lifecycle::TakeoverServer::Part> App::hand_over(int control, std::string& refusal) {
  const std::lock_guard lock(control_mutex_);
  if (const auto reason = refusal_of_changes()) {
    refusal = reason->detail;
    return {};
  }
  if (is_switching("")) {
    refusal = "a switchover is under way";
    return {};
  }
  for (const std::shared_ptr<AppPair>& pair : pairs_) {
    if (pair->hold().snapshot()->is_empty()) continue;
    refusal = "the pair " + pair->name() + " is paused, and a new process would not be; resume it first";
    return {};
  }
  protocol::Result<std::vector<net::FileDescriptor>> line = lifecycle::make_ends();
  if (!line) {
    refusal = line.error().detail;
    return {};
  }
  own_line_ = std::move(line->at(0));
  others_line_ = std::move(line->at(1));
  is_handing_over_ = true;
  std::vector<lifecycle::TakeoverServer::Part> parts{{std::string(lifecycle::word_hello), {}}};
  for (const std::shared_ptr<AppPair>& pair : pairs_) {
    const lifecycle::PairState state = lifecycle::state_of(pair->name(), pair->settings().pair->plan, pair->history());
    parts.push_back({lifecycle::encode_state(state), {pair->listening_socket()}});
    if (pair->local_listening_socket() >= 0) {
      parts.push_back({std::string(lifecycle::word_local) + " " + pair->name(), {pair->local_listening_socket()}});
    }
  }
  if (admin_) parts.push_back({std::string(lifecycle::word_admin), {admin_->listening_socket()}});
  if (state_lock_.is_open()) parts.push_back({std::string(lifecycle::word_state), {state_lock_.get()}});
  parts.push_back({std::string(lifecycle::word_control), {control}});
  const auto tell_line = [&parts](std::uint32_t tag, const net::FileDescriptor& end) {
    parts.push_back({std::string(lifecycle::word_cancels) + " " + std::to_string(tag), {end.get()}});
  };
  for (const lifecycle::Predecessor& each : predecessors_) tell_line(each.tag, each.line);
  tell_line(process_tag_, others_line_);
  parts.push_back({std::string(lifecycle::word_end) + " " + std::to_string(process_tag_), {}});
  return parts;
}

void App::withdraw() {
  const std::lock_guard lock(control_mutex_);
  is_handing_over_ = false;
  own_line_.close();
  others_line_.close();
}

void App::leave() {
  // Whoever still asks this process's admin endpoint is refused while it is handing over, so nothing waits for the lock.
  if (admin_) admin_->stop();
  // The state is the new process's: what this one still knows of it grows old.
  stop_switchovers();
  const std::lock_guard lock(control_mutex_);
  admin_.reset();
  others_line_.close();
  ask_workers([pairs = all_pairs()](std::size_t index) {
    if (index != 0) return;
    for (const std::shared_ptr<AppPair>& pair : pairs) pair->stop_listening();
  });
}

/// The request goes to the first worker of its pair, which finds the one that has the session.
void App::answer_cancel() {
  std::optional<lifecycle::PassedCancel> cancel = lifecycle::receive_cancel(own_line_.get());
  if (!cancel) return;
  for (const std::shared_ptr<AppPair>& pair : all_pairs()) {
    if (pair->name() != cancel->pair) continue;
    const auto reply = std::make_shared<net::FileDescriptor>(std::move(cancel->reply));
    workers_.front()->loop().post([pair, key = std::move(cancel->key), reply] {
      pair->worker(0).cancel_own(key, [reply] { reply->close(); });
    });
    return;
  }
}

}  // namespace proxy
