#pragma once

#include "proxy/cli/convert/convert.hpp"
#include "proxy/cli/convert/settings_table.hpp"
#include "proxy/cli/convert/yaml_text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cctype>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace proxy::cli {

using Pairs = std::vector<std::pair<std::string, std::string>>;

/// Names separated by commas or blanks.
inline std::vector<std::string> names_of(const std::string& text) {
  std::vector<std::string> names;
  std::string name;
  for (const char c : text + ",") {
    if (c != ',' && c != ' ' && c != '\t') {
      name += c;
    } else if (!name.empty()) {
      names.push_back(std::exchange(name, {}));
    }
  }
  return names;
}

/// The last one counts; empty: there is none.
inline std::string value_of(const Pairs& pairs, std::string_view key) {
  const auto place = std::find_if(pairs.rbegin(), pairs.rend(), [&](const auto& pair) { return pair.first == key; });
  return place == pairs.rend() ? std::string() : place->second;
}

/// One entry of [databases].
struct Database {
  std::string name;
  std::string host;
  std::string port = "5432";
  Pairs all;
  const IniEntry* entry;
};

/// The databases of one server.
struct Server {
  std::string host;
  std::string port;
  std::vector<const Database*> databases;
};

/// One conversion, from the entries to the text.
class Converter {
 public:
  Converter(const std::vector<IniEntry>& entries, std::string title) : entries_(entries), title_(std::move(title)) {}

  protocol::Result<Conversion> convert() {
    for (const IniEntry& entry : entries_) {
      if (entry.section == "databases") {
        const protocol::Status read = read_database(entry);
        if (!read) return read.error();
      } else if (entry.section == "users") {
        const protocol::Status read = read_user(entry);
        if (!read) return read.error();
      } else if (entry.section == "peers") {
        lose(entry, "processes do not know peers: those on one address find each other's cancel requests by themselves");
      } else if (entry.section == "pgbouncer") {
        settings_[entry.key] = &entry;
      } else {
        lose(entry, "an unknown section");
      }
    }
    write_head();
    write_pairs();
    for (const auto& [key, entry] : settings_) {
      if (!used_.contains(key)) lose_by_table(*entry);
    }
    conversion_.yaml = comments() + yaml_;
    return std::move(conversion_);
  }

 private:
  // What is there, and what becomes of it.
  const IniEntry* find(const std::string& key) {
    const auto place = settings_.find(key);
    if (place == settings_.end()) return nullptr;
    used_.insert(key);
    return place->second;
  }
  std::string value(const std::string& key, std::string otherwise = {}) {
    const IniEntry* entry = find(key);
    return entry == nullptr ? otherwise : entry->value;
  }
  static std::string words(const IniEntry& entry, std::string_view why) {
    const bool is_secret = entry.section == "databases";  // a password may stand there
    return entry.place + "  " + entry.key + (is_secret ? "" : " = " + entry.value) + ": " + std::string(why);
  }
  void lose(const IniEntry& entry, std::string_view why) { conversion_.lost.push_back(words(entry, why)); }
  void change(const IniEntry& entry, std::string_view why) { conversion_.changed.push_back(words(entry, why)); }
  void lose_by_table(const IniEntry& entry) {
    const auto known = std::ranges::find(lost_settings, std::string_view(entry.key), &LostSetting::key);
    if (entry.key.starts_with("dns_") || entry.key == "resolv_conf") return change(entry, "names are asked of the system every 30 s");
    if (known == lost_settings.end()) return lose(entry, "not known here");
    if (known->harmless == entry.value) return;
    known->harmless == "*" ? change(entry, known->words) : lose(entry, known->words);
  }

