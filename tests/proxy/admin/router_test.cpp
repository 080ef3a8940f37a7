#include "proxy/admin/router.hpp"
#include "tests/proxy/admin/fake_control.hpp"

#include <boost/json.hpp>
#include <doctest/doctest.h>

#include <stdexcept>
#include <string>

namespace json = boost::json;
using proxy::admin::Access;
using proxy::admin::Request;
using proxy::admin::Response;

namespace {

const std::string weights_path = "/api/v1/pairs/shop/rules/reports/weights";

struct Desk {
  fake::Control control;
  Access access{{}};

  Response ask(std::string method, std::string target, std::string body = "") {
    Request request;
    request.method = std::move(method);
    request.target = std::move(target);
    request.host = "127.0.0.1:7780";
    request.body = std::move(body);
    if (!request.body.empty()) request.content_type = "application/json";
    return send(request);
  }
  Response send(const Request& request) { return handle_request(control, access, request); }
};

json::object object_of(const Response& response) { return json::parse(response.body).as_object(); }

std::string message_of(const Response& response) {
  return std::string(object_of(response).at("error").at("message").as_string());
}

bool mentions(const Response& response, std::string_view words) {
  return message_of(response).find(words) != std::string::npos;
}

std::string field_of(const Response& response, std::string_view name) {
  for (const auto& [key, value] : response.fields) {
    if (key == name) return value;
  }
  return "";
}

}  // namespace

TEST_CASE("status: asked → pairs with sides, rules and weights") {
  Desk desk;
  const Response response = desk.ask("GET", "/api/v1/status");
  REQUIRE(response.status == 200);
  const json::object status = object_of(response);
  CHECK(status.at("version") == "0.1.0");
  const json::value& shop = status.at("pairs").at(0);
  CHECK(shop.at("name") == "shop");
  CHECK(shop.at("epoch") == 1);
  CHECK(shop.at("clients") == 3);
  CHECK(shop.at("sides").at("green").at("endpoint") == "green.example:5432");
  CHECK(shop.at("sides").at("green").at("health") == boost::json::object{{"state", "down"}, {"reason", "refused"}, {"for_seconds", 12}});
  CHECK(shop.at("sides").at("blue").at("health").at("reason").is_null());
  CHECK(shop.at("sides").at("blue").at("server_version") == "15.4");
  CHECK(shop.at("sides").at("blue").at("in_recovery") == true);
  CHECK(shop.at("rules").at(0).at("reads").at("green") == 25);
  CHECK(shop.at("pinned").at("listen") == 1);
}

TEST_CASE("weights: read → both shares") {
  Desk desk;
  const Response response = desk.ask("GET", weights_path);
  REQUIRE(response.status == 200);
  CHECK(object_of(response).at("reads") == json::object{{"blue", 75}, {"green", 25}});
  CHECK(object_of(response).at("epoch") == 1);
}

