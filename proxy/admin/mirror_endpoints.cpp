#include "proxy/admin/mirror_endpoints.hpp"

#include "proxy/admin/json_text.hpp"
#include "proxy/admin/switchover_control.hpp"
#include "proxy/admin/switchover_json.hpp"
#include "proxy/admin/text.hpp"
#include "proxy/telemetry/exposition.hpp"

#include <boost/json.hpp>

#include <charconv>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace proxy::admin {

namespace json = boost::json;
using mirror::LedgerEntry;
using mirror::MirrorControl;
using mirror::MirrorStatus;
using telemetry::Exposition;
using telemetry::MetricType;

namespace {

Response told(const json::object& object) {
  Response response;
  response.body = json_text(object) + "\n";
  return response;
}

std::shared_ptr<MirrorControl> find_mirror(const Call& call) {
  for (const auto& [pair, mirror] : call.control.mirrors()) {
    if (pair == call.names[0]) return mirror;
  }
  return nullptr;
}

Response no_mirror(const Call& call) { return error_response(404, "there is no pair \"" + call.names[0] + "\" with `sync: mirror`"); }

json::value text_or_null(const std::string& text) { return text.empty() ? json::value(nullptr) : json::value(valid_utf8(text)); }

std::int64_t since_1970(std::chrono::system_clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

/// Sixteen hexadecimal digits: as a number it would lose some in JavaScript.
json::value digest_json(std::uint64_t fingerprint) {
  if (fingerprint == 0) return nullptr;
  std::string text;
  for (int shift = 60; shift >= 0; shift -= 4) text += "0123456789abcdef"[(fingerprint >> shift) & 0xF];
  return json::value(text);
}

Response ledger_response(const Call& call, MirrorControl::Extent extent) {
  const std::shared_ptr<MirrorControl> mirror = find_mirror(call);
  if (mirror == nullptr) return no_mirror(call);
  json::array entries;
  for (const LedgerEntry& entry : mirror->ledger(extent)) entries.push_back(entry_json(entry));
  return told({{"pair", call.names[0]}, {"open", mirror->status().ledger_open}, {"entries", std::move(entries)}});
}

struct Gauge {
  std::string_view name;
  MetricType type;
  std::string_view help;
  double (*value)(const MirrorStatus&);
};

constexpr Gauge gauges[] = {
    {"crossfade_mirror_up", MetricType::gauge, "1: the mirror runs; 0: its follower cannot be reached, or it is broken off.",
     [](const MirrorStatus& status) { return status.state == mirror::MirrorState::running ? 1.0 : 0.0; }},
    {"crossfade_mirror_broken_off", MetricType::gauge, "1: writes are not recorded any more.",
     [](const MirrorStatus& status) { return status.state == mirror::MirrorState::broken_off ? 1.0 : 0.0; }},
    {"crossfade_mirror_lag_units", MetricType::gauge, "Transactions that the follower does not have yet.",
     [](const MirrorStatus& status) { return static_cast<double>(status.lag.units); }},
    {"crossfade_mirror_lag_bytes", MetricType::gauge, "Their size in the journal.",
     [](const MirrorStatus& status) { return static_cast<double>(status.lag.bytes); }},
    {"crossfade_mirror_lag_seconds", MetricType::gauge, "Age of the oldest of them.",
     [](const MirrorStatus& status) { return std::chrono::duration<double>(status.lag.age).count(); }},
    {"crossfade_mirror_journal_bytes", MetricType::gauge, "Size of the journal.",
     [](const MirrorStatus& status) { return static_cast<double>(status.journal_bytes); }},
    {"crossfade_mirror_journal_limit_bytes", MetricType::gauge, "Size that it may have.",
     [](const MirrorStatus& status) { return static_cast<double>(status.journal_bytes_max); }},
    {"crossfade_mirror_ledger_open_entries", MetricType::gauge, "Open entries of the ledger.",
     [](const MirrorStatus& status) { return static_cast<double>(status.ledger_open); }},
    {"crossfade_mirror_units_recorded_total", MetricType::counter, "Transactions written to the journal.",
     [](const MirrorStatus& status) { return static_cast<double>(status.units_recorded_total); }},
    {"crossfade_mirror_units_applied_total", MetricType::counter, "Of these, those that the follower has.",
     [](const MirrorStatus& status) { return static_cast<double>(status.units_applied_total); }},
    {"crossfade_mirror_units_dropped_total", MetricType::counter, "Of these, those that the authority rolled back.",
     [](const MirrorStatus& status) { return static_cast<double>(status.units_dropped_total); }},
    {"crossfade_mirror_units_set_aside_total", MetricType::counter, "Of these, those that are in the ledger instead.",
     [](const MirrorStatus& status) { return static_cast<double>(status.units_set_aside_total); }},
    {"crossfade_mirror_units_refused_total", MetricType::counter, "Transactions that the follower did not prepare, rolled back (ack: atomic).",
     [](const MirrorStatus& status) { return static_cast<double>(status.units_refused_total); }},
    {"crossfade_mirror_retries_total", MetricType::counter, "Transactions of the follower that were tried again.",
     [](const MirrorStatus& status) { return static_cast<double>(status.retries_total); }},
    {"crossfade_mirror_late_acknowledgements_total", MetricType::counter, "Commits answered before the follower had them (ack: both).",
     [](const MirrorStatus& status) { return static_cast<double>(status.late_acknowledgements_total); }},
    {"crossfade_mirror_reads_waited_total", MetricType::counter, "Reads that waited for what their session had written (causal_wait).",
     [](const MirrorStatus& status) { return static_cast<double>(status.reads_waited_total); }},
    {"crossfade_mirror_reads_given_up_total", MetricType::counter, "Of these, those that waited too long and went to the authority.",
     [](const MirrorStatus& status) { return static_cast<double>(status.reads_given_up_total); }},
};

std::optional<std::uint64_t> number_from(const std::string& text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

json::object mirror_json(const MirrorStatus& status) {
  return {{"state", mirror::name_of(status.state)},
          {"reason", text_or_null(status.reason)},
          {"authority", routing::name_of(status.authority)},
          {"follower", routing::name_of(routing::other(status.authority))},
          {"stop_position", status.stop_position},
          {"applied_through", status.applied_through},
          {"lag", {{"units", status.lag.units}, {"bytes", status.lag.bytes}, {"ms", status.lag.age.count()}}},
          {"journal_bytes", status.journal_bytes},
          {"journal_bytes_max", status.journal_bytes_max},
          {"units_recorded", status.units_recorded_total},
          {"units_applied", status.units_applied_total},
          {"units_dropped", status.units_dropped_total},
          {"units_set_aside", status.units_set_aside_total},
          {"units_refused", status.units_refused_total},
          {"retries", status.retries_total},
          {"late_acknowledgements", status.late_acknowledgements_total},
          {"reads_waited", status.reads_waited_total},
          {"reads_given_up", status.reads_given_up_total},
          {"ledger_open", status.ledger_open}};
}

json::object entry_json(const LedgerEntry& entry) {
  json::array keys;
  for (const std::string& key : entry.keys) keys.emplace_back(valid_utf8(key));
  return {{"id", entry.id},
          {"kind", mirror::name_of(entry.kind)},
          {"state", entry.is_open ? "open" : "closed"},
          {"database", text_or_null(entry.database)},
          {"table", text_or_null(entry.table)},
          {"keys", std::move(keys)},
          {"digest", digest_json(entry.fingerprint)},
          {"cause", valid_utf8(entry.cause)},
          {"first_position", entry.first_position},
          {"last_position", entry.last_position},
          {"count", entry.count},
          {"first_seen_ms", since_1970(entry.first_seen)},
          {"last_seen_ms", since_1970(entry.last_seen)},
          {"closed_by", text_or_null(entry.closed_by)}};
}

Response get_mirror(const Call& call) {
  const std::shared_ptr<MirrorControl> mirror = find_mirror(call);
  if (mirror == nullptr) return no_mirror(call);
  json::object reply = mirror_json(mirror->status());
  reply["pair"] = call.names[0];
  return told(reply);
}

Response get_ledger(const Call& call) { return ledger_response(call, MirrorControl::Extent::open); }
Response get_whole_ledger(const Call& call) { return ledger_response(call, MirrorControl::Extent::all); }

Response post_ledger_accept(const Call& call) {
  const std::shared_ptr<MirrorControl> mirror = find_mirror(call);
  if (mirror == nullptr) return no_mirror(call);
  const auto id = number_from(call.names[1]);
  if (!id) return error_response(400, "\"" + call.names[1] + "\" is no number of an entry");
  const auto asker = parse_asker(call.request.body, call.request.peer);
  if (!asker) return error_response(400, asker.error().detail);
  const auto accepted = mirror->accept(*id, asker->who);
  if (!accepted) {
    const bool is_unknown = accepted.error().code == protocol::ErrorCode::configuration_invalid;
    return error_response(is_unknown ? 404 : 500, accepted.error().detail);
  }
  if (SwitchoverControl* switchovers = call.control.switchovers(); switchovers != nullptr) {
    switchovers->note_change({call.names[0], "ledger", "entry " + call.names[1] + " open", "accepted", *asker, {}});
  }
  json::object reply = entry_json(*accepted);
  reply["pair"] = call.names[0];
  Response response = told(reply);
  response.change = "pair " + call.names[0] + ": " + asker->who + " accepts entry " + call.names[1] + " of the ledger";
  if (!asker->why.empty()) response.change += ", because: " + asker->why;
  return response;
}

std::string mirror_metrics(const Mirrors& mirrors) {
  if (mirrors.empty()) return {};
  Exposition page;
  std::vector<std::pair<std::string, MirrorStatus>> statuses;
  for (const auto& [pair, mirror] : mirrors) statuses.emplace_back(pair, mirror->status());
  for (const Gauge& gauge : gauges) {
    page.begin(gauge.name, gauge.type, gauge.help);
    for (const auto& [pair, status] : statuses) page.sample({{"pair", pair}}, gauge.value(status));
  }
  return page.text();
}

}  // namespace proxy::admin
