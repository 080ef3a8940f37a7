#include "proxy/admin/json_requests.hpp"
#include "proxy/admin/json_text.hpp"
#include "proxy/admin/json_views.hpp"
#include "proxy/admin/metrics_view.hpp"
#include "proxy/admin/mirror_endpoints.hpp"
#include "proxy/admin/router.hpp"
#include "proxy/admin/switchover_control.hpp"
#include "proxy/admin/switchover_endpoints.hpp"
#include "proxy/admin/switchover_json.hpp"
#include "proxy/admin/text.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <array>

namespace proxy::admin {

namespace {

Response json_response(const boost::json::object& object) {
  Response response;
  response.body = json_text(object) + "\n";
  return response;
}

const PairStatus* find_pair(const Status& status, const std::string& name) {
  const auto found = std::ranges::find(status.pairs, name, &PairStatus::name);
  return found == status.pairs.end() ? nullptr : &*found;
}

Response unknown_pair(const Status& status, const std::string& name) {
  std::vector<std::string> known;
  for (const PairStatus& pair : status.pairs) known.push_back(pair.name);
  return error_response(404, "there is no pair \"" + name + "\"; the pairs are " + listed(known));
}

Response unknown_rule(const PairStatus& pair, const std::string& name) {
  std::vector<std::string> known;
  for (const routing::Rule& rule : pair.plan->rules) known.push_back(rule.name);
  return error_response(404, "the pair \"" + pair.name + "\" has no rule \"" + name + "\"; its rules are " + listed(known));
}

bool has_rule(const PairStatus& pair, const std::string& name) {
  return !pair.plan || std::ranges::find(pair.plan->rules, name, &routing::Rule::name) != pair.plan->rules.end();
}

/// An error that no name explains.
Response plain_failure(const protocol::Error& error) {
  if (error.code == protocol::ErrorCode::shutting_down) return error_response(503, error.detail);
  if (error.code == protocol::ErrorCode::backend_unreachable) return error_response(503, error.detail);
  if (error.code == protocol::ErrorCode::configuration_invalid) return error_response(409, error.detail);
  return error_response(500, error.detail);
}

/// The control interface says only that something was wrong; with the names at hand it can be said better.
Response explained_failure(Control& control, const std::string& pair_name, const std::string* rule_name,
                           const protocol::Error& error) {
  const Status status = control.status();
  const PairStatus* pair = find_pair(status, pair_name);
  if (pair == nullptr) return unknown_pair(status, pair_name);
  if (rule_name != nullptr && !has_rule(*pair, *rule_name)) return unknown_rule(*pair, *rule_name);
  return plain_failure(error);
}

/// What was asked for, and what came of it.
Response change_response(boost::json::object reply, const PlanChange& change) {
  for (const auto& member : change_json(change)) reply[member.key()] = member.value();
  return json_response(reply);
}

/// For the audit. `who`: as the body says; empty: whoever connects from the peer's address.
void note(const Call& call, NotedChange change, std::string who, std::string why) {
  SwitchoverControl* switchovers = call.control.switchovers();
  if (switchovers == nullptr) return;
  change.asker = {who.empty() ? call.request.peer : std::move(who), std::move(why)};
  switchovers->note_change(change);
}

std::string reads_text(routing::Weights reads) { return "reads: green " + json_text(weights_json(reads).at("green")) + " %"; }

Response get_health(const Call&) { return json_response({{"healthy", true}}); }

Response get_readiness(const Call& call) {
  const bool is_ready = call.control.is_ready();
  Response response = json_response({{"ready", is_ready}});
  if (!is_ready) response.status = 503;
  return response;
}

Response get_metrics(const Call& call) {
  Response response;
  response.content_type = metrics_content_type;
  response.body = metrics_view(call.control.status(), call.control.metrics()) + mirror_metrics(call.control.mirrors());
  return response;
}

Response get_status(const Call& call) { return json_response(status_json(call.control.status())); }

Response get_weights(const Call& call) {
  const std::string& pair = call.names[0];
  const std::string& rule_name = call.names[1];
  const auto rule = call.control.rule(pair, rule_name);
  if (!rule) return explained_failure(call.control, pair, &rule_name, rule.error());
  const Status status = call.control.status();
  const PairStatus* shown = find_pair(status, pair);
  const std::uint64_t epoch = shown != nullptr && shown->plan ? shown->plan->epoch : 0;
  return json_response({{"pair", pair}, {"rule", rule_name}, {"reads", weights_json(rule->reads)}, {"epoch", epoch}});
}

Response put_weights(const Call& call) {
  const std::string& pair = call.names[0];
  const std::string& rule = call.names[1];
  const auto wish = parse_weights(call.request.body);
  if (!wish) return error_response(400, wish.error().detail);
  const auto before = call.control.rule(pair, rule);
  const auto change = call.control.set_weights(pair, rule, wish->reads);
  if (!change) return explained_failure(call.control, pair, &rule, change.error());
  note(call, {pair, "weights", before ? reads_text(before->reads) : "", reads_text(wish->reads), {}, routing::LastChange::weights}, wish->who,
       wish->why);
  Response response = change_response({{"pair", pair}, {"rule", rule}, {"reads", weights_json(wish->reads)}}, *change);
  response.change = "pair " + pair + ", rule " + rule + ": " + json_text(weights_json(wish->reads));
  if (!wish->why.empty()) response.change += ", because: " + wish->why;
  return response;
}

Response get_pins(const Call& call) {
  const auto pinned = call.control.pinned_sessions(call.names[0]);
  if (!pinned) return explained_failure(call.control, call.names[0], nullptr, pinned.error());
  boost::json::object reply = pinned_sessions_json(*pinned);
  reply["pair"] = call.names[0];
  return json_response(reply);
}

Response get_types(const Call& call) {
  const auto report = call.control.type_report(call.names[0]);
  if (!report) return explained_failure(call.control, call.names[0], nullptr, report.error());
  boost::json::object reply = type_report_json(*report);
  reply["pair"] = call.names[0];
  return json_response(reply);
}

Response post_rollback(const Call& call) {
  const std::string& pair = call.names[0];
  if (auto response = roll_authority_back(call)) return *std::move(response);
  const auto asker = parse_asker(call.request.body, call.request.peer);
  if (!asker) return error_response(400, asker.error().detail);
  const auto change = call.control.rollback(pair);
  if (!change) return explained_failure(call.control, pair, nullptr, change.error());
  note(call, {pair, "rollback", "", "the weights of the plan before", {}, routing::LastChange::weights}, asker->who, asker->why);
  Response response = change_response({{"pair", pair}}, *change);
  response.change = "pair " + pair + ": rolled back";
  return response;
}

/// Of the pair, or of one database.
std::string scope_text(const std::string& pair, const routing::HoldScope& scope) {
  return "pair " + pair + (scope.database.empty() ? "" : ", database " + scope.database);
}

Response post_hold(const Call& call, protocol::Result<HoldChange> (Control::*act)(const std::string&, const routing::HoldScope&),
                   std::string_view what) {
  const std::string& pair = call.names[0];
  const auto wish = parse_hold(call.request.body);
  if (!wish) return error_response(400, wish.error().detail);
  const auto change = (call.control.*act)(pair, wish->scope);
  if (!change) return explained_failure(call.control, pair, nullptr, change.error());
  note(call, {pair, std::string(what), "", wish->scope.database.empty() ? "all databases" : wish->scope.database, {}, {}}, wish->who, wish->why);
  boost::json::object reply{{"pair", pair}};
  for (const auto& member : hold_change_json(*change)) reply[member.key()] = member.value();
  Response response = json_response(reply);
  response.change = scope_text(pair, wish->scope) + ": " + std::string(what);
  if (!wish->why.empty()) response.change += ", because: " + wish->why;
  return response;
}

Response post_pause(const Call& call) { return post_hold(call, &Control::pause, "paused"); }
Response post_resume(const Call& call) { return post_hold(call, &Control::resume, "resumed"); }

Response post_reload(const Call& call) {
  const auto wish = parse_reload(call.request.body);
  if (!wish) return error_response(400, wish.error().detail);
  const ReloadOutcome outcome = call.control.reload(*wish);
  if (outcome.verdict == ReloadOutcome::Verdict::refused) {
    Response response = error_response(409, "the configuration has errors, nothing was changed");
    response.body = json_text(refused_reload_json(outcome)) + "\n";
    return response;
  }
  Response response = json_response(reload_json(outcome));
  const bool is_applied = outcome.verdict == ReloadOutcome::Verdict::applied;
  if (is_applied) note(call, {"", "reload", "", std::to_string(outcome.changes.size()) + " changes", {}, {}}, "", "");
  if (is_applied) response.change = "configuration: reloaded, " + std::to_string(outcome.changes.size()) + " changes";
  return response;
}

Response post_explain(const Call& call) {
  const auto wish = parse_explain(call.request.body);
  if (!wish) return error_response(400, wish.error().detail);
  const auto result = call.control.explain(*wish);
  if (!result) return explained_failure(call.control, wish->pair, nullptr, result.error());
  const Status status = call.control.status();
  const PairStatus* pair = find_pair(status, wish->pair);
  return json_response(explain_json(*result, pair == nullptr ? nullptr : pair->plan));
}

constexpr std::string_view weights_path = "/api/v1/pairs/{pair}/rules/{rule}/weights";

constexpr std::string_view switchover_path = "/api/v1/pairs/{pair}/switchover";

constexpr std::array<Endpoint, 25> endpoint_table{{
    {"GET", "/healthz", Guard::open, Reach::none, get_health},
    {"GET", "/readyz", Guard::open, Reach::control, get_readiness},
    {"GET", "/metrics", Guard::guarded, Reach::control, get_metrics},
    {"GET", "/api/v1/status", Guard::guarded, Reach::control, get_status},
    {"GET", weights_path, Guard::guarded, Reach::control, get_weights},
    {"PUT", weights_path, Guard::guarded, Reach::control, put_weights},
    {"GET", "/api/v1/pairs/{pair}/pins", Guard::guarded, Reach::control, get_pins},
    {"GET", "/api/v1/pairs/{pair}/types", Guard::guarded, Reach::control, get_types},
    {"POST", "/api/v1/pairs/{pair}/rollback", Guard::guarded, Reach::control, post_rollback},
    {"POST", "/api/v1/pairs/{pair}/pause", Guard::guarded, Reach::control, post_pause},
    {"POST", "/api/v1/pairs/{pair}/resume", Guard::guarded, Reach::control, post_resume},
    {"POST", switchover_path, Guard::guarded, Reach::control, post_switchover},
    {"GET", switchover_path, Guard::guarded, Reach::control, get_switchover},
    {"POST", "/api/v1/pairs/{pair}/switchover/abort", Guard::guarded, Reach::control, post_switchover_abort},
    {"POST", "/api/v1/pairs/{pair}/freeze", Guard::guarded, Reach::control, post_freeze},
    {"POST", "/api/v1/pairs/{pair}/thaw", Guard::guarded, Reach::control, post_thaw},
    {"POST", "/api/v1/pairs/{pair}/verification", Guard::guarded, Reach::control, post_verification},
    {"GET", "/api/v1/pairs/{pair}/history", Guard::guarded, Reach::control, get_history},
    {"PUT", "/api/v1/pairs/{pair}/authority", Guard::guarded, Reach::control, put_authority},
    {"GET", "/api/v1/pairs/{pair}/mirror", Guard::guarded, Reach::control, get_mirror},
    {"GET", "/api/v1/pairs/{pair}/ledger", Guard::guarded, Reach::control, get_ledger},
    {"GET", "/api/v1/pairs/{pair}/ledger/all", Guard::guarded, Reach::control, get_whole_ledger},
    {"POST", "/api/v1/pairs/{pair}/ledger/{id}/accept", Guard::guarded, Reach::control, post_ledger_accept},
    {"POST", "/api/v1/reload", Guard::guarded, Reach::control, post_reload},
    {"POST", "/api/v1/explain", Guard::guarded, Reach::control, post_explain},
}};

}  // namespace

std::span<const Endpoint> endpoints() { return endpoint_table; }

}  // namespace proxy::admin
