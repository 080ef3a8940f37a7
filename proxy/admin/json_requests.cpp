#include "proxy/admin/json_requests.hpp"

#include "proxy/admin/text.hpp"

#include <boost/json.hpp>

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <span>
#include <vector>

namespace proxy::admin {

namespace json = boost::json;

namespace {

constexpr double hundredths_per_percent = 100;
constexpr double rounding_tolerance = 1e-6;  // of a hundredth: 33.33 is not exact in binary

protocol::Error refused(std::string detail) {
  return protocol::failure(protocol::ErrorCode::configuration_invalid, protocol::Blame::operator_, std::move(detail));
}

protocol::Result<json::object> parse_object(std::string_view body) {
  if (body.empty()) return refused("the request needs a body: a JSON object");
  boost::system::error_code error;
  json::value value = json::parse(body, error);
  if (error) return refused("the body is not JSON: " + error.message());
  if (!value.is_object()) return refused("the body must be a JSON object");
  return std::move(value.get_object());
}

/// The complaint about the first key that is not among `known`; nothing if all are.
std::optional<std::string> unknown_key(const json::object& object, std::span<const std::string_view> known) {
  for (const auto& member : object) {
    if (std::ranges::find(known, std::string_view(member.key())) != known.end()) continue;
    const std::vector<std::string> names(known.begin(), known.end());
    return "the field \"" + std::string(member.key()) + "\" is not known; known are " + listed(names);
  }
  return std::nullopt;
}

/// A field that must be a string if it is there; `absent` if it is not.
protocol::Result<std::string> string_field(const json::object& object, std::string_view key, std::string absent) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr) return absent;
  if (!value->is_string()) return refused("\"" + std::string(key) + "\" must be a string");
  return std::string(value->get_string());
}

/// A share in hundredths of a percent.
protocol::Result<std::uint32_t> parse_percent(const json::value& value, std::string_view side) {
  const std::string name(side);
  if (!value.is_number()) return refused("\"" + name + "\" must be a number of percent");
  const double percent = value.to_number<double>();
  if (!(percent >= 0 && percent <= 100)) return refused("\"" + name + "\" must be from 0 to 100 percent");
  const double hundredths = percent * hundredths_per_percent;
  const double rounded = std::round(hundredths);
  if (std::abs(hundredths - rounded) > rounding_tolerance) {
    return refused("\"" + name + "\" has more than two decimals");
  }
  return static_cast<std::uint32_t>(rounded);
}

std::string percent_text(std::uint32_t hundredths) {
  std::string text = std::to_string(hundredths / 100);
  if (hundredths % 100 == 0) return text;
  const std::string decimals = std::to_string(hundredths % 100);
  return text + (decimals.size() == 1 ? ".0" : ".") + decimals;
}

protocol::Result<routing::Weights> parse_shares(const json::object& reads) {
  static constexpr std::array<std::string_view, 2> sides{"blue", "green"};
  if (auto complaint = unknown_key(reads, sides)) return refused(*complaint);
  std::optional<std::uint32_t> blue;
  std::optional<std::uint32_t> green;
  if (const json::value* value = reads.if_contains("blue")) {
    const auto share = parse_percent(*value, "blue");
    if (!share) return share.error();
    blue = *share;
  }
  if (const json::value* value = reads.if_contains("green")) {
    const auto share = parse_percent(*value, "green");
    if (!share) return share.error();
    green = *share;
  }
  if (!blue && !green) return refused("\"reads\" needs \"blue\", \"green\" or both");
  if (blue && green && *blue + *green != routing::weight_total) {
    return refused("blue " + percent_text(*blue) + " and green " + percent_text(*green) + " make " +
                   percent_text(*blue + *green) + " percent, not 100");
  }
  return routing::Weights{green ? *green : routing::weight_total - *blue};
}

protocol::Result<std::uint64_t> session_number_field(const json::object& object) {
  const json::value* value = object.if_contains("session_number");
  if (value == nullptr) return std::uint64_t{0};
  boost::system::error_code error;
  const auto number = value->is_number() ? value->to_number<std::uint64_t>(error) : 0;
  if (!value->is_number() || error) return refused("\"session_number\" must be a whole number from 0 up");
  return number;
}

protocol::Result<routing::ClientAddress> client_field(const json::object& object) {
  const auto text = string_field(object, "client", "");
  if (!text) return text.error();
  if (text->empty()) return routing::ClientAddress{};
  return parse_address(*text);
}

