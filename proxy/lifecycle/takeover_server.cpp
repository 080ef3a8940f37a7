#include "proxy/lifecycle/takeover_server.hpp"

#include "proxy/lifecycle/takeover_words.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <utility>

namespace proxy::lifecycle {

namespace {

constexpr std::chrono::seconds going_timeout{10};  ///< between "go" and "accepting" lies no work
constexpr timeval send_timeout{5, 0};

}  // namespace

TakeoverServer::TakeoverServer(std::string path, net::FileDescriptor listening, std::chrono::milliseconds start_timeout)
    : path_(std::move(path)), listening_(std::move(listening)), start_timeout_(start_timeout) {}

TakeoverServer::~TakeoverServer() {
  if (phase_ != Phase::handed_over) (void)::unlink(path_.c_str());
}

std::vector<int> TakeoverServer::descriptors() const {
  std::vector<int> waited_for;
  if (phase_ != Phase::handed_over) waited_for.push_back(listening_.get());
  if (line_.is_open()) waited_for.push_back(line_.get());
  return waited_for;
}

std::optional<TakeoverServer::Clock::time_point> TakeoverServer::deadline() const {
  if (phase_ == Phase::preparing || phase_ == Phase::going) return deadline_;
  return std::nullopt;
}

TakeoverServer::Event TakeoverServer::on_readable(int descriptor, const Parts& parts) {
  if (line_.is_open() && descriptor == line_.get()) return hear();
  if (descriptor == listening_.get() && phase_ != Phase::handed_over) return admit(parts);
  return Event::nothing;
}

TakeoverServer::Event TakeoverServer::on_time(Clock::time_point now) {
  const auto due = deadline();
  return due && now >= *due ? give_up() : Event::nothing;
}

TakeoverServer::Event TakeoverServer::admit(const Parts& parts) {
  net::FileDescriptor line(::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!line.is_open()) return Event::nothing;
  (void)setsockopt(line.get(), SOL_SOCKET, SO_SNDTIMEO, &send_timeout, sizeof send_timeout);
  const auto refuse = [&line](const std::string& why) {
    (void)send_message(line.get(), std::string(word_refused) + " " + why);
    return Event::nothing;
  };
  const Peer peer = peer_of(line.get());
  if (!peer.is_trusted) return refuse("another user's process may not take over");
  if (phase_ != Phase::idle) return refuse("a takeover is under way");
  std::string refusal;
  const std::vector<Part> needed = parts(refusal);
  if (!refusal.empty()) return refuse(refusal);
  peer_process_ = peer.process_id;
  phase_ = Phase::preparing;
  deadline_ = Clock::now() + start_timeout_;
  line_ = std::move(line);
  for (const Part& part : needed) {
    if (!send_message(line_.get(), part.text, part.descriptors)) return give_up();
  }
  return Event::began;
}

TakeoverServer::Event TakeoverServer::hear() {
  const protocol::Result<Message> message = receive_message(line_.get(), std::chrono::milliseconds(0));
  if (!message) return give_up();
  if (message->text == word_prepared && phase_ == Phase::preparing) {
    phase_ = Phase::going;
    deadline_ = Clock::now() + going_timeout;
    if (!send_message(line_.get(), word_go)) return give_up();
    return Event::nothing;
  }
  if (message->text != word_accepting || phase_ != Phase::going) return give_up();
  phase_ = Phase::handed_over;
  listening_.close();
  return Event::handed_over;
}

void TakeoverServer::tell_left() { line_.close(); }

TakeoverServer::Event TakeoverServer::give_up() {
  line_.close();
  phase_ = Phase::idle;
  return Event::failed;
}

}  // namespace proxy::lifecycle
