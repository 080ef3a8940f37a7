#include "proxy/cli/demo/admin_api.hpp"

#include "proxy/cli/demo/failure.hpp"
#include "proxy/cli/http_client.hpp"

#include <boost/json.hpp>

namespace proxy::cli {
namespace {

constexpr std::chrono::milliseconds call_timeout{5000};

std::string pair_target() { return "/api/v1/pairs/" + std::string(demo_pair_name); }

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

Acknowledgement AdminApi::set_green_reads(unsigned percent) {
  return change("PUT", pair_target() + "/rules/" + std::string(demo_rule_name) + "/weights",
                "{\"reads\": {\"green\": " + std::to_string(percent) + "}}");
}

Acknowledgement AdminApi::roll_back() { return change("POST", pair_target() + "/rollback", ""); }

Acknowledgement AdminApi::change(const std::string& method, const std::string& target, const std::string& body) {
  const auto reply = send_http(address_.host, address_.port, {method, target, body, ""}, call_timeout);
  const std::string what = method + " " + target + ": ";
  if (!reply) throw DemoFailure(what + reply.error().detail);
  if (reply->status != 200) throw DemoFailure(what + std::to_string(reply->status) + " " + reply->body);
  const auto acknowledged = parse_acknowledgement(reply->body);
  if (!acknowledged) throw DemoFailure(what + "not acknowledged by every worker: " + reply->body);
  return *acknowledged;
}

}  // namespace proxy::cli
