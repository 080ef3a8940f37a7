#include "tests/proxy/admin/raw_client.hpp"
#include "tests/proxy/admin/running_server.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <string>
#include <vector>

using proxy::admin::AdminOptions;
using std::chrono::milliseconds;

namespace {

bool is_well(const RunningServer& server) { return status_of(RawClient(server.port()).ask(get("/api/v1/status"))) == 200; }

/// The server learns in its own time that a peer has gone; until then it says 503 to whoever comes.
bool is_served_in_the_end(const RunningServer& server) {
  for (int i = 0; i < 1'000'000; ++i) {
    if (status_of(RawClient(server.port()).ask(get("/healthz"))) == 200) return true;
  }
  return false;
}

/// Sends, says that there is no more, and reads what comes until the end.
std::string last_words(const RunningServer& server, const std::string& bytes) {
  RawClient client(server.port());
  client.send(bytes);
  client.finish_sending();
  return client.read_to_end();
}

}  // namespace

TEST_CASE("hostile: garbage → 400 or a closed socket, and the next peer is served") {
  const RunningServer server;
  std::mt19937 random(20'260'117);
  for (int round = 0; round < 200; ++round) {
    CAPTURE(round);
    std::string garbage(1 + random() % 600, '\0');
    std::ranges::generate(garbage, [&] { return static_cast<char>(random() % 256); });
    if (round % 2 == 0) garbage = "GET /api/v1/status HTTP/1.1\r\nHost: x\r\n" + garbage + "\r\n\r\n";
    const std::string reply = last_words(server, garbage);
    CHECK((reply.empty() || (status_of(reply) >= 400 && status_of(reply) < 600)));
  }
  CHECK(is_well(server));
}

TEST_CASE("hostile: a good request with one byte changed → never more than an error") {
  const RunningServer server;
  const std::string good = get("/api/v1/pairs/shop/rules/reports/weights", "Accept: */*\r\n");
  std::mt19937 random(7);
  for (std::size_t i = 0; i < good.size(); ++i) {
    CAPTURE(i);
    std::string changed = good;
    changed[i] = static_cast<char>(random() % 256);
    const std::string reply = last_words(server, changed);
    CHECK((reply.empty() || status_of(reply) != 0));
    CHECK(status_of(reply) < 500 + (status_of(reply) == 505 ? 100 : 0));
  }
  CHECK(is_well(server));
}

TEST_CASE("hostile: a good request cut at every byte → no reply before it is whole") {
  const RunningServer server;
  const std::string good = get("/healthz");
  for (std::size_t length = 0; length < good.size(); ++length) {
    CAPTURE(length);
    CHECK(status_of(last_words(server, good.substr(0, length))) != 200);
  }
  CHECK(status_of(last_words(server, good)) == 200);
}