TEST_CASE("weights: put → published, with epoch and acknowledgement") {
  Desk desk;
  const Response response = desk.ask("PUT", weights_path, R"({"reads":{"blue":90,"green":10},"why":"canary"})");
  REQUIRE(response.status == 200);
  const json::object reply = object_of(response);
  CHECK(reply.at("reads") == json::object{{"blue", 90}, {"green", 10}});
  CHECK(reply.at("epoch") == 2);
  CHECK(reply.at("acknowledged_after_us") == 142);
  CHECK(reply.at("acknowledged_by_all") == true);
  CHECK(reply.at("durable") == true);
  CHECK(desk.control.plan().rules[0].reads.green == 1'000);
  CHECK(desk.control.plan().rules[1].reads.green == 0);
  CHECK(response.change == "pair shop, rule reports: {\"blue\":90,\"green\":10}, because: canary");
}

TEST_CASE("weights: one side alone, decimals → the other side derived") {
  struct Row {
    const char* body;
    std::uint32_t green;
  };
  for (const Row& row : {Row{R"({"reads":{"green":33.33}})", 3'333}, Row{R"({"reads":{"blue":33.33}})", 6'667},
                         Row{R"({"reads":{"green":0}})", 0}, Row{R"({"reads":{"green":1e2}})", 10'000},
                         Row{R"({"reads":{"blue":99.99,"green":0.01}})", 1}}) {
    CAPTURE(row.body);
    Desk desk;
    REQUIRE(desk.ask("PUT", weights_path, row.body).status == 200);
    CHECK(desk.control.plan().rules[0].reads.green == row.green);
  }
}

TEST_CASE("weights: a wish that cannot be met → 400 that says why, and no new plan") {
  struct Row {
    const char* body;
    const char* words;
  };
  for (const Row& row :
       {Row{"", "needs a body"}, Row{"{", "not JSON"}, Row{"[]", "JSON object"}, Row{"{}", "needs \"reads\""},
        Row{R"({"reads":{}})", "blue"}, Row{R"({"reads":{"green":10,"blue":80}})", "make 90 percent, not 100"},
        Row{R"({"reads":{"green":10.5,"blue":80.05}})", "make 90.55 percent"},
        Row{R"({"reads":{"green":-1}})", "from 0 to 100"}, Row{R"({"reads":{"green":100.01}})", "from 0 to 100"},
        Row{R"({"reads":{"green":"10"}})", "number"}, Row{R"({"reads":{"green":0.001}})", "two decimals"},
        Row{R"({"reads":{"gren":10}})", "\"gren\" is not known"}, Row{R"({"reads":{"green":10},"wy":"x"})", "\"wy\""},
        Row{R"({"reads":{"green":1e999}})", ""}, Row{R"({"reads":{"green":10},"why":7})", "must be a string"},
        Row{R"({"reads":10})", "needs \"reads\""}}) {
    CAPTURE(row.body);
    Desk desk;
    const Response response = desk.ask("PUT", weights_path, row.body);
    CHECK(response.status == 400);
    CHECK(mentions(response, row.words));
    CHECK(desk.control.plan().epoch == 1);
  }
}

TEST_CASE("weights: unknown pair or rule → 404 that lists the known ones") {
  Desk desk;
  const Response no_pair = desk.ask("PUT", "/api/v1/pairs/shp/rules/reports/weights", R"({"reads":{"green":1}})");
  CHECK(no_pair.status == 404);
  CHECK(mentions(no_pair, "no pair \"shp\"; the pairs are shop"));
  const Response no_rule = desk.ask("GET", "/api/v1/pairs/shop/rules/report/weights");
  CHECK(no_rule.status == 404);
  CHECK(mentions(no_rule, "no rule \"report\"; its rules are reports, all"));
}

TEST_CASE("weights: a worker did not answer → 200 and acknowledged_by_all is false") {
  Desk desk;
  desk.control.is_acknowledged = false;
  const Response response = desk.ask("PUT", weights_path, R"({"reads":{"green":1}})");
  CHECK(response.status == 200);
  CHECK(object_of(response).at("acknowledged_by_all") == false);
}

TEST_CASE("rollback: after a change → the plan before; without one → 409; unknown pair → 404") {
  Desk desk;
  CHECK(desk.ask("POST", "/api/v1/pairs/shop/rollback").status == 409);
  CHECK(desk.ask("POST", "/api/v1/pairs/other/rollback").status == 404);
  CHECK(desk.ask("PUT", weights_path, R"({"reads":{"green":100}})").status == 200);
  const Response response = desk.ask("POST", "/api/v1/pairs/shop/rollback");
  REQUIRE(response.status == 200);
  CHECK(object_of(response).at("epoch") == 3);
  CHECK(object_of(response).at("rules").at(0).at("reads").at("green") == 25);
}

TEST_CASE("pins: asked → each session with its side and server process, and each pin with reason, age and digest") {
  Desk desk;
  const Response response = desk.ask("GET", "/api/v1/pairs/shop/pins");
  REQUIRE(response.status == 200);
  const json::object reply = object_of(response);
  CHECK(reply.at("pair") == "shop");
  CHECK(reply.at("total") == 1);
  const json::value& session = reply.at("sessions").at(0);
  CHECK(session.at("session") == 7);
  CHECK(session.at("user") == "ann");
  CHECK(session.at("application_name") == "till\xEF\xBF\xBD");
  CHECK(session.at("side") == "blue");
  CHECK(session.at("backend_pid") == 4711);
  CHECK(session.at("pins").at(0).at("reason") == "advisory_lock");
  CHECK(session.at("pins").at(0).at("age_ms") == 1500);
  CHECK(session.at("pins").at(0).at("digest") == "00000000000000ab");
  CHECK(session.at("pins").at(1).at("digest").is_null());
  CHECK(desk.ask("GET", "/api/v1/pairs/shap/pins").status == 404);
}

TEST_CASE("pause and resume: a pair, a database → held and released; unknown pairs and fields → 404 and 400") {
  Desk desk;
  const Response paused = desk.ask("POST", "/api/v1/pairs/shop/pause", R"({"database": "orders", "why": "restart"})");
  CHECK(paused.status == 200);
  CHECK(paused.body.find(R"("databases":{"orders":"everything"})") != std::string::npos);
  CHECK(paused.body.find(R"("sessions_working":2)") != std::string::npos);
  CHECK(paused.change.find("orders") != std::string::npos);
  CHECK(desk.ask("POST", "/api/v1/pairs/shop/pause", "").status == 200);
  CHECK(desk.control.hold.pair == routing::HoldClass::everything);
  CHECK(desk.ask("POST", "/api/v1/pairs/shop/resume", "").body.find(R"("pair":null)") != std::string::npos);
  CHECK(desk.control.hold.is_empty());
  CHECK(desk.ask("POST", "/api/v1/pairs/shap/pause", "").status == 404);
  CHECK(desk.ask("POST", "/api/v1/pairs/shop/pause", R"({"databse": "orders"})").status == 400);
}

TEST_CASE("explain: asked → class, route, rule and steps; the facts reach the control") {
  Desk desk;
  const Response response = desk.ask("POST", "/api/v1/explain", R"({"pair":"shop","sql":"SELECT 1","user":"alice",
      "database":"shop","application_name":"web","client":"10.1.2.3","session_number":7})");
  REQUIRE(response.status == 200);
  const json::object reply = object_of(response);
  CHECK(reply.at("class") == "read");
  CHECK(reply.at("tables") == json::array{"orders"});
  CHECK(reply.at("side") == "green");
  CHECK(reply.at("reason") == "read_weight");
  CHECK(reply.at("rule") == "reports");
  CHECK(reply.at("steps").at(0).at("outcome") == "matched");
  CHECK(reply.at("tags").at(0).at("value") == "checkout\xEF\xBF\xBD");
  REQUIRE(desk.control.last_explained.has_value());
  const routing::SessionFacts& session = desk.control.last_explained->session;
  CHECK(session.user == "alice");
  CHECK(session.application_name == "web");
  CHECK(session.session_number == 7);
  CHECK(session.client == routing::ClientAddress{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 10, 1, 2, 3});
}

TEST_CASE("explain: what cannot be understood → 400 that says why") {
  struct Row {
    const char* body;
    const char* words;
  };
  for (const Row& row : {Row{R"({"sql":"SELECT 1"})", "needs \"pair\""}, Row{R"({"pair":"shop"})", "needs \"sql\""},
                         Row{R"({"pair":"shop","sql":7})", "must be a string"},
                         Row{R"({"pair":"shop","sql":"","client":"nowhere"})", "neither"},
                         Row{R"({"pair":"shop","sql":"","session_number":-1})", "whole number"},
                         Row{R"({"pair":"shop","sql":"","session_number":1.5})", "whole number"},
                         Row{R"({"pair":"shop","sql":"","usr":"a"})", "known are pair, sql, user"}}) {
    CAPTURE(row.body);
    Desk desk;
    const Response response = desk.ask("POST", "/api/v1/explain", row.body);
    CHECK(response.status == 400);
    CHECK(mentions(response, row.words));
  }
}

TEST_CASE("probes: healthy and ready → 200, not ready → 503") {
  Desk desk;
  CHECK(desk.ask("GET", "/healthz").status == 200);
  CHECK(desk.ask("GET", "/readyz").status == 200);
  desk.control.is_ready_now = false;
  CHECK(desk.ask("GET", "/healthz").status == 200);
  CHECK(desk.ask("GET", "/readyz").status == 503);
}

TEST_CASE("metrics: asked → Prometheus text with weights and epoch") {
  Desk desk;
  const Response response = desk.ask("GET", "/metrics");
  CHECK(response.content_type == "text/plain; version=0.0.4; charset=utf-8");
  CHECK(response.body.find("crossfade_read_weight_ratio{pair=\"shop\",rule=\"reports\",side=\"green\"} 0.25\n") !=
        std::string::npos);
  CHECK(response.body.find("crossfade_plan_epoch{pair=\"shop\"} 1\n") != std::string::npos);
}

TEST_CASE("paths: unknown → 404; known with another method → 405 with Allow; broken → 400") {
  Desk desk;
  CHECK(desk.ask("GET", "/api/v1/nothing").status == 404);
  CHECK(desk.ask("GET", "/").status == 404);
  CHECK(desk.ask("GET", "/api/v1/status/").status == 404);
  CHECK(desk.ask("GET", "/api/v1/pairs//rules/reports/weights").status == 404);
  const Response wrong_method = desk.ask("DELETE", weights_path);
  CHECK(wrong_method.status == 405);
  CHECK(field_of(wrong_method, "Allow") == "GET, HEAD, PUT");
  CHECK(desk.ask("GET", "/api/v1/%zz").status == 400);
  CHECK(desk.ask("GET", "http://127.0.0.1/healthz").status == 400);
  CHECK(desk.ask("HEAD", "/healthz").status == 200);
  CHECK(desk.ask("GET", "/healthz?probe=1").status == 200);
}

TEST_CASE("paths: names with reserved characters → decoded before they are looked up") {
  Desk desk;
  desk.control.pair_name = "a/b c";
  CHECK(desk.ask("GET", "/api/v1/pairs/a%2Fb%20c/rules/reports/weights").status == 200);
  CHECK(desk.ask("GET", "/api/v1/pairs/a/b%20c/rules/reports/weights").status == 404);
}

TEST_CASE("media type: JSON that curl calls a form → taken for what it is") {
  Desk desk;
  Request request{"PUT", weights_path, "localhost", {}, {}, "application/x-www-form-urlencoded", R"({"reads":{"green":1}})", ""};
  CHECK(desk.send(request).status == 200);
}

TEST_CASE("control: fails or throws → 503 or 500, never an exception, never its words") {
  Desk desk;
  desk.control.failure = protocol::failure(protocol::ErrorCode::shutting_down, protocol::Blame::self, "going");
  CHECK(desk.ask("PUT", weights_path, R"({"reads":{"green":1}})").status == 503);
  desk.control.on_status = [] { throw std::runtime_error("inner words"); };
  const Response response = desk.ask("GET", "/api/v1/status");
  CHECK(response.status == 500);
  CHECK_FALSE(mentions(response, "inner words"));
}

TEST_CASE("reload: applied, or only rehearsed → what changed, values of secrets left out") {
  using proxy::admin::ReloadMode;
  using proxy::admin::ReloadOutcome;
  Desk desk;
  desk.control.reload_outcome.verdict = ReloadOutcome::Verdict::applied;
  desk.control.reload_outcome.problems = {"f.yaml:1:1: warning: so what"};
  desk.control.reload_outcome.changes = {{"changed", "workers", "2", "3", true}, {"changed", "admin.token", "", "", false}};
  const Response response = desk.ask("POST", "/api/v1/reload", "");
  REQUIRE(response.status == 200);
  CHECK(desk.control.last_reload == ReloadMode::apply);
  const json::object reply = object_of(response);
  CHECK(reply.at("applied") == true);
  CHECK(reply.at("problems").as_array().size() == 1);
  const json::array& changes = reply.at("changes").as_array();
  CHECK(changes[0] == json::object{{"change", "changed"}, {"key", "workers"}, {"before", "2"}, {"after", "3"}, {"needs_restart", true}});
  CHECK(changes[1] == json::object{{"change", "changed"}, {"key", "admin.token"}, {"needs_restart", false}});
  CHECK(response.change == "configuration: reloaded, 2 changes");
  desk.control.reload_outcome.verdict = ReloadOutcome::Verdict::rehearsed;
  const Response rehearsed = desk.ask("POST", "/api/v1/reload", R"({"dry_run": true})");
  CHECK(desk.control.last_reload == ReloadMode::rehearse);
  CHECK(object_of(rehearsed).at("applied") == false);
  CHECK(rehearsed.change.empty());
}

TEST_CASE("reload: refused → 409 with everything that is wrong; a body that is none → 400 and nothing asked") {
  Desk desk;
  desk.control.reload_outcome.problems = {"f.yaml:1:1: error: no", "f.yaml:2:1: error: neither"};
  const Response response = desk.ask("POST", "/api/v1/reload", "{}");
  CHECK(response.status == 409);
  CHECK(object_of(response).at("problems").as_array().size() == 2);
  CHECK(object_of(response).at("error").as_object().at("code") == "conflict");
  desk.control.last_reload.reset();
  for (const char* body : {"[]", R"({"dry_run": 1})", R"({"dry": true})"}) {
    CAPTURE(body);
    CHECK(desk.ask("POST", "/api/v1/reload", body).status == 400);
  }
  CHECK_FALSE(desk.control.last_reload);
}
