#include "proxy/cli/convert/converter.hpp"

#include <array>

/// What [databases] and [users] say of one of them.
/// Source: PgBouncer 1.18 to 1.24, config.md, "Section [databases]" and "Section [users]".
namespace proxy::cli {

namespace {

struct OwnSetting {
  std::string_view theirs;
  std::string_view whose;  ///< "database", "user"; empty: of both
  std::string_view group;  ///< "pool", "limits"
  std::string_view ours;
  bool is_time = false;    ///< in seconds there
};

constexpr std::array<OwnSetting, 11> own_settings{{
    {"pool_mode", "", "pool", "mode"},
    {"pool_size", "", "pool", "size"},
    {"min_pool_size", "", "pool", "size_min"},
    {"max_db_connections", "database", "limits", "connections_max"},
    {"max_db_client_connections", "database", "limits", "clients_max"},
    {"max_user_connections", "user", "limits", "connections_max"},
    {"max_user_client_connections", "user", "limits", "clients_max"},
    {"query_timeout", "user", "limits", "query_timeout", true},
    {"transaction_timeout", "user", "limits", "transaction_timeout", true},
    {"idle_transaction_timeout", "user", "limits", "idle_in_transaction_timeout", true},
    {"client_idle_timeout", "user", "limits", "client_idle_timeout", true},
}};

}  // namespace

bool Converter::is_own_setting(std::string_view key, std::string_view whose) {
  return std::ranges::any_of(own_settings, [&](const OwnSetting& each) {
    return each.theirs == key && (each.whose.empty() || each.whose == whose);
  });
}

std::string Converter::why_not_for_one(std::string_view key, std::string_view whose) {
  const std::string name(key);
  if (key == "connect_query") return name + ": nothing is run on new connections; `ALTER DATABASE … SET` or `ALTER ROLE … SET` does what settings need";
  if (key == "reserve_pool" || key == "reserve_pool_size") return name + ": there is no reserve; raise `pool.size`";
  if (key == "auth_query" || key == "auth_dbname") return name + ": one `auth_query` serves all databases of a server";
  if (key == "client_encoding" || key == "datestyle" || key == "timezone" || key == "application_name") {
    return name + ": the client's own counts; `ALTER DATABASE … SET` gives a default";
  }
  return name + " has no counterpart for one " + std::string(whose);
}

/// "pool: {mode: session, size: 5}, limits: {connections_max: 9}".
std::string Converter::own_text(const Pairs& pairs, const IniEntry& entry) {
  std::string text;
  const std::string_view whose = entry.section == "users" ? "user" : "database";
  for (const std::string_view group : {"pool", "limits"}) {
    std::string inner;
    for (const OwnSetting& setting : own_settings) {
      const std::string told = value_of(pairs, setting.theirs);
      const bool is_its = setting.whose.empty() || setting.whose == whose;
      if (setting.group != group || told.empty() || !is_its) continue;
      std::string ours = setting.ours == "mode" ? nearest_mode(told, entry) : told;
      if (setting.ours != "mode") {
        const auto unit = setting.is_time ? PlainSetting::Unit::seconds : PlainSetting::Unit::count;
        const std::optional<std::string> plain = plain_text({setting.theirs, "own", setting.ours, unit, ""}, told);
        if (!plain) lose(entry, std::string(setting.theirs) + " is not a number");
        if (!plain) continue;
        ours = *plain;
      }
      inner += (inner.empty() ? "" : ", ") + std::string(setting.ours) + ": " + ours;
    }
    if (!inner.empty()) text += (text.empty() ? "" : ", ") + std::string(group) + ": {" + inner + "}";
  }
  return text;
}

std::string Converter::own_text_of(const std::string& user) const { return value_of(users_, user); }

/// Those of [users] that are not written yet, each with `more`.
void Converter::write_other_users(const std::set<std::string>& written, const std::string& more) {
  std::set<std::string> done = written;
  for (const auto& [name, last] : users_) {
    if (!done.insert(name).second) continue;
    const std::string own = own_text_of(name);
    line(3, yaml_quoted(name) + ": {" + own + (own.empty() || more.empty() ? "" : ", ") + more + "}");
  }
}

/// Names that mean one database of the server share what is said of the first.
void Converter::write_databases(const Server& server) {
  const std::size_t before = yaml_.size();
  std::map<std::string, std::string> told;
  for (const Database* database : server.databases) {
    const std::string own = own_text(database->all, *database->entry);
    const auto [place, is_first] = told.try_emplace(database->name, own);
    if (!is_first && place->second != own) lose(*database->entry, "its settings: those of an earlier name of the same database count");
    if (is_first && !own.empty()) line(3, yaml_quoted(database->name) + ": {" + own + "}");
  }
  if (yaml_.size() != before) yaml_.insert(before, "    databases:\n");
}

}  // namespace proxy::cli
