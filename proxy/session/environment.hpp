#pragma once

#include "protocol/dialect.hpp"
#include "proxy/backend/pool.hpp"
#include "proxy/backend/surroundings.hpp"
#include "proxy/net/connector.hpp"
#include "proxy/net/tls.hpp"
#include "proxy/runtime/loop.hpp"
#include "proxy/session/capture_stream.hpp"
#include "proxy/session/console_door.hpp"
#include "proxy/session/held_bytes.hpp"
#include "proxy/session/hold_desk.hpp"
#include "proxy/session/kept_requests.hpp"
#include "proxy/telemetry/inventory.hpp"
#include "proxy/session/client_counts.hpp"
#include "proxy/session/session_terms.hpp"
#include "proxy/telemetry/log.hpp"
#include "proxy/telemetry/metrics.hpp"
#include "routing/plan.hpp"
#include "routing/side.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

namespace proxy::session {

class Session;

/// Bounds that every session of a pair obeys. What differs by user and database is in SessionTerms.
struct SessionOptions {
  std::chrono::milliseconds login_timeout{15'000};     ///< from accept until the client is authenticated
  std::chrono::milliseconds connect_timeout{5'000};    ///< from connect until a backend is logged in
  std::chrono::milliseconds farewell_timeout{5'000};   ///< for the last bytes to leave to a slow client
  std::chrono::milliseconds retry_after{1'000};        ///< a session's reads avoid a side that could not serve it for this long
  std::size_t statement_bytes_max = std::size_t{1} << 20;  ///< a client may make us hold this much plus one read
  bool repeats_reads = true;  ///< reads that a backend took along when it went are made again
  std::uint32_t in_flight_max = 10'000;                ///< batches sent and unanswered; beyond, the client is not read
};

/// Reads the plan in force. One per worker and pair.
class PlanReader {
 public:
  virtual ~PlanReader() = default;
  /// The newest published plan; the reference is good until the next call.
  [[nodiscard]] virtual const routing::Plan& plan() = 0;
};

/// Keeps account of failed logins. Shared by the workers of a pair.
class LoginGuard {
 public:
  virtual ~LoginGuard() = default;
  /// A login has failed. Returns how long to wait before the client hears of it.
  [[nodiscard]] virtual std::chrono::milliseconds note_failure(const routing::ClientAddress& address,
                                                               std::string_view user, runtime::Instant now) = 0;
  /// So many have failed that another try is refused at once.
  [[nodiscard]] virtual bool is_barred(const routing::ClientAddress& address, std::string_view user,
                                       runtime::Instant now) = 0;
};

/// Finds sessions for those who want to cancel. One per worker and pair.
class SessionRegistry {
 public:
  virtual ~SessionRegistry() = default;
  /// A key that nobody else has while the session lives, with a secret of so many bytes, at least one. It names
  /// `server_process`, the one that works for the session alone; 0: there is none, and the key names nothing.
  [[nodiscard]] virtual protocol::CancelKey enrol(Session& session, std::size_t secret_bytes,
                                                  std::uint32_t server_process) = 0;
  virtual void leave(const protocol::CancelKey& key) = 0;
  /// Where the work for `database` is counted; for the life of the registry.
  [[nodiscard]] virtual telemetry::DatabaseCounters& counters_of(const std::string& database) = 0;
  /// Cancels what runs for the session with this key, on whatever worker it is; `done` is called on this loop
  /// once the backend has heard of it or there was nobody to cancel.
  virtual void cancel(const protocol::CancelKey& key, std::function<void()> done) = 0;
  /// Has all workers close the connections that nobody has on loan, soon.
  virtual void close_idle_everywhere() = 0;
};

/// What a session needs of its surroundings; one per worker and pair, outlives its sessions.
struct Environment {
  runtime::Loop& loop;
  protocol::Dialect& dialect;
  backend::Pool& pool;
  PlanReader& plans;
  HoldDesk& holds;
  SessionRegistry& registry;
  telemetry::PairMetrics& metrics;
  const SessionOptions& options;
  const TermsTable& terms;
  ClientCounts& client_counts;
  std::span<std::byte> scratch;    ///< the worker's receive buffer
  std::string_view pair_name = {};  ///< for logs
  telemetry::Log* log = nullptr;    ///< null: nothing is logged
  const std::function<void(const protocol::Login&)>* on_schema_change = nullptr;  ///< null: nobody asks
  net::TlsUpgrade* client_tls = nullptr;  ///< null: the dialect grants nobody TLS
  LoginGuard* failed_logins = nullptr;  ///< null: failures cost nothing
  ConsoleDoor* console = nullptr;       ///< null: there is no console
  protocol::Gather to_backend{};   ///< scratch, empty between uses
  protocol::Gather to_client{};
  BufferShelf kept_buffers{};
  std::vector<protocol::Completion> completed{};
  const MirrorTerms* mirror = nullptr;  ///< null: no mirror
  backend::Health* health = nullptr;  ///< a side that is down takes no reads; null: nothing is known
  HeldBytes* held_bytes = nullptr;    ///< null: as much may wait as there are clients
};

}  // namespace proxy::session