protocol::Result<routing::SessionFacts> parse_session(const json::object& object) {
  routing::SessionFacts session;
  const auto user = string_field(object, "user", "");
  if (!user) return user.error();
  const auto database = string_field(object, "database", "");
  if (!database) return database.error();
  const auto application_name = string_field(object, "application_name", "");
  if (!application_name) return application_name.error();
  const auto client = client_field(object);
  if (!client) return client.error();
  const auto session_number = session_number_field(object);
  if (!session_number) return session_number.error();
  return routing::SessionFacts{*user, *database, *application_name, *client, *session_number};
}

/// "who" and "why".
protocol::Result<std::pair<std::string, std::string>> parse_reasons(const json::object& object) {
  auto who = string_field(object, "who", "");
  if (!who) return who.error();
  auto why = string_field(object, "why", "");
  if (!why) return why.error();
  if (who->size() > why_bytes_max) return refused("\"who\" is longer than 500 bytes");
  if (why->size() > why_bytes_max) return refused("\"why\" is longer than 500 bytes");
  return std::pair(*std::move(who), *std::move(why));
}

}  // namespace

protocol::Result<WeightsWish> parse_weights(std::string_view body) {
  static constexpr std::array<std::string_view, 3> keys{"reads", "who", "why"};
  const auto object = parse_object(body);
  if (!object) return object.error();
  if (auto complaint = unknown_key(*object, keys)) return refused(*complaint);
  const json::value* reads = object->if_contains("reads");
  if (reads == nullptr || !reads->is_object()) {
    return refused("the body needs \"reads\", for example {\"reads\": {\"green\": 10}}");
  }
  const auto weights = parse_shares(reads->get_object());
  if (!weights) return weights.error();
  const auto reasons = parse_reasons(*object);
  if (!reasons) return reasons.error();
  return WeightsWish{*weights, reasons->first, reasons->second};
}

protocol::Result<HoldWish> parse_hold(std::string_view body) {
  static constexpr std::array<std::string_view, 3> keys{"database", "who", "why"};
  if (body.empty()) return HoldWish{};
  const auto object = parse_object(body);
  if (!object) return object.error();
  if (auto complaint = unknown_key(*object, keys)) return refused(*complaint);
  const auto database = string_field(*object, "database", "");
  if (!database) return database.error();
  const auto reasons = parse_reasons(*object);
  if (!reasons) return reasons.error();
  return HoldWish{{*database}, reasons->first, reasons->second};
}

protocol::Result<ExplainRequest> parse_explain(std::string_view body) {
  static constexpr std::array<std::string_view, 7> keys{"pair",   "sql",           "user", "database", "application_name",
                                                        "client", "session_number"};
  const auto object = parse_object(body);
  if (!object) return object.error();
  if (auto complaint = unknown_key(*object, keys)) return refused(*complaint);
  for (const std::string_view needed : {"pair", "sql"}) {
    if (!object->contains(needed)) return refused("the body needs \"" + std::string(needed) + "\"");
  }
  const auto pair = string_field(*object, "pair", "");
  if (!pair) return pair.error();
  const auto sql = string_field(*object, "sql", "");
  if (!sql) return sql.error();
  const auto session = parse_session(*object);
  if (!session) return session.error();
  return ExplainRequest{*pair, *sql, *session};
}

protocol::Result<ReloadMode> parse_reload(std::string_view body) {
  static constexpr std::array<std::string_view, 1> keys{"dry_run"};
  if (body.empty()) return ReloadMode::apply;
  const auto object = parse_object(body);
  if (!object) return object.error();
  if (auto complaint = unknown_key(*object, keys)) return refused(*complaint);
  const json::value* wish = object->if_contains("dry_run");
  if (wish == nullptr) return ReloadMode::apply;
  if (!wish->is_bool()) return refused("\"dry_run\" must be true or false");
  return wish->get_bool() ? ReloadMode::rehearse : ReloadMode::apply;
}

protocol::Result<routing::ClientAddress> parse_address(const std::string& text) {
  routing::ClientAddress address{};
  if (inet_pton(AF_INET6, text.c_str(), address.data()) == 1) return address;
  std::array<std::uint8_t, 4> v4{};
  if (inet_pton(AF_INET, text.c_str(), v4.data()) != 1) {
    return refused("\"" + text + "\" is neither an IPv4 nor an IPv6 address");
  }
  address = {};
  address[10] = 0xFF;
  address[11] = 0xFF;
  std::ranges::copy(v4, address.begin() + 12);
  return address;
}

}  // namespace proxy::admin
