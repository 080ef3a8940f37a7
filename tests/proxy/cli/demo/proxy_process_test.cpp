#include "proxy/cli/demo/proxy_process.hpp"

#include <doctest/doctest.h>

using proxy::cli::DemoAddress;
using proxy::cli::parse_ready_file;

TEST_CASE("ready file: complete → both addresses") {
  const auto read = parse_ready_file(R"({"admin": "127.0.0.1:7780", "pairs": {"demo": "127.0.0.1:6500"}})");
  REQUIRE(read.has_value());
  CHECK(read->admin == DemoAddress{"127.0.0.1", 7780});
  CHECK(read->pair == DemoAddress{"127.0.0.1", 6500});
}

TEST_CASE("ready file: cut anywhere → not ready yet") {
  const std::string whole = R"({"admin": "127.0.0.1:7780", "pairs": {"demo": "127.0.0.1:6500"}})";
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(parse_ready_file(std::string_view(whole).substr(0, size)).has_value());
  }
}

TEST_CASE("ready file: another pair, no admin, no port, port 0 or beyond → nothing") {
  CHECK_FALSE(parse_ready_file(R"({"admin": "127.0.0.1:7780", "pairs": {"other": "127.0.0.1:6500"}})"));
  CHECK_FALSE(parse_ready_file(R"({"pairs": {"demo": "127.0.0.1:6500"}})"));
  CHECK_FALSE(parse_ready_file(R"({"admin": "127.0.0.1", "pairs": {"demo": "127.0.0.1:6500"}})"));
  CHECK_FALSE(parse_ready_file(R"({"admin": "127.0.0.1:0", "pairs": {"demo": "127.0.0.1:6500"}})"));
  CHECK_FALSE(parse_ready_file(R"({"admin": "127.0.0.1:77800", "pairs": {"demo": "127.0.0.1:6500"}})"));
  CHECK_FALSE(parse_ready_file(R"({"admin": null, "pairs": {"demo": "127.0.0.1:6500"}})"));
}

TEST_CASE("configuration: names both servers' ports") {
  const std::string text = proxy::cli::demo_configuration(5501, 5502);
  CHECK(text.find("blue: 127.0.0.1:5501") != std::string::npos);
  CHECK(text.find("green: 127.0.0.1:5502") != std::string::npos);
}
