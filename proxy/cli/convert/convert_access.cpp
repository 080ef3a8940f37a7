#include "proxy/cli/convert/converter.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>

namespace proxy::cli {

namespace {

std::optional<std::string> content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

/// "user" "secret", with doubled quotes inside; what is no such line is left out.
/// Source: PgBouncer 1.18, config.md, "Authentication file format".
Pairs users_of(const std::string& text) {
  Pairs users;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::vector<std::string> parts;
    for (std::size_t i = at; i < end && text[at] != ';'; ++i) {
      if (text[i] != '"') continue;
      std::string part;
      for (++i; i < end && (text[i] != '"' || (i + 1 < end && text[i + 1] == '"')); ++i) {
        part += text[i];
        if (text[i] == '"') ++i;
      }
      parts.push_back(std::move(part));
    }
    if (parts.size() >= 2) users.emplace_back(parts[0], parts[1]);
    at = end + 1;
  }
  return users;
}

bool is_verifier(const std::string& secret) { return secret.starts_with("SCRAM-SHA-256$") || secret.starts_with("md5"); }

}  // namespace

/// Where [databases] names them all, nobody asks for another, as with PgBouncer.
void Converter::write_authentication(const Server& server) {
  const std::string type = value("auth_type", "md5");
  const bool is_forced = std::ranges::any_of(server.databases, [](const Database* each) { return !value_of(each->all, "user").empty(); });
  const bool is_trusted = type == "trust" || type == "any";
  const std::string file = value("auth_file");
  if (is_forced && is_trusted) {
    line(2, "authentication: trust");
    line(2, "trust_networks: [\"0.0.0.0/0\", \"::/0\"]");
    write_forced_login(server, true);
  } else {
    write_access(server);
    const std::size_t before = yaml_.size();
    if (is_forced) write_forced_login(server, false);
    if (yaml_.size() == before && !users_.empty()) {
      line(2, "users:");
      write_other_users({}, "");
    }
  }
  if (!file.empty() && (!is_trusted || !is_forced)) {
    std::error_code error;
    if (std::filesystem::exists(file, error)) {
      line(2, "userlist_file: " + yaml_quoted(std::filesystem::absolute(file, error).string()));
    } else {
      lose(*find("auth_file"), "there is no such file; name it as `userlist_file`");
    }
  }
  write_auth_query(server);
}

void Converter::write_access(const Server& server) {
  const std::string type = value("auth_type", "md5");
  std::vector<std::string> names;
  bool is_any = server.databases.empty();
  for (const Database* database : server.databases) {
    is_any = is_any || database->name == "*";
    if (std::ranges::find(names, database->name) == names.end()) names.push_back(database->name);
  }
  names.insert(names.end(), {"crossfade", "pgbouncer"});
  const std::string databases = is_any ? "" : "database: " + yaml_list(names) + ", ";
  line(2, "access:");
  for (const std::string& rule : access_rules(type, databases)) line(3, "- " + rule);
  const bool needs_secrets = type != "trust" && type != "any" && type != "cert";
  if (needs_secrets && value("auth_file").empty() && value("auth_query").empty() && value("auth_user").empty()) {
    conversion_.lost.push_back("neither auth_file nor auth_user says who the users are: name them under `users`");
  }
}

std::vector<std::string> Converter::access_rules(const std::string& type, const std::string& databases) {
  static constexpr std::array<std::string_view, 6> methods{"trust", "md5", "scram-sha-256", "cert", "peer", "reject"};
  const IniEntry* entry = find("auth_type");
  if (type == "hba") {
    const IniEntry* file = find("auth_hba_file");
    if (file != nullptr) return hba_rules(*file);
    lose(*entry, "there is no auth_hba_file: nobody is let in");
    return {"{method: reject}"};
  }
  if (type == "any") {
    lose(*entry, "a user has the name that it gives; the nearest is trust");
    return {"{" + databases + "method: trust}"};
  }
  if (type == "plain") return {"{" + databases + "tls: any, method: password}"};
  if (std::ranges::find(methods, type) != methods.end()) {
    return {"{" + databases + (type == "cert" ? "tls: required, " : "") + "method: " + type + "}"};
  }
  lose(*entry, "this method is not spoken here: nobody is let in");
  return {"{method: reject}"};
}

