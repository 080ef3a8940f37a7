#include "proxy/cli/switchover.hpp"

#include "proxy/cli/answers.hpp"
#include "proxy/cli/remote_call.hpp"
#include "proxy/cli/table.hpp"
#include "proxy/telemetry/audit.hpp"

#include <boost/json.hpp>

#include <chrono>
#include <exception>
#include <fstream>
#include <ostream>
#include <thread>

namespace proxy::cli {

namespace json = boost::json;

namespace {

constexpr std::chrono::milliseconds look_interval{50};

std::string pair_path(const std::string& pair, std::string_view rest) {
  return "/api/v1/pairs/" + path_segment(pair) + std::string(rest);
}

void say_asker(const SwitchoverOrder& order, json::object& body) {
  if (!order.who.empty()) body["who"] = order.who;
  if (!order.why.empty()) body["why"] = order.why;
}

std::string body_of(const SwitchoverOrder& order) {
  json::object body;
  if (!order.to.empty()) body["to"] = order.to;
  if (order.extent == SwitchoverOrder::Extent::dry_run) body["dry_run"] = true;
  if (order.urgency == SwitchoverOrder::Urgency::now) body["now"] = true;
  if (order.hold_max_ms) body["max_hold_ms"] = *order.hold_max_ms;
  if (!order.on_drain_timeout.empty()) body["on_drain_timeout"] = order.on_drain_timeout;
  if (!order.accepted.empty()) {
    json::array accepted;
    for (const std::string& id : order.accepted) accepted.emplace_back(id);
    body["accept"] = accepted;
  }
  say_asker(order, body);
  return json::serialize(body);
}

std::string text_at(const json::object& object, std::string_view key) {
  const json::value& value = object.at(key);
  return value.is_null() ? "" : printable(std::string_view(value.as_string()));
}

std::uint64_t number_at(const json::object& object, std::string_view key) { return object.at(key).to_number<std::uint64_t>(); }

std::string milliseconds_text(std::uint64_t microseconds) {
  const std::string tenths = std::to_string(microseconds / 100);
  return (tenths.size() > 1 ? tenths.substr(0, tenths.size() - 1) : "0") + "." + tenths.back() + " ms";
}

void tell_findings(std::ostream& out, const json::object& attempt) {
  for (const json::value& value : attempt.at("findings").as_array()) {
    const json::object& finding = value.as_object();
    const std::string weight = text_at(finding, "weight");
    const std::string sign = weight == "note" ? "note    " : finding.at("accepted").as_bool() ? "accepted" : "BLOCKER ";
    out << "  " << sign << "  " << text_at(finding, "id") << ": " << text_at(finding, "words") << "\n";
  }
}

void tell_list(std::ostream& out, const json::object& attempt, std::string_view key, std::string_view words) {
  for (const json::value& value : attempt.at(key).as_array()) {
    out << "  " << words << "  " << printable(std::string_view(value.as_string())) << "\n";
  }
}

/// The steps that are over, but for those told before.
void tell_steps(std::ostream& out, const json::object& attempt, std::size_t& told, bool is_over) {
  const json::array& steps = attempt.at("steps").as_array();
  const std::size_t complete = steps.empty() || is_over ? steps.size() : steps.size() - 1;
  for (; told < complete; ++told) {
    const json::object& step = steps[told].as_object();
    std::string name = text_at(step, "step");
    if (name == "soak") continue;
    name.resize(std::max<std::size_t>(name.size(), 12), ' ');
    out << "  " << name << " " << number_at(step, "took_ms") << " ms";
    if (!step.at("note").is_null()) out << "  " << text_at(step, "note");
    out << "\n" << std::flush;
  }
}

ExitCode tell_end(const Remote& remote, const json::object& attempt) {
  const std::string end = text_at(attempt, "end");
  std::ostream& out = remote.out;
  if (end == "checked") {
    tell_findings(out, attempt);
    tell_list(out, attempt, "left_behind", "behind  ");
    std::size_t blockers = 0;
    for (const json::value& finding : attempt.at("findings").as_array()) {
      const bool counts = text_at(finding.as_object(), "weight") != "note" && !finding.as_object().at("accepted").as_bool();
      blockers += counts ? 1U : 0U;
    }
    out << (blockers == 0 ? "nothing speaks against it\n" : std::to_string(blockers) + (blockers == 1 ? " blocker\n" : " blockers\n"));
    return blockers == 0 ? ExitCode::done : ExitCode::refused;
  }
  tell_list(out, attempt, "skipped", "skipped ");
  tell_list(out, attempt, "left_behind", "behind  ");
  if (end == "moved") {
    out << text_at(attempt, "to") << " has the authority; clients were held for at most " << milliseconds_text(number_at(attempt, "held_us"))
        << ", " << number_at(attempt, "sessions_held") << " of them waited\n";
    return ExitCode::done;
  }
  tell_findings(out, attempt);
  remote.complaints << "crossfade: " << (end == "disowned" ? "nobody knows who has the authority now" : "everything is as it was")
                    << ", for the step " << text_at(attempt, "failed_step") << " failed: " << text_at(attempt, "failure") << "\n";
  return ExitCode::refused;
}

/// Until the attempt `number` is over.
int follow(const Remote& remote, const std::string& pair, std::uint64_t number) {
  std::size_t told = 0;
  for (;;) {
    const auto reply = send(remote, "GET", pair_path(pair, "/switchover"));
    if (!reply || reply->status != 200) return complain_of(remote, reply);
    const json::value value = json::parse(reply->body);
    const json::value& current = value.as_object().at("attempt");
    if (current.is_null() || number_at(current.as_object(), "number") != number) {
      return complain(remote, "another attempt has begun meanwhile; see `crossfade history`", ExitCode::refused);
    }
    const json::object& attempt = current.as_object();
    const bool is_over = text_at(attempt, "end") != "running";
    if (remote.form == Form::text && text_at(attempt, "end") != "checked") tell_steps(remote.out, attempt, told, is_over);
    if (is_over && remote.form == Form::json) {
      remote.out << json::serialize(attempt) << "\n" << std::flush;
      return static_cast<int>(text_at(attempt, "end") == "moved" || text_at(attempt, "end") == "checked" ? ExitCode::done : ExitCode::refused);
    }
    if (is_over) return static_cast<int>(tell_end(remote, attempt));
    std::this_thread::sleep_for(look_interval);
  }
}

/// The answer of a request that begins an attempt.
int follow_reply(const Remote& remote, const std::string& pair, const protocol::Result<HttpReply>& reply) {
  if (!reply || reply->status != 202) return complain_of(remote, reply);
  try {
    return follow(remote, pair, number_at(json::parse(reply->body).as_object(), "number"));
  } catch (const std::exception&) {
    return complain(remote, "what answers is not Crossfade", ExitCode::unreachable);
  }
}

int show_plainly(const Remote& remote, const protocol::Result<HttpReply>& reply, std::string_view words) {
  if (!reply || reply->status != 202) return complain_of(remote, reply);
  if (remote.form == Form::json) {
    remote.out << reply->body << std::flush;
  } else {
    remote.out << words << "\n" << std::flush;
  }
  return static_cast<int>(ExitCode::done);
}

int ask_plainly(const Remote& remote, const SwitchoverOrder& order, std::string_view path, std::string_view words) {
  json::object body;
  say_asker(order, body);
  return with_pair(remote, order.pair, [&](const std::string& pair) {
    return show_plainly(remote, send(remote, "POST", pair_path(pair, path), json::serialize(body)), words);
  });
}

std::string history_text(const json::object& history) {
  Table table({{"number", Align::right}, {"from"}, {"to"}, {"end"}, {"held", Align::right}, {"waited", Align::right}, {"by"}, {"why"}});
  for (const json::value& value : history.at("attempts").as_array()) {
    const json::object& attempt = value.as_object();
    const std::string failure = text_at(attempt, "failure");
    table.add({std::to_string(number_at(attempt, "number")), text_at(attempt, "from"), text_at(attempt, "to"),
               text_at(attempt, "end") + (failure.empty() ? "" : " (" + failure + ")"), milliseconds_text(number_at(attempt, "held_us")),
               std::to_string(number_at(attempt, "sessions_held")), text_at(attempt, "who"), text_at(attempt, "why")});
  }
  return table.text("");
}

ExitCode done(const json::object&) { return ExitCode::done; }

}  // namespace

int switch_over(const Remote& remote, const SwitchoverOrder& order) {
  return with_pair(remote, order.pair, [&](const std::string& pair) {
    return follow_reply(remote, pair, send(remote, "POST", pair_path(pair, "/switchover"), body_of(order)));
  });
}

int roll_back(const Remote& remote, const SwitchoverOrder& order) {
  return with_pair(remote, order.pair, [&](const std::string& pair) {
    const auto reply = send(remote, "POST", pair_path(pair, "/rollback"), body_of(order));
    if (reply && reply->status == 202) return follow_reply(remote, pair, reply);
    return show_outcome(remote, reply, {change_text, done_if_acknowledged});
  });
}

int abort_switchover(const Remote& remote, const SwitchoverOrder& order) {
  return ask_plainly(remote, order, "/switchover/abort", "it is being undone");
}

int freeze_traffic(const Remote& remote, const SwitchoverOrder& order) {
  return ask_plainly(remote, order, "/freeze", "weights and the authority stay as they are");
}

int thaw_traffic(const Remote& remote, const SwitchoverOrder& order) {
  return ask_plainly(remote, order, "/thaw", "weights and the authority may move again");
}

int say_verified(const Remote& remote, const SwitchoverOrder& order, bool is_equal) {
  json::object body{{"equal", is_equal}};
  say_asker(order, body);
  return with_pair(remote, order.pair, [&](const std::string& pair) {
    return show_plainly(remote, send(remote, "POST", pair_path(pair, "/verification"), json::serialize(body)), "it is noted");
  });
}

int set_authority(const Remote& remote, const SwitchoverOrder& order) {
  json::object body{{"authority", order.to}};
  say_asker(order, body);
  return with_pair(remote, order.pair, [&](const std::string& pair) {
    return show_plainly(remote, send(remote, "PUT", pair_path(pair, "/authority"), json::serialize(body)), order.to + " has the authority");
  });
}

int show_history(const Remote& remote, const std::string& pair) {
  return with_pair(remote, pair, [&](const std::string& name) {
    return show_outcome(remote, send(remote, "GET", pair_path(name, "/history")), {history_text, done});
  });
}

int verify_audit_file(const std::string& path, std::ostream& out, std::ostream& complaints) {
  std::ifstream file(path);
  if (!file) {
    complaints << "crossfade: " << path << " cannot be read\n";
    return static_cast<int>(ExitCode::usage);
  }
  const telemetry::AuditVerdict verdict = telemetry::verify_audit(file);
  if (!verdict.complaint.empty()) {
    complaints << "crossfade: " << path << ": " << verdict.complaint << "; " << verdict.entries << " entries before it are good\n";
    return static_cast<int>(ExitCode::refused);
  }
  out << verdict.entries << " entries, the chain is whole; the last digest is " << verdict.last_digest << "\n";
  return static_cast<int>(ExitCode::done);
}

}  // namespace proxy::cli
