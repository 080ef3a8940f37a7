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

TEST_CASE("move: running, moved, undone → told so, with the time that clients were held") {
  const auto body = [](const char* end) {
    return std::string(R"({"authority": "blue", "attempt": {"number": 4, "held_us": 812, "failure": "a reason", "end": ")") + end + R"("}})";
  };
  using Kind = proxy::cli::MoveState::Kind;
  CHECK(proxy::cli::parse_move(body("running"), 4)->kind == Kind::running);
  const auto moved = proxy::cli::parse_move(body("moved"), 4);
  CHECK(moved->kind == Kind::moved);
  CHECK(moved->held == std::chrono::microseconds(812));
  const auto undone = proxy::cli::parse_move(body("undone"), 4);
  CHECK(undone->kind == Kind::failed);
  CHECK(undone->trouble == "undone: a reason");
  CHECK_FALSE(proxy::cli::parse_move(body("moved"), 3));
  CHECK_FALSE(proxy::cli::parse_move(R"({"attempt": null})", 4));
  CHECK_FALSE(proxy::cli::parse_move("", 4));
}

TEST_CASE("mirror: what waits and what the ledger has → read; incomplete → none") {
  const auto standing = proxy::cli::parse_mirror(R"({"lag": {"units": 3, "bytes": 9, "ms": 1}, "ledger_open": 2})");
  REQUIRE(standing.has_value());
  CHECK(standing->units_waiting == 3);
  CHECK(standing->ledger_open == 2);
  CHECK_FALSE(proxy::cli::parse_mirror(R"({"lag": {"units": 3}})"));
  CHECK_FALSE(proxy::cli::parse_mirror(R"({"ledger_open": 2})"));
}

TEST_CASE("admin call: nobody listens → a failure that says what was asked") {
  proxy::cli::AdminApi api({"127.0.0.1", 1});
  CHECK_THROWS_WITH_AS(api.roll_back(), doctest::Contains("POST /api/v1/pairs/demo/rollback"), proxy::cli::DemoFailure);
}
