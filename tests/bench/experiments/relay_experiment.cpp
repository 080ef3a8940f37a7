// What does a round trip through a relay cost with streams (one worker's buffer, recv and send) and with
// libevent's bufferevents? `experiment_relay [ROUND_TRIPS]` runs both against each other in interleaved rounds
// and prints the relay process's own CPU time; with strace at hand also its system calls.

#include "proxy/net/listener.hpp"
#include "proxy/net/name_table.hpp"
#include "proxy/net/tcp_connector.hpp"
#include "proxy/net/tcp_stream.hpp"
#include "proxy/runtime/event_loop.hpp"
#include "proxy/runtime/worker.hpp"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace proxy::net;
using proxy::runtime::EventLoop;

constexpr std::size_t clients_count = 8;
constexpr std::size_t request_bytes = 64;
constexpr std::size_t reply_bytes = 128;

// --- the relay made of streams

class StreamRelay {
 public:
  StreamRelay(std::span<std::byte> scratch, std::unique_ptr<Stream> client, std::unique_ptr<Stream> server)
      : scratch_(scratch), client_(std::move(client)), server_(std::move(server)) {
    client_->set_listener(&from_client_);
    server_->set_listener(&from_server_);
  }

 private:
  struct Way final : StreamListener {
    Way(StreamRelay& owner, std::unique_ptr<Stream>& in, std::unique_ptr<Stream>& out)
        : relay(owner), source(in), target(out) {}
    void on_stream_ready() override { relay.pass(*source, *target, *this); }
    StreamRelay& relay;
    std::unique_ptr<Stream>& source;
    std::unique_ptr<Stream>& target;
    protocol::Bytes held;  ///< while the target is connecting
  };

  void pass(Stream& source, Stream& target, Way& way) {
    Way& back = &way == &from_client_ ? from_server_ : from_client_;
    if (!back.held.empty() && source.is_writable()) {
      if (source.try_write(back.held).state != IoState::done) std::abort();
      back.held.clear();
    }
    while (source.is_readable()) {
      const IoOutcome got = source.try_read(scratch_);
      if (got.state != IoState::done) return;
      const protocol::ByteView bytes = scratch_.first(got.bytes);
      if (target.is_connecting()) {
        protocol::append(way.held, bytes);
      } else if (target.try_write(bytes).state != IoState::done) {
        return;  // messages this small always fit while the peer lives
      }
    }
  }

  std::span<std::byte> scratch_;
  std::unique_ptr<Stream> client_;
  std::unique_ptr<Stream> server_;
  Way from_client_{*this, client_, server_};
  Way from_server_{*this, server_, client_};
};

// --- the relay made of bufferevents

void pass_buffer(bufferevent* source, void* target) {
  bufferevent_write_buffer(static_cast<bufferevent*>(target), bufferevent_get_input(source));
}

void begin_bufferevents(EventLoop& loop, int client_socket, std::uint16_t target_port) {
  bufferevent* client = bufferevent_socket_new(loop.base(), client_socket, BEV_OPT_CLOSE_ON_FREE);
  bufferevent* server = bufferevent_socket_new(loop.base(), -1, BEV_OPT_CLOSE_ON_FREE);
  sockaddr_storage storage{};
  const socklen_t length = Address::parse("127.0.0.1", target_port)->to_sockaddr(storage);
  bufferevent_setcb(client, pass_buffer, nullptr, nullptr, server);
  bufferevent_setcb(server, pass_buffer, nullptr, nullptr, client);
  bufferevent_socket_connect(server, reinterpret_cast<sockaddr*>(&storage), static_cast<int>(length));
  apply_tcp_options(bufferevent_getfd(server), TcpOptions{});
  bufferevent_enable(client, EV_READ | EV_WRITE);
  bufferevent_enable(server, EV_READ | EV_WRITE);
}

