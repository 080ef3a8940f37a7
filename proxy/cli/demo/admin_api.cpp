#include "proxy/cli/demo/admin_api.hpp"

#include "proxy/cli/demo/failure.hpp"
#include "proxy/cli/http_client.hpp"

#include <boost/json.hpp>

#include <utility>

namespace proxy::cli {
namespace {

constexpr std::chrono::milliseconds call_timeout{5000};

std::string pair_target() { return "/api/v1/pairs/" + std::string(demo_pair_name); }

std::optional<boost::json::object> object_of(std::string_view body) {
  boost::json::error_code error;
  boost::json::value value = boost::json::parse({body.data(), body.size()}, error);
  if (error || !value.is_object()) return std::nullopt;
  return std::move(value.get_object());
}

std::optional<std::uint64_t> number_in(const boost::json::object& object, std::string_view key) {
  const boost::json::value* value = object.if_contains({key.data(), key.size()});
  boost::json::error_code error;
  const auto number = value != nullptr && value->is_number() ? value->to_number<std::int64_t>(error) : -1;
  if (error || number < 0) return std::nullopt;
  return static_cast<std::uint64_t>(number);
}

std::string text_in(const boost::json::object& object, std::string_view key) {
  const boost::json::value* value = object.if_contains({key.data(), key.size()});
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

}  // namespace

std::optional<Acknowledgement> parse_acknowledgement(std::string_view body) {
  boost::json::error_code error;
  const boost::json::value value = boost::json::parse({body.data(), body.size()}, error);
  if (error || !value.is_object()) return std::nullopt;
  const boost::json::value* is_complete = value.get_object().if_contains("acknowledged_by_all");
  const boost::json::value* after = value.get_object().if_contains("acknowledged_after_us");
  if (is_complete == nullptr || after == nullptr || !after->is_number()) return std::nullopt;
  if (!is_complete->is_bool() || !is_complete->get_bool()) return std::nullopt;
  const auto count = after->to_number<std::int64_t>(error);
  if (error || count < 0) return std::nullopt;
  return Acknowledgement{std::chrono::microseconds(count)};
}

std::optional<MoveState> parse_move(std::string_view body, std::uint64_t attempt_number) {
  const auto object = object_of(body);
  const boost::json::value* value = object ? object->if_contains("attempt") : nullptr;
  if (value == nullptr || !value->is_object()) return std::nullopt;
  const boost::json::object& attempt = value->get_object();
  const auto held = number_in(attempt, "held_us");
  const std::string end = text_in(attempt, "end");
  if (number_in(attempt, "number") != attempt_number || !held || end.empty()) return std::nullopt;
  MoveState state;
  state.held = std::chrono::microseconds(*held);
  if (end == "running") return state;
  state.kind = end == "moved" ? MoveState::Kind::moved : MoveState::Kind::failed;
  if (state.kind == MoveState::Kind::failed) state.trouble = end + ": " + text_in(attempt, "failure");
  return state;
}

std::optional<MirrorStanding> parse_mirror(std::string_view body) {
  const auto object = object_of(body);
  const boost::json::value* lag = object ? object->if_contains("lag") : nullptr;
  if (lag == nullptr || !lag->is_object()) return std::nullopt;
  const auto units = number_in(lag->get_object(), "units");
  const auto open = number_in(*object, "ledger_open");
  if (!units || !open) return std::nullopt;
  return MirrorStanding{*units, *open};
}

Acknowledgement AdminApi::set_green_reads(unsigned percent) {
  return change("PUT", pair_target() + "/rules/" + std::string(demo_rule_name) + "/weights",
                "{\"reads\": {\"green\": " + std::to_string(percent) + "}}");
}

Acknowledgement AdminApi::roll_back() { return change("POST", pair_target() + "/rollback", ""); }

Acknowledgement AdminApi::change(const std::string& method, const std::string& target, const std::string& body) {
  const std::string reply = call(method, target, body, 200);
  const auto acknowledged = parse_acknowledgement(reply);
  if (!acknowledged) throw DemoFailure(method + " " + target + ": not acknowledged by every worker: " + reply);
  return *acknowledged;
}

std::string AdminApi::call(const std::string& method, const std::string& target, const std::string& body, unsigned status) {
  const auto reply = send_http(address_.host, address_.port, {method, target, body, ""}, call_timeout);
  const std::string what = method + " " + target + ": ";
  if (!reply) throw DemoFailure(what + reply.error().detail);
  if (reply->status != status) throw DemoFailure(what + std::to_string(reply->status) + " " + reply->body);
  return reply->body;
}

std::uint64_t AdminApi::begin_move(const char* how) {
  const std::string target = pair_target() + "/" + how;
  const std::string body = "{\"who\": \"the demo\", \"accept\": [\"" + std::string(accepted_finding) + "\"]}";
  const std::string reply = call("POST", target, body, 202);
  const auto object = object_of(reply);
  const auto number = object ? number_in(*object, "number") : std::nullopt;
  if (!number) throw DemoFailure("POST " + target + ": no number: " + reply);
  return *number;
}

std::uint64_t AdminApi::begin_switchover() { return begin_move("switchover"); }
std::uint64_t AdminApi::begin_authority_rollback() { return begin_move("rollback"); }

MoveState AdminApi::move(std::uint64_t attempt_number) {
  const std::string reply = call("GET", pair_target() + "/switchover", "", 200);
  const auto state = parse_move(reply, attempt_number);
  if (!state) throw DemoFailure("the switchover is not told of: " + reply);
  return *state;
}

MirrorStanding AdminApi::mirror() {
  const std::string reply = call("GET", pair_target() + "/mirror", "", 200);
  const auto standing = parse_mirror(reply);
  if (!standing) throw DemoFailure("the mirror is not told of: " + reply);
  return *standing;
}

}  // namespace proxy::cli
