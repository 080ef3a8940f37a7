#include "proxy/app_pair.hpp"
#include "proxy/app_pair_options.hpp"

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
    : settings(pair.settings()),
      identity(pair),
      surroundings{worker.loop(), part.dialect, part.connector, identity, metrics, endpoints_from(*settings.pair),
                   worker.receive_scratch(), settings.pair->health.timeout, pair.encryption_of(part)},
      prober(surroundings, pair.health_, {settings.pair->health.interval, settings.pair->health.timeout}, seed_of(pair.name_)) {
  const std::optional<config::BackendLogin> login = pair.configured_probe_login();
  if (!login) {
    if (pair.shown_login_) prober.set_login(pair.shown_login_);
    return;
  }
  const config::Health& health = settings.pair->health;
  const bool is_own = health.login.has_value() || settings.pair->catalogue.database.empty();
  prober.set_login(std::make_shared<const protocol::Login>(
      probe_login(login->user, is_own ? health.database : settings.pair->catalogue.database)));
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
  const std::shared_ptr<const config::Pair> pair = settings().pair;
  if (pair->health.login) return pair->health.login;
  if (pair->catalogue.login) return pair->catalogue.login;
  if (pair->auth_query) return pair->auth_query->login;
  return std::nullopt;
}

backend::Health::Thresholds AppPair::thresholds() const {
  const config::Health health = settings().pair->health;
  return {health.rise, health.fall};
}

/// Whoever logs in first shows how a login can be made.
void AppPair::offer_probe_login(const protocol::Login& login) {
  if (login.is_replication || configured_probe_login() || has_probe_login_.exchange(true)) return;
  auto shown = std::make_shared<const protocol::Login>(probe_login(login.user, login.database));
  surroundings_.workers.front()->loop().post([this, shown = std::move(shown)] {
    shown_login_ = shown;
    if (lookout_ != nullptr) lookout_->prober.set_login(shown);
  });
}

/// On the first worker's loop, or before it runs. What looked after the sides before is replaced.
void AppPair::begin_probing() {
  lookout_.reset();
  lookout_ = std::make_unique<Lookout>(*this, *parts_.front(), *surroundings_.workers.front());
}

/// Before there are sessions.
void AppPair::listen_to_health() {
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
