#include "config/readers.hpp"
#include "config/scalar.hpp"
#include "routing/network.hpp"

#include <algorithm>

namespace config {

namespace {

const std::vector<std::pair<std::string_view, Authentication>> authentication_choices{
    {"scram-sha-256", Authentication::scram_sha_256}, {"trust", Authentication::trust}};

/// Names longer than this are cut by PostgreSQL (NAMEDATALEN less the terminator) and would never match.
/// Source: PostgreSQL 15, 4.1.1 "Identifiers and Key Words".
constexpr std::size_t user_name_bytes_max = 63;

/// `user` and `password` of one map, on top of what holds already.
void read_login(Section& section, Reading& reading, BackendLogin& login) {
  const auto user = section.take_text("user");
  if (user) login.user = *user;
  const auto password = take_secret(section, "password", reading);
  if (password) login.password = password;
}

void read_backend(const Node& node, const std::string& path, Reading& reading, User& user) {
  auto section = Section::open(node, reading.findings, path);
  if (!section) return;
  BackendLogin both = user.backend[routing::Side::blue];
  read_login(*section, reading, both);
  for (const routing::Side side : routing::both_sides) {
    user.backend[side] = both;
    const Node* own = section->take(routing::name_of(side));
    if (own == nullptr) continue;
    auto side_section = Section::open(*own, reading.findings, section->path_of(routing::name_of(side)));
    if (!side_section) continue;
    read_login(*side_section, reading, user.backend[side]);
    side_section->finish();
  }
  section->finish();
}

/// How a user gets in and what must then be known of it.
struct Demands {
  Authentication authentication = Authentication::scram_sha_256;
  bool has_rules = false;    ///< `access` says how, and whether a secret is needed at all
  bool has_sources = false;  ///< a secret that is not given here may be found elsewhere
};

void check_credentials(const Section& section, const std::string& name, const Demands& demands, Reading& reading,
                       const User& user) {
  Findings& findings = reading.findings;
  const bool is_password_given = has_secret(section, "password");
  const bool is_verifier_given = has_secret(section, "verifier") || section.has("scram_verifier");
  const Mark verifier_mark = section.mark_of(section.has("scram_verifier") ? "scram_verifier" : "verifier");
  if (is_password_given && is_verifier_given) {
    findings.error(verifier_mark,
                   about(section.path(), "gives a password and a `scram_verifier`; one of the two is enough"));
  }
  if (name == any_user && is_verifier_given) {
    findings.error(verifier_mark, about(section.path(), "stands for any user, who has no one password"));
  }
  if (demands.has_rules) return;
  if (user.authentication == Authentication::trust) {
    if (is_verifier_given) {
      findings.error(verifier_mark,
                     about(section.path(), "is let in by trust; a `scram_verifier` would never be asked for"));
    }
    return;
  }
  if (name == any_user) {
    findings.error(section.mark(), about(section.path(),
                                         "stands for any user, whose passwords are not known; it needs "
                                         "`authentication: trust`"));
    return;
  }
  if (!is_password_given && !is_verifier_given && !demands.has_sources) {
    findings.error(section.mark(), about(section.path(),
                                         "needs `password_file` (or `password_env`, `password`, "
                                         "`scram_verifier`) for scram-sha-256"));
  }
}

/// What `verifier` or its older name holds.
void check_verifier(const Secret& verifier, Mark mark, const std::string& what, Reading& reading, User& user) {
  const auto status = check_verifier_text(verifier.reveal());
  if (!status) {
    reading.findings.error(mark, about(what, status.error().detail));
    return;
  }
  user.verifier = verifier;
}

void read_verifier(Section& section, Reading& reading, User& user) {
  const auto verifier = take_secret(section, "verifier", reading);
  if (verifier) check_verifier(*verifier, section.mark_of("verifier"), section.path_of("verifier"), reading, user);
  const auto text = section.take_text("scram_verifier");
  if (!text) return;
  const Mark mark = section.mark_of("scram_verifier");
  if (has_secret(section, "verifier")) {
    reading.findings.error(mark, about(section.path(), "gives its verifier twice"));
  }
  if (reading.first_inline_secret == std::nullopt) reading.first_inline_secret = mark;
  check_verifier(Secret(*text), mark, section.path_of("scram_verifier"), reading, user);
}

User read_user(const std::string& name, const Node& node, const std::string& path,
               const Demands& demands, Reading& reading) {
  User user;
  user.name = name;
  user.authentication = demands.authentication;
  auto section = Section::open(node, reading.findings, path);
  if (!section) return user;
  section->read_choice<Authentication>("authentication", authentication_choices, user.authentication);
  if (demands.has_rules && section->has("authentication")) {
    reading.findings.error(section->mark_of("authentication"),
                           about(section->path_of("authentication"),
                                 "has no say beside `access`, whose rules say who is let in and how"));
  }
  user.password = take_secret(*section, "password", reading);
  if (user.password && user.password->reveal().starts_with("SCRAM-SHA-256$")) {
    reading.findings.error(
        section->mark(), about(path, "the password looks like a stored verifier; that is `verifier`"));
  }
  read_verifier(*section, reading, user);
  for (const routing::Side side : routing::both_sides) user.backend[side].password = user.password;
  read_own_limits(*section, reading, user.limits);
  const Node* backend = section->take("backend");
  if (backend != nullptr) read_backend(*backend, section->path_of("backend"), reading, user);
  check_credentials(*section, name, demands, reading, user);
  const bool is_never_asked = name == any_user || (!demands.has_rules && user.authentication == Authentication::trust);
  if (is_never_asked) user.password.reset();
  section->finish();
  return user;
}

/// Trust lets in whoever can connect, so it must be said who that is.
void check_trust(Section& section, Reading& reading, const Pair& pair) {
  const auto trusted = std::find_if(pair.users.begin(), pair.users.end(), [](const User& user) {
    return user.authentication == Authentication::trust;
  });
  if (trusted == pair.users.end()) {
    if (section.has("trust_networks")) {
      reading.findings.warning(
          section.mark_of("trust_networks"),
          about(section.path_of("trust_networks"), "has no effect: no user is let in by trust"));
    }
    return;
  }
  const auto address = routing::parse_address(pair.listen.host);
  if (pair.trust_networks.empty() && !section.has("trust_networks") && address &&
      !routing::is_loopback(*address)) {
    reading.findings.error(
        section.has("authentication") ? section.mark_of("authentication") : section.mark(),
        about(section.path(), "lets user " + quote(trusted->name) + " in by trust, and " +
                                  quote(format_listen(pair.listen)) +
                                  " can be reached from other machines; name the `trust_networks`"));
  }
}

void read_trust_networks(Section& section, Reading& reading, Pair& pair) {
  for (const Section::Item& item : section.take_list("trust_networks")) {
    const auto network = routing::parse_network(item.text);
    if (network) {
      pair.trust_networks.push_back(*network);
    } else {
      reading.findings.error(item.mark, about(section.path_of("trust_networks"),
                                              quote(item.text) + ": " + network.error().detail));
    }
  }
}

}  // namespace

void read_users(Section& pair_section, Reading& reading, Pair& pair) {
  Demands demands;
  pair_section.read_choice<Authentication>("authentication", authentication_choices, demands.authentication);
  demands.has_rules = pair_section.has("access");
  demands.has_sources = pair_section.has("userlist_file") || pair_section.has("auth_query");
  read_trust_networks(pair_section, reading, pair);
  if (!demands.has_rules && !demands.has_sources) pair_section.require("users");
  const Node* users = pair_section.take("users");
  const std::string path = pair_section.path_of("users");
  if (users != nullptr && expect_kind(*users, Node::Kind::map, path, reading.findings)) {
    if (users->entries.empty())
      reading.findings.error(users->mark, about(path, "names nobody; no client could log in"));
    for (const auto& [key, value] : users->entries) {
      if (key.text.empty() || key.text.size() > user_name_bytes_max) {
        reading.findings.error(key.mark, about(path, "the name of a user must have 1 to 63 bytes"));
      }
      pair.users.push_back(read_user(key.text, value, path + "." + key.text, demands, reading));
    }
  }
  if (!demands.has_rules) check_trust(pair_section, reading, pair);
}

}  // namespace config
