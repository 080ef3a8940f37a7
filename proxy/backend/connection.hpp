#pragma once

#include "protocol/conversation.hpp"
#include "proxy/backend/connection_counts.hpp"
#include "proxy/backend/surroundings.hpp"
#include "proxy/net/channel.hpp"
#include "proxy/telemetry/inventory.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

namespace proxy::backend {

class Connection;

/// How logins of one pool to one side have gone lately: a side that has just refused is not asked again at once.
/// Source: PgBouncer's server_login_retry.
struct LoginTrouble {
  runtime::Instant retry_at{};  ///< before that the last failure is the answer
  protocol::Error error{};
  protocol::Bytes refusal{};
};

/// Told what becomes of a connection that nobody has on loan.
class Keeper {
 public:
  virtual ~Keeper() = default;
  /// The backend has said something, or gone. The keeper may destroy the connection from here.
  virtual void on_idle_ready(Connection& connection) = 0;
};

/// A connection to one side, of a session for as long as that needs it, otherwise of its keeper. What libpq does for
/// sslmode `allow` and `prefer` is done here: a second connection with TLS when the server refuses the first one,
/// without when its handshake fails.
///
///     connecting --connected--> logging_in --finished--> ready
///     logging_in --TLS agreed on--> securing --handshake done--> logging_in
///     connecting, securing, logging_in --refused, lost, too late--> failed, or connecting once more
///     ready --the stream ends--> (whoever holds it drops it)
class Connection final : private net::StreamListener {
 public:
  enum class Phase : std::uint8_t { connecting, securing, logging_in, ready, failed };

  /// Begins to connect as `login`. `borrower` hears of the stream until it is exchanged.
  Connection(Surroundings& surroundings, routing::Side side, std::shared_ptr<const protocol::Login> login,
             net::StreamListener& borrower);
  /// One that has failed already, as the last one did.
  Connection(Surroundings& surroundings, routing::Side side, const LoginTrouble& trouble);
  /// Takes note of how the login goes in `trouble`; a failure counts for `retry_after`.
  void report_to(std::shared_ptr<LoginTrouble> trouble, std::chrono::milliseconds retry_after);

  /// A connection on its way from one worker to another: belongs to no loop and may be destroyed on any thread.
  struct Parcel {
    routing::Side side;
    runtime::Instant born;
    std::shared_ptr<const protocol::Login> client;
    std::unique_ptr<net::Freight> stream;
    std::unique_ptr<protocol::BackendHalf> half;
    ConnectionCounts::Reservation reservation;
    std::uint32_t generation = 0;
    std::uint64_t login_epoch = 0;
    net::Endpoint endpoint;
    ProcessRegister::Entry process;
  };
  /// What `connection` is, taken out of it; nothing when its stream cannot be moved. Precondition: with its keeper, ready
  /// and at a boundary. Afterwards it is good for nothing.
  [[nodiscard]] static std::optional<Parcel> pack(Connection& connection);
  /// On the worker of `surroundings`.
  Connection(Surroundings& surroundings, Parcel parcel, Keeper& keeper);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Takes the connection and the login as far as they go without waiting.
  void advance();
  /// The time for connecting is over.
  void expire();

  /// From now on `borrower` hears of the stream; what has been announced already is announced to nobody again.
  void lend_to(net::StreamListener& borrower);
  /// From now on `keeper` does. Precondition: ready.
  void leave_to(Keeper& keeper);
  /// What came while nobody had it on loan; false when the connection is of no use any more.
  [[nodiscard]] bool absorb();

  [[nodiscard]] Phase phase() const { return phase_; }
  [[nodiscard]] routing::Side side() const { return side_; }
  [[nodiscard]] runtime::Instant deadline() const { return deadline_; }
  [[nodiscard]] runtime::Instant born() const { return born_; }
  [[nodiscard]] runtime::Instant idle_since() const { return idle_since_; }
  /// For the console; whose it is the caller knows.
  [[nodiscard]] telemetry::BackendView view(runtime::Instant now) const;
  /// Its side is reached in another way by now: it serves whom it serves to the next boundary, and nobody else.
  [[nodiscard]] bool is_outdated() const { return generation_ != surroundings_.generations[side_]; }
  /// Of LoginChanges, when it was begun: what was changed later may be missing in it.
  [[nodiscard]] std::uint64_t login_epoch() const { return login_epoch_; }
  /// Where it is connected to, which a cancel request must be too.
  [[nodiscard]] const net::Endpoint& endpoint() const { return endpoint_; }
  [[nodiscard]] const protocol::Error& error() const { return error_; }  ///< after failed
  /// After failed: what the backend itself said and the client is to hear; may be empty.
  [[nodiscard]] protocol::ByteView refusal() const { return refusal_; }
  [[nodiscard]] net::Channel& channel() { return *channel_; }
  [[nodiscard]] protocol::BackendHalf& half() { return *half_; }  ///< once ready
  [[nodiscard]] const protocol::BackendHalf& half() const { return *half_; }

  /// Keeps the right to exist for as long as it does.
  void keep(ConnectionCounts::Reservation reservation) { reservation_ = std::move(reservation); }
  [[nodiscard]] ConnectionCounts::Reservation& reservation() { return reservation_; }

  /// Cancel requests on their way to what runs or ran here. Until they have arrived the connection serves
  /// nobody else, or they could hit the next one's statement.
  [[nodiscard]] std::shared_ptr<std::uint32_t> cancels_under_way();
  [[nodiscard]] bool is_cancel_under_way() const { return cancels_ != nullptr && *cancels_ != 0; }

 private:
  void on_stream_ready() override;
  void connect(protocol::EncryptionWish wish);
  void log_in();
  void note_process();
  void fail(protocol::Error error);
  /// Connects again in the other way, if there is one for this failure.
  [[nodiscard]] bool try_other_way(const protocol::Error& error);

  Surroundings& surroundings_;
  ConnectionCounts::Reservation reservation_;
  ProcessRegister::Entry process_;
  net::StreamListener* borrower_;
  Keeper* keeper_ = nullptr;
  routing::Side side_;
  const std::uint32_t generation_;
  const std::uint64_t login_epoch_;
  const net::Endpoint endpoint_;
  Phase phase_ = Phase::connecting;
  runtime::Instant born_;
  runtime::Instant deadline_;
  runtime::Instant idle_since_{};
  const std::shared_ptr<const protocol::Login> client_;
  std::shared_ptr<LoginTrouble> trouble_;  ///< while the login goes on; may be null
  std::chrono::milliseconds retry_after_{0};
  std::optional<net::Channel> channel_;
  bool has_tried_both_ways_ = false;
  std::unique_ptr<protocol::BackendLogin> login_;
  std::unique_ptr<protocol::BackendHalf> half_;
  std::shared_ptr<std::uint32_t> cancels_;
  protocol::Error error_;
  protocol::Bytes refusal_;
};

}  // namespace proxy::backend