  protocol::Status read_database(const IniEntry& entry) {
    const auto pairs = parse_connection_string(entry.value);
    if (!pairs) {
      return protocol::failure(pairs.error().code, pairs.error().blame, entry.place + ": " + pairs.error().detail);
    }
    Database database{entry.key, value_of(*pairs, "host"), value_of(*pairs, "port"), *pairs, &entry};
    if (database.port.empty()) database.port = "5432";
    if (database.host.find(',') != std::string::npos) {
      lose(entry, "of several hosts only the first is taken; give Crossfade one address");
      database.host.resize(database.host.find(','));
    }
    static constexpr std::array<std::string_view, 6> carried{"host", "port", "dbname", "user", "password", "auth_user"};
    for (const auto& [key, told] : *pairs) {
      const bool is_carried = std::ranges::find(carried, key) != carried.end() || is_own_setting(key, "database");
      if (!is_carried) lose(entry, why_not_for_one(key, "database"));
    }
    const std::string name = value_of(*pairs, "dbname");
    if (!name.empty() && name != entry.key) {
      lose(entry, "an alias: there are none; clients that connect to it must connect to the database's own name, " + name);
      if (entry.key != "*") database.name = name;
    }
    databases_.push_back(std::move(database));
    return {};
  }
  protocol::Status read_user(const IniEntry& entry) {
    const auto pairs = parse_connection_string(entry.value);
    if (!pairs) {
      return protocol::failure(pairs.error().code, pairs.error().blame, entry.place + ": " + pairs.error().detail);
    }
    for (const auto& [key, told] : *pairs) {
      if (!is_own_setting(key, "user")) lose(entry, why_not_for_one(key, "user"));
    }
    users_.emplace_back(entry.key, own_text(*pairs, entry));
    return {};
  }

  [[nodiscard]] std::vector<Server> servers() {
    std::vector<Server> servers;
    const std::string folder = settings_.contains("unix_socket_dir") ? settings_["unix_socket_dir"]->value : "";
    for (Database& database : databases_) {
      if (database.host.empty()) database.host = folder.starts_with('/') ? folder : "/var/run/postgresql";
      const auto same = std::ranges::find_if(
          servers, [&](const Server& server) { return server.host == database.host && server.port == database.port; });
      if (same != servers.end()) {
        same->databases.push_back(&database);
      } else {
        servers.push_back({database.host, database.port, {&database}});
      }
    }
    if (servers.empty()) {
      conversion_.lost.push_back("[databases] names no database: fill in the server, `blue`");
      servers.push_back({"127.0.0.1", "5432", {}});
    }
    return servers;
  }

  // What is written.
  void line(int depth, const std::string& text) { yaml_ += std::string(static_cast<std::size_t>(2 * depth), ' ') + text + "\n"; }

  [[nodiscard]] std::string comments() const {
    std::string text = "# Converted from " + title_ + ".\n";
    const auto list = [&text](std::string_view head, const std::vector<std::string>& lines) {
      if (lines.empty()) return;
      text += "#\n# " + std::string(head) + "\n";
      for (std::string one : lines) {
        std::ranges::replace(one, '\n', ' ');
        text += "#   " + one + "\n";
      }
    };
    list("Not carried over:", conversion_.lost);
    list("Not needed, or with another meaning:", conversion_.changed);
    return text + "\n";
  }

