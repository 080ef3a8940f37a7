#include "proxy/admin/json_views.hpp"

#include "proxy/admin/http.hpp"
#include "proxy/admin/text.hpp"

#include <boost/json.hpp>

namespace proxy::admin {

namespace json = boost::json;

namespace {

json::value percent_json(std::uint32_t hundredths) {
  if (hundredths % 100 == 0) return hundredths / 100;
  return static_cast<double>(hundredths) / 100;
}

json::array texts_json(const std::vector<std::string>& texts) {
  json::array array;
  for (const std::string& text : texts) array.emplace_back(valid_utf8(text));
  return array;
}

json::object health_json(const SideStatus& side) {
  return {{"state", side.health},
          {"reason", side.health_reason.empty() ? json::value(nullptr) : json::value(side.health_reason)},
          {"for_seconds", side.health_for.count()}};
}

json::object side_json(const SideStatus& side) {
  return {{"endpoint", valid_utf8(side.endpoint)},
          {"connections", side.connections},
          {"requests", side.requests},
          {"errors", side.errors},
          {"health", health_json(side)},
          {"server_version", side.server_version.empty() ? json::value(nullptr) : json::value(valid_utf8(side.server_version))},
          {"in_recovery", side.is_in_recovery},
          {"read_only", side.is_read_only}};
}

json::object pins_json(const std::map<protocol::PinReason, std::uint64_t>& pins) {
  json::object object;
  for (const auto& [reason, sessions] : pins) {
    if (reason != protocol::PinReason::none) object[protocol::name_of(reason)] = sessions;
  }
  return object;
}

/// Sixteen hexadecimal digits: as a number it would lose some in JavaScript. Null: no statement is the cause.
json::value digest_json(std::uint64_t fingerprint) {
  if (fingerprint == 0) return nullptr;
  std::string text;
  for (int shift = 60; shift >= 0; shift -= 4) text += "0123456789abcdef"[(fingerprint >> shift) & 0xF];
  return json::value(text);
}

json::object pinned_session_json(const telemetry::PinnedSession& session) {
  json::array pins;
  for (const telemetry::PinAge& each : session.pins) {
    pins.push_back(json::object{{"reason", protocol::name_of(each.pin.reason)},
                                {"age_ms", each.age.count()},
                                {"digest", digest_json(each.pin.fingerprint)},
                                {"cleared_by", protocol::clearing_of(each.pin.reason)}});
  }
  json::value process = nullptr;
  if (session.backend_process != 0) process = session.backend_process;
  return {{"session", session.session_number},
          {"user", valid_utf8(session.user)},
          {"database", valid_utf8(session.database)},
          {"application_name", valid_utf8(session.application_name)},
          {"side", routing::name_of(session.side)},
          {"backend_pid", std::move(process)},
          {"pins", std::move(pins)}};
}

/// {"pair": "everything" or null, "databases": {"shop": "everything"}}.
json::object hold_json(const routing::HoldSnapshot& hold) {
  json::object databases;
  if (!hold) return {{"pair", nullptr}, {"databases", databases}};
  for (const auto& [name, held] : hold->databases) databases[valid_utf8(name)] = routing::name_of(held);
  const json::value pair = hold->pair ? json::value(routing::name_of(*hold->pair)) : json::value(nullptr);
  return {{"pair", pair}, {"databases", std::move(databases)}};
}

json::array rules_json(const routing::Plan& plan) {
  json::array rules;
  for (const routing::Rule& rule : plan.rules) rules.push_back(rule_json(rule));
  return rules;
}

/// The name of the rule that decided; null if none did.
json::value deciding_rule(const routing::Route& route, const routing::PlanSnapshot& plan) {
  if (!plan || route.rule_index >= plan->rules.size()) return nullptr;
  return json::value(valid_utf8(plan->rules[route.rule_index].name));
}

json::array steps_json(const std::vector<routing::ExplainStep>& steps) {
  json::array array;
  for (const routing::ExplainStep& step : steps) {
    array.push_back(json::object{{"subject", valid_utf8(step.subject)}, {"outcome", valid_utf8(step.outcome)}});
  }
  return array;
}

json::array tags_json(const protocol::CommentTags& tags) {
  json::array array;
  for (const auto& [key, value] : tags) {
    array.push_back(json::object{{"key", valid_utf8(key)}, {"value", valid_utf8(value)}});
  }
  return array;
}

}  // namespace

json::object weights_json(routing::Weights weights) {
  return {{"blue", percent_json(routing::weight_total - weights.green)}, {"green", percent_json(weights.green)}};
}

json::object rule_json(const routing::Rule& rule) {
  return {{"name", valid_utf8(rule.name)},
          {"reads", weights_json(rule.reads)},
          {"writes", routing::name_of(rule.writes)},
          {"stickiness", routing::name_of(rule.stickiness)}};
}

json::object pair_json(const PairStatus& pair) {
  json::object sides;
  for (const routing::Side side : routing::both_sides) sides[routing::name_of(side)] = side_json(pair.sides[side]);
  json::object object{{"name", valid_utf8(pair.name)},
                      {"dialect", valid_utf8(pair.dialect)},
                      {"listen", valid_utf8(pair.listen)},
                      {"clients", pair.clients},
                      {"epoch", pair.plan ? pair.plan->epoch : 0},
                      {"has_previous_plan", pair.has_previous_plan},
                      {"rules", pair.plan ? rules_json(*pair.plan) : json::array{}},
                      {"sides", std::move(sides)},
                      {"pinned", pins_json(pair.pins)},
                      {"held", hold_json(pair.hold)},
                      {"sessions_working", pair.sessions_working},
                      {"sessions_held", pair.sessions_held},
                      {"held_bytes", pair.held_bytes},
                      {"types_differing", pair.types_differing}};
  if (pair.plan) object["default_writes"] = routing::name_of(pair.plan->default_writes);
  return object;
}

json::object status_json(const Status& status) {
  json::array pairs;
  for (const PairStatus& pair : status.pairs) pairs.push_back(pair_json(pair));
  return {{"product", "crossfade"},
          {"version", valid_utf8(status.version)},
          {"uptime_seconds", status.uptime.count()},
          {"workers", status.worker_count},
          {"pairs", std::move(pairs)}};
}

json::object change_json(const PlanChange& change) {
  return {{"epoch", change.plan ? change.plan->epoch : 0},
          {"rules", change.plan ? rules_json(*change.plan) : json::array{}},
          {"acknowledged_after_us", change.acknowledged_after.count()},
          {"acknowledged_by_all", change.is_acknowledged_by_all},
          {"durable", change.is_durable}};
}

json::object pinned_sessions_json(const PinnedSessions& pinned) {
  json::array sessions;
  for (const telemetry::PinnedSession& session : pinned.shown) sessions.push_back(pinned_session_json(session));
  return {{"total", pinned.total}, {"sessions", std::move(sessions)}};
}

json::object type_report_json(const TypeReport& report) {
  const auto number = [](std::uint64_t type) { return type == 0 ? json::value(nullptr) : json::value(type); };
  json::array databases;
  for (const TypeReport::Database& each : report.databases) {
    json::array types;
    for (const TypeReport::Difference& type : each.shown) {
      types.push_back(json::object{
          {"name", valid_utf8(type.name)}, {"kind", type.kind}, {"blue", number(type.blue)}, {"green", number(type.green)}});
    }
    databases.push_back(json::object{{"database", valid_utf8(each.name)},
                                     {"compared", each.is_compared},
                                     {"identical", each.is_identical},
                                     {"total", each.total},
                                     {"types", std::move(types)}});
  }
  return {{"total", report.total}, {"databases", std::move(databases)}};
}

json::object hold_change_json(const HoldChange& change) {
  return {{"held", hold_json(change.hold)},
          {"sessions_working", change.sessions_working},
          {"sessions_held", change.sessions_held},
          {"acknowledged_after_us", change.acknowledged_after.count()},
          {"acknowledged_by_all", change.is_acknowledged_by_all}};
}

json::object reload_json(const ReloadOutcome& outcome) {
  json::array changes;
  for (const SettingChange& change : outcome.changes) {
    json::object each{{"change", valid_utf8(change.kind)}, {"key", valid_utf8(change.path)}};
    if (!change.before.empty()) each["before"] = valid_utf8(change.before);
    if (!change.after.empty()) each["after"] = valid_utf8(change.after);
    each["needs_restart"] = change.needs_restart;
    changes.push_back(std::move(each));
  }
  return {{"applied", outcome.verdict == ReloadOutcome::Verdict::applied},
          {"changes", std::move(changes)},
          {"problems", texts_json(outcome.problems)}};
}

json::object refused_reload_json(const ReloadOutcome& outcome) {
  constexpr unsigned status = 409;
  json::object error{{"status", status},
                     {"code", code_of(status)},
                     {"message", "the configuration has errors, nothing was changed"}};
  return {{"error", std::move(error)}, {"applied", false}, {"problems", texts_json(outcome.problems)}};
}

json::object explain_json(const ExplainResult& result, const routing::PlanSnapshot& plan) {
  const routing::Route& route = result.explanation.route;
  const protocol::StatementFacts& facts = result.facts;
  return {{"class", protocol::name_of(facts.statement_class)},
          {"because", valid_utf8(facts.because)},
          {"statements", facts.statement_count},
          {"tables", texts_json(facts.tables)},
          {"functions", texts_json(facts.functions)},
          {"tags", tags_json(result.tags)},
          {"pins", protocol::name_of(facts.pin)},
          {"side", routing::name_of(route.side)},
          {"reason", routing::name_of(route.reason)},
          {"rule", deciding_rule(route, plan)},
          {"steps", steps_json(result.explanation.steps)}};
}

}  // namespace proxy::admin
