#include "proxy/catalogue/load_catalogue.hpp"

#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace proxy::catalogue {
namespace {

using namespace std::chrono_literals;
using protocol::ErrorCode;

/// Takes connections and says nothing.
class SilentServer {
 public:
  SilentServer() : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
    REQUIRE(listen(socket_, 1) == 0);
    socklen_t length = sizeof(address);
    REQUIRE(getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &length) == 0);
    port_ = ntohs(address.sin_port);
  }
  SilentServer(const SilentServer&) = delete;
  SilentServer& operator=(const SilentServer&) = delete;
  ~SilentServer() { close(socket_); }
  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  int socket_;
  std::uint16_t port_ = 0;
};

TEST_CASE("load_catalogue: nobody listens → unreachable, and no password in the detail") {
  const CatalogueSource source{"/nonexistent-folder", 1, "u", "hush-hush", "d"};
  const auto rows = load_catalogue(source, "SELECT 1", 5s);
  REQUIRE_FALSE(rows);
  CHECK(rows.error().code == ErrorCode::backend_unreachable);
  CHECK(rows.error().detail.find("hush-hush") == std::string::npos);
}

TEST_CASE("load_catalogue: a server that says nothing → timeout") {
  const SilentServer server;
  const auto rows = load_catalogue({"127.0.0.1", server.port(), "u", "p", "d"}, "SELECT 1", 20ms);
  REQUIRE_FALSE(rows);
  CHECK(rows.error().code == ErrorCode::backend_timeout);
}

TEST_CASE("load_catalogue: asked to stop → ends before its deadline") {
  const SilentServer server;
  std::stop_source stop;
  stop.request_stop();
  const auto rows =
      load_catalogue({"127.0.0.1", server.port(), "u", "p", "d"}, "SELECT 1", 24h, stop.get_token());
  REQUIRE_FALSE(rows);
  CHECK(rows.error().code == ErrorCode::shutting_down);
}

}  // namespace
}  // namespace proxy::catalogue
