#pragma once

#include "protocol/dialect.hpp"
#include "proxy/backend/health.hpp"
#include "proxy/backend/login_changes.hpp"
#include "proxy/backend/process_register.hpp"
#include "proxy/net/connector.hpp"
#include "proxy/net/tls.hpp"
#include "proxy/runtime/loop.hpp"
#include "proxy/telemetry/metrics.hpp"
#include "routing/side.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

namespace proxy::backend {

/// Who a session is to a backend.
class CredentialsSource {
 public:
  virtual ~CredentialsSource() = default;
  [[nodiscard]] virtual protocol::BackendCredentials credentials_for(const protocol::Login& login,
                                                                     routing::Side side) const = 0;
};

/// When a side is spoken to in TLS. How much of its certificate must be right is the upgrade's business.
enum class BackendEncryption : std::uint8_t {
  never,
  if_refused_plain,  ///< plain first; TLS when the server refuses that
  if_offered,        ///< TLS, if the server offers it and the handshake succeeds
  always,
};

/// TLS of a pair on one worker.
struct Encryption {
  struct Side {
    net::TlsUpgrade* upgrade = nullptr;  ///< null: never
    BackendEncryption when = BackendEncryption::never;
  };
  net::TlsUpgrade* to_clients = nullptr;  ///< null: the dialect grants nobody TLS
  routing::PerSide<Side> to_backends{};
};

/// What backend connections need of what is around them; one per worker and pair, outlives them.
struct Surroundings {
  runtime::Loop& loop;
  protocol::Dialect& dialect;
  net::Connector& connector;
  const CredentialsSource& credentials;
  telemetry::PairMetrics& metrics;
  routing::PerSide<net::Endpoint> endpoints;
  std::span<std::byte> scratch;                     ///< the worker's receive buffer
  std::chrono::milliseconds connect_timeout{5'000};  ///< from connect until the backend is logged in
  Encryption encryption{};
  Health* health = nullptr;  ///< hears of connections that fail; null: nobody does
  ProcessRegister* processes = nullptr;  ///< of the pair; null: nobody asks
  /// What is connected to the side from now on may write, although the side's databases begin read-only: it is about to have the
  /// authority. See Dialect::login_for_writes().
  routing::PerSide<bool> is_opened_for_writes{};
  /// Counted up when a side is to be reached in another way than before: what was connected earlier is outdated.
  routing::PerSide<std::uint32_t> generations{};
  /// Nothing is to be opened to this database that no session has asked for; empty: it always may be.
  std::function<bool(std::string_view database)> is_held{};
  LoginChanges* login_changes = nullptr;  ///< of the pair; null: nobody takes note of any
};

}  // namespace proxy::backend
