#pragma once

#include "proxy/net/connector.hpp"
#include "proxy/net/stream.hpp"
#include "tests/support/sim_loop.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <utility>

namespace test_support {

/// How a connection ends that is cut.
enum class CutKind : std::uint8_t {
  end,    ///< the peer closed in order
  reset,  ///< the connection broke
};

/// What happens to the bytes that travel in one direction of a memory connection. The same options and the
/// same writes give the same events.
struct StreamFaults {
  static constexpr std::size_t never = std::numeric_limits<std::size_t>::max();

  /// For everything below that is drawn by lot.
  std::uint64_t seed = 1;
  /// At least 1. Each write arrives in pieces of 1 to this many bytes, each its own event. never: in one piece.
  std::size_t piece_bytes_max = never;
  /// From the write to the arrival; each piece draws a further delay below `jitter`. Order is kept.
  SimLoop::Duration delay{0};
  SimLoop::Duration jitter{0};
  /// Bytes under way and unread that the direction holds; more would block. At least 1.
  std::size_t capacity_bytes = std::size_t{64} * 1024;
  /// After this many bytes in all, writes block until unclog().
  std::size_t clog_after_bytes = never;
  /// After this many bytes in all, what follows is lost and the reader sees the end or a reset.
  std::size_t cut_after_bytes = never;
  CutKind cut_kind = CutKind::reset;
};

/// One end of a connection inside the simulation. Follows the Stream interface to the letter: edge-triggered,
/// calls from the loop only, never from inside a call into the stream. Lifetime: within the loop's.
class MemoryStream final : public proxy::net::Stream {
 public:
  ~MemoryStream() override;
  MemoryStream(const MemoryStream&) = delete;
  MemoryStream& operator=(const MemoryStream&) = delete;

  void set_listener(proxy::net::StreamListener* listener) override { listener_ = listener; }
  [[nodiscard]] bool is_readable() const override { return is_readable_; }
  [[nodiscard]] bool is_writable() const override { return is_writable_; }
  [[nodiscard]] bool is_connecting() const override { return is_connecting_; }
  [[nodiscard]] bool is_broken() const override { return is_broken_; }
  [[nodiscard]] proxy::net::IoOutcome try_read(std::span<std::byte> target) override;
  [[nodiscard]] proxy::net::IoOutcome try_write(const protocol::Gather& source, std::size_t skip) override;
  [[nodiscard]] proxy::net::IoOutcome try_write(protocol::ByteView source) override;
  [[nodiscard]] std::unique_ptr<proxy::net::Freight> take_out() override;
  void close() override;
  [[nodiscard]] std::string failure() const override { return failure_; }

  // For tests.

  /// What arrives at this end from the peer is cut now; bytes under way are lost.
  void cut(CutKind kind);
  /// This end's writes block from now on; unclog() ends that.
  void clog();
  void unclog();
  /// Closes only the writing half: the peer reads the end after what was written.
  void finish_writing();
  /// Everything this end has written that was taken.
  [[nodiscard]] const protocol::Bytes& written() const;
  /// Arrived and not read yet.
  [[nodiscard]] std::size_t unread_bytes() const;
  /// Reads all that has arrived, as text.
  [[nodiscard]] std::string read_all_text();

 private:
  friend struct MemoryPair;
  friend class SimConnector;
  struct Direction;
  struct Liveness {
    MemoryStream* stream;
  };

  MemoryStream(SimLoop& loop, std::shared_ptr<Direction> incoming, std::shared_ptr<Direction> outgoing);
  void announce();
  void on_arrival();
  void on_room();
  void break_with(std::string failure);

  SimLoop& loop_;
  proxy::net::StreamListener* listener_ = nullptr;
  std::shared_ptr<Direction> incoming_;
  std::shared_ptr<Direction> outgoing_;
  std::shared_ptr<Liveness> liveness_;
  bool is_readable_ = false;
  bool is_writable_ = true;
  bool is_connecting_ = false;
  bool is_broken_ = false;
  bool is_closed_ = false;
  bool is_announcing_ = false;
  std::string failure_;
};

/// Both ends of a fresh connection. `to_b` rules what a writes and b reads.
struct MemoryPair {
  explicit MemoryPair(SimLoop& loop, const StreamFaults& to_b = {}, const StreamFaults& to_a = {});
  std::unique_ptr<MemoryStream> a;
  std::unique_ptr<MemoryStream> b;
};

/// How an endpoint of the simulation answers an attempt to connect.
enum class ConnectAnswer : std::uint8_t {
  accept,
  refuse,
  ignore,  ///< stays connecting for ever
};

/// Opens connections inside the simulation; the test plays the servers.
class SimConnector final : public proxy::net::Connector {
 public:
  struct Behaviour {
    ConnectAnswer answer = ConnectAnswer::accept;
    SimLoop::Duration delay{0};
    StreamFaults to_server;
    StreamFaults to_client;
  };
  /// Asked for each attempt, which counts from 0 over all endpoints.
  using Judge = std::function<Behaviour(const proxy::net::Endpoint& endpoint, std::size_t attempt)>;
  /// Gets the server's end when the connection stands.
  using OnAccepted = std::function<void(const proxy::net::Endpoint& endpoint, std::unique_ptr<MemoryStream> server)>;

  SimConnector(SimLoop& loop, Judge judge, OnAccepted on_accepted)
      : loop_(loop), judge_(std::move(judge)), on_accepted_(std::move(on_accepted)) {}
  [[nodiscard]] std::unique_ptr<proxy::net::Stream> connect(const proxy::net::Endpoint& endpoint) override;
  [[nodiscard]] std::unique_ptr<proxy::net::Stream> receive(std::unique_ptr<proxy::net::Freight> freight) override;
  [[nodiscard]] std::size_t attempts_count() const { return attempts_count_; }

 private:
  struct Attempt {
    proxy::net::Endpoint endpoint;
    ConnectAnswer answer = ConnectAnswer::accept;
    std::shared_ptr<MemoryStream::Liveness> client;
    std::unique_ptr<MemoryStream> server;
    std::unique_ptr<proxy::runtime::Timer> timer;
  };
  void settle(Attempt& attempt);

  SimLoop& loop_;
  Judge judge_;
  OnAccepted on_accepted_;
  std::size_t attempts_count_ = 0;
  std::deque<Attempt> attempts_;
};

}  // namespace test_support
