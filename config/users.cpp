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

void check_credentials(const Section& section, const std::string& name, Reading& reading, const User& user) {
  Findings& findings = reading.findings;
  const bool is_password_given = has_secret(section, "password");
  const bool is_verifier_given = section.has("scram_verifier");
  if (user.authentication == Authentication::trust) {
    if (is_verifier_given) {
      findings.error(
          section.mark_of("scram_verifier"),
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
  if (!is_password_given && !is_verifier_given) {
    findings.error(section.mark(), about(section.path(),
                                         "needs `password_file` (or `password_env`, `password`, "
                                         "`scram_verifier`) for scram-sha-256"));
  }
  if (is_password_given && is_verifier_given) {
    findings.error(
        section.mark_of("scram_verifier"),
        about(section.path(), "gives a password and a `scram_verifier`; one of the two is enough"));
  }
  const bool has_no_backend_password =
      std::any_of(routing::both_sides.begin(), routing::both_sides.end(),
                  [&](routing::Side side) { return !user.backend[side].password; });
  if (is_verifier_given && !is_password_given && has_no_backend_password) {
    findings.warning(section.mark(),
                     about(section.path(),
                           "has a verifier but no `backend` password: the backends must let it in "
                           "without one"));
  }
}

void read_verifier(Section& section, Reading& reading, User& user) {
  const auto text = section.take_text("scram_verifier");
  if (!text) return;
  if (reading.first_inline_secret == std::nullopt)
    reading.first_inline_secret = section.mark_of("scram_verifier");
  const auto status = check_scram_verifier(*text);
  if (!status) {
    reading.findings.error(section.mark_of("scram_verifier"),
                           about(section.path_of("scram_verifier"), status.error().detail));
    return;
  }
  user.scram_verifier = Secret(*text);
}

User read_user(const std::string& name, const Node& node, const std::string& path,
               Authentication authentication, Reading& reading) {
  User user;
  user.name = name;
  user.authentication = authentication;
  auto section = Section::open(node, reading.findings, path);
  if (!section) return user;
  section->read_choice<Authentication>("authentication", authentication_choices, user.authentication);
  user.password = take_secret(*section, "password", reading);
  if (user.password && user.password->reveal().starts_with("SCRAM-SHA-256$")) {
    reading.findings.error(
        section->mark(), about(path, "the password looks like a stored verifier; that is `scram_verifier`"));
  }
  read_verifier(*section, reading, user);
  for (const routing::Side side : routing::both_sides) user.backend[side].password = user.password;
  const Node* backend = section->take("backend");
  if (backend != nullptr) read_backend(*backend, section->path_of("backend"), reading, user);
  check_credentials(*section, name, reading, user);
  if (user.authentication == Authentication::trust) user.password.reset();
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
  Authentication authentication = Authentication::scram_sha_256;
  pair_section.read_choice<Authentication>("authentication", authentication_choices, authentication);
  read_trust_networks(pair_section, reading, pair);
  pair_section.require("users");
  const Node* users = pair_section.take("users");
  const std::string path = pair_section.path_of("users");
  if (users != nullptr && expect_kind(*users, Node::Kind::map, path, reading.findings)) {
    if (users->entries.empty())
      reading.findings.error(users->mark, about(path, "names nobody; no client could log in"));
    for (const auto& [key, value] : users->entries) {
      if (key.text.empty() || key.text.size() > user_name_bytes_max) {
        reading.findings.error(key.mark, about(path, "the name of a user must have 1 to 63 bytes"));
      }
      pair.users.push_back(read_user(key.text, value, path + "." + key.text, authentication, reading));
    }
  }
  check_trust(pair_section, reading, pair);
}

}  // namespace config
