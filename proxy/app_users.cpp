#include "proxy/app_users.hpp"

#include "protocol/postgres/secret_agreement.hpp"
#include "proxy/app_tls.hpp"
#include "proxy/net/address.hpp"
#include "proxy/secrets/secret_query.hpp"

#include <cstdlib>
#include <filesystem>
#include <map>
#include <optional>
#include <ostream>
#include <string_view>
#include <utility>

namespace proxy {

config::EndpointAddress libpq_address(const config::EndpointAddress& endpoint) {
  if (!endpoint.host.starts_with('/')) return endpoint;
  const std::filesystem::path path(endpoint.host);
  const std::string number = path.extension().string();
  const auto port = std::strtoul(number.c_str() + (number.empty() ? 0 : 1), nullptr, 10);
  return {path.parent_path().string(), static_cast<std::uint16_t>(port)};
}

secrets::QuestionTarget question_target(const config::Pair& pair, routing::Side side, const config::BackendLogin& login,
                                        const std::string& database) {
  const config::EndpointAddress address = libpq_address(pair.endpoints[side]);
  secrets::QuestionTarget target;
  target.host = address.host;
  target.port = address.port;
  target.user = login.user;
  if (login.password) target.password = protocol::SecretText(login.password->reveal());
  target.database = database;
  const config::BackendTls& tls = pair.backend_tls[side];
  const auto add = [&target](const char* keyword, std::string_view value) {
    if (!value.empty()) target.more.emplace_back(keyword, value);
  };
  add("sslmode", libpq_name_of(tls.mode));
  add("sslrootcert", libpq_authorities_of(tls));
  add("sslcrl", tls.options.crl_file);
  add("sslcert", tls.options.certificate_file);
  add("sslkey", tls.options.key_file);
  add("ssl_min_protocol_version", tls.options.version_min == net::TlsVersion::tls_1_3 ? "TLSv1.3" : "TLSv1.2");
  const bool is_named = tls.mode != config::TlsMode::disable && tls.options.server_name != target.host;
  if (is_named && net::Address::parse(target.host, target.port)) {
    add("hostaddr", target.host);
    target.host = tls.options.server_name;
  }
  return target;
}

namespace {

using routing::Side;

/// What is configured of a user: for the client's end, and for each side if it is something else there.
struct Known {
  std::string secret;  ///< empty: blue is asked for it
  const config::User* user = nullptr;
};

std::map<std::string, Known> configured_users(const config::Pair& pair) {
  std::map<std::string, Known> known;
  for (const config::UserlistEntry& entry : pair.userlist) {
    if (!entry.secret.is_empty()) known[entry.user].secret = entry.secret.reveal();
  }
  for (const config::User& user : pair.users) {
    if (user.name == config::any_user) continue;
    known[user.name].user = &user;
    if (user.password) known[user.name].secret = user.password->reveal();
    if (user.verifier) known[user.name].secret = user.verifier->reveal();
  }
  return known;
}

/// The answers of both sides of one pair.
class PairCheck {
 public:
  PairCheck(const config::Pair& pair, const config::BackendLogin& login, std::ostream& out) : pair_(pair), out_(out) {
    secrets::SecretQuery::Options options;
    options.statement = protocol::postgres::user_secret_query();
    if (pair.auth_query) options.timeout = pair.auth_query->timeout;
    if (pair.auth_query && !pair.auth_query->query.empty()) options.statement = pair.auth_query->query;
    for (const Side side : routing::both_sides) {
      options.target = question_target(pair, side, login, database());
      queries_[side] = std::make_unique<secrets::SecretQuery>(options);
    }
  }

  bool check_all() {
    std::map<std::string, Known> users = configured_users(pair_);
    if (pair_.auth_query && pair_.auth_query->query.empty()) add_users_of_blue(users);
    bool is_fine = true;
    for (const auto& [user, known] : users) is_fine = check_user(user, known) && is_fine;
    if (users.empty()) out_ << "  no user is named\n";
    return is_fine;
  }

 private:
  [[nodiscard]] std::string database() const { return pair_.auth_query ? pair_.auth_query->database : "postgres"; }

  void add_users_of_blue(std::map<std::string, Known>& users) {
    const auto deadline = secrets::QuestionSession::Clock::now() + pair_.auth_query->timeout;
    secrets::QuestionSession session{std::stop_token()};
    const protocol::Status opened =
        session.open(question_target(pair_, Side::blue, pair_.auth_query->login, database()), deadline);
    if (!opened) return;  // said for the first user
    const auto rows = session.ask("SELECT usename FROM pg_catalog.pg_shadow WHERE passwd IS NOT NULL", {}, deadline);
    if (!rows) return;
    for (const auto& row : *rows) {
      if (row.at(0)) users.try_emplace(row[0]->reveal());
    }
  }

  bool check_user(const std::string& user, const Known& known) {
    std::string secret = known.secret;
    std::string complaints;
    if (secret.empty()) {
      const auto found = queries_[Side::blue]->ask(user, {});
      if (found) secret = found->secret.reveal();
    }
    for (const Side side : routing::both_sides) {
      const std::optional<std::string> complaint = complaint_of(side, user, known, secret);
      if (complaint) complaints += "  FAILS  " + user + ": " + std::string(routing::name_of(side)) + " " + *complaint + "\n";
    }
    out_ << (complaints.empty() ? "  ok     " + user + "\n" : complaints);
    return complaints.empty();
  }

  std::optional<std::string> complaint_of(Side side, const std::string& user, const Known& known, const std::string& secret) {
    std::string role = user;
    std::string shown = secret;
    if (known.user != nullptr) {
      const config::BackendLogin& backend = known.user->backend[side];
      if (!backend.user.empty()) role = backend.user;
      if (role != user) shown.clear();  // what one user has shown says nothing of another
      if (backend.password) shown = backend.password->reveal();
    }
    const auto found = queries_[side]->ask(role, {});
    if (!found) return "could not be asked: " + found.error().detail;
    const bool is_valid = !found->valid_for || found->valid_for->count() > 0;
    if (shown.empty()) {
      return found->secret.is_empty() ? "knows no such user, or no password of it"
                                      : "holds a password, and nothing is configured to show it";
    }
    const auto parsed = protocol::postgres::parse_user_secret(shown);
    if (!parsed) return "cannot be judged: " + parsed.error().detail;
    return protocol::postgres::disagreement(role, *parsed, is_valid ? std::string_view(found->secret.reveal()) : "");
  }

  const config::Pair& pair_;
  std::ostream& out_;
  routing::PerSide<std::unique_ptr<secrets::SecretQuery>> queries_;
};

}  // namespace

bool check_users(const config::Settings& settings, std::ostream& out) {
  bool is_fine = true;
  for (const config::Pair& pair : settings.pairs) {
    out << pair.name << "\n";
    const config::BackendLogin* login = nullptr;
    if (pair.auth_query) login = &pair.auth_query->login;
    if (login == nullptr && pair.catalogue.login) login = &*pair.catalogue.login;
    if (login == nullptr) {
      out << "  FAILS  nobody is named who could ask: set `auth_query` or `catalogue.user`\n";
      is_fine = false;
      continue;
    }
    is_fine = PairCheck(pair, *login, out).check_all() && is_fine;
  }
  return is_fine;
}

}  // namespace proxy