TEST_CASE("hostile: header, body or target beyond the bounds → 431, 413, and closed") {
  AdminOptions options;
  options.header_bytes_max = 1024;
  options.body_bytes_max = 2048;
  const RunningServer server(options);
  const std::string start = "POST /api/v1/explain HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
  CHECK(status_of(last_words(server, get("/", "X: " + std::string(100'000, 'x') + "\r\n"))) == 431);
  CHECK(status_of(last_words(server, get("/" + std::string(100'000, 'x')))) == 431);
  CHECK(status_of(last_words(server, std::string(100'000, 'x'))) >= 400);
  std::string many;
  for (int i = 0; i < 10'000; ++i) many += "A:b\r\n";
  CHECK(status_of(last_words(server, get("/", many))) == 431);
  CHECK(status_of(last_words(server, start + "Content-Length: 2049\r\n\r\n" + std::string(2049, ' '))) == 413);
  CHECK(status_of(last_words(server, start + "Content-Length: 99999999999999\r\n\r\n")) == 413);
  const std::string chunk = "400\r\n" + std::string(1024, ' ') + "\r\n";
  CHECK(status_of(last_words(server, start + "Transfer-Encoding: chunked\r\n\r\n" + chunk + chunk + chunk)) == 413);
  CHECK(is_well(server));
}

TEST_CASE("hostile: lengths that contradict or are no numbers → 400") {
  const RunningServer server;
  const std::string start = "POST /api/v1/explain HTTP/1.1\r\nHost: localhost\r\n";
  for (const char* fields : {"Content-Length: -1\r\n", "Content-Length: x\r\n", "Content-Length: 1\r\nContent-Length: 2\r\n",
                             "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"}) {
    CAPTURE(fields);
    CHECK(status_of(last_words(server, start + fields + "\r\n{}")) == 400);
  }
  CHECK(status_of(last_words(server, start + "Transfer-Encoding: chunked\r\n\r\nzz\r\n")) == 400);
}

TEST_CASE("hostile: deeply nested JSON → 400") {
  const RunningServer server;
  const std::string body = std::string(30'000, '[');
  RawClient client(server.port());
  CHECK(status_of(client.ask("POST /api/v1/explain HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                             "Content-Length: " +
                             std::to_string(body.size()) + "\r\n\r\n" + body)) == 400);
}

TEST_CASE("hostile: half a request and silence → 408 when its time is up, and closed") {
  AdminOptions options;
  options.request_timeout = milliseconds(20);
  const RunningServer server(options);
  for (const char* half : {"G", "GET /healthz HTTP/1.1\r\nHost: loc", "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"}) {
    CAPTURE(half);
    RawClient client(server.port());
    CHECK(client.send(half));
    CHECK(status_of(client.read_to_end()) == 408);
  }
  CHECK(is_well(server));
}

TEST_CASE("hostile: bytes that trickle in → the deadline is that of the request, not of a byte") {
  AdminOptions options;
  options.request_timeout = milliseconds(50);
  const RunningServer server(options);
  RawClient client(server.port());
  bool is_sent = client.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n");
  for (long i = 0; is_sent && i < 100'000'000; ++i) is_sent = client.send("X: y\r\n");  // until it is closed
  CHECK_FALSE(is_sent);
  CHECK(is_well(server));
}

TEST_CASE("hostile: a connection and nothing on it → closed without a word") {
  AdminOptions options;
  options.idle_timeout = milliseconds(20);
  const RunningServer server(options);
  RawClient silent(server.port());
  CHECK(silent.read_to_end().empty());
  RawClient served(server.port());
  CHECK(status_of(served.ask(get("/healthz"))) == 200);
  CHECK(served.read_to_end().empty());
}

TEST_CASE("hostile: a peer that does not read its reply → nobody else waits for it, and it is given up") {
  AdminOptions options;
  options.reply_timeout = milliseconds(50);
  options.connections_max = 2;
  RunningServer server(options);
  server.control.pair_name = std::string(16 << 20, 'x');  // far beyond what sockets buffer
  RawClient deaf(server.port());
  CHECK(deaf.send(get("/api/v1/status")));
  RawClient other(server.port());
  CHECK(status_of(other.ask(get("/healthz"))) == 200);
  CHECK(is_served_in_the_end(server));  // by the place of the deaf one: the other still holds its own
  CHECK(status_of(other.ask(get("/healthz"))) == 200);
}

TEST_CASE("hostile: more connections than places → 503 or closed, and served again when one is given back") {
  AdminOptions options;
  options.connections_max = 3;
  const RunningServer server(options);
  std::vector<RawClient> places;
  for (int i = 0; i < 3; ++i) {
    places.emplace_back(server.port());
    CHECK(status_of(places.back().ask(get("/healthz"))) == 200);
  }
  for (int i = 0; i < 20; ++i) {
    const unsigned status = status_of(RawClient(server.port()).ask(get("/healthz")));
    CHECK((status == 503 || status == 0));
  }
  for (RawClient& place : places) CHECK(status_of(place.ask(get("/healthz"))) == 200);
  places.pop_back();
  CHECK(is_served_in_the_end(server));
}

TEST_CASE("hostile: connections in a loop, reset at any moment → the next peer is served") {
  const RunningServer server;
  const std::string request = get("/healthz");
  for (std::size_t i = 0; i < 500; ++i) {
    RawClient client(server.port());
    client.send(std::string_view(request).substr(0, i % (request.size() + 1)));
    client.reset();
  }
  CHECK(is_served_in_the_end(server));
}
