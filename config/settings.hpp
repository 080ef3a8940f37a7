#pragma once

#include "config/secret.hpp"
#include "config/userlist.hpp"
#include "proxy/mirror/options.hpp"
#include "proxy/net/tls_options.hpp"
#include "routing/guard.hpp"
#include "routing/plan.hpp"
#include "routing/side.hpp"
#include "routing/switchover.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace config {

/// What a valid configuration says, with every default filled in. Plain values: whoever takes one has no
/// checking left to do. README.md lists the keys; the comments here say what the values mean.

enum class LogLevel : std::uint8_t { trace, debug, info, warning, error };
enum class LogFormat : std::uint8_t { text, json };

struct Log {
  LogLevel level = LogLevel::info;
  LogFormat format = LogFormat::text;
};

/// A literal IPv4 or IPv6 address without brackets, and a port; port 0 lets the system choose.
struct ListenAddress {
  std::string host;
  std::uint16_t port = 0;
  bool operator==(const ListenAddress&) const = default;
};

/// A local socket for clients.
struct LocalSocket {
  std::string path;  ///< .s.PGSQL.PORT in the folder that was named
  std::uint32_t mode = 0777;
  bool operator==(const LocalSocket&) const = default;
};

/// A host name, a literal address or (starting with '/') the full path of a local socket.
struct EndpointAddress {
  std::string host;
  std::uint16_t port = 0;
  bool operator==(const EndpointAddress&) const = default;
};

struct Admin {
  ListenAddress listen{"127.0.0.1", 7780};
  std::optional<Secret> token;  ///< bearer token; without one `listen` is a loopback address
};

