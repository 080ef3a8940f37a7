#include "proxy/net/address.hpp"

#include <doctest/doctest.h>

#include <string>

using proxy::net::Address;

TEST_CASE("address: literals → text comes back in its usual form") {
  struct Row {
    const char* given;
    const char* text;
    Address::Family family;
  };
  const Row rows[] = {
      {"127.0.0.1", "127.0.0.1:5432", Address::Family::ipv4},
      {"0.0.0.0", "0.0.0.0:5432", Address::Family::ipv4},
      {"::1", "[::1]:5432", Address::Family::ipv6},
      {"[::1]", "[::1]:5432", Address::Family::ipv6},
      {"2001:0db8:0:0::5", "[2001:db8::5]:5432", Address::Family::ipv6},
      {"fe80::1%2", "[fe80::1%2]:5432", Address::Family::ipv6},
      {"::ffff:10.1.2.3", "10.1.2.3:5432", Address::Family::ipv4},
  };
  for (const Row& row : rows) {
    CAPTURE(row.given);
    const auto address = Address::parse(row.given, 5432);
    REQUIRE(address.has_value());
    CHECK(address->text() == row.text);
    CHECK(address->family() == row.family);
    const auto again = Address::parse_with_port(address->text());
    REQUIRE(again.has_value());
    CHECK(*again == *address);
    sockaddr_storage storage{};
    CHECK(address->to_sockaddr(storage) > 0);
    CHECK(Address::from_sockaddr(storage) == *address);
  }
}

TEST_CASE("address: what is no literal → refused") {
  for (const std::string given : {"", "localhost", "127.0.0", "127.0.0.1.5", "[127.0.0.1]", "::1%eth0", "1.2.3.4%1",
                                  ":::", "[::1", "::1]", "/tmp/socket"}) {
    CAPTURE(given);
    CHECK_FALSE(Address::parse(given, 1).has_value());
  }
  CHECK_FALSE(Address::parse(std::string("127.0.0.1\0x", 11), 1).has_value());
}

TEST_CASE("address: text with a port that is none → refused") {
  for (const std::string given : {"127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:1x",
                                  "::1:5432", "[::1]", "[::1]5432", ":5432"}) {
    CAPTURE(given);
    CHECK_FALSE(Address::parse_with_port(given).has_value());
  }
}

TEST_CASE("address: bytes → IPv4 mapped, IPv6 as it is, local all zeros") {
  const std::array<std::uint8_t, 16> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 10, 1, 2, 3};
  CHECK(Address::parse("10.1.2.3", 1)->bytes() == mapped);
  CHECK(Address::parse("::1", 1)->bytes()[15] == 1);
  CHECK(Address().bytes() == std::array<std::uint8_t, 16>{});
  CHECK(Address().text() == "local");
}
