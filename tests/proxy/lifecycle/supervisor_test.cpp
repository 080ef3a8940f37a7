#include "proxy/lifecycle/supervisor.hpp"

#include "proxy/net/file_descriptor.hpp"

#include <doctest/doctest.h>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>

using proxy::lifecycle::Supervisor;

namespace {

/// The other end, on a name without a file.
class FakeSystemd {
 public:
  FakeSystemd() : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string name = "crossfade-test-" + std::to_string(::getpid());
    std::memcpy(address.sun_path + 1, name.data(), name.size());
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    REQUIRE(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), length) == 0);
    ::setenv("NOTIFY_SOCKET", ("@" + name).c_str(), 1);
  }
  ~FakeSystemd() {
    for (const char* variable : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) ::unsetenv(variable);
  }
  std::string hear() const {
    std::array<char, 4096> buffer{};
    const ssize_t received = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    return received < 0 ? std::string() : std::string(buffer.data(), static_cast<std::size_t>(received));
  }

 private:
  proxy::net::FileDescriptor socket_;
};

}  // namespace

TEST_CASE("supervisor: each word → as sd_notify has it") {
  const FakeSystemd systemd;
  const Supervisor supervisor = Supervisor::from_environment();
  supervisor.tell_ready("serving\nshop");
  CHECK(systemd.hear() == "READY=1\nSTATUS=serving shop");
  supervisor.tell_reloading();
  const std::string reloading = systemd.hear();
  CHECK(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="));
  supervisor.tell_stopping();
  CHECK(systemd.hear().starts_with("STOPPING=1\n"));
  supervisor.tell_alive();
  CHECK(systemd.hear() == "WATCHDOG=1");
  supervisor.tell_main_process(17);
  CHECK(systemd.hear() == "MAINPID=17");
}

TEST_CASE("supervisor: a watchdog → its interval; one for another process, or nonsense → none") {
  const FakeSystemd systemd;
  CHECK_FALSE(Supervisor::from_environment().alive_interval());
  ::setenv("WATCHDOG_USEC", "2000000", 1);
  CHECK(Supervisor::from_environment().alive_interval() == std::chrono::milliseconds(2'000));
  ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
  CHECK(Supervisor::from_environment().alive_interval());
  ::setenv("WATCHDOG_PID", std::to_string(::getpid() + 1).c_str(), 1);
  CHECK_FALSE(Supervisor::from_environment().alive_interval());
  ::unsetenv("WATCHDOG_PID");
  ::setenv("WATCHDOG_USEC", "soon", 1);
  CHECK_FALSE(Supervisor::from_environment().alive_interval());
}

TEST_CASE("supervisor: none, or one that has gone → nothing happens") {
  ::unsetenv("NOTIFY_SOCKET");
  Supervisor::from_environment().tell_ready("x");
  ::setenv("NOTIFY_SOCKET", "@crossfade-nobody-is-here", 1);
  Supervisor::from_environment().tell_ready("x");
  ::unsetenv("NOTIFY_SOCKET");
}
