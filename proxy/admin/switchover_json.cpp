#include "proxy/admin/switchover_json.hpp"

#include "proxy/admin/json_requests.hpp"
#include "proxy/admin/json_text.hpp"
#include "proxy/admin/text.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <vector>

namespace proxy::admin {

namespace json = boost::json;
using routing::Side;
using routing::SwitchoverFinding;

namespace {

constexpr std::size_t accepted_max = 10'000;

protocol::Error refused(std::string detail) {
  return protocol::failure(protocol::ErrorCode::configuration_invalid, protocol::Blame::operator_, std::move(detail));
}

std::string_view name_of(SwitchoverFinding::Weight weight) {
  switch (weight) {
    case SwitchoverFinding::Weight::blocker: return "blocker";
    case SwitchoverFinding::Weight::acceptable_blocker: return "acceptable_blocker";
    case SwitchoverFinding::Weight::note: return "note";
  }
  return "unknown";
}

json::array texts_json(const std::vector<std::string>& texts) {
  json::array array;
  for (const std::string& text : texts) array.emplace_back(valid_utf8(text));
  return array;
}

json::value text_or_null(const std::string& text) {
  return text.empty() ? json::value(nullptr) : json::value(valid_utf8(text));
}

/// Fields of a body, each asked for once; what nobody asked for is a mistake.
class Fields {
 public:
  [[nodiscard]] static protocol::Result<Fields> of(std::string_view body) {
    if (body.empty()) return Fields(json::object());
    boost::system::error_code error;
    json::value value = json::parse(body, error);
    if (error || !value.is_object()) return refused("the body must be a JSON object");
    return Fields(std::move(value.get_object()));
  }
  std::string text(std::string_view key, std::string absent) {
    const json::value* value = take(key);
    if (value == nullptr) return absent;
    if (value->is_string() && value->get_string().size() <= why_bytes_max) return std::string(value->get_string());
    complain(key, "a string of at most 500 bytes");
    return absent;
  }
  bool flag(std::string_view key) {
    const json::value* value = take(key);
    if (value == nullptr) return false;
    if (value->is_bool()) return value->get_bool();
    complain(key, "true or false");
    return false;
  }
  [[nodiscard]] bool has(std::string_view key) const { return object_.contains(key); }
  bool needed_flag(std::string_view key) {
    if (!object_.contains(key)) complain(key, "true or false");
    return flag(key);
  }
  std::optional<std::int64_t> number(std::string_view key, std::int64_t least, std::int64_t most) {
    const json::value* value = take(key);
    if (value == nullptr) return std::nullopt;
    boost::system::error_code error;
    const auto number = value->is_number() ? value->to_number<std::int64_t>(error) : 0;
    if (value->is_number() && !error && number >= least && number <= most) return number;
    complain(key, "a whole number from " + std::to_string(least) + " to " + std::to_string(most));
    return std::nullopt;
  }
  std::vector<std::string> texts(std::string_view key) {
    std::vector<std::string> found;
    const json::value* value = take(key);
    if (value == nullptr) return found;
    const bool is_list = value->is_array() && value->get_array().size() <= accepted_max;
    if (!is_list) complain(key, "a list of strings");
    for (const json::value& each : is_list ? value->get_array() : json::array()) {
      each.is_string() ? void(found.emplace_back(each.get_string())) : complain(key, "a list of strings");
    }
    return found;
  }
  Side side(std::string_view key, std::optional<Side> absent) {
    const std::string name = text(key, absent ? std::string(routing::name_of(*absent)) : "");
    if (const auto side = routing::side_from(name)) return *side;
    complain(key, "\"blue\" or \"green\"");
    return Side::blue;
  }
  [[nodiscard]] protocol::Status finish() {
    for (const auto& member : object_) {
      if (std::ranges::find(known_, std::string(member.key())) != known_.end()) continue;
      return refused("the field \"" + std::string(member.key()) + "\" is not known; known are " + listed(known_));
    }
    if (!complaint_.empty()) return refused(complaint_);
    return {};
  }
  void complain(std::string_view key, const std::string& wanted) {
    if (complaint_.empty()) complaint_ = "\"" + std::string(key) + "\" must be " + wanted;
  }

