#include "proxy/secrets/failed_logins.hpp"

#include <doctest/doctest.h>

#include <string>

namespace proxy::secrets {
namespace {

using namespace std::chrono_literals;

routing::ClientAddress ipv4(std::uint8_t last) { return {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 10, 0, 0, last}; }
routing::ClientAddress ipv6(std::uint8_t network, std::uint8_t last) {
  routing::ClientAddress address{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, network};
  address[15] = last;
  return address;
}

const runtime::Instant start{1h};

FailedLogins::Options options() {
  FailedLogins::Options made;
  made.delay_first = 100ms;
  made.delay_max = 1s;
  made.failures_max = 5;
  made.forget_after = 60s;
  made.entries_max = 3;
  return made;
}

}  // namespace

TEST_CASE("failed logins: one after another → each is told later, up to a maximum") {
  FailedLogins logins(options());
  for (const auto expected : {100ms, 200ms, 400ms, 800ms, 1000ms, 1000ms}) {
    CHECK(logins.note_failure(ipv4(1), "alice", start) == expected);
  }
}

TEST_CASE("failed logins: a user from another address, another user from the same → each counts for itself") {
  FailedLogins logins(options());
  for (int i = 0; i < 5; ++i) (void)logins.note_failure(ipv4(1), "alice", start);
  CHECK(logins.is_barred(ipv4(1), "alice", start));
  CHECK(!logins.is_barred(ipv4(2), "alice", start));
  CHECK(!logins.is_barred(ipv4(1), "bob", start));
  CHECK(logins.note_failure(ipv4(2), "alice", start) == 100ms);
}

TEST_CASE("failed logins: addresses of one IPv6 network → one") {
  FailedLogins logins(options());
  for (std::uint8_t i = 0; i < 5; ++i) (void)logins.note_failure(ipv6(1, i), "alice", start);
  CHECK(logins.is_barred(ipv6(1, 200), "alice", start));
  CHECK(!logins.is_barred(ipv6(2, 0), "alice", start));
}

TEST_CASE("failed logins: the maximum is reached → barred until a while after the last failure") {
  FailedLogins logins(options());
  for (int i = 0; i < 4; ++i) (void)logins.note_failure(ipv4(1), "alice", start);
  CHECK(!logins.is_barred(ipv4(1), "alice", start));
  (void)logins.note_failure(ipv4(1), "alice", start + 30s);
  CHECK(logins.is_barred(ipv4(1), "alice", start + 30s));
  CHECK(logins.is_barred(ipv4(1), "alice", start + 89s));
  CHECK(!logins.is_barred(ipv4(1), "alice", start + 90s));
  CHECK(logins.note_failure(ipv4(1), "alice", start + 90s) == 100ms);
}

TEST_CASE("failed logins: more names than there is room for → the oldest is forgotten") {
  FailedLogins logins(options());
  for (int i = 0; i < 5; ++i) (void)logins.note_failure(ipv4(1), "alice", start);
  for (int i = 0; i < 100; ++i) (void)logins.note_failure(ipv4(1), "user" + std::to_string(i), start + 1s);
  CHECK(logins.entry_count() == 3);
  CHECK(!logins.is_barred(ipv4(1), "alice", start + 1s));
}

TEST_CASE("failed logins: no maximum → never barred; no delay → none") {
  FailedLogins::Options lenient = options();
  lenient.failures_max = 0;
  lenient.delay_first = 0ms;
  FailedLogins logins(lenient);
  for (int i = 0; i < 50; ++i) CHECK(logins.note_failure(ipv4(1), "alice", start) == 0ms);
  CHECK(!logins.is_barred(ipv4(1), "alice", start));
}

}  // namespace proxy::secrets
