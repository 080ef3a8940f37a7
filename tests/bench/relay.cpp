// bench_relay LISTEN_PORT TARGET_PORT: the floor of tests/bench. It passes bytes on and knows nothing of them:
// one epoll_wait, two recv and two send per round trip, one thread, one buffer. No proxy that reads and writes
// sockets can do with fewer system calls.

#include "tests/bench/loopback.hpp"

#include <fcntl.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <vector>

namespace {

using Buffer = std::array<char, 65'536>;

struct Link;

/// One socket and what could not yet be sent to it.
struct End {
  Link* link = nullptr;
  End* peer = nullptr;
  int socket = -1;
  std::vector<char> unsent;
};

struct Link {
  End client;
  End server;
  bool is_over = false;
};

/// False when the connection is gone.
bool send_now(End& target, const char* bytes, std::size_t size) {
  std::size_t sent = 0;
  if (target.unsent.empty()) {
    const ssize_t count = ::send(target.socket, bytes, size, MSG_NOSIGNAL);
    if (count < 0 && errno != EAGAIN) return false;
    if (count > 0) sent = static_cast<std::size_t>(count);
  }
  target.unsent.insert(target.unsent.end(), bytes + sent, bytes + size);
  return true;
}

bool send_rest(End& target) {
  std::vector<char> rest;
  rest.swap(target.unsent);
  return rest.empty() || send_now(target, rest.data(), rest.size());
}

/// Reads what is there once (edge-triggered: until a short read) and passes it on.
bool pass_on(End& source, Buffer& buffer) {
  for (;;) {
    const ssize_t count = ::recv(source.socket, buffer.data(), buffer.size(), 0);
    if (count == 0) return false;
    if (count < 0) return errno == EAGAIN;
    const auto size = static_cast<std::size_t>(count);
    if (!send_now(*source.peer, buffer.data(), size)) return false;
    if (size < buffer.size()) return true;
  }
}

class Relay {
 public:
  Relay(std::uint16_t listen_port, std::uint16_t target_port)
      : poll_(::epoll_create1(EPOLL_CLOEXEC)), listener_(bench::listen_on(listen_port)), target_port_(target_port) {
    bench::watch(poll_, listener_, EPOLLIN, nullptr);
  }

  [[noreturn]] void run() {
    std::array<epoll_event, 128> events{};
    for (;;) {
      const int count = ::epoll_wait(poll_, events.data(), static_cast<int>(events.size()), -1);
      for (int i = 0; i < count; ++i) serve(events[static_cast<std::size_t>(i)]);
      for (Link* link : over_) delete link;  // only now: a later event of the same wait may have named it
      over_.clear();
    }
  }

 private:
  void serve(const epoll_event& event) {
    auto* end = static_cast<End*>(event.data.ptr);
    if (end == nullptr) return accept_all();
    if (end->link->is_over) return;
    bool is_alive = true;
    if ((event.events & EPOLLOUT) != 0) is_alive = send_rest(*end);
    if (is_alive && (event.events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) is_alive = pass_on(*end, buffer_);
    if (!is_alive) end_link(*end->link);
  }

  void accept_all() {
    for (int client = bench::accept_from(listener_); client >= 0; client = bench::accept_from(listener_)) {
      const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      const sockaddr_in address = bench::loopback(target_port_);
      if (::connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        ::close(server);
        ::close(client);
        continue;
      }
      bench::send_at_once(server);
      auto link = std::make_unique<Link>();
      link->client = {link.get(), &link->server, client, {}};
      link->server = {link.get(), &link->client, server, {}};
      ::fcntl(server, F_SETFL, O_NONBLOCK);
      for (End* end : {&link->client, &link->server}) {
        // Connecting may block, it is the loopback; passing on must not.
        bench::watch(poll_, end->socket, EPOLLIN | EPOLLOUT | EPOLLET, end);
      }
      static_cast<void>(link.release());  // owned by the two sockets' events until end_link()
    }
  }

  void end_link(Link& link) {
    link.is_over = true;
    ::close(link.client.socket);
    ::close(link.server.socket);
    over_.push_back(&link);
  }

  int poll_;
  int listener_;
  std::uint16_t target_port_;
  std::vector<Link*> over_;
  Buffer buffer_{};
};

}  // namespace

int main(int argument_count, char** arguments) {
  if (argument_count != 3) {
    std::fprintf(stderr, "bench_relay LISTEN_PORT TARGET_PORT\n");
    return 2;
  }
  const auto relay = std::make_unique<Relay>(bench::number_argument(arguments[1]), bench::number_argument(arguments[2]));
  relay->run();
}
