#include "proxy/cli/demo/admin_api.hpp"

#include "proxy/cli/demo/failure.hpp"

#include <doctest/doctest.h>

using proxy::cli::parse_acknowledgement;

TEST_CASE("acknowledgement: by all workers → its time") {
  const auto read = parse_acknowledgement(R"({"epoch": 3, "acknowledged_after_us": 412, "acknowledged_by_all": true})");
  REQUIRE(read.has_value());
  CHECK(read->after == std::chrono::microseconds(412));
}

TEST_CASE("acknowledgement: not by all, incomplete, not JSON → none") {
  CHECK_FALSE(parse_acknowledgement(R"({"acknowledged_after_us": 412, "acknowledged_by_all": false})"));
  CHECK_FALSE(parse_acknowledgement(R"({"acknowledged_after_us": 412})"));
  CHECK_FALSE(parse_acknowledgement(R"({"acknowledged_after_us": "412", "acknowledged_by_all": true})"));
  CHECK_FALSE(parse_acknowledgement(R"({"acknowledged_after_us": -1, "acknowledged_by_all": true})"));
  CHECK_FALSE(parse_acknowledgement("[]"));
  CHECK_FALSE(parse_acknowledgement("gateway timeout"));
  CHECK_FALSE(parse_acknowledgement(""));
}

TEST_CASE("admin call: nobody listens → a failure that says what was asked") {
  proxy::cli::AdminApi api({"127.0.0.1", 1});
  CHECK_THROWS_WITH_AS(api.roll_back(), doctest::Contains("POST /api/v1/pairs/demo/rollback"), proxy::cli::DemoFailure);
}
