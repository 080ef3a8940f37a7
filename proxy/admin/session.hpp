#pragma once

#include "proxy/admin/access.hpp"
#include "proxy/admin/control.hpp"
#include "proxy/admin/http.hpp"
#include "proxy/admin/options.hpp"
#include "proxy/telemetry/log.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/thread_pool.hpp>

namespace proxy::admin {

/// What every session of a server shares. Outlives all of them.
struct Service {
  const AdminOptions& options;
  const Access& access;
  Control& control;
  telemetry::Log& log;
  boost::asio::thread_pool& control_thread;  ///< one thread: calls of Control never overlap
};

/// One peer's conversation: read a request, answer it, again, until either side has enough.
/// Suspends: on the socket and on the control thread. Cancel: by destroying its io_context.
/// Errors: none leave it; garbage is answered with 400 (408, 413, 431 …) where an answer can be understood, and
/// the connection is closed.
[[nodiscard]] boost::asio::awaitable<void> serve_session(boost::asio::ip::tcp::socket socket, Service& service);

}  // namespace proxy::admin