/// Bounds of every session and of the process.
struct Limits {
  std::uint32_t clients_max = 10'000;                      ///< of all pairs together
  std::chrono::milliseconds login_timeout{15'000};         ///< from accept to authenticated
  std::chrono::milliseconds connect_timeout{5'000};        ///< from connect to a logged-in backend
  std::chrono::milliseconds shutdown_timeout{30'000};      ///< for sessions to end after a polite stop
  std::size_t statement_bytes_max = std::size_t{1} << 20;  ///< longer texts are not analysed: they are writes
  std::size_t session_state_bytes_max = std::size_t{16}
                                        << 20;  ///< settings and prepared statements of one session
  std::size_t held_bytes_max = std::size_t{256} << 20;  ///< of requests that wait, of all sessions together
  std::uint32_t statement_cache_entries = 10'000;            ///< per pair and worker
  std::chrono::seconds tcp_keepalive_idle{60};
  std::chrono::seconds tcp_keepalive_interval{10};
  std::uint32_t tcp_keepalive_count = 6;
  std::chrono::milliseconds tcp_user_timeout{60'000};  ///< 0: the system's own
  std::chrono::milliseconds failed_login_delay{250};        ///< of the first; doubled with each further one
  std::chrono::milliseconds failed_login_delay_max{5'000};
  std::uint32_t failed_logins_max = 100;                    ///< per user and address, then refused; 0: never
  std::chrono::milliseconds failed_login_memory{60'000};    ///< since the last failure
};

enum class Dialect : std::uint8_t { postgres };

/// Towards clients as PgBouncer's client_tls_sslmode, towards servers as libpq's sslmode.
enum class TlsMode : std::uint8_t { disable, allow, prefer, require, verify_ca, verify_full };

struct ClientTls {
  TlsMode mode = TlsMode::disable;
  proxy::net::TlsServerOptions options;
  bool operator==(const ClientTls&) const = default;
};

struct BackendTls {
  TlsMode mode = TlsMode::prefer;  ///< disable for local sockets
  proxy::net::TlsClientOptions options;
  bool operator==(const BackendTls&) const = default;
};

enum class Authentication : std::uint8_t { trust, scram_sha_256 };

/// How a client that an access rule matches proves who it is.
enum class AccessMethod : std::uint8_t { trust, reject, password, md5, scram_sha_256, certificate, peer };
enum class AccessTls : std::uint8_t { any, required, forbidden };

/// One rule of `access`; the first that matches decides.
struct AccessRule {
  std::vector<std::string> users;           ///< empty: everybody
  std::vector<std::string> databases;       ///< empty: every one
  std::vector<routing::Network> networks;   ///< empty: from everywhere
  AccessTls tls = AccessTls::any;
  AccessMethod method = AccessMethod::reject;
};

/// What Crossfade presents to a backend for a user.
struct BackendLogin {
  std::string user;                ///< empty: the name that the client gave
  std::optional<Secret> password;  ///< nothing: none, the backend must not ask for one
  bool operator==(const BackendLogin&) const = default;
};

enum class PoolMode : std::uint8_t {
  transaction,  ///< a backend connection serves a session until its transaction is over
  session,      ///< until it ends
};

/// What a user or a database says otherwise than the pair; nothing: as the pair has it.
struct OwnLimits {
  std::optional<PoolMode> pool_mode;
  std::optional<std::uint32_t> pool_size;
  std::optional<std::uint32_t> pool_size_min;
  std::optional<std::chrono::milliseconds> queue_timeout;
  std::optional<std::uint32_t> clients_max;
  std::optional<std::uint32_t> connections_max;
  std::optional<std::chrono::milliseconds> query_timeout;
  std::optional<std::chrono::milliseconds> transaction_timeout;
  std::optional<std::chrono::milliseconds> idle_in_transaction_timeout;
  std::optional<std::chrono::milliseconds> client_idle_timeout;
  bool operator==(const OwnLimits&) const = default;
};

struct User {
  std::string name;  ///< "*": any user not named otherwise
  Authentication authentication = Authentication::scram_sha_256;
  /// What the client must prove; one of the two for scram_sha_256, neither for trust.
  std::optional<Secret> password;
  std::optional<Secret> verifier;  ///< as PostgreSQL stores it: SCRAM-SHA-256$iterations:salt$keys or md5…
  routing::PerSide<BackendLogin> backend;
  OwnLimits limits;
  bool operator==(const User&) const = default;
};

struct Database {
  std::string name;  ///< "*": any database not named otherwise
  OwnLimits limits;
};

inline constexpr const char* any_user = "*";
inline constexpr const char* any_database = "*";

/// Who reads the catalogue of a pair, to know which functions are stable.
struct Catalogue {
  std::optional<BackendLogin> login;  ///< nothing: the credentials of the session that first needs it
  std::string database;               ///< empty: the session's own
  std::chrono::seconds refresh{60};
  bool moves_differing_types = false;  ///< reads follow their weights even if the sides number types of theirs differently
};

/// Blue is asked for the secrets of users who are named nowhere else.
struct AuthQuery {
  BackendLogin login;
  std::string database = "postgres";
  std::string query;                              ///< empty: the usual one
  std::chrono::milliseconds lifetime{60'000};     ///< of an answer
  std::chrono::milliseconds lifetime_unknown{5'000};  ///< of the answer that there is no such user
  std::uint32_t users_max = 10'000;               ///< answers remembered
  std::chrono::milliseconds timeout{5'000};       ///< of one question, the connection included
  bool operator==(const AuthQuery&) const = default;
};

/// Bounds of every session of a pair; 0: none. Users and databases may say otherwise.
struct PairLimits {
  std::uint32_t user_clients_max = 0;         ///< clients of one user
  std::uint32_t database_clients_max = 0;     ///< clients of one database
  std::uint32_t user_connections_max = 0;      ///< connections of one user to one side
  std::uint32_t database_connections_max = 0;  ///< connections to one database on one side
  std::chrono::milliseconds query_timeout{0};
  std::chrono::milliseconds transaction_timeout{0};
  std::chrono::milliseconds idle_in_transaction_timeout{0};
  std::chrono::milliseconds client_idle_timeout{0};
};

/// The connections to both sides.
struct Pool {
  PoolMode mode = PoolMode::transaction;
  /// Per user, database, start-up parameters and side, over all workers; 0: no limit. Nothing: what the mode has.
  std::optional<std::uint32_t> size;
  std::uint32_t size_min = 0;  ///< of these, kept open as long as there is a client
  /// By transaction: statements on one connection that its sessions share; 0: each prepares under its own names.
  std::uint32_t prepared_statements_max = 200;
  std::uint32_t connections_max = 0;               ///< per side, of everybody; 0: no limit
  std::uint32_t queue_clients_max = 0;             ///< sessions that may wait at a time; 0: no limit
  std::chrono::milliseconds queue_timeout{120'000};  ///< how long a session waits for a connection
  std::chrono::milliseconds idle_timeout{600'000};   ///< 0: idle connections are kept
  std::chrono::milliseconds lifetime{3'600'000};     ///< 0: for ever
  std::chrono::milliseconds login_retry{0};          ///< a failed login is the answer for so long; 0: never
  [[nodiscard]] std::uint32_t size_or_default() const {
    constexpr std::uint32_t by_transaction = 20;
    return size.value_or(mode == PoolMode::transaction ? by_transaction : 0);
  }
};

/// Who may talk to the proxy itself, and under which names of a database.
struct Console {
  std::vector<std::string> databases{"crossfade"};
  std::vector<std::string> admins;
  std::vector<std::string> viewers;
};

/// How the sides are looked after.
struct Health {
  std::chrono::milliseconds interval{2'000};  ///< between two probes of a side; a quarter of it while it is not up
  std::chrono::milliseconds timeout{2'000};   ///< of one probe
  std::uint32_t rise = 2;                     ///< good probes in a row until a side that was down is up
  std::uint32_t fall = 3;                     ///< bad probes in a row until it is down
  std::optional<BackendLogin> login;          ///< nothing: see README.md
  std::string database = "postgres";
};

/// How the authority of a pair moves.
struct Switchover {
  std::optional<BackendLogin> login;   ///< nothing: that of the catalogue, of `auth_query`, or of the probes
  std::string database = "postgres";   ///< where what concerns the whole server is asked
  std::vector<std::string> databases;  ///< those of the pair; empty: all but templates and the one above
  std::chrono::milliseconds hold_max{10'000};
  std::chrono::milliseconds drain_timeout{5'000};
  routing::DrainPolicy on_drain_timeout = routing::DrainPolicy::abort;
  std::chrono::milliseconds fence_timeout{3'000};
  std::chrono::milliseconds check_timeout{300'000};
  std::chrono::milliseconds cooldown{60'000};
  std::chrono::milliseconds soak{600'000};
  std::uint32_t soak_errors_max = 0;                ///< percent of requests; 0: not looked at
  std::chrono::milliseconds soak_latency_max{0};    ///< of 99 % of the requests; 0: not looked at
  std::vector<std::string> soak_questions;
  routing::OnBreach on_breach = routing::OnBreach::page;
  std::chrono::milliseconds verification_age_max{0};  ///< 0: none is needed
  std::uint32_t sequence_headroom = 100;
};

/// How the follower is kept equal, and by whom.
struct Mirror {
  proxy::mirror::MirrorOptions options;
  BackendLogin login;  ///< on both sides
};

struct Pair {
  std::string name;
  Dialect dialect = Dialect::postgres;
  ListenAddress listen;
  std::optional<LocalSocket> local_socket;  ///< nothing: there is none
  ClientTls tls;
  routing::PerSide<EndpointAddress> endpoints;
  routing::PerSide<BackendTls> backend_tls;
  std::vector<User> users;  ///< by name, unique
  /// Clients that may log in by trust; empty: every client (then `listen` is a loopback address).
  std::vector<routing::Network> trust_networks;
  std::vector<AccessRule> access;  ///< empty: `authentication` of the users and `trust_networks` say it all
  std::vector<UserlistEntry> userlist;
  std::optional<AuthQuery> auth_query;
  Catalogue catalogue;
  Pool pool;
  std::optional<Console> console;  ///< nothing: there is none
  Health health;
  Switchover switchover;
  bool repeats_reads = true;  ///< reads that a backend took along when it went are made again
  PairLimits limits;
  std::vector<Database> databases;  ///< by name, unique
  routing::Plan plan;  ///< epoch 1
  std::optional<Mirror> mirror;  ///< nothing: `sync: none`
};

/// What outlives the process.
struct State {
  std::string directory;  ///< absolute or relative to the file; empty: nothing does
};

/// How a new process takes over from the running one.
struct Takeover {
  std::string socket;                                      ///< absolute or relative to the file; empty: not at all
  std::chrono::milliseconds start_timeout{60'000};         ///< for the new process, until it is ready
  std::chrono::milliseconds session_timeout{3'600'000};    ///< how long sessions may go on in the old one
};

struct Settings {
  std::optional<std::uint32_t> worker_count;  ///< 1..64; nothing: one per core but one
  Log log;
  std::optional<Admin> admin;  ///< nothing: switched off
  Limits limits;
  Takeover takeover;
  State state;
  std::vector<Pair> pairs;  ///< in the order of the file, at least one
};

/// The entry for `name`, or the one for any user, or null.
[[nodiscard]] const User* find_user(const Pair& pair, const std::string& name);

}  // namespace config
