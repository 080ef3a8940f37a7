#include "routing/network.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace {

bool is_inside(const std::string& network, const std::string& address) {
  const auto block = routing::parse_network(network);
  const auto client = routing::parse_address(address);
  REQUIRE(block.has_value());
  REQUIRE(client.has_value());
  return routing::contains(*block, *client);
}

}  // namespace

TEST_CASE("network: address inside and just outside the block → contained and not") {
  CHECK(is_inside("10.0.0.0/8", "10.255.255.255"));
  CHECK_FALSE(is_inside("10.0.0.0/8", "11.0.0.0"));
  CHECK(is_inside("192.168.4.0/22", "192.168.7.255"));
  CHECK_FALSE(is_inside("192.168.4.0/22", "192.168.8.0"));
  CHECK(is_inside("10.1.2.3", "10.1.2.3"));
  CHECK_FALSE(is_inside("10.1.2.3", "10.1.2.2"));
  CHECK(is_inside("2001:db8::/33", "2001:db8:7fff::1"));
  CHECK_FALSE(is_inside("2001:db8::/33", "2001:db8:8000::1"));
  CHECK(is_inside("::/0", "10.1.2.3"));
  CHECK(is_inside("0.0.0.0/0", "10.1.2.3"));
  CHECK_FALSE(is_inside("0.0.0.0/0", "2001:db8::1"));
  CHECK(is_inside("::ffff:10.0.0.0/104", "10.9.9.9"));
}

TEST_CASE("network: not a block → refused with the reason") {
  for (const char* text : {"", "/", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8x", "10.0.0/8",
                           "::/129", "[::1]", "example.org", "10.0.0.256", "1.2.3.4/08 ", "fe80::1%eth0"}) {
    CAPTURE(text);
    CHECK_FALSE(routing::parse_network(text).has_value());
  }
  const auto crooked = routing::parse_network("10.1.0.0/8");
  REQUIRE_FALSE(crooked.has_value());
  CHECK(crooked.error().detail.find("10.0.0.0/8") != std::string::npos);
}

TEST_CASE("network: parsed and formatted → the usual text") {
  for (const char* text : {"10.0.0.0/8", "0.0.0.0/0", "192.168.1.1/32", "2001:db8::/32", "::/0", "::1/128"}) {
    CHECK(routing::format_network(*routing::parse_network(text)) == text);
  }
  CHECK(routing::format_network(*routing::parse_network("10.1.2.3")) == "10.1.2.3/32");
  CHECK(routing::format_address(*routing::parse_address("2001:0db8:0:0::7")) == "2001:db8::7");
  CHECK(routing::format_address(routing::ClientAddress{}) == "local");
}

TEST_CASE("loopback: addresses of the machine itself and others → told apart") {
  for (const char* text : {"127.0.0.1", "127.9.9.9", "::1"})
    CHECK(routing::is_loopback(*routing::parse_address(text)));
  for (const char* text : {"0.0.0.0", "128.0.0.1", "::", "::2"}) {
    CHECK_FALSE(routing::is_loopback(*routing::parse_address(text)));
  }
}
