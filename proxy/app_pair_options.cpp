#include "proxy/app_pair_options.hpp"

#include "proxy/app_tls.hpp"

namespace proxy {

using routing::Side;

session::SessionOptions session_options_from(const config::Limits& limits, const config::Pair& pair) {
  session::SessionOptions options;
  options.login_timeout = limits.login_timeout;
  options.connect_timeout = limits.connect_timeout;
  options.statement_bytes_max = limits.statement_bytes_max;
  options.repeats_reads = pair.repeats_reads;
  return options;
}

protocol::postgres::PostgresDialect::Options dialect_options_from(const config::Limits& limits, const config::Pair& pair) {
  protocol::postgres::PostgresDialect::Options options;
  options.client_encryption = client_encryption_from(pair.tls.mode);
  options.client_half.moves_differing_types = pair.catalogue.moves_differing_types;
  options.client_half.prepared_statements_max = pair.pool.prepared_statements_max;
  options.client_half.statement_bytes_max = limits.statement_bytes_max;
  options.client_half.session_state_bytes_max = limits.session_state_bytes_max;
  options.analyser.text_entries_max = limits.statement_cache_entries;
  return options;
}

std::string endpoint_text(const std::string& host, std::uint16_t port) {
  const bool is_ipv6 = host.find(':') != std::string::npos;
  return (is_ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

secrets::FailedLogins::Options failed_login_options_from(const config::Limits& limits) {
  secrets::FailedLogins::Options options;
  options.delay_first = limits.failed_login_delay;
  options.delay_max = limits.failed_login_delay_max;
  options.failures_max = limits.failed_logins_max;
  options.forget_after = limits.failed_login_memory;
  return options;
}

backend::Pool::Options pool_options_from(const config::Pool& pool) {
  return {pool.idle_timeout, pool.lifetime, pool.login_retry};
}

backend::ConnectionLimits connection_limits_from(const config::Pool& pool) {
  return {pool.connections_max, pool.queue_clients_max};
}

net::TcpOptions tcp_options_from(const config::Limits& limits) {
  net::TcpOptions options;
  options.keepalive_idle = limits.tcp_keepalive_idle;
  options.keepalive_interval = limits.tcp_keepalive_interval;
  options.keepalive_count_max = static_cast<int>(limits.tcp_keepalive_count);
  options.unacknowledged_timeout = limits.tcp_user_timeout;
  return options;
}

routing::PerSide<net::Endpoint> endpoints_from(const config::Pair& pair) {
  routing::PerSide<net::Endpoint> result;
  for (const Side side : routing::both_sides) {
    result[side] = net::Endpoint{pair.endpoints[side].host, pair.endpoints[side].port};
  }
  return result;
}

}  // namespace proxy
