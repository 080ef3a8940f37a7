#include "proxy/app_pair.hpp"
#include "proxy/app_users.hpp"
#include "proxy/secrets/local_users.hpp"
#include "proxy/secrets/secret_query.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

// Who may come in, by which secret, and what Crossfade shows to backends in turn.
namespace proxy {

using routing::Side;

namespace {

/// The rules that the short form of the configuration means: users by trust from the networks named, everybody else by
/// SCRAM.
protocol::postgres::AccessRules short_access_rules(const config::Pair& pair) {
  using protocol::postgres::AccessMethod;
  using protocol::postgres::AccessRule;
  AccessRule by_secret;
  by_secret.replication = AccessRule::Replication::always;
  by_secret.method = AccessMethod::scram_sha_256;
  AccessRule by_trust;
  by_trust.replication = AccessRule::Replication::always;
  by_trust.method = AccessMethod::trust;
  for (const routing::Network& network : pair.trust_networks) {
    by_trust.networks.push_back({network.address, network.prefix_bits});
  }
  AccessRule anybody_by_trust = by_trust;
  bool is_anybody_trusted = false;
  for (const config::User& user : pair.users) {
    if (user.name == config::any_user) {
      is_anybody_trusted = true;
    } else {
      (user.authentication == config::Authentication::trust ? by_trust : by_secret).users.insert(user.name);
    }
  }
  protocol::postgres::AccessRules rules;
  if (!by_secret.users.empty()) rules.push_back(by_secret);
  if (!by_trust.users.empty()) rules.push_back(by_trust);
  if (is_anybody_trusted) rules.push_back(anybody_by_trust);
  by_secret.users.clear();
  rules.push_back(by_secret);
  return rules;
}

protocol::postgres::AccessMethod method_of(config::AccessMethod method) {
  using protocol::postgres::AccessMethod;
  switch (method) {
    case config::AccessMethod::trust: return AccessMethod::trust;
    case config::AccessMethod::reject: return AccessMethod::reject;
    case config::AccessMethod::password: return AccessMethod::password;
    case config::AccessMethod::md5: return AccessMethod::md5;
    case config::AccessMethod::scram_sha_256: return AccessMethod::scram_sha_256;
    case config::AccessMethod::certificate: return AccessMethod::certificate;
    case config::AccessMethod::peer: return AccessMethod::peer;
  }
  return AccessMethod::reject;
}

protocol::postgres::AccessRule::Tls tls_of(config::AccessTls tls) {
  using protocol::postgres::AccessRule;
  switch (tls) {
    case config::AccessTls::any: return AccessRule::Tls::any;
    case config::AccessTls::required: return AccessRule::Tls::required;
    case config::AccessTls::forbidden: return AccessRule::Tls::forbidden;
  }
  return AccessRule::Tls::required;
}

protocol::postgres::AccessRules access_rules_of(const config::Pair& pair) {
  if (pair.access.empty()) return short_access_rules(pair);
  protocol::postgres::AccessRules rules;
  for (const config::AccessRule& configured : pair.access) {
    protocol::postgres::AccessRule& rule = rules.emplace_back();
    rule.users = {configured.users.begin(), configured.users.end()};
    rule.databases = {configured.databases.begin(), configured.databases.end()};
    for (const routing::Network& network : configured.networks) {
      rule.networks.push_back({network.address, network.prefix_bits});
    }
    rule.tls = tls_of(configured.tls);
    rule.method = method_of(configured.method);
  }
  return rules;
}

}  // namespace

protocol::Result<protocol::postgres::Admission> AppPair::make_admission(const config::Pair& pair) const {
  protocol::postgres::Admission admission;
  admission.rules = std::make_shared<const protocol::postgres::AccessRules>(access_rules_of(pair));
  // Keys are made of each clear password, which takes its time: not for those who stay as they are.
  const std::shared_ptr<const config::Pair> before = settings().pair;
  if (admission_.users && before->users == pair.users && before->userlist == pair.userlist) {
    admission.users = admission_.users;
    return admission;
  }
  auto users = std::make_shared<protocol::postgres::UserDirectory>(surroundings_.nonces);
  for (const config::User& user : pair.users) {
    if (!user.password && !user.verifier) continue;
    const config::Secret& secret = user.verifier ? *user.verifier : *user.password;
    const protocol::Status added = users->add_secret(user.name, secret.reveal());
    if (!added) return added.error();
  }
  // What is said of a user in the configuration itself counts.
  for (const config::UserlistEntry& entry : pair.userlist) {
    if (entry.secret.is_empty() || users->find(entry.user) != nullptr) continue;
    const protocol::Status added = users->add_secret(entry.user, entry.secret.reveal());
    if (!added) return added.error();
  }
  admission.users = std::move(users);
  return admission;
}

protocol::BackendCredentials AppPair::credentials_for(const protocol::Login& login, Side side) const {
  credentials_.keep(login.user, login.proof);
  return configured_credentials(login.user, side, login.proof);
}

protocol::BackendCredentials AppPair::credentials_of_user(const std::string& user, Side side) const {
  return configured_credentials(user, side, credentials_.find(user));
}

protocol::BackendCredentials AppPair::configured_credentials(const std::string& user_name, Side side,
                                                             protocol::LoginProofPointer proof) const {
  protocol::BackendCredentials credentials;
  credentials.user = user_name;
  const std::shared_ptr<const config::Pair> pair = settings().pair;
  const config::User* user = config::find_user(*pair, user_name);
  if (user != nullptr) {
    const config::BackendLogin& backend = user->backend[side];
    if (!backend.user.empty()) credentials.user = backend.user;
    if (backend.password) credentials.password = backend.password->reveal();
  }
  // What one user has shown says nothing of another.
  if (credentials.password.empty() && credentials.user == user_name) credentials.proof = std::move(proof);
  return credentials;
}

protocol::postgres::Admission AppPair::admission_on(std::size_t index) const {
  protocol::postgres::Admission admission = admission_;
  admission.secrets = asking_.desk ? asking_.windows[index].get() : nullptr;
  admission.local_users = local_users_ ? local_users_->windows[index].get() : nullptr;
  return admission;
}

/// The machine may ask a directory somewhere else for a user's name: not on a worker.
void AppPair::begin_asking_for_local_users() {
  if (local_users_ || std::ranges::none_of(settings().pair->access, [](const config::AccessRule& rule) {
        return rule.method == config::AccessMethod::peer;
      })) {
    return;
  }
  local_users_.emplace();
  local_users_->desk = std::make_unique<secrets::SecretDesk>(
      secrets::SecretDesk::Options{.lifetime = std::chrono::seconds(5), .lifetime_unknown = std::chrono::seconds(1)},
      [](const std::string& number, const std::stop_token&) { return secrets::name_of_local_user(number); },
      [](const protocol::Error&) {});
  for (const std::unique_ptr<runtime::Worker>& worker : surroundings_.workers) {
    local_users_->windows.push_back(std::make_unique<secrets::WorkerSecretSource>(*local_users_->desk, worker->loop()));
  }
}

/// Precondition: there is an auth_query.
std::unique_ptr<secrets::SecretDesk> AppPair::make_secret_desk(const config::Pair& pair) const {
  const config::AuthQuery& configured = *pair.auth_query;
  secrets::SecretQuery::Options query;
  query.target = question_target(pair, Side::blue, configured.login, configured.database);
  query.statement = configured.query.empty() ? protocol::postgres::user_secret_query() : configured.query;
  query.timeout = configured.timeout;
  secrets::SecretDesk::Options options;
  options.lifetime = configured.lifetime;
  options.lifetime_unknown = configured.lifetime_unknown;
  options.users_max = configured.users_max;
  // The desk asks on one thread at a time, so one connection is enough.
  const auto asker = std::make_shared<secrets::SecretQuery>(std::move(query));
  return std::make_unique<secrets::SecretDesk>(
      options,
      [asker](const std::string& user, const std::stop_token& stop) { return asker->ask(user, stop); },
      [this](const protocol::Error& error) {
        surroundings_.log.write(telemetry::LogLevel::warning, "blue could not be asked for a user's secret",
                                {{"pair", std::string_view(name_)},
                                 {"cause", protocol::name_of(error.code)},
                                 {"detail", std::string_view(error.detail)}});
      });
}

}  // namespace proxy
