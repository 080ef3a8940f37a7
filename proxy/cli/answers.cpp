#include "proxy/cli/answers.hpp"

#include "proxy/cli/table.hpp"

#include <boost/json.hpp>

#include <array>
#include <cstdint>
#include <string_view>

namespace proxy::cli {

namespace json = boost::json;

namespace {

std::string text_at(const json::object& object, std::string_view key) {
  return printable(std::string_view(object.at(key).as_string()));
}

std::string number_at(const json::object& object, std::string_view key) {
  return std::to_string(object.at(key).to_number<std::uint64_t>());
}

/// "90 %", "33.33 %".
std::string percent_at(const json::object& weights, std::string_view side) {
  const json::value& share = weights.at(side);
  if (!share.is_double()) return std::to_string(share.to_number<std::uint64_t>()) + " %";
  const auto hundredths = static_cast<std::uint64_t>(share.as_double() * 100 + 0.5);
  const std::uint64_t decimals = hundredths % 100;
  return std::to_string(hundredths / 100) + (decimals < 10 ? ".0" : ".") + std::to_string(decimals) + " %";
}

/// "3 clients", "1 client".
std::string counted(const std::string& number, std::string_view noun) {
  return number + " " + std::string(noun) + (number == "1" ? "" : "s");
}

std::string listed(const json::array& texts) {
  std::string list;
  for (const json::value& text : texts) {
    if (!list.empty()) list += ", ";
    list += printable(std::string_view(text.as_string()));
  }
  return list.empty() ? "none" : list;
}

/// "up for 3 s, in recovery", "down for 12 s: refused".
std::string health_text(const json::object& side) {
  const json::object& health = side.at("health").as_object();
  std::string text = text_at(health, "state") + " for " + number_at(health, "for_seconds") + " s";
  if (!health.at("reason").is_null()) text += ": " + text_at(health, "reason");
  if (side.at("in_recovery").as_bool()) text += ", in recovery";
  if (side.at("read_only").as_bool()) text += ", read-only";
  return text;
}

std::string sides_text(const json::object& sides) {
  Table table({{"side"}, {"endpoint"}, {"connections", Align::right}, {"requests", Align::right}, {"errors", Align::right},
               {"health"}});
  for (const std::string_view name : {"blue", "green"}) {
    const json::object& side = sides.at(name).as_object();
    table.add({std::string(name), text_at(side, "endpoint"), number_at(side, "connections"), number_at(side, "requests"),
               number_at(side, "errors"), health_text(side)});
  }
  return table.text("  ");
}

std::string rules_text(const json::array& rules) {
  Table table({{"rule"}, {"reads blue", Align::right}, {"reads green", Align::right}, {"writes"}, {"stickiness"}});
  for (const json::value& value : rules) {
    const json::object& rule = value.as_object();
    const json::object& reads = rule.at("reads").as_object();
    table.add({text_at(rule, "name"), percent_at(reads, "blue"), percent_at(reads, "green"), text_at(rule, "writes"),
               text_at(rule, "stickiness")});
  }
  return table.text("  ");
}

std::string pins_text(const json::object& pins) {
  std::string text;
  for (const auto& pin : pins) {
    text += (text.empty() ? "" : ", ") + printable(pin.key()) + " " + number_at(pins, pin.key());
  }
  return text.empty() ? "" : "\n  pinned sessions: " + text + "\n";
}

std::string pair_text(const json::object& pair) {
  std::string text = text_at(pair, "name") + " (" + text_at(pair, "dialect") + ") on " + text_at(pair, "listen") + ": " +
                     counted(number_at(pair, "clients"), "client") + ", epoch " + number_at(pair, "epoch") + "\n";
  text += sides_text(pair.at("sides").as_object()) + "\n";
  text += rules_text(pair.at("rules").as_array());
  text += pins_text(pair.at("pinned").as_object());
  const std::string types = number_at(pair, "types_differing");
  return types == "0" ? text : text + "\n  types that green numbers differently: " + types + ", see `crossfade types`\n";
}

std::string tags_text(const json::array& tags) {
  std::string text;
  for (const json::value& value : tags) {
    const json::object& tag = value.as_object();
    text += (text.empty() ? "" : ", ") + text_at(tag, "key") + "=" + text_at(tag, "value");
  }
  return text.empty() ? "none" : text;
}

std::string steps_text(const json::array& steps) {
  Table table({{"step"}, {"outcome"}});
  for (const json::value& value : steps) {
    const json::object& step = value.as_object();
    table.add({text_at(step, "subject"), text_at(step, "outcome")});
  }
  return table.text("");
}

std::string acknowledgement_text(const json::object& change) {
  const std::string after = number_at(change, "acknowledged_after_us") + " µs";
  const json::value* durable = change.if_contains("durable");
  const std::string lasting = durable == nullptr || durable->as_bool() ? "" : "; NOT on the disk: a restart would bring back what was before";
  if (change.at("acknowledged_by_all").as_bool()) return "acknowledged by all workers after " + after + lasting;
  return "NOT acknowledged by every worker after " + after + ": some sessions may still follow the old plan" + lasting;
}

}  // namespace

std::string status_text(const json::object& status) {
  std::string text = text_at(status, "product") + " " + text_at(status, "version") + ", up " +
                     number_at(status, "uptime_seconds") + " s, " + counted(number_at(status, "workers"), "worker") + "\n";
  for (const json::value& pair : status.at("pairs").as_array()) text += "\n" + pair_text(pair.as_object());
  return text;
}

std::string types_text(const json::object& report) {
  std::string text = text_at(report, "pair") + ": " + counted(number_at(report, "total"), "type") + " with other numbers on green\n";
  for (const json::value& value : report.at("databases").as_array()) {
    const json::object& database = value.as_object();
    text += "\n" + text_at(database, "database") + ": ";
    if (!database.at("compared").as_bool()) {
      text += "not compared, one side has not answered\n";
      continue;
    }
    text += counted(number_at(database, "total"), "type") + (database.at("identical").as_bool() ? ", rows of tables alike\n" : "\n");
    Table table({{"type"}, {"kind"}, {"blue", Align::right}, {"green", Align::right}});
    const json::array& types = database.at("types").as_array();
    for (const json::value& each : types) {
      const json::object& type = each.as_object();
      const auto number = [&type](std::string_view side) { return type.at(side).is_null() ? "missing" : number_at(type, side); };
      table.add({text_at(type, "name"), text_at(type, "kind"), number("blue"), number("green")});
    }
    if (!types.empty()) text += table.text("  ");
  }
  return text;
}

std::string pinned_sessions_text(const json::object& pinned) {
  Table table({{"session", Align::right}, {"user"}, {"database"}, {"application"}, {"side"}, {"pid", Align::right},
               {"pinned by"}, {"for", Align::right}, {"digest"}, {"until"}});
  const json::array& sessions = pinned.at("sessions").as_array();
  for (const json::value& value : sessions) {
    const json::object& session = value.as_object();
    const bool has_process = !session.at("backend_pid").is_null();
    for (const json::value& each : session.at("pins").as_array()) {
      const json::object& pin = each.as_object();
      table.add({number_at(session, "session"), text_at(session, "user"), text_at(session, "database"),
                 text_at(session, "application_name"), text_at(session, "side"),
                 has_process ? number_at(session, "backend_pid") : "", text_at(pin, "reason"),
                 std::to_string(pin.at("age_ms").to_number<std::uint64_t>() / 1000) + " s",
                 pin.at("digest").is_null() ? "" : text_at(pin, "digest"), text_at(pin, "cleared_by")});
    }
  }
  const std::uint64_t total = pinned.at("total").to_number<std::uint64_t>();
  std::string text = text_at(pinned, "pair") + ": " + counted(std::to_string(total), "pinned session");
  if (total > sessions.size()) text += ", " + std::to_string(sessions.size()) + " of them shown";
  return text + "\n" + (sessions.empty() ? "" : table.text("  "));
}

std::string explain_text(const json::object& explanation) {
  std::string route = text_at(explanation, "side") + ", because of " + text_at(explanation, "reason");
  if (!explanation.at("rule").is_null()) route += ", by rule \"" + text_at(explanation, "rule") + "\"";
  std::string statement_class = text_at(explanation, "class");
  const std::string because = text_at(explanation, "because");
  if (!because.empty()) statement_class += ": " + because;
  std::string text = "route      " + route + "\nclass      " + statement_class + "\n";
  text += "tables     " + listed(explanation.at("tables").as_array()) + "\n";
  text += "functions  " + listed(explanation.at("functions").as_array()) + "\n";
  text += "tags       " + tags_text(explanation.at("tags").as_array()) + "\n";
  const std::string pin = text_at(explanation, "pins");
  if (pin != "none") text += "pins       the session to its side afterwards: " + pin + "\n";
  return text + "\n" + steps_text(explanation.at("steps").as_array());
}

std::string reload_text(const json::object& reload) {
  const bool is_applied = reload.at("applied").as_bool();
  std::string text;
  for (const json::value& problem : reload.at("problems").as_array()) {
    text += printable(std::string_view(problem.as_string())) + "\n";
  }
  const auto shown = [](const json::object& change, std::string_view key) {
    return change.contains(key) ? text_at(change, key) : std::string();
  };
  for (const json::value& value : reload.at("changes").as_array()) {
    const json::object& change = value.as_object();
    const std::string before = shown(change, "before");
    const std::string after = shown(change, "after");
    text += text_at(change, "change") + "  " + text_at(change, "key");
    if (!before.empty() || !after.empty()) text += ": " + before + (before.empty() || after.empty() ? "" : " -> ") + after;
    text += change.at("needs_restart").as_bool() ? "  (needs a restart, stays as it was)\n" : "\n";
  }
  const std::string number = std::to_string(reload.at("changes").as_array().size());
  return text + counted(number, "change") + (is_applied ? ", in force\n" : ", nothing was changed: a dry run\n");
}

std::string change_text(const json::object& change) {
  std::string text = text_at(change, "pair") + ": epoch " + number_at(change, "epoch") + ", " +
                     acknowledgement_text(change) + "\n";
  return text + rules_text(change.at("rules").as_array());
}

}  // namespace proxy::cli
