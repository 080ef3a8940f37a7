#include "proxy/cli/ledger.hpp"

#include "proxy/cli/remote_call.hpp"
#include "proxy/cli/table.hpp"

#include <boost/json.hpp>

namespace proxy::cli {

namespace json = boost::json;

namespace {

std::string text_at(const json::object& object, std::string_view key) {
  const json::value& value = object.at(key);
  return value.is_null() ? "" : printable(std::string_view(value.as_string()));
}

std::string number_at(const json::object& object, std::string_view key) {
  return std::to_string(object.at(key).to_number<std::uint64_t>());
}

std::string rows_text(const json::object& entry) {
  const json::array& keys = entry.at("keys").as_array();
  if (keys.empty()) return "all";
  std::string text = printable(std::string_view(keys[0].as_string()));
  if (keys.size() > 1) text += " and " + std::to_string(keys.size() - 1) + " more";
  return text;
}

std::string ledger_text(const json::object& ledger) {
  const json::array& entries = ledger.at("entries").as_array();
  std::string text = text_at(ledger, "pair") + ": " + number_at(ledger, "open") + " open\n";
  if (entries.empty()) return text;
  Table table({{"id", Align::right}, {"kind"}, {"state"}, {"database"}, {"table"}, {"rows"}, {"times", Align::right}, {"from", Align::right},
               {"to", Align::right}, {"cause"}});
  for (const json::value& value : entries) {
    const json::object& entry = value.as_object();
    const std::string by = text_at(entry, "closed_by");
    const std::string name = text_at(entry, "table");
    table.add({number_at(entry, "id"), text_at(entry, "kind"), text_at(entry, "state") + (by.empty() ? "" : " by " + by),
               text_at(entry, "database"), name.empty() ? "any" : name, rows_text(entry), number_at(entry, "count"),
               number_at(entry, "first_position"), number_at(entry, "last_position"), text_at(entry, "cause")});
  }
  return text + table.text("  ");
}

ExitCode done_if_empty(const json::object& ledger) {
  return ledger.at("open").to_number<std::uint64_t>() == 0 ? ExitCode::done : ExitCode::refused;
}

ExitCode done(const json::object&) { return ExitCode::done; }

std::string accepted_text(const json::object& entry) {
  return text_at(entry, "pair") + ": entry " + number_at(entry, "id") + " accepted by " + text_at(entry, "closed_by") + "\n";
}

std::string mirror_text(const json::object& mirror) {
  const json::object& lag = mirror.at("lag").as_object();
  std::string text = text_at(mirror, "pair") + ": " + text_at(mirror, "state") + ", " + text_at(mirror, "authority") + " to " +
                     text_at(mirror, "follower") + "\n";
  if (!mirror.at("reason").is_null()) text += "  reason    " + text_at(mirror, "reason") + "\n";
  text += "  lag       " + number_at(lag, "units") + " units, " + number_at(lag, "bytes") + " bytes, " + number_at(lag, "ms") + " ms\n";
  text += "  position  " + number_at(mirror, "applied_through") + " of " + number_at(mirror, "stop_position") + "\n";
  text += "  journal   " + number_at(mirror, "journal_bytes") + " of " + number_at(mirror, "journal_bytes_max") + " bytes\n";
  text += "  units     " + number_at(mirror, "units_recorded") + " recorded, " + number_at(mirror, "units_applied") + " applied, " +
          number_at(mirror, "units_dropped") + " rolled back, " + number_at(mirror, "units_set_aside") + " set aside\n";
  return text + "  ledger    " + number_at(mirror, "ledger_open") + " open\n";
}

}  // namespace

int show_ledger(const Remote& remote, const LedgerWish& wish) {
  return with_pair(remote, wish.pair, [&](const std::string& name) {
    const std::string path = "/api/v1/pairs/" + path_segment(name) + "/ledger";
    if (!wish.accepted) {
      const std::string rest = wish.extent == LedgerWish::Extent::all ? "/all" : "";
      return show_outcome(remote, send(remote, "GET", path + rest), {ledger_text, done_if_empty});
    }
    json::object body;
    if (!wish.who.empty()) body["who"] = wish.who;
    if (!wish.why.empty()) body["why"] = wish.why;
    const std::string target = path + "/" + std::to_string(*wish.accepted) + "/accept";
    return show_outcome(remote, send(remote, "POST", target, json::serialize(body)), {accepted_text, done});
  });
}

int show_mirror(const Remote& remote, const std::string& pair) {
  return with_pair(remote, pair, [&](const std::string& name) {
    return show_outcome(remote, send(remote, "GET", "/api/v1/pairs/" + path_segment(name) + "/mirror"), {mirror_text, done});
  });
}

}  // namespace proxy::cli
