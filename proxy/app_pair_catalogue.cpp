#include "proxy/app_pair.hpp"
#include "proxy/app_users.hpp"

#include <string_view>
#include <utility>

/// What the databases of a pair say about themselves: blue of its functions, both sides of their types.
namespace proxy {

using routing::Side;

namespace {

catalogue::CatalogueKey key_of(const std::string& pair, const std::string& database, Side side) {
  return {pair, database, std::string(routing::name_of(side))};
}

Side side_of(const catalogue::CatalogueKey& key) { return key.server == routing::name_of(Side::green) ? Side::green : Side::blue; }

}  // namespace

std::unique_ptr<catalogue::CatalogueRefresher> AppPair::make_refresher() {
  catalogue::CatalogueRefresher::Options options;
  options.interval = settings().pair->catalogue.refresh;
  return std::make_unique<catalogue::CatalogueRefresher>(
      std::move(options), [this](const catalogue::CatalogueKey& key,
                                 const protocol::Result<std::vector<protocol::CatalogueRow>>& rows) {
        on_catalogue(key, rows);
      });
}

/// Where the catalogue is read, and by whom if that is configured.
void AppPair::place_catalogue(const config::Pair& pair, Side side, catalogue::CatalogueSource& source) const {
  const config::EndpointAddress endpoint = libpq_address(pair.endpoints[side]);
  source.host = endpoint.host;
  source.port = endpoint.port;
  source.address.clear();
  const config::BackendLogin* reader = pair.catalogue.login ? &*pair.catalogue.login : nullptr;
  if (reader == nullptr && pair.auth_query) reader = &pair.auth_query->login;
  if (reader != nullptr) {
    source.user = reader->user;
    source.password = reader->password ? reader->password->reveal() : std::string();
  }
  encrypt_catalogue(pair, side, source);
}

void AppPair::demand_catalogue(const protocol::Login& login) {
  offer_probe_login(login);
  for (const Side side : routing::both_sides) {
    catalogue::CatalogueSource source;
    const protocol::BackendCredentials credentials = credentials_for(login, side);
    source.user = credentials.user;
    source.password = credentials.password;
    place_catalogue(*settings().pair, side, source);
    // The functions of one database are its own: the key is what the session names, whoever reads it.
    source.database = login.database;
    source.query = protocol::postgres::type_query();
    if (side == Side::blue) source.query = protocol::postgres::catalogue_query() + " UNION ALL (" + source.query + ")";
    refresher_->demand(key_of(name_, login.database, side), source);
  }
}

/// Somebody has changed the schema; what the mirror makes of it on green comes a little later, and the pause in between lets it.
void AppPair::request_catalogue(const std::string& database) {
  for (const Side side : routing::both_sides) refresher_->request_refresh(key_of(name_, database, side));
}

void AppPair::renew_catalogue() {
  const std::shared_ptr<const config::Pair> pair = settings().pair;
  refresher_->reconfigure(pair->catalogue.refresh, [this, pair](const catalogue::CatalogueKey& key, catalogue::CatalogueSource& source) {
    place_catalogue(*pair, side_of(key), source);
  });
}

void AppPair::on_catalogue(const catalogue::CatalogueKey& key,
                           const protocol::Result<std::vector<protocol::CatalogueRow>>& rows) {
  const Side side = side_of(key);
  if (!rows) return types_.note_failure(key.database, side, rows.error().code);
  const std::shared_ptr<const protocol::postgres::TypeComparison> types = types_.note(key.database, side, *rows);
  std::shared_ptr<const protocol::postgres::Catalogue> catalogue;
  if (side == Side::blue) catalogue = protocol::postgres::Catalogue::from_rows(*rows);
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    Part* part = parts_[i].get();
    surroundings_.workers[i]->loop().post([part, database = key.database, catalogue, types] {
      if (catalogue) part->dialect.set_catalogue(database, catalogue);
      if (types) part->dialect.set_types(database, types);
    });
  }
}

telemetry::TypeReport AppPair::type_report() const { return types_.report(); }

}  // namespace proxy