std::vector<std::string> Converter::hba_rules(const IniEntry& file) {
  std::vector<std::string> rules;
  const std::optional<std::string> text = content_of(file.value);
  if (!text) {
    lose(file, "cannot be read: nobody is let in");
    return {"{method: reject}"};
  }
  std::size_t number = 0;
  for (std::size_t at = 0; at < text->size();) {
    const std::size_t end = std::min(text->find('\n', at), text->size());
    ++number;
    const auto rule = convert_hba_line(std::string_view(*text).substr(at, end - at));
    if (!rule) {
      // Left out, a line that refuses would let in whom it kept out.
      rules.emplace_back("{method: reject}  # from here on: a line was not understood");
      conversion_.lost.push_back(file.value + ":" + std::to_string(number) + "  not carried over: " + rule.error().detail +
                                 "; everybody from this line on is refused");
      break;
    }
    if (!rule->empty()) rules.push_back(*rule);
    at = end + 1;
  }
  if (rules.empty()) rules.emplace_back("{method: reject}");
  return rules;
}

/// `user` and `password` of [databases]: what the server is given instead of what the client gave.
void Converter::write_forced_login(const Server& server, bool is_trusted) {
  const Database& first = *server.databases[0];
  const std::string user = value_of(first.all, "user");
  const std::string password = value_of(first.all, "password");
  for (const Database* database : server.databases) {
    if (value_of(database->all, "user") == user && value_of(database->all, "password") == password) continue;
    return lose(*database->entry, "here a user has one login to all databases of a server; write `users.<name>.backend`");
  }
  const std::string backend =
      "backend: {user: " + yaml_quoted(user) + (password.empty() ? "" : ", password: " + yaml_quoted(password)) + "}";
  if (is_trusted) {
    line(2, "users:");
    write_other_users({}, backend);
    return line(3, "\"*\": {authentication: trust, " + backend + "}");
  }
  const std::optional<std::string> text = content_of(value("auth_file"));
  const Pairs users = text ? users_of(*text) : Pairs();
  if (users.empty()) return lose(*first.entry, "no users are known whose login this could be; write `users.<name>.backend`");
  line(2, "users:");
  std::set<std::string> written;
  for (const auto& [name, secret] : users) {
    const std::string own = own_text_of(name);
    line(3, yaml_quoted(name) + ": {" + (is_verifier(secret) ? "verifier: " : "password: ") + yaml_quoted(secret) + ", " + backend +
                (own.empty() ? "" : ", " + own) + "}");
    written.insert(name);
  }
  write_other_users(written, backend);
}

void Converter::write_auth_query(const Server& server) {
  std::string user = value("auth_user");
  const std::string query = value("auth_query");
  std::string database = value("auth_dbname");
  for (const Database* each : server.databases) {
    const std::string own = value_of(each->all, "auth_user");
    if (own.empty()) continue;
    if (!user.empty() && user != own) lose(*each->entry, "one auth_user asks for all databases of a server");
    user = own;
    if (database.empty() && each->name != "*") database = each->name;
  }
  if (user.empty()) {
    if (!query.empty()) change(*find("auth_query"), "without auth_user it was never asked");
    return;
  }
  if (database.empty() && !server.databases.empty() && server.databases[0]->name != "*") database = server.databases[0]->name;
  line(2, "auth_query:");
  line(3, "user: " + yaml_quoted(user));
  const std::optional<std::string> text = content_of(value("auth_file"));
  const std::string secret = text ? value_of(users_of(*text), user) : "";
  if (!secret.empty() && !is_verifier(secret)) line(3, "password: " + yaml_quoted(secret));
  if (is_verifier(secret)) conversion_.lost.push_back("auth_query: the password of " + user + " is known by its verifier alone; write it there");
  if (!database.empty()) line(3, "database: " + yaml_quoted(database));
  if (!query.empty()) line(3, "query: " + yaml_quoted(query));
}

void Converter::write_console() {
  const std::vector<std::string> admins = names_of(value("admin_users"));
  const std::vector<std::string> viewers = names_of(value("stats_users"));
  if (admins.empty() && viewers.empty()) return;
  line(2, "console:");
  line(3, "database: [crossfade, pgbouncer]");
  if (!admins.empty()) line(3, "admins: " + yaml_list(admins));
  if (!viewers.empty()) line(3, "viewers: " + yaml_list(viewers));
}

/// Of a mode, what comes nearest here.
std::string Converter::nearest_mode(const std::string& mode, const IniEntry& entry) {
  if (mode != "statement") return mode;
  note_once(entry, "by transaction: transactions of several statements are allowed");
  return "transaction";
}

void Converter::write_pool(const Server& server) {
  std::string mode = "session";
  if (const IniEntry* entry = find("pool_mode")) mode = nearest_mode(entry->value, *entry);
  line(2, "pool:");
  line(3, "mode: " + mode);
  const std::size_t pool_begin = yaml_.size();
  write_plain("pool", 3);
  if (yaml_.find("size:", pool_begin) == std::string::npos) line(3, "size: 20");
  const std::size_t limits_begin = yaml_.size();
  write_plain("pair limits", 3);
  if (yaml_.size() != limits_begin) yaml_.insert(limits_begin, "    limits:\n");
  write_databases(server);
}

}  // namespace proxy::cli
