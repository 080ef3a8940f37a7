#include "config/readers.hpp"
#include "config/scalar.hpp"
#include "config/userlist.hpp"
#include "routing/network.hpp"

#include <algorithm>
#include <array>

namespace config {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t access_rules_max = 1024;

const std::vector<std::pair<std::string_view, AccessMethod>> method_choices{
    {"trust", AccessMethod::trust},
    {"reject", AccessMethod::reject},
    {"password", AccessMethod::password},
    {"md5", AccessMethod::md5},
    {"scram-sha-256", AccessMethod::scram_sha_256},
    {"cert", AccessMethod::certificate},
    {"peer", AccessMethod::peer}};
const std::vector<std::pair<std::string_view, AccessTls>> tls_choices{
    {"any", AccessTls::any}, {"required", AccessTls::required}, {"forbidden", AccessTls::forbidden}};

/// A password in clear and a certificate make sense over TLS; the former goes without where that is said.
void settle_tls(const Section& section, Reading& reading, AccessRule& rule) {
  const bool is_said = section.has("tls");
  const bool is_plain_allowed = rule.tls != AccessTls::required;
  if (rule.method == AccessMethod::certificate && is_said && is_plain_allowed) {
    reading.findings.error(section.mark_of("tls"),
                           about(section.path_of("tls"), "must be `required` for `cert`: a client shows its "
                                                         "certificate over TLS only"));
  }
  if (rule.method == AccessMethod::password && is_said && is_plain_allowed) {
    reading.findings.warning(section.mark_of("tls"),
                             about(section.path_of("tls"),
                                   "lets clients send their password over connections that are not encrypted"));
  }
  const bool needs_tls = rule.method == AccessMethod::certificate || rule.method == AccessMethod::password;
  if (needs_tls && !is_said) rule.tls = AccessTls::required;
}

AccessRule read_access_rule(const Node& node, const std::string& path, Reading& reading) {
  AccessRule rule;
  auto section = Section::open(node, reading.findings, path);
  if (!section) return rule;
  for (Section::Item& item : section->take_list("user")) rule.users.push_back(std::move(item.text));
  for (Section::Item& item : section->take_list("database")) rule.databases.push_back(std::move(item.text));
  for (const Section::Item& item : section->take_list("network")) {
    if (item.text == "local") {  // a peer without an address
      rule.networks.push_back({{}, 128});
      continue;
    }
    const auto network = routing::parse_network(item.text);
    if (network) {
      rule.networks.push_back(*network);
    } else {
      reading.findings.error(item.mark, about(section->path_of("network"),
                                              quote(item.text) + ": " + network.error().detail));
    }
  }
  section->require("method");
  section->read_choice<AccessMethod>("method", method_choices, rule.method);
  section->read_choice<AccessTls>("tls", tls_choices, rule.tls);
  settle_tls(*section, reading, rule);
  section->finish();
  return rule;
}

bool matches_everything(const AccessRule& rule) {
  return rule.users.empty() && rule.databases.empty() && rule.networks.empty() && rule.tls == AccessTls::any;
}

void check_reach(const Node& rules, const std::string& path, const Pair& pair, Reading& reading) {
  const auto last = std::find_if(pair.access.begin(), pair.access.end(), matches_everything);
  if (last == pair.access.end() || last + 1 == pair.access.end()) return;
  const auto index = static_cast<std::size_t>(last - pair.access.begin());
  reading.findings.warning(rules.items[index + 1].mark,
                           about(path + "[" + std::to_string(index + 1) + "]",
                                 "is never reached: the rule before it matches everything"));
}

/// Keys of the short form have no say beside the rules.
void refuse_short_form(const Section& section, Reading& reading) {
  constexpr std::array<std::string_view, 2> short_keys{"authentication", "trust_networks"};
  for (const std::string_view key : short_keys) {
    if (!section.has(key)) continue;
    reading.findings.error(section.mark_of(key),
                           about(section.path_of(key), "has no say beside `access`, whose rules say who is let in and how"));
  }
}

void read_auth_query(const Node& node, const std::string& path, Reading& reading, AuthQuery& query) {
  auto section = Section::open(node, reading.findings, path);
  if (!section) return;
  section->require("user");
  const auto user = section->take_text("user");
  if (user) query.login.user = *user;
  query.login.password = take_secret(*section, "password", reading);
  const auto database = section->take_text("database");
  if (database) query.database = *database;
  const auto text = section->take_text("query");
  if (text) query.query = *text;
  if (text && text->find("$1") == std::string::npos) {
    reading.findings.error(section->mark_of("query"),
                           about(section->path_of("query"), "must hold `$1`, which stands for the user's name"));
  }
  section->read_duration("cache", 0s, 24h, query.lifetime);
  section->read_duration("cache_unknown", 0s, 24h, query.lifetime_unknown);
  section->read_count("cache_users", 1, 1'000'000, query.users_max);
  section->read_duration("timeout", 100ms, 10min, query.timeout);
  section->finish();
}

}  // namespace

void read_access(Section& pair_section, Reading& reading, Pair& pair) {
  const Node* rules = pair_section.take("access");
  if (rules == nullptr) return;
  const std::string path = pair_section.path_of("access");
  refuse_short_form(pair_section, reading);
  if (!expect_kind(*rules, Node::Kind::sequence, path, reading.findings)) return;
  if (rules->items.empty()) reading.findings.error(rules->mark, about(path, "lets nobody in"));
  if (rules->items.size() > access_rules_max) {
    reading.findings.error(rules->mark,
                           about(path, "has more than " + std::to_string(access_rules_max) + " rules"));
    return;
  }
  for (std::size_t i = 0; i < rules->items.size(); ++i) {
    pair.access.push_back(read_access_rule(rules->items[i], path + "[" + std::to_string(i) + "]", reading));
  }
  check_reach(*rules, path, pair, reading);
}

void read_secret_sources(Section& pair_section, Reading& reading, Pair& pair) {
  const auto file = pair_section.take_text("userlist_file");
  if (file) read_userlist(*file, pair_section.mark_of("userlist_file"), pair_section.path_of("userlist_file"), reading, pair);
  const Node* query = pair_section.take("auth_query");
  if (query == nullptr) return;
  pair.auth_query.emplace();
  read_auth_query(*query, pair_section.path_of("auth_query"), reading, *pair.auth_query);
}

void read_userlist(const std::string& written, Mark mark, const std::string& what, Reading& reading, Pair& pair) {
  const auto file = reading.surroundings.read_secret_file(reading.folder / written, userlist_bytes_max);
  if (!file) {
    reading.findings.error(mark, about(what, quote(written) + " cannot be read: " + file.error().detail));
    return;
  }
  if (file->is_readable_by_others) {
    reading.findings.warning(
        mark, about(what, quote(written) + " can be read by other users of this machine; `chmod 600` it"));
  }
  reading.secrets.insert_or_assign(what, Secret(file->content));
  auto entries = parse_userlist(file->content);
  if (!entries) {
    reading.findings.error(mark, about(what, quote(written) + ": " + entries.error().detail));
    return;
  }
  for (const UserlistEntry& entry : *entries) {
    const std::string& secret = entry.secret.reveal();
    if (!secret.starts_with("SCRAM-SHA-256$") || check_scram_verifier(secret)) continue;
    reading.findings.error(mark, about(what, quote(written) + ": the verifier of user " + quote(entry.user) +
                                                 " is malformed"));
  }
  pair.userlist = *std::move(entries);
}

}  // namespace config
