#include "proxy/lifecycle/takeover_server.hpp"

#include "proxy/lifecycle/takeover_client.hpp"
#include "proxy/net/listener.hpp"

#include <doctest/doctest.h>

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <optional>
#include <string>
#include <thread>

using namespace proxy::lifecycle;
using namespace std::chrono_literals;

namespace {

/// A running process: the server's loop on a thread of its own, until it has handed over.
class Running {
 public:
  explicit Running(std::chrono::milliseconds start_timeout = 10s) {
    proxy::net::ListenerOptions options;
    options.endpoint.host = "127.0.0.1";
    auto socket = proxy::net::Listener::bind(options);
    REQUIRE(socket);
    socket_ = *std::move(socket);
    auto listening = listen_at(path());
    REQUIRE(listening);
    server_.emplace(path(), *std::move(listening), start_timeout);
    thread_ = std::thread([this] { run(); });
  }
  ~Running() {
    is_stopping_ = true;
    thread_.join();
    server_.reset();
    ::rmdir(folder_.c_str());
  }
  [[nodiscard]] std::string path() const { return folder_ + "/takeover"; }
  [[nodiscard]] std::uint16_t port() const { return proxy::net::Listener::address_of(socket_).port(); }
  std::atomic<int> began{0};
  std::atomic<int> failed{0};
  std::atomic<bool> is_handed_over{false};

 private:
  static std::string make_folder() {
    std::string name = "/tmp/crossfade-takeover-XXXXXX";
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    return name;
  }
  std::vector<TakeoverServer::Part> parts() {
    return {{"crossfade-takeover-1", {}}, {"pair shop 3 0\nrest 0 5 5\n", {socket_.get()}}, {"control", {server_->listening()}},
            {"cancels 4", {socket_.get()}}, {"end 5", {}}};
  }
  void run() {
    while (!is_stopping_ && !is_handed_over) {
      std::vector<pollfd> waited;
      for (const int fd : server_->descriptors()) waited.push_back({fd, POLLIN, 0});
      ::poll(waited.data(), waited.size(), 10);
      note(server_->on_time(std::chrono::steady_clock::now()));
      for (const pollfd& each : waited) {
        if (each.revents != 0) note(server_->on_readable(each.fd, [this](std::string&) { return parts(); }));
      }
    }
  }
  void note(TakeoverServer::Event event) {
    if (event == TakeoverServer::Event::began) ++began;
    if (event == TakeoverServer::Event::failed) ++failed;
    if (event != TakeoverServer::Event::handed_over) return;
    is_handed_over = true;
    server_->tell_left();
  }

  const std::string folder_ = make_folder();
  proxy::net::FileDescriptor socket_;
  std::optional<TakeoverServer> server_;
  std::atomic<bool> is_stopping_{false};
  std::thread thread_;
};

void wait_for(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + 10s;
  while (!condition() && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  REQUIRE(condition());
}

}  // namespace

TEST_CASE("takeover: a new process that comes to its end → has the sockets and the state, and the running one is told") {
  Running running;
  auto client = TakeoverClient::connect(running.path(), 10s);
  REQUIRE(client);
  CHECK(client->running_tag == 5);
  REQUIRE(client->predecessors.size() == 1);
  CHECK(client->predecessors[0].tag == 4);
  CHECK(client->control.is_open());
  REQUIRE(client->states.size() == 1);
  CHECK(client->states[0].rules[0].live.green == 5);
  CHECK(client->sockets.take("shop", "127.0.0.1", running.port()).is_open());
  REQUIRE(client->ask_to_go());
  CHECK_FALSE(running.is_handed_over);
  REQUIRE(client->tell_accepting());
  // It returns only when the running one accepts nothing more: what connects from here on is the new one's.
  CHECK(running.is_handed_over);
  ::unlink(running.path().c_str());
}

TEST_CASE("takeover: a new process that dies before and after it may go → the running one goes on, and takes the next") {
  Running running;
  {
    auto first = TakeoverClient::connect(running.path(), 10s);
    REQUIRE(first);
  }
  wait_for([&] { return running.failed == 1; });
  {
    auto second = TakeoverClient::connect(running.path(), 10s);
    REQUIRE(second);
    REQUIRE(second->ask_to_go());
  }
  wait_for([&] { return running.failed == 2; });
  CHECK_FALSE(running.is_handed_over);
  CHECK(TakeoverClient::connect(running.path(), 10s));
}

TEST_CASE("takeover: two at a time → the second is refused, the first is not disturbed") {
  Running running;
  auto first = TakeoverClient::connect(running.path(), 10s);
  REQUIRE(first);
  const auto second = TakeoverClient::connect(running.path(), 10s);
  REQUIRE_FALSE(second);
  CHECK(second.error().detail.find("under way") != std::string::npos);
  CHECK(first->ask_to_go());
}

TEST_CASE("takeover: a new process that takes too long → given up, and it may not go any more") {
  Running running(50ms);
  auto slow = TakeoverClient::connect(running.path(), 10s);
  REQUIRE(slow);
  wait_for([&] { return running.failed == 1; });
  CHECK_FALSE(slow->ask_to_go());
}

TEST_CASE("takeover: the path → closed to all others, taken from the dead, not from the living") {
  std::string folder = "/tmp/crossfade-takeover-XXXXXX";
  REQUIRE(::mkdtemp(folder.data()) != nullptr);
  const std::string path = folder + "/takeover";
  {
    const auto socket = listen_at(path);
    REQUIRE(socket);
    struct stat status{};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
    CHECK_FALSE(listen_at(path));
  }
  CHECK(listen_at(path));
  ::unlink(path.c_str());
  ::rmdir(folder.c_str());
  CHECK_FALSE(listen_at(std::string(200, 'x')));
  CHECK_FALSE(TakeoverClient::connect(path, 1s));
}
