#include "proxy/app_pair.hpp"

#include <utility>

// How the sides of a pair are looked after.
namespace proxy {

using routing::Side;

namespace {

/// Begins elsewhere for each pair, the same at each start: FNV-1a.
std::uint64_t seed_of(const std::string& name) {
  std::uint64_t seed = 0xCBF29CE484222325;
  for (const char letter : name) seed = (seed ^ static_cast<unsigned char>(letter)) * 0x100000001B3;
  return seed;
}

protocol::Login probe_login(const std::string& user, const std::string& database) {
  protocol::Login login;
  login.user = user;
  login.database = database;
  login.application_name = "crossfade health";
  login.parameters = {{"user", user}, {"database", database}, {"application_name", login.application_name}};
  return login;
}

}  // namespace

AppPair::Lookout::Lookout(AppPair& pair, Part& part, runtime::Worker& worker)
    : identity(pair),
      surroundings{worker.loop(), part.dialect, part.connector, identity, metrics, pair.endpoints(), worker.receive_scratch(),
                   pair.settings_.health.timeout, pair.encryption_of(part)},
      prober(surroundings, pair.health_, {pair.settings_.health.interval, pair.settings_.health.timeout},
             seed_of(pair.settings_.name)) {
  const std::optional<config::BackendLogin> login = pair.configured_probe_login();
  if (!login) return;
  const config::Health& health = pair.settings_.health;
  const bool is_own = health.login.has_value() || pair.settings_.catalogue.database.empty();
  prober.set_login(std::make_shared<const protocol::Login>(
      probe_login(login->user, is_own ? health.database : pair.settings_.catalogue.database)));
}

protocol::BackendCredentials AppPair::Lookout::Identity::credentials_for(const protocol::Login& login, Side side) const {
  const std::optional<config::BackendLogin> configured = pair_.configured_probe_login();
  if (!configured) return pair_.credentials_of_user(login.user, side);
  protocol::BackendCredentials credentials;
  credentials.user = configured->user;
  credentials.password = configured->password ? configured->password->reveal() : std::string();
  return credentials;
}

std::optional<config::BackendLogin> AppPair::configured_probe_login() const {
  if (settings_.health.login) return settings_.health.login;
  if (settings_.catalogue.login) return settings_.catalogue.login;
  if (settings_.auth_query) return settings_.auth_query->login;
  return std::nullopt;
}

backend::Health::Thresholds AppPair::thresholds() const { return {settings_.health.rise, settings_.health.fall}; }

/// Whoever logs in first shows how a login can be made.
void AppPair::offer_probe_login(const protocol::Login& login) {
  if (login.is_replication || configured_probe_login() || has_probe_login_.exchange(true)) return;
  auto shown = std::make_shared<const protocol::Login>(probe_login(login.user, login.database));
  surroundings_.workers.front()->loop().post([this, shown = std::move(shown)] {
    if (lookout_ != nullptr) lookout_->prober.set_login(shown);
  });
}

void AppPair::begin_probing() {
  lookout_ = std::make_unique<Lookout>(*this, *parts_.front(), *surroundings_.workers.front());
  health_.listen({[this](Side side) {
                    surroundings_.workers.front()->loop().post([this, side] {
                      if (lookout_ != nullptr) lookout_->prober.ask(side);
                    });
                  },
                  [this](Side side) {
                    for (std::size_t i = 0; i < surroundings_.workers.size(); ++i) {
                      surroundings_.workers[i]->loop().post([this, side, i] {
                        if (parts_[i]->pair_worker != nullptr) parts_[i]->pair_worker->on_side_down(side);
                      });
                    }
                  }});
}

}  // namespace proxy
