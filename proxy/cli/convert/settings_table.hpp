#pragma once

#include <array>
#include <string_view>

namespace proxy::cli {

/// Settings of [pgbouncer] that become one key of ours.
struct PlainSetting {
  std::string_view theirs;
  std::string_view group;  ///< "limits" of the process, "pool" or "pair limits"
  std::string_view ours;
  enum class Unit { count, seconds, milliseconds } unit;
  std::string_view difference;  ///< what it means here that it does not there; empty: nothing
};

inline constexpr std::array<PlainSetting, 23> plain_settings{{
    {"max_client_conn", "limits", "clients_max", PlainSetting::Unit::count, ""},
    {"client_login_timeout", "limits", "login_timeout", PlainSetting::Unit::seconds, ""},
    {"server_connect_timeout", "limits", "connect_timeout", PlainSetting::Unit::seconds, ""},
    {"tcp_keepidle", "limits", "tcp_keepalive_idle", PlainSetting::Unit::seconds, ""},
    {"tcp_keepintvl", "limits", "tcp_keepalive_interval", PlainSetting::Unit::seconds, ""},
    {"tcp_keepcnt", "limits", "tcp_keepalive_count", PlainSetting::Unit::count, ""},
    {"tcp_user_timeout", "limits", "tcp_user_timeout", PlainSetting::Unit::milliseconds, ""},
    {"default_pool_size", "pool", "size", PlainSetting::Unit::count,
     "sessions with other start-up parameters have a pool of their own, and blue and green are counted each by itself"},
    {"min_pool_size", "pool", "size_min", PlainSetting::Unit::count, "per side"},
    {"query_wait_timeout", "pool", "queue_timeout", PlainSetting::Unit::seconds, "0 becomes 24h"},
    {"server_idle_timeout", "pool", "idle_timeout", PlainSetting::Unit::seconds, ""},
    {"server_lifetime", "pool", "lifetime", PlainSetting::Unit::seconds, ""},
    {"server_login_retry", "pool", "login_retry", PlainSetting::Unit::seconds, ""},
    {"max_user_connections", "pair limits", "user_connections_max", PlainSetting::Unit::count, "per side"},
    {"max_db_connections", "pair limits", "database_connections_max", PlainSetting::Unit::count, "per side"},
    {"max_user_client_connections", "pair limits", "user_clients_max", PlainSetting::Unit::count, ""},
    {"max_db_client_connections", "pair limits", "database_clients_max", PlainSetting::Unit::count, ""},
    {"query_timeout", "pair limits", "query_timeout", PlainSetting::Unit::seconds, "the query is cancelled, and the client goes on"},
    {"transaction_timeout", "pair limits", "transaction_timeout", PlainSetting::Unit::seconds, ""},
    {"idle_transaction_timeout", "pair limits", "idle_in_transaction_timeout", PlainSetting::Unit::seconds, ""},
    {"client_idle_timeout", "pair limits", "client_idle_timeout", PlainSetting::Unit::seconds, ""},
    {"suspend_timeout", "", "", PlainSetting::Unit::seconds, ""},
    {"shutdown_timeout", "", "", PlainSetting::Unit::seconds, ""},
}};

/// Settings without a counterpart that change something unless they have this value.
struct LostSetting {
  std::string_view key;
  std::string_view harmless;  ///< "*": never lost
  std::string_view words;
};

inline constexpr std::array<LostSetting, 40> lost_settings{{
    {"unix_socket_dir", "*", ""},
    {"reserve_pool_size", "0", "there is no reserve; raise `pool.size`"},
    {"auth_dbname", "*", ""},
    {"track_extra_parameters", "*", "every setting of a session is carried"},
    {"peer_id", "0", "processes do not find each other's cancel requests"},
    {"application_name_add_host", "0", "the application's name is left as it is"},
    {"tcp_keepalive", "1", "keep-alive is always on"},
    {"tcp_defer_accept", "*", "not needed"},
    {"tcp_socket_buffer", "*", "left to the system"},
    {"server_reset_query", "*", "not needed: what a session has set is known, and put right before another uses the connection"},
    {"server_reset_query_always", "*", "not needed, as above"},
    {"server_check_query", "*", "not needed: an idle connection that ends is noticed at once"},
    {"server_check_delay", "*", "not needed, as above"},
    {"server_fast_close", "*", "not needed"},
    {"server_round_robin", "0", "the connection used last is used next"},
    {"reserve_pool_timeout", "*", "there is no reserve"},
    {"ignore_startup_parameters", "*", "not needed: every start-up parameter reaches the server"},
    {"disable_pqexec", "0", "several statements in one query are allowed"},
    {"autodb_idle_timeout", "*", "not needed"},
    {"logfile", "*", "the log goes to standard error, for the service manager to keep"},
    {"pidfile", "*", "not needed under a service manager"},
    {"user", "*", "the service manager sets the user"},
    {"syslog", "*", "the log goes to standard error"},
    {"syslog_ident", "*", "as above"},
    {"syslog_facility", "*", "as above"},
    {"log_connections", "*", "`log.level` decides"},
    {"log_disconnections", "*", "`log.level` decides"},
    {"log_pooler_errors", "*", "always"},
    {"log_stats", "*", "`/metrics` and SHOW STATS have them"},
    {"stats_period", "*", "averages are over 60 s"},
    {"job_name", "*", "not needed"},
    {"service_name", "*", "not needed"},
    {"conffile", "*", "not needed"},
    {"so_reuseport", "*", "one process uses several cores, `workers`"},
    {"listen_backlog", "*", "the system's"},
    {"pkt_buf", "*", "not needed"},
    {"max_packet_size", "*", "`limits` has the bounds"},
    {"sbuf_loopcnt", "*", "not needed"},
    {"unix_socket_mode", "*", ""},
    {"unix_socket_group", "", "the socket is of the group that the process has"},
}};

}  // namespace proxy::cli
