#include "tests/model/faulty_relay.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>

namespace model {

namespace {

/// One direction's bytes, message by message, with the fault applied.
class Stage {
 public:
  Stage(Fault fault, bool is_from_server) : fault_(fault), is_from_server_(is_from_server), is_raw_(!is_from_server) {}

  /// Takes what came and gives what goes on.
  std::string pass(std::string_view bytes) {
    unread_.append(bytes);
    std::string out;
    if (is_raw_) {  // the start-up packet has no tag
      if (unread_.size() < 4 || unread_.size() < read_int32_be(unread_, 0)) return out;
      const std::size_t size = read_int32_be(unread_, 0);
      out = unread_.substr(0, size);
      unread_.erase(0, size);
      is_raw_ = false;
    }
    std::vector<ServerMessage> messages;
    take_messages(unread_, messages);
    for (const ServerMessage& message : messages) apply(message, out);
    return out;
  }

 private:
  static std::string frame(const ServerMessage& message) {
    return message.tag + int32_be(static_cast<std::uint32_t>(message.payload.size() + 4)) + message.payload;
  }

  void apply(const ServerMessage& message, std::string& out) {
    if (!is_from_server_) {
      held_ += frame(message);
      if (fault_ == Fault::loses_copy_data && message.tag == 'd' && ++count_ % 3 == 0) {
        held_.erase(held_.size() - frame(message).size());
      }
      const bool is_pushed = message.tag == 'S' || message.tag == 'Q' || message.tag == 'X' || message.tag == 'F';
      if (fault_ != Fault::ignores_flush || is_pushed || is_copying_) {
        out += held_;
        held_.clear();
      }
      if (message.tag == 'Q') is_copying_ = true;  // may be; holding back is the fault, not deadlock in COPY
      if (message.tag == 'S') is_copying_ = false;
      return;
    }
    ServerMessage changed = message;
    switch (fault_) {
      case Fault::drops_reply:
        if ((message.tag == '1' || message.tag == '3' || message.tag == 'n') && ++count_ % 7 == 0) return;
        break;
      case Fault::repeats_reply:
        if (message.tag == 'C' && ++count_ % 9 == 0) out += frame(message);
        break;
      case Fault::swaps_replies:
        if (!late_.empty()) {
          out += frame(message) + late_;
          late_.clear();
          return;
        }
        if ((message.tag == '1' || message.tag == 'T') && ++count_ % 5 == 0) {
          late_ = frame(message);
          return;
        }
        break;
      case Fault::swallows_ready:
        if (message.tag == 'E') has_error_ = true;
        if (message.tag == 'Z' && has_error_ && ++count_ % 4 == 0) return;
        if (message.tag == 'Z') has_error_ = false;
        break;
      case Fault::wrong_status:
        if (message.tag == 'Z') changed.payload.assign(1, 'I');
        break;
      case Fault::drops_notice:
        if (message.tag == 'N') return;
        break;
      case Fault::none:
      case Fault::ignores_flush:
      case Fault::loses_copy_data:
      case Fault::cancels_nothing:
        break;
    }
    out += frame(changed);
  }

  Fault fault_;
  bool is_from_server_;
  bool is_raw_;
  bool is_copying_ = false;
  bool has_error_ = false;
  std::size_t count_ = 0;
  std::string unread_;
  std::string held_;
  std::string late_;
};

bool send_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

/// Both ways until one end closes; each way on its own thread, so neither blocks the other.
void pump(int from, int to, Stage stage) {
  char chunk[16384];
  for (;;) {
    const ssize_t count = ::recv(from, chunk, sizeof chunk, 0);
    if (count <= 0) break;
    if (!send_all(to, stage.pass({chunk, static_cast<std::size_t>(count)}))) break;
  }
  ::shutdown(to, SHUT_WR);
}

bool is_cancel(std::string_view bytes) { return bytes.size() >= 8 && read_int32_be(bytes, 4) == 80877102; }

}  // namespace

std::string_view name_of(Fault fault) {
  switch (fault) {
    case Fault::none:
      return "none";
    case Fault::drops_reply:
      return "drops_reply";
    case Fault::repeats_reply:
      return "repeats_reply";
    case Fault::swaps_replies:
      return "swaps_replies";
    case Fault::ignores_flush:
      return "ignores_flush";
    case Fault::swallows_ready:
      return "swallows_ready";
    case Fault::wrong_status:
      return "wrong_status";
    case Fault::drops_notice:
      return "drops_notice";
    case Fault::loses_copy_data:
      return "loses_copy_data";
    case Fault::cancels_nothing:
      return "cancels_nothing";
  }
  return "unknown";
}

const std::vector<Fault>& all_faults() {
  using enum Fault;
  static const std::vector<Fault> faults{none,         drops_reply,  repeats_reply,   swaps_replies,  ignores_flush,
                                         swallows_ready, wrong_status, drops_notice, loses_copy_data, cancels_nothing};
  return faults;
}

FaultyRelay::FaultyRelay(Address server, Fault fault) : server_(std::move(server)), fault_(fault) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof name;
  if (::bind(listener_, reinterpret_cast<const sockaddr*>(&name), size) != 0 || ::listen(listener_, 16) != 0 ||
      ::getsockname(listener_, reinterpret_cast<sockaddr*>(&name), &size) != 0) {
    throw std::runtime_error("the relay cannot listen");
  }
  port_ = ntohs(name.sin_port);
  acceptor_ = std::thread([this] { run(); });
}

FaultyRelay::~FaultyRelay() {
  is_ending_ = true;
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  for (std::thread& session : sessions_) session.join();
  ::close(listener_);
}

void FaultyRelay::run() {
  while (!is_ending_) {
    const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) break;
    sessions_.emplace_back([this, client] { serve(client); });
  }
}

void FaultyRelay::serve(int descriptor) {
  const Socket client(descriptor);
  const int on = 1;
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  char head[16];
  const ssize_t peeked = ::recv(descriptor, head, sizeof head, MSG_PEEK);
  const bool is_cancelling = peeked > 0 && is_cancel({head, static_cast<std::size_t>(peeked)});
  if (is_cancelling && fault_ == Fault::cancels_nothing) return;
  const Socket server(server_);
  if (is_cancelling) {
    char packet[64];
    const ssize_t count = ::recv(descriptor, packet, sizeof packet, 0);
    if (count > 0) send_all(server.descriptor(), {packet, static_cast<std::size_t>(count)});
    while (::recv(server.descriptor(), packet, sizeof packet, 0) > 0) {
    }
    return;
  }
  std::thread replies([&] { pump(server.descriptor(), descriptor, Stage(fault_, true)); });
  pump(descriptor, server.descriptor(), Stage(fault_, false));
  replies.join();
}

}  // namespace model