 private:
  explicit Fields(json::object object) : object_(std::move(object)) {}
  const json::value* take(std::string_view key) {
    known_.emplace_back(key);
    return object_.if_contains(key);
  }
  json::object object_;
  std::vector<std::string> known_;
  std::string complaint_;
};

routing::ChangeAsker asker_of(Fields& fields, const std::string& peer) {
  routing::ChangeAsker asker;
  asker.who = fields.text("who", peer);
  asker.why = fields.text("why", "");
  return asker;
}

}  // namespace

json::object attempt_json(const routing::SwitchoverAttempt& attempt) {
  json::array steps;
  for (const routing::SwitchoverRecord& each : attempt.records) {
    steps.push_back({{"step", routing::name_of(each.step)}, {"at_ms", each.began.count()}, {"took_ms", each.took.count()},
                     {"note", text_or_null(each.note)}});
  }
  json::array findings;
  for (const SwitchoverFinding& each : attempt.findings) {
    findings.push_back({{"id", valid_utf8(each.id)}, {"words", valid_utf8(each.words)}, {"weight", name_of(each.weight)},
                        {"accepted", each.is_accepted}});
  }
  const routing::SwitchoverRequest& request = attempt.request;
  return {{"number", attempt.number},
          {"from", routing::name_of(attempt.from)},
          {"to", routing::name_of(request.to)},
          {"dry_run", request.extent == routing::SwitchoverRequest::Extent::dry_run},
          {"now", request.urgency == routing::SwitchoverUrgency::now},
          {"who", valid_utf8(request.asker.who)},
          {"why", valid_utf8(request.asker.why)},
          {"accepted", texts_json(request.accepted)},
          {"began_ms", attempt.began_ms},
          {"took_ms", attempt.took.count()},
          {"end", routing::name_of(attempt.end)},
          {"failure", text_or_null(attempt.failure)},
          {"failed_step", attempt.failure.empty() ? json::value(nullptr) : json::value(routing::name_of(attempt.failed_step))},
          {"held_us", attempt.held.count()},
          {"sessions_held", attempt.sessions_held},
          {"transactions_ended", attempt.transactions_ended},
          {"steps", steps},
          {"findings", findings},
          {"breach", text_or_null(attempt.breach)},
          {"skipped", texts_json(attempt.skipped)},
          {"left_behind", texts_json(attempt.left_behind)}};
}

std::string attempt_line(const routing::SwitchoverAttempt& attempt) { return json_text(attempt_json(attempt)); }

json::object standing_json(const std::string& pair, const routing::SwitchoverStanding& standing) {
  json::object object{{"pair", pair},
                      {"authority", routing::name_of(standing.authority)},
                      {"authority_known", standing.is_authority_known},
                      {"trouble", text_or_null(standing.trouble)},
                      {"epoch", standing.epoch},
                      {"since_ms", standing.since_ms},
                      {"frozen", text_or_null(standing.frozen)},
                      {"verification", nullptr},
                      {"fenced", {{"blue", standing.is_fenced[Side::blue]}, {"green", standing.is_fenced[Side::green]}}},
                      {"step", routing::name_of(standing.step)},
                      {"last_change", routing::name_of(standing.last_change)},
                      {"attempt", nullptr}};
  const routing::Verification& said = standing.verification;
  if (said.at_ms != 0) object["verification"] = {{"at_ms", said.at_ms}, {"equal", said.is_equal}, {"by", valid_utf8(said.by)}};
  if (standing.attempt) object["attempt"] = attempt_json(*standing.attempt);
  return object;
}

protocol::Result<routing::SwitchoverRequest> parse_switchover(std::string_view body, Side to, const std::string& peer) {
  protocol::Result<Fields> fields = Fields::of(body);
  if (!fields) return fields.error();
  for (const std::string_view part : {"rule", "tables", "range"}) {
    if (!fields->has(part)) continue;
    return refused("\"" + std::string(part) + "\": a part of the data cannot move alone: the mirror carries one way at a time, and the fence shuts "
                   "whole databases; leave it out, and the whole pair moves");
  }
  routing::SwitchoverRequest request;
  request.to = fields->side("to", to);
  if (fields->flag("dry_run")) request.extent = routing::SwitchoverRequest::Extent::dry_run;
  if (fields->flag("now")) request.urgency = routing::SwitchoverUrgency::now;
  constexpr std::int64_t hold_most = 20'000;
  if (const auto hold = fields->number("max_hold_ms", 1, hold_most)) request.hold_max = std::chrono::milliseconds(*hold);
  const std::string policy = fields->text("on_drain_timeout", "");
  if (policy == "end") {
    request.on_drain_timeout = routing::DrainPolicy::end;
  } else if (policy == "abort") {
    request.on_drain_timeout = routing::DrainPolicy::abort;
  } else if (!policy.empty()) {
    fields->complain("on_drain_timeout", "\"abort\" or \"end\"");
  }
  request.accepted = fields->texts("accept");
  request.asker = asker_of(*fields, peer);
  if (const protocol::Status finished = fields->finish(); !finished) return finished.error();
  return request;
}

protocol::Result<routing::ChangeAsker> parse_asker(std::string_view body, const std::string& peer) {
  protocol::Result<Fields> fields = Fields::of(body);
  if (!fields) return fields.error();
  routing::ChangeAsker asker = asker_of(*fields, peer);
  if (const protocol::Status finished = fields->finish(); !finished) return finished.error();
  return asker;
}

protocol::Result<VerificationWord> parse_verification(std::string_view body, const std::string& peer) {
  protocol::Result<Fields> fields = Fields::of(body);
  if (!fields) return fields.error();
  VerificationWord word;
  word.is_equal = fields->needed_flag("equal");
  word.asker = asker_of(*fields, peer);
  if (const protocol::Status finished = fields->finish(); !finished) return finished.error();
  return word;
}

protocol::Result<AuthorityWish> parse_authority(std::string_view body, const std::string& peer) {
  protocol::Result<Fields> fields = Fields::of(body);
  if (!fields) return fields.error();
  AuthorityWish wish;
  wish.authority = fields->side("authority", std::nullopt);
  wish.asker = asker_of(*fields, peer);
  if (const protocol::Status finished = fields->finish(); !finished) return finished.error();
  return wish;
}

}  // namespace proxy::admin