  void write_plain(std::string_view group, int depth) {
    for (const PlainSetting& setting : plain_settings) {
      if (setting.group != group) continue;
      const IniEntry* entry = find(std::string(setting.theirs));
      if (entry == nullptr) continue;
      const std::optional<std::string> text = plain_text(setting, entry->value);
      if (!text) {
        lose(*entry, "not a number in the range of `" + std::string(setting.ours) + "`");
        continue;
      }
      const bool is_same = setting.difference.empty() || (setting.ours == "queue_timeout" && *text != "24h");
      if (!is_same) note_once(*entry, setting.difference);
      line(depth, std::string(setting.ours) + ": " + *text);
    }
  }
  static std::optional<std::string> plain_text(const PlainSetting& setting, const std::string& value) {
    double number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc() || end != value.data() + value.size() || number < 0 || number > 1e9) return std::nullopt;
    const bool is_endless = number == 0 && setting.ours == "queue_timeout";
    if (is_endless) return "24h";
    if (number == 0 && setting.group == "limits" && setting.ours != "tcp_user_timeout") return std::nullopt;
    if (setting.unit == PlainSetting::Unit::count) return std::to_string(std::llround(number));
    return std::to_string(std::llround(setting.unit == PlainSetting::Unit::seconds ? number * 1000 : number)) + "ms";
  }

  void write_head() {
    if (const IniEntry* verbose = find("verbose"); verbose != nullptr && verbose->value != "0") line(0, "log: {level: debug}");
    const std::size_t before = yaml_.size();
    write_plain("limits", 1);
    if (yaml_.size() != before) yaml_.insert(before, "limits:\n");
  }

  void write_pairs() {
    line(0, "pairs:");
    const std::vector<Server> all = servers();
    unsigned port = 6432;
    const std::string told = value("listen_port", "6432");
    std::from_chars(told.data(), told.data() + told.size(), port);
    const std::string host = listen_host();
    std::set<std::string> names;
    for (const Server& server : all) {
      write_pair(server, pair_name(server, names), host + ":" + std::to_string(port++));
    }
    if (all.size() > 1) {
      conversion_.lost.push_back("[databases] names " + std::to_string(all.size()) +
                                 " servers: each is a pair with a port of its own, from listen_port up; tell the clients theirs");
    }
  }
  std::string listen_host() {
    const IniEntry* entry = find("listen_addr");
    const std::vector<std::string> hosts = entry == nullptr ? std::vector<std::string>() : names_of(entry->value);
    if (hosts.empty()) {
      conversion_.lost.push_back("listen_addr is not set: PgBouncer listened on its local socket alone; here it is 127.0.0.1");
      return "127.0.0.1";
    }
    if (hosts.size() > 1) lose(*entry, "a pair listens on one address, the first");
    if (hosts[0] == "*") change(*entry, "IPv4 alone; `\"[::]:port\"` is IPv6 and IPv4");
    if (hosts[0] == "*") return "0.0.0.0";
    if (hosts[0] == "localhost") return "127.0.0.1";
    if (hosts[0].find_first_not_of("0123456789.:abcdefABCDEF") != std::string::npos) lose(*entry, "`listen` is an address, not a name");
    return hosts[0].find(':') == std::string::npos ? hosts[0] : "[" + hosts[0] + "]";
  }
  static std::string pair_name(const Server& server, std::set<std::string>& taken) {
    std::string name = server.databases.empty() ? "main" : server.databases[0]->name;
    if (name == "*") name = "all";
    std::ranges::replace_if(name, [](unsigned char c) { return std::isalnum(c) == 0 && c != '_' && c != '-'; }, '_');
    name.resize(std::min<std::size_t>(name.size(), 50));
    const std::string stem = name;
    for (int number = 2; !taken.insert(name).second; ++number) name = stem + "-" + std::to_string(number);
    return name;
  }

  void write_pair(const Server& server, const std::string& name, const std::string& listen) {
    line(1, yaml_quoted(name) + ":");
    line(2, "dialect: postgres");
    line(2, "listen: " + yaml_quoted(listen));
    if (const std::string folder = value("unix_socket_dir"); folder.starts_with('/')) {
      line(2, "local_socket: {directory: " + yaml_quoted(folder) + ", mode: " + yaml_quoted(value("unix_socket_mode", "0777")) + "}");
    }
    write_tls("client_tls_", "tls: ", 2);
    const std::string tls = server.host.starts_with('/') ? "" : tls_text("server_tls_");
    const std::string endpoint = "{host: " + yaml_quoted(server.host) + ", port: " + server.port + (tls.empty() ? "" : ", tls: " + tls) + "}";
    line(2, "blue: " + endpoint);
    line(2, "# Where the data shall live: fill it in, and take `allow_same_endpoint` away. Until then all is on blue.");
    line(2, "green: " + endpoint);
    line(2, "allow_same_endpoint: true");
    write_authentication(server);
    write_console();
    write_pool(server);
    line(2, "rules:");
    line(3, "- {name: all, reads: blue}");
  }

  /// Source: PgBouncer 1.18, config.md, "TLS settings".
  std::string tls_text(const std::string& prefix) {
    const std::string mode = value(prefix + "sslmode", prefix == "client_tls_" ? "disable" : "prefer");
    std::string text = "{mode: " + mode;
    const auto add = [&](const char* theirs, const char* ours) {
      const std::string path = value(prefix + theirs);
      if (!path.empty()) text += std::string(", ") + ours + ": " + yaml_quoted(path);
    };
    add("cert_file", "certificate_file");
    add("key_file", "key_file");
    add("ca_file", "ca_file");
    if (const IniEntry* protocols = find(prefix + "protocols"); protocols != nullptr) {
      const std::vector<std::string> versions = names_of(protocols->value);
      const bool is_newest = versions == std::vector<std::string>{"tlsv1.3"};
      if (is_newest) text += ", minimum_version: \"1.3\"";
      const bool is_usual = is_newest || protocols->value == "secure" || protocols->value == "all" || protocols->value == "default";
      if (!is_usual) note_once(*protocols, "TLS 1.2 is the least, 1.3 is allowed");
    }
    for (const char* key : {"ciphers", "ecdhcurve", "dheparams"}) {
      const IniEntry* entry = find(prefix + key);
      const bool is_keyword = entry == nullptr || entry->value == "fast" || entry->value == "default" || entry->value == "secure" ||
                              entry->value == "auto";
      if (!is_keyword && std::string_view(key) == "ciphers") {
        text += ", ciphers: " + yaml_quoted(entry->value);
      } else if (entry != nullptr) {
        note_once(*entry, "OpenSSL's own choice");
      }
    }
    if (text == "{mode: prefer" && prefix == "server_tls_") return "";  // as it is unsaid
    return mode == "disable" ? (prefix == "client_tls_" ? "" : "{mode: disable}") : text + "}";
  }
  void write_tls(const std::string& prefix, const std::string& key, int depth) {
    const std::string text = tls_text(prefix);
    if (!text.empty()) line(depth, key + text);
  }
  /// For what every pair would say again.
  void note_once(const IniEntry& entry, std::string_view why) {
    if (noted_.insert(entry.key).second) change(entry, why);
  }

  // convert_access.cpp
  void write_authentication(const Server& server);
  void write_access(const Server& server);
  [[nodiscard]] std::vector<std::string> access_rules(const std::string& type, const std::string& databases);
  [[nodiscard]] std::vector<std::string> hba_rules(const IniEntry& file);
  void write_forced_login(const Server& server, bool is_trusted);
  void write_auth_query(const Server& server);
  void write_console();
  [[nodiscard]] std::string nearest_mode(const std::string& mode, const IniEntry& entry);
  void write_pool(const Server& server);
  void write_databases(const Server& server);
  // What one database or user says otherwise.
  [[nodiscard]] static bool is_own_setting(std::string_view key, std::string_view whose);
  [[nodiscard]] static std::string why_not_for_one(std::string_view key, std::string_view whose);
  [[nodiscard]] std::string own_text(const Pairs& pairs, const IniEntry& entry);
  [[nodiscard]] std::string own_text_of(const std::string& user) const;
  void write_other_users(const std::set<std::string>& written, const std::string& more);

  const std::vector<IniEntry>& entries_;
  std::string title_;
  Conversion conversion_;
  std::string yaml_;
  std::map<std::string, const IniEntry*> settings_;
  std::vector<Database> databases_;
  Pairs users_;  ///< of [users]: the name, and what it says in our words
  std::set<std::string> used_;
  std::set<std::string> noted_;
};

}  // namespace proxy::cli
