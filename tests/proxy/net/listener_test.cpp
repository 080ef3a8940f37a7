#include "proxy/net/listener.hpp"

#include "tests/proxy/net/net_fixture.hpp"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <thread>

using namespace net_test;

namespace {

ListenerOptions on(std::string host) {
  ListenerOptions options;
  options.endpoint = {std::move(host), 0};
  return options;
}

std::vector<Address> unknown(const std::string&) { return {}; }

class TemporaryFolder {
 public:
  TemporaryFolder() {
    char pattern[] = "/tmp/net_test.XXXXXX";
    REQUIRE(mkdtemp(pattern) != nullptr);
    path_ = pattern;
  }
  ~TemporaryFolder() { rmdir(path_.c_str()); }
  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace

TEST_CASE("listener: port 0 on IPv4, IPv6 and every address → bound port reported, clients accepted with address") {
  for (const std::string host : {"127.0.0.1", "::1", "*", "localhost"}) {
    CAPTURE(host);
    EventLoop loop;
    NameTable names(unknown);
    std::unique_ptr<Stream> accepted;
    Address peer;
    auto listener = Listener::open(loop, on(host), [&](std::unique_ptr<Stream> stream, const Address& from) {
      accepted = std::move(stream);
      peer = from;
    });
    REQUIRE(listener.has_value());
    CHECK((*listener)->port() != 0);
    TcpConnector connector(loop, names, TcpOptions{});
    const auto client = connector.connect({host == "::1" ? "::1" : "127.0.0.1", (*listener)->port()});
    CHECK(client->is_connecting());
    turn_until(loop, [&] { return accepted != nullptr && !client->is_connecting(); });
    CHECK_FALSE(client->is_broken());
    CHECK(peer.host_text() == (host == "::1" ? "::1" : "127.0.0.1"));
    CHECK(peer.port() != 0);
    REQUIRE(client->try_write(bytes_of("hi")).state == IoState::done);
    turn_until(loop, [&] { return accepted->is_readable(); });
    CHECK(read_text(*accepted).second == "hi");
  }
}

TEST_CASE("listener: local socket → made, used, a dead one replaced, a live one respected, removed at the end") {
  const TemporaryFolder folder;
  const std::string path = folder.file("socket");
  EventLoop loop;
  NameTable names(unknown);
  TcpConnector connector(loop, names, TcpOptions{});
  std::unique_ptr<Stream> accepted;
  std::optional<std::uint32_t> user_number;
  const auto take = [&](std::unique_ptr<Stream> stream, const Address& peer) {
    accepted = std::move(stream);
    user_number = peer.user_number();
  };
  {
    proxy::net::ListenerOptions options = on(path);
    options.local_mode = 0640;
    auto listener = Listener::open(loop, options, take);
    REQUIRE(listener.has_value());
    struct stat made{};
    REQUIRE(stat(path.c_str(), &made) == 0);
    CHECK((made.st_mode & 07777U) == 0640);
    const auto client = connector.connect({path, 0});
    turn_until(loop, [&] { return accepted != nullptr; });
    CHECK(user_number == geteuid());
    REQUIRE(client->try_write(bytes_of("hi")).state == IoState::done);
    turn_until(loop, [&] { return accepted->is_readable(); });
    CHECK(read_text(*accepted).second == "hi");

    const auto second = Listener::open(loop, on(path), take);
    REQUIRE_FALSE(second.has_value());
    CHECK(second.error().detail == "cannot listen: address in use");
  }
  struct stat status{};
  CHECK(stat(path.c_str(), &status) != 0);

  {  // what a killed process leaves behind
    const FileDescriptor dead(socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    REQUIRE(bind(dead.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  }
  REQUIRE(stat(path.c_str(), &status) == 0);
  CHECK(Listener::open(loop, on(path), take).has_value());
}

TEST_CASE("listener: port taken, host unknown → the operator is told why") {
  EventLoop loop;
  const auto ignore = [](std::unique_ptr<Stream>, const Address&) {};
  auto first = Listener::open(loop, on("127.0.0.1"), ignore);
  REQUIRE(first.has_value());
  ListenerOptions same = on("127.0.0.1");
  same.endpoint.port = (*first)->port();
  const auto second = Listener::open(loop, same, ignore);
  REQUIRE_FALSE(second.has_value());
  CHECK(second.error().code == protocol::ErrorCode::configuration_invalid);
  CHECK(second.error().blame == protocol::Blame::operator_);
  CHECK(second.error().detail == "cannot listen: address in use");
  CHECK_FALSE(Listener::open(loop, on("no.such.host.example"), ignore).has_value());
}

TEST_CASE("listener: shared port → several listeners on it, each connection reaches one") {
  EventLoop loop;
  NameTable names(unknown);
  std::vector<std::unique_ptr<Stream>> accepted;
  const auto take = [&](std::unique_ptr<Stream> stream, const Address&) { accepted.push_back(std::move(stream)); };
  ListenerOptions options = on("127.0.0.1");
  options.sharing = PortSharing::shared;
  auto first = Listener::open(loop, options, take);
  REQUIRE(first.has_value());
  options.endpoint.port = (*first)->port();
  auto second = Listener::open(loop, options, take);
  REQUIRE(second.has_value());
  TcpConnector connector(loop, names, TcpOptions{});
  std::vector<std::unique_ptr<Stream>> clients;
  for (int i = 0; i < 8; ++i) clients.push_back(connector.connect(options.endpoint));
  turn_until(loop, [&] { return accepted.size() == 8; });
}

TEST_CASE("listener: two targets on two threads → dealt in turn, each stream on its target's thread") {
  EventLoop accepting;
  EventLoop other;
  std::thread thread([&] { other.run(); });
  NameTable names(unknown);
  std::vector<std::unique_ptr<Stream>> here;
  std::vector<std::unique_ptr<Stream>> there;  // the other thread's
  std::atomic<int> there_count = 0;
  std::atomic<bool> is_on_right_thread = true;
  std::vector<Listener::Target> targets;
  targets.push_back({&accepting, [&](std::unique_ptr<Stream> stream, const Address&) { here.push_back(std::move(stream)); }});
  targets.push_back({&other, [&](std::unique_ptr<Stream> stream, const Address&) {
                       if (std::this_thread::get_id() != thread.get_id()) is_on_right_thread = false;
                       there.push_back(std::move(stream));
                       ++there_count;
                     }});
  auto listener = Listener::open(accepting, on("127.0.0.1"), std::move(targets));
  REQUIRE(listener.has_value());
  TcpConnector connector(accepting, names, TcpOptions{});
  std::vector<std::unique_ptr<Stream>> clients;
  for (int i = 0; i < 10; ++i) clients.push_back(connector.connect({"127.0.0.1", (*listener)->port()}));
  const auto tick = accepting.make_timer([] {});
  turn_until(accepting, [&] {
    tick->arm(accepting.now());  // the other thread makes no event here
    return here.size() == 5 && there_count == 5;
  });
  CHECK(is_on_right_thread);
  other.post([&] { there.clear(); });
  other.stop();
  thread.join();
}

TEST_CASE("listener: descriptors exhausted → it pauses, and goes on when there are some again") {
  EventLoop loop;
  NameTable names(unknown);
  std::vector<std::unique_ptr<Stream>> accepted;
  auto listener = Listener::open(loop, on("127.0.0.1"), [&](std::unique_ptr<Stream> stream, const Address&) {
    accepted.push_back(std::move(stream));
  });
  REQUIRE(listener.has_value());
  TcpConnector connector(loop, names, TcpOptions{});
  const auto client = connector.connect({"127.0.0.1", (*listener)->port()});

  rlimit old_limit{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &old_limit) == 0);
  const FileDescriptor probe(dup(0));
  rlimit tight = old_limit;
  tight.rlim_cur = static_cast<rlim_t>(probe.get());  // nothing above what is open now
  REQUIRE(setrlimit(RLIMIT_NOFILE, &tight) == 0);
  turn_until(loop, [&] { return !client->is_connecting(); });
  for (int i = 0; i < 5; ++i) turn_once(loop);
  const std::size_t accepted_while_tight = accepted.size();
  REQUIRE(setrlimit(RLIMIT_NOFILE, &old_limit) == 0);
  CHECK(accepted_while_tight == 0);
  turn_until(loop, [&] { return accepted.size() == 1; });
}

TEST_CASE("listener: closed by the callback that takes a connection → safe") {
  EventLoop loop;
  NameTable names(unknown);
  std::unique_ptr<Listener> listener;
  std::unique_ptr<Stream> accepted;
  auto opened = Listener::open(loop, on("127.0.0.1"), [&](std::unique_ptr<Stream> stream, const Address&) {
    accepted = std::move(stream);
    listener.reset();
  });
  REQUIRE(opened.has_value());
  listener = std::move(*opened);
  TcpConnector connector(loop, names, TcpOptions{});
  const auto client = connector.connect({"127.0.0.1", listener->port()});
  turn_until(loop, [&] { return accepted != nullptr; });
  CHECK(listener == nullptr);
}
