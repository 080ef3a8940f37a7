#include "proxy/admin/router.hpp"
#include "proxy/admin/switchover_control.hpp"
#include "proxy/admin/switchover_json.hpp"
#include "tests/proxy/admin/fake_control.hpp"

#include <boost/json.hpp>
#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace json = boost::json;
using proxy::admin::Access;
using proxy::admin::NotedChange;
using proxy::admin::Request;
using proxy::admin::Response;
using routing::LastChange;
using routing::Side;

namespace {

/// One pair with the authority on blue.
class FakeSwitchovers final : public fake::Control, public proxy::admin::SwitchoverControl {
 public:
  proxy::admin::SwitchoverControl* switchovers() override { return this; }
  protocol::Result<std::uint64_t> switch_over(const std::string&, const routing::SwitchoverRequest& request) override {
    if (is_busy) return refusal("a switchover is under way");
    requests.push_back(request);
    return std::uint64_t{7};
  }
  protocol::Result<routing::SwitchoverStanding> standing(const std::string& pair) override {
    if (pair != "shop") return refusal("no pair is named so");
    return standing_now;
  }
  protocol::Status abort(const std::string&, const routing::ChangeAsker& asker) override {
    askers.push_back(asker);
    return {};
  }
  protocol::Status set_authority(const std::string&, Side side, const routing::ChangeAsker& asker) override {
    standing_now.authority = side;
    askers.push_back(asker);
    return {};
  }
  protocol::Status freeze(const std::string&, proxy::admin::Freezing freezing, const routing::ChangeAsker& asker) override {
    standing_now.frozen = freezing == proxy::admin::Freezing::frozen ? asker.who : "";
    return {};
  }
  protocol::Status verify(const std::string&, bool is_equal, const routing::ChangeAsker& asker) override {
    standing_now.verification = {1, is_equal, asker.who};
    return {};
  }
  protocol::Result<std::vector<std::string>> history(const std::string&) override {
    routing::SwitchoverAttempt attempt;
    attempt.number = 3;
    return std::vector<std::string>{proxy::admin::attempt_line(attempt), "torn {"};
  }
  void note_change(const NotedChange& change) override { noted.push_back(change); }

  static protocol::Error refusal(const std::string& words) {
    return protocol::failure(protocol::ErrorCode::configuration_invalid, protocol::Blame::operator_, words);
  }
  std::vector<routing::SwitchoverRequest> requests;
  std::vector<routing::ChangeAsker> askers;
  std::vector<NotedChange> noted;
  routing::SwitchoverStanding standing_now;
  bool is_busy = false;
};

struct Desk {
  FakeSwitchovers control;
  Access access{{}};
  Response ask(std::string method, std::string target, std::string body = "") {
    Request request;
    request.method = std::move(method);
    request.target = std::move(target);
    request.host = "127.0.0.1:7780";
    request.body = std::move(body);
    request.peer = "10.1.2.3";
    return handle_request(control, access, request);
  }
};

constexpr const char* path = "/api/v1/pairs/shop/switchover";

}  // namespace

TEST_CASE("switchover: asked for without a body → to the other side, by whoever connects; 202 with the attempt's number") {
  Desk desk;
  const Response response = desk.ask("POST", path);
  CHECK(response.status == 202);
  CHECK(json::parse(response.body).at("number") == 7);
  REQUIRE(desk.control.requests.size() == 1);
  CHECK(desk.control.requests[0].to == Side::green);
  CHECK(desk.control.requests[0].asker.who == "10.1.2.3");
  CHECK(desk.control.requests[0].extent == routing::SwitchoverRequest::Extent::whole);
}

TEST_CASE("switchover: everything said → taken") {
  Desk desk;
  CHECK(desk.ask("POST", path,
                 R"({"to": "blue", "dry_run": true, "now": true, "max_hold_ms": 500, "on_drain_timeout": "end", "accept": ["a", "b"],
                     "who": "ann", "why": "tuesday"})").status == 202);
  const routing::SwitchoverRequest& request = desk.control.requests.at(0);
  CHECK(request.to == Side::blue);
  CHECK(request.extent == routing::SwitchoverRequest::Extent::dry_run);
  CHECK(request.urgency == routing::SwitchoverUrgency::now);
  CHECK(request.hold_max == std::chrono::milliseconds(500));
  CHECK(request.on_drain_timeout == routing::DrainPolicy::end);
  CHECK(request.accepted == std::vector<std::string>{"a", "b"});
  CHECK(request.asker.who == "ann");
  CHECK(request.asker.why == "tuesday");
}

