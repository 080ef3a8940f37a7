#include "proxy/admin/server.hpp"
#include "tests/proxy/admin/raw_client.hpp"
#include "tests/proxy/admin/running_server.hpp"

#include <doctest/doctest.h>

#include <future>
#include <string>

using proxy::admin::AdminOptions;
using proxy::admin::AdminServer;

namespace {

std::string put_weights(const std::string& body, const std::string& fields = "") {
  return "PUT /api/v1/pairs/shop/rules/reports/weights HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
         fields + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

bool has(const std::string& reply, std::string_view words) { return reply.find(words) != std::string::npos; }

/// What start() says to options that it must refuse.
std::string refusal_of(const AdminOptions& options) {
  fake::Control control;
  proxy::telemetry::Log log{{}};
  AdminServer server(options, control, log);
  const auto port = server.start();
  return port ? "" : port.error().detail;
}

}  // namespace

TEST_CASE("server: a request → a reply that no cache and no browser may misuse") {
  const RunningServer server;
  RawClient client(server.port());
  const std::string reply = client.ask(get("/healthz"));
  CHECK(status_of(reply) == 200);
  CHECK(has(reply, "Content-Type: application/json\r\n"));
  CHECK(has(reply, "Cache-Control: no-store\r\n"));
  CHECK(has(reply, "X-Content-Type-Options: nosniff\r\n"));
  CHECK(has(reply, R"({"healthy":true})"));
}

TEST_CASE("server: several requests on one connection, also sent at once → replies in order") {
  RunningServer server;
  RawClient client(server.port());
  CHECK(status_of(client.ask(get("/healthz"))) == 200);
  CHECK(client.send(get("/nothing") + put_weights(R"({"reads":{"green":10}})") + get("/readyz")));
  CHECK(status_of(client.read_reply()) == 404);
  CHECK(has(client.read_reply(), R"("epoch":2)"));
  CHECK(has(client.read_reply(), R"("ready":true)"));
  CHECK(server.control.plan().rules[0].reads.green == 1'000);
}

TEST_CASE("server: Connection: close and HTTP/1.0 → closed after the reply") {
  const RunningServer server;
  RawClient client(server.port());
  CHECK(client.send(get("/healthz", "Connection: close\r\n")));
  CHECK(status_of(client.read_to_end()) == 200);
  RawClient old(server.port());
  CHECK(old.send("GET /healthz HTTP/1.0\r\n\r\n"));
  CHECK(status_of(old.read_to_end()) == 200);
}

TEST_CASE("server: HEAD → the header of its GET, and no body") {
  const RunningServer server;
  RawClient client(server.port());
  CHECK(client.send("HEAD /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
  const std::string reply = client.read_to_end();
  CHECK(status_of(reply) == 200);
  CHECK(has(reply, "Content-Length: 17\r\n"));
  CHECK(reply.ends_with("\r\n\r\n"));
}

TEST_CASE("server: a body that waits for 100 Continue, and one in chunks → read") {
  RunningServer server;
  RawClient client(server.port());
  const std::string body = R"({"reads":{"green":10}})";
  const std::string whole = put_weights(body, "Expect: 100-continue\r\n");
  CHECK(client.send(whole.substr(0, whole.size() - body.size())));
  CHECK(status_of(client.read_reply()) == 100);
  CHECK(status_of(client.ask(body)) == 200);
  CHECK(status_of(client.ask("PUT /api/v1/pairs/shop/rules/reports/weights HTTP/1.1\r\nHost: localhost\r\n"
                             "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"rea\r\n11\r\nds\":{\"green\":20}}\r\n0\r\n\r\n")) == 200);
  CHECK(server.control.plan().rules[0].reads.green == 2'000);
}

TEST_CASE("server: Host and Origin of elsewhere → 403; no Host or two → 400") {
  const RunningServer server;
  const auto ask = [&](const std::string& bytes) { return status_of(RawClient(server.port()).ask(bytes)); };
  CHECK(ask("GET /api/v1/status HTTP/1.1\r\nHost: rebound.example\r\n\r\n") == 403);
  CHECK(ask(get("/api/v1/status", "Origin: http://evil.example\r\n")) == 403);
  CHECK(ask(get("/api/v1/status", "Origin: http://127.0.0.1\r\n")) == 200);
  CHECK(ask("GET /healthz HTTP/1.1\r\n\r\n") == 400);
  CHECK(ask(get("/healthz", "Host: rebound.example\r\n")) == 400);
}

TEST_CASE("server: a token → needed for everything but the probes") {
  AdminOptions options;
  options.tokens = {"a-token-of-enough-bytes"};
  const RunningServer server(options);
  const auto ask = [&](const std::string& bytes) { return RawClient(server.port()).ask(bytes); };
  CHECK(status_of(ask(get("/healthz"))) == 200);
  CHECK(status_of(ask(get("/readyz"))) == 200);
  CHECK(status_of(ask(get("/metrics"))) == 401);
  CHECK(has(ask(get("/api/v1/status")), "WWW-Authenticate: Bearer"));
  CHECK(status_of(ask(get("/nothing"))) == 401);
  CHECK(status_of(ask(get("/api/v1/status", "Authorization: Bearer a-token-of-enough-bytes\r\n"))) == 200);
}

TEST_CASE("server: options that would be unsafe or impossible → not started, and told why") {
  AdminOptions options;
  options.listen_port = 0;
  options.listen_host = "0.0.0.0";
  CHECK(has(refusal_of(options), "loopback only unless a token"));
  options.tokens = {"short"};
  CHECK(has(refusal_of(options), "shorter than 16"));
  CHECK_FALSE(has(refusal_of(options), "\"short\""));
  options.tokens = {"a-token-of-enough-bytes"};
  CHECK(refusal_of(options).empty());
  options.listen_host = "proxy.example";
  CHECK(has(refusal_of(options), "not an IP address"));
  const RunningServer other;
  AdminOptions taken;
  taken.listen_port = other.port();
  CHECK(has(refusal_of(taken), "port " + std::to_string(other.port())));
}

TEST_CASE("server: a control that takes its time → /healthz answers all the same, stop waits for the call") {
  RunningServer server;
  std::promise<void> is_called;
  std::promise<void> may_return;
  bool has_returned = false;
  server.control.on_status = [&] {
    is_called.set_value();
    may_return.get_future().wait();
    has_returned = true;
  };
  RawClient waiting(server.port());
  CHECK(waiting.send(get("/api/v1/status")));
  is_called.get_future().wait();
  CHECK(status_of(RawClient(server.port()).ask(get("/healthz"))) == 200);
  auto stopped = std::async(std::launch::async, [&] { server.stop(); });
  may_return.set_value();
  stopped.get();
  CHECK(has_returned);
}

TEST_CASE("server: stopped with peers connected, twice, and never started → no harm") {
  RunningServer server;
  RawClient idle(server.port());
  CHECK(status_of(idle.ask(get("/healthz"))) == 200);
  RawClient halfway(server.port());
  CHECK(halfway.send("GET /heal"));
  server.stop();
  server.stop();
  fake::Control control;
  proxy::telemetry::Log log{{}};
  AdminServer never_started({}, control, log);
}
