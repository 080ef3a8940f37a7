#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <memory>

namespace proxy::admin {

/// Cancels whatever a socket waits for when the time is up. Unlike beast::tcp_stream's own timeout it leaves the
/// socket open, so that a slow peer can still be told 408. Used on one thread; must not outlive the socket.
class Deadline {
 public:
  explicit Deadline(boost::asio::ip::tcp::socket& socket) : socket_(socket), timer_(socket.get_executor()) {}

  /// Starts anew; a running one is forgotten.
  void arm(std::chrono::milliseconds timeout);
  void disarm();
  /// The last one armed went by.
  [[nodiscard]] bool has_passed() const { return *has_passed_; }

 private:
  boost::asio::ip::tcp::socket& socket_;
  boost::asio::steady_timer timer_;
  std::shared_ptr<bool> has_passed_ = std::make_shared<bool>(false);  ///< of the current arming; shared with its callback
};

}  // namespace proxy::admin