/// Prints its port, relays until its standard input ends.
int serve(const std::string& mode, std::uint16_t target_port) {
  EventLoop loop;
  NameTable names;
  TcpConnector connector(loop, names, TcpOptions{});
  protocol::Bytes scratch(proxy::runtime::Worker::receive_scratch_bytes);
  std::vector<std::unique_ptr<StreamRelay>> relays;
  ListenerOptions options;
  options.endpoint = {"127.0.0.1", 0};

  std::unique_ptr<Listener> listener;
  FileDescriptor raw_listener;
  ::event* accept_event = nullptr;
  struct Accepting {
    EventLoop& loop;
    std::uint16_t target_port;
  } accepting{loop, target_port};
  std::uint16_t port = 0;
  if (mode == "stream") {
    auto opened = Listener::open(loop, options, [&](std::unique_ptr<Stream> client, const Address&) {
      relays.push_back(std::make_unique<StreamRelay>(scratch, std::move(client),
                                                     connector.connect({"127.0.0.1", target_port})));
    });
    if (!opened) return 1;
    listener = std::move(*opened);
    port = listener->port();
  } else {
    raw_listener = FileDescriptor(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    sockaddr_storage storage{};
    socklen_t length = Address::parse("127.0.0.1", 0)->to_sockaddr(storage);
    if (bind(raw_listener.get(), reinterpret_cast<sockaddr*>(&storage), length) != 0) return 1;
    if (listen(raw_listener.get(), 64) != 0) return 1;
    getsockname(raw_listener.get(), reinterpret_cast<sockaddr*>(&storage), &length);
    port = Address::from_sockaddr(storage).port();
    apply_tcp_options(raw_listener.get(), TcpOptions{});
    accept_event = event_new(
        loop.base(), raw_listener.get(), EV_READ | EV_PERSIST,
        [](evutil_socket_t fd, short, void* given) {
          const auto* to = static_cast<Accepting*>(given);
          const int client = accept4(fd, nullptr, nullptr, SOCK_NONBLOCK);
          if (client >= 0) begin_bufferevents(to->loop, client, to->target_port);
        },
        &accepting);
    event_add(accept_event, nullptr);
  }
  ::event* input_end = event_new(
      loop.base(), STDIN_FILENO, EV_READ, [](evutil_socket_t, short, void* given) { static_cast<EventLoop*>(given)->stop(); },
      &loop);
  event_add(input_end, nullptr);
  std::printf("%u\n", unsigned{port});
  std::fflush(stdout);
  loop.run();
  // The process's end closes the rest; the experiment measures, it does not tidy up.
  std::_Exit(0);
}

// --- the load

void exchange_all(int socket, std::size_t count, std::size_t out_bytes, std::size_t in_bytes, bool is_first_to_speak) {
  std::array<char, 256> buffer{};
  for (std::size_t i = 0; i < count; ++i) {
    if (is_first_to_speak && send(socket, buffer.data(), out_bytes, MSG_NOSIGNAL) < 0) return;
    if (recv(socket, buffer.data(), in_bytes, MSG_WAITALL) != static_cast<ssize_t>(in_bytes)) return;
    if (!is_first_to_speak && send(socket, buffer.data(), out_bytes, MSG_NOSIGNAL) < 0) return;
  }
}

struct Round {
  double cpu_micros = 0;
  double system_calls = 0;
};

/// Total of the "calls" column of `strace -c`.
double total_calls(const std::string& path, std::map<std::string, long>& by_name) {
  std::ifstream file(path);
  std::string line;
  double total = 0;
  while (std::getline(file, line)) {
    std::istringstream fields(line);
    double share = 0;
    double seconds = 0;
    long micros = 0;
    long calls = 0;
    std::string last;
    if (!(fields >> share >> seconds >> micros >> calls)) continue;
    while (fields >> last) {}
    if (last == "total") continue;
    total += static_cast<double>(calls);
    by_name[last] += calls;
  }
  return total;
}

Round run_round(const std::string& own_path, const std::string& mode, std::size_t round_trips, const std::string& strace_file) {
  FileDescriptor echo(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_storage storage{};
  socklen_t length = Address::parse("127.0.0.1", 0)->to_sockaddr(storage);
  if (bind(echo.get(), reinterpret_cast<sockaddr*>(&storage), length) != 0 || listen(echo.get(), 64) != 0) std::abort();
  getsockname(echo.get(), reinterpret_cast<sockaddr*>(&storage), &length);
  const std::string echo_port = std::to_string(Address::from_sockaddr(storage).port());

  int to_child[2];
  int from_child[2];
  if (pipe2(to_child, O_CLOEXEC) != 0 || pipe2(from_child, O_CLOEXEC) != 0) std::abort();
  const pid_t child = fork();
  if (child == 0) {
    dup2(to_child[0], STDIN_FILENO);
    dup2(from_child[1], STDOUT_FILENO);
    if (strace_file.empty()) {
      execl(own_path.c_str(), own_path.c_str(), "serve", mode.c_str(), echo_port.c_str(), nullptr);
    } else {
      execlp("strace", "strace", "-c", "-f", "-o", strace_file.c_str(), own_path.c_str(), "serve", mode.c_str(),
             echo_port.c_str(), nullptr);
    }
    _exit(127);
  }
  close(from_child[1]);
  close(to_child[0]);
  char text[16] = {};
  if (read(from_child[0], text, sizeof text - 1) <= 0) std::abort();
  const Address relay = *Address::parse("127.0.0.1", static_cast<std::uint16_t>(std::atoi(text)));

  std::vector<std::thread> threads;
  const std::size_t each = round_trips / clients_count;
  for (std::size_t i = 0; i < clients_count; ++i) {
    threads.emplace_back([&] {
      const FileDescriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      sockaddr_storage target{};
      const socklen_t target_length = relay.to_sockaddr(target);
      if (connect(socket.get(), reinterpret_cast<sockaddr*>(&target), target_length) != 0) std::abort();
      exchange_all(socket.get(), each, request_bytes, reply_bytes, true);
    });
    const int server = accept4(echo.get(), nullptr, nullptr, SOCK_CLOEXEC);
    threads.emplace_back([server, each] {
      exchange_all(server, each, reply_bytes, request_bytes, false);
      close(server);
    });
  }
  for (std::thread& thread : threads) thread.join();
  close(to_child[1]);
  close(from_child[0]);
  int status = 0;
  rusage usage{};
  wait4(child, &status, 0, &usage);
  Round round;
  round.cpu_micros = static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
                     static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
  round.cpu_micros /= static_cast<double>(round_trips);
  return round;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 4 && std::strcmp(argv[1], "serve") == 0) {
    return serve(argv[2], static_cast<std::uint16_t>(std::atoi(argv[3])));
  }
  const std::size_t round_trips = argc > 1 ? static_cast<std::size_t>(std::atol(argv[1])) : 200'000;
  const std::array<std::string, 2> modes{"stream", "bufferevent"};
  std::map<std::string, std::vector<double>> costs;
  for (int round = 0; round < 5; ++round) {
    for (const std::string& mode : modes) {
      costs[mode].push_back(run_round(argv[0], mode, round_trips, "").cpu_micros);
    }
  }
  for (const std::string& mode : modes) {
    std::vector<double>& values = costs[mode];
    std::sort(values.begin(), values.end());
    std::printf("%-12s %5.2f us of CPU per round trip (median of 5; %.2f to %.2f)\n", mode.c_str(), values[2],
                values.front(), values.back());
    const std::string file = "experiment_relay." + mode + ".strace";
    (void)run_round(argv[0], mode, 20'000, file);
    std::map<std::string, long> by_name;
    std::printf("%-12s %5.2f system calls per round trip:", "", total_calls(file, by_name) / 20'000);
    for (const auto& [name, calls] : by_name) {
      if (calls > 1'000) std::printf(" %s %.2f", name.c_str(), static_cast<double>(calls) / 20'000);
    }
    std::puts("");
    std::remove(file.c_str());
  }
}
