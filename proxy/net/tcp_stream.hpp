#pragma once

#include "proxy/net/address.hpp"
#include "proxy/net/file_descriptor.hpp"
#include "proxy/net/socket.hpp"
#include "proxy/net/stream.hpp"
#include "proxy/runtime/event_loop.hpp"

#include <event2/event.h>
#include <event2/event_struct.h>

#include <memory>
#include <string>
#include <vector>

namespace proxy::net {

/// A stream over a TCP or local stream socket. Its readiness is registered once, edge-triggered, for reading,
/// writing and the peer's close together; reading and writing themselves register nothing.
/// libevent reports a reset like plain readiness. One that arrives in the same event as the last bytes would
/// go unnoticed after their short read; so a stream that has read and then been quiet for a tick of the loop
/// looks once whether anything is there.
/// Lifetime: within the loop's.
class TcpStream final : public Stream, private runtime::Ticked {
 public:
  /// Takes over a connected, non-blocking socket. TcpOptions are the caller's business.
  [[nodiscard]] static std::unique_ptr<TcpStream> adopt(runtime::EventLoop& loop, FileDescriptor socket);
  /// Tries the addresses in turn until one connects. None: broken at once.
  [[nodiscard]] static std::unique_ptr<TcpStream> connect(runtime::EventLoop& loop, std::vector<Address> candidates,
                                                          const TcpOptions& options);
  /// Connects to a local socket by its path.
  [[nodiscard]] static std::unique_ptr<TcpStream> connect_local(runtime::EventLoop& loop, const std::string& path);
  /// A stream that is broken from the start; its listener is told from the loop, as for any other failure.
  [[nodiscard]] static std::unique_ptr<TcpStream> make_broken(runtime::EventLoop& loop, std::string failure);

  /// Goes on with what take_out() gave, on another loop. Precondition: of a TcpStream.
  [[nodiscard]] static std::unique_ptr<TcpStream> put_in(runtime::EventLoop& loop, std::unique_ptr<Freight> freight);

  ~TcpStream() override;
  TcpStream(const TcpStream&) = delete;
  TcpStream& operator=(const TcpStream&) = delete;

  void set_listener(StreamListener* listener) override { listener_ = listener; }
  [[nodiscard]] bool is_readable() const override { return is_readable_; }
  [[nodiscard]] bool is_writable() const override { return is_writable_; }
  [[nodiscard]] bool is_connecting() const override { return connecting_ != nullptr; }
  [[nodiscard]] bool is_broken() const override { return is_broken_; }
  /// Still reads what had arrived when a write has failed: a peer's last words may explain the failure.
  [[nodiscard]] IoOutcome try_read(std::span<std::byte> target) override;
  [[nodiscard]] IoOutcome try_write(const protocol::Gather& source, std::size_t skip) override;
  [[nodiscard]] IoOutcome try_write(protocol::ByteView source) override;
  [[nodiscard]] bool has_news() override;
  [[nodiscard]] std::unique_ptr<Freight> take_out() override;
  void close() override;
  [[nodiscard]] std::string failure() const override { return failure_; }

 private:
  /// Kept only while connecting.
  struct Connecting {
    std::vector<Address> candidates;
    std::size_t next = 0;
    TcpOptions options;
  };

  explicit TcpStream(runtime::EventLoop& loop) : loop_(loop) {}

  void on_tick() override;
  static void on_event(evutil_socket_t fd, short what, void* stream) noexcept;
  void handle_event(short what);
  void try_next_candidate();
  void settle_connect();
  void register_socket(FileDescriptor socket);
  void break_with(std::string failure);
  void break_reading(int error_number);
  void announce_later();
  [[nodiscard]] IoOutcome judge_write(ssize_t sent, std::size_t wanted, int error_number);

  runtime::EventLoop& loop_;
  StreamListener* listener_ = nullptr;
  FileDescriptor socket_;
  ::event event_{};
  bool is_registered_ = false;
  bool is_readable_ = false;
  bool is_writable_ = false;
  bool is_close_announced_ = false;
  bool is_at_end_ = false;
  bool is_broken_ = false;
  bool has_read_since_tick_ = false;
  std::unique_ptr<Connecting> connecting_;
  std::string failure_;
};

}  // namespace proxy::net
