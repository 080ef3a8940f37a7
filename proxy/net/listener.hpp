#pragma once

#include "protocol/base/result.hpp"
#include "proxy/net/address.hpp"
#include "proxy/net/connector.hpp"
#include "proxy/net/file_descriptor.hpp"
#include "proxy/net/socket.hpp"
#include "proxy/net/stream.hpp"
#include "proxy/runtime/event_loop.hpp"

#include <event2/event.h>
#include <event2/event_struct.h>

#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace proxy::net {

enum class PortSharing : std::uint8_t {
  exclusive,  ///< a second listener on the port is refused
  shared,     ///< SO_REUSEPORT: the kernel spreads connections over the listeners by a hash of the addresses
};

struct ListenerOptions {
  /// A literal address ("" or "*": every address of the machine, IPv4 and IPv6) with a port (0: any free one),
  /// or the full path of a local socket to make.
  Endpoint endpoint;
  PortSharing sharing = PortSharing::exclusive;
  /// Connections that wait for accept(); the kernel caps it at net.core.somaxconn.
  int backlog_count_max = 4096;
  unsigned local_mode = 0777;  ///< of a local socket's file: who may connect is who may write to it
  TcpOptions tcp;
};

/// Accepts connections and deals them out, each to the next target in turn. Accepting lives on one loop; a
/// stream is made on its target's loop and stays there.
/// Lifetime: within the accepting loop's. Targets' loops outlive it; sockets under way to a loop that has
/// ended are closed.
class Listener {
 public:
  /// Runs on the target's loop.
  using OnAccepted = std::function<void(std::unique_ptr<Stream> stream, const Address& peer)>;
  struct Target {
    runtime::EventLoop* loop;
    OnAccepted on_accepted;
  };

  /// Fails with configuration_invalid, blaming the operator, when the endpoint cannot be bound; the detail says
  /// why. Precondition: at least one target.
  [[nodiscard]] static protocol::Result<std::unique_ptr<Listener>> open(runtime::EventLoop& loop,
                                                                        const ListenerOptions& options,
                                                                        std::vector<Target> targets);
  /// The first half of open(): a socket that listens, whose queue nobody empties yet. Any thread.
  [[nodiscard]] static protocol::Result<FileDescriptor> bind(const ListenerOptions& options);
  /// The second half: accepts from a socket that listens already. On the loop, or before it runs.
  [[nodiscard]] static std::unique_ptr<Listener> adopt(runtime::EventLoop& loop, FileDescriptor socket,
                                                       std::vector<Target> targets);
  /// All connections to `loop` itself.
  [[nodiscard]] static protocol::Result<std::unique_ptr<Listener>> open(runtime::EventLoop& loop,
                                                                        const ListenerOptions& options,
                                                                        OnAccepted on_accepted);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  /// Where it really listens: the port that the system chose for port 0. A local address for a path.
  [[nodiscard]] const Address& address() const { return address_; }
  [[nodiscard]] std::uint16_t port() const { return address_.port(); }
  /// Connections accepted from now on get these.
  void set_tcp_options(const TcpOptions& options) { apply_tcp_options(socket_.get(), options); }
  /// Ends accepting; connections still in the kernel's queue are reset, unless another process has the socket too. A
  /// local socket's path is removed.
  void close();

  /// Where a socket listens.
  [[nodiscard]] static Address address_of(const FileDescriptor& socket);
  /// Of a local socket; empty for any other.
  [[nodiscard]] static std::string local_path_of(const FileDescriptor& socket);

  /// One event's share, so that a storm of connections does not starve sessions of the accepting loop.
  static constexpr int accepts_per_event_max = 64;
  /// How long to leave connections in the kernel's queue when descriptors or memory have run out.
  static constexpr std::chrono::milliseconds exhaustion_pause{100};

 private:
  Listener(runtime::EventLoop& loop, FileDescriptor socket, std::vector<Target> targets);
  static void on_event(evutil_socket_t fd, short what, void* listener) noexcept;
  void accept_some();
  void deal(FileDescriptor socket, const Address& peer);
  void pause();

  runtime::EventLoop& loop_;
  FileDescriptor socket_;
  ::event event_{};
  std::vector<std::shared_ptr<const Target>> targets_;
  std::size_t next_target_ = 0;
  Address address_;
  std::string local_path_;
  std::unique_ptr<runtime::Timer> resume_timer_;
  bool* is_destroyed_ = nullptr;  ///< while accepting: set by the destructor
};

}  // namespace proxy::net
