#include "proxy/app_limits.hpp"

#include <optional>
#include <utility>

namespace proxy {

namespace {

using session::SessionTerms;

session::Pooling pooling_from(config::PoolMode mode) {
  return mode == config::PoolMode::session ? session::Pooling::session : session::Pooling::transaction;
}

template <class Value>
void take(const std::optional<Value>& given, Value& target) {
  if (given) target = *given;
}

/// What means the same for a user and a database.
void apply(const config::OwnLimits& own, SessionTerms& terms) {
  if (own.pool_mode) terms.pooling = pooling_from(*own.pool_mode);
  if (own.pool_size) terms.pool_size = own.pool_size;
  take(own.pool_size_min, terms.pool_size_min);
  take(own.queue_timeout, terms.queue_timeout);
  take(own.query_timeout, terms.times.query);
  take(own.transaction_timeout, terms.times.transaction);
  take(own.idle_in_transaction_timeout, terms.times.idle_in_transaction);
  take(own.client_idle_timeout, terms.times.client_idle);
}

}  // namespace

session::TermsTable terms_table_from(const config::Pair& pair) {
  SessionTerms everybody;
  everybody.pooling = pooling_from(pair.pool.mode);
  everybody.pool_size = pair.pool.size;
  everybody.pool_size_min = pair.pool.size_min;
  everybody.queue_timeout = pair.pool.queue_timeout;
  everybody.times = {pair.limits.query_timeout, pair.limits.transaction_timeout, pair.limits.idle_in_transaction_timeout,
                     pair.limits.client_idle_timeout};
  everybody.user_clients_max = pair.limits.user_clients_max;
  everybody.database_clients_max = pair.limits.database_clients_max;
  everybody.user_connections_max = pair.limits.user_connections_max;
  everybody.database_connections_max = pair.limits.database_connections_max;
  session::TermsTable table(everybody);
  for (const config::Database& database : pair.databases) {
    session::TermsTable::Change change;
    if (database.limits != config::OwnLimits{}) {
      change = [own = database.limits](SessionTerms& terms) {
        apply(own, terms);
        take(own.clients_max, terms.database_clients_max);
        take(own.connections_max, terms.database_connections_max);
      };
    }
    table.change_for_database(database.name, std::move(change));
  }
  for (const config::User& user : pair.users) {
    session::TermsTable::Change change;
    if (user.limits != config::OwnLimits{}) {
      change = [own = user.limits](SessionTerms& terms) {
        apply(own, terms);
        take(own.clients_max, terms.user_clients_max);
        take(own.connections_max, terms.user_connections_max);
      };
    }
    table.change_for_user(user.name, std::move(change));
  }
  return table;
}

}  // namespace proxy
