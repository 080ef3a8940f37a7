#include "proxy/cli/demo/proxy_process.hpp"

#include "config/load.hpp"

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

TEST_CASE("configuration: read as a person's would be → valid, both servers' ports, no reads on green yet") {
  const auto outcome = config::check_text("demo.yaml", proxy::cli::demo_configuration(5501, 5502, "0123456789abcdef"));
  CAPTURE(config::format_problems(outcome.problems));
  CHECK(outcome.problems.empty());
  REQUIRE(outcome.settings.has_value());
  REQUIRE(outcome.settings->pairs.size() == 1);
  const config::Pair& pair = outcome.settings->pairs.front();
  CHECK(pair.name == proxy::cli::demo_pair_name);
  CHECK(pair.endpoints[routing::Side::blue].port == 5501);
  CHECK(pair.endpoints[routing::Side::green].port == 5502);
  REQUIRE(pair.plan.rules.size() == 1);
  CHECK(pair.plan.rules.front().name == proxy::cli::demo_rule_name);
  CHECK(pair.mirror.has_value());
  CHECK(pair.plan.rules.front().reads.green == 0);
  CHECK(pair.plan.rules.front().stickiness == routing::Stickiness::statement);
}