TEST_CASE("switchover: nonsense, an unknown field, a pair that is not there, one that cannot be now → refused, nothing begins") {
  Desk desk;
  for (const char* body : {"[]", R"({"to": "red"})", R"({"max_hold_ms": 0})", R"({"max_hold_ms": 20001})", R"({"dry_run": 1})",
                           R"({"accept": "a"})", R"({"on_drain_timeout": "kill"})", R"({"dry-run": true})"}) {
    CAPTURE(body);
    CHECK(desk.ask("POST", path, body).status == 400);
  }
  CHECK(desk.ask("POST", "/api/v1/pairs/other/switchover").status == 409);
  desk.control.is_busy = true;
  CHECK(desk.ask("POST", path).status == 409);
  CHECK(desk.control.requests.empty());
}

TEST_CASE("switchover: no durable state → 409 that says what is missing") {
  fake::Control control;
  const Access access{{}};
  Request request;
  request.method = "POST";
  request.target = path;
  request.host = "127.0.0.1:7780";
  const Response response = handle_request(control, access, request);
  CHECK(response.status == 409);
  CHECK(response.body.find("state.directory") != std::string::npos);
}

TEST_CASE("rollback: the weights were changed last → the plan before; the authority was → a switchover to the other side") {
  Desk desk;
  CHECK(desk.ask("PUT", "/api/v1/pairs/shop/rules/reports/weights", R"({"reads": {"green": 50}, "who": "ann", "why": "more"})").status == 200);
  desk.control.standing_now.last_change = LastChange::weights;
  CHECK(desk.ask("POST", "/api/v1/pairs/shop/rollback", R"({"who": "bob"})").status == 200);
  CHECK(desk.control.requests.empty());
  desk.control.standing_now.last_change = LastChange::switchover;
  desk.control.standing_now.authority = Side::green;
  CHECK(desk.ask("POST", "/api/v1/pairs/shop/rollback", R"({"now": true})").status == 202);
  REQUIRE(desk.control.requests.size() == 1);
  CHECK(desk.control.requests[0].to == Side::blue);
  CHECK(desk.control.requests[0].urgency == routing::SwitchoverUrgency::now);
  REQUIRE(desk.control.noted.size() == 2);
  CHECK(desk.control.noted[0].from == "reads: green 25 %");
  CHECK(desk.control.noted[0].to == "reads: green 50 %");
  CHECK(desk.control.noted[0].asker.who == "ann");
  CHECK(desk.control.noted[1].asker.who == "bob");
}

TEST_CASE("switchover: abort, authority, history → passed on; a torn line of the history is left out") {
  Desk desk;
  CHECK(desk.ask("POST", "/api/v1/pairs/shop/switchover/abort", R"({"who": "ann"})").status == 202);
  CHECK(desk.ask("PUT", "/api/v1/pairs/shop/authority", R"({"authority": "green", "who": "bob"})").status == 202);
  CHECK(desk.ask("PUT", "/api/v1/pairs/shop/authority", R"({"who": "bob"})").status == 400);
  CHECK(desk.control.askers.at(0).who == "ann");
  CHECK(desk.control.standing_now.authority == Side::green);
  const Response history = desk.ask("GET", "/api/v1/pairs/shop/history");
  CHECK(json::parse(history.body).at("attempts").as_array().size() == 1);
  const json::value standing = json::parse(desk.ask("GET", path).body);
  CHECK(standing.at("authority") == "green");
  CHECK(standing.at("attempt").is_null());
}

TEST_CASE("switchover: freeze and thaw → passed on, and told") {
  Desk desk;
  CHECK(desk.ask("POST", "/api/v1/pairs/shop/freeze", R"({"who": "ann"})").status == 202);
  CHECK(json::parse(desk.ask("GET", path).body).at("frozen") == "ann");
  CHECK(desk.ask("POST", "/api/v1/pairs/shop/thaw", R"({"whom": "ann"})").status == 400);
  CHECK(desk.ask("POST", "/api/v1/pairs/shop/thaw").status == 202);
  CHECK(json::parse(desk.ask("GET", path).body).at("frozen").is_null());
}

TEST_CASE("switchover: what a comparison has found → passed on, and told; it must be said which") {
  Desk desk;
  const std::string verification = "/api/v1/pairs/shop/verification";
  CHECK(json::parse(desk.ask("GET", path).body).at("verification").is_null());
  CHECK(desk.ask("POST", verification, R"({"who": "ann"})").status == 400);
  CHECK(desk.ask("POST", verification, R"({"equal": "yes"})").status == 400);
  CHECK(desk.ask("POST", verification, R"({"equal": true, "who": "ann"})").status == 202);
  const json::value told = json::parse(desk.ask("GET", path).body).at("verification");
  CHECK(told.at("equal").as_bool());
  CHECK(told.at("by") == "ann");
}

TEST_CASE("switchover: of a rule, of tables, of a range of keys → refused with the reason") {
  Desk desk;
  for (const char* body : {R"({"rule": "reads"})", R"({"tables": ["public.orders"]})", R"({"range": [0, 1000]})"}) {
    const Response response = desk.ask("POST", path, body);
    CHECK(response.status == 400);
    CHECK(response.body.find("a part of the data cannot move alone") != std::string::npos);
  }
  CHECK(desk.control.requests.empty());
}
