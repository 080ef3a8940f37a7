#include "proxy/admin/server.hpp"

#include "proxy/admin/session.hpp"
#include "proxy/admin/text.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>

namespace proxy::admin {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr auto as_value = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::milliseconds accept_pause{100};  ///< after a failed accept (no descriptors left, mostly)
constexpr std::string_view crowded_reply =
    "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n";

protocol::Error refused(std::string detail) {
  return protocol::failure(protocol::ErrorCode::configuration_invalid, protocol::Blame::operator_, std::move(detail));
}

protocol::Result<asio::ip::address> listen_address(const AdminOptions& options) {
  for (const std::string& token : options.tokens) {
    if (token.size() >= token_bytes_min) continue;
    return refused("a token of the admin endpoint is shorter than " + std::to_string(token_bytes_min) + " bytes");
  }
  const bool is_localhost = equals_ignoring_case(options.listen_host, "localhost");
  boost::system::error_code error;
  const auto address = asio::ip::make_address(is_localhost ? "127.0.0.1" : options.listen_host, error);
  if (error) return refused("the admin endpoint cannot listen on \"" + options.listen_host + "\": not an IP address");
  if (!address.is_loopback() && options.tokens.empty()) {
    return refused("the admin endpoint listens on loopback only unless a token is configured, not on \"" +
                   options.listen_host + "\"");
  }
  return address;
}

/// A session's place among `connections_max`; given back however the session ends, be it by the loop's end.
class Place {
 public:
  explicit Place(std::size_t& taken) : taken_(&taken) { ++taken; }
  ~Place() {
    if (taken_ != nullptr) --*taken_;
  }
  Place(Place&& source) noexcept : taken_(std::exchange(source.taken_, nullptr)) {}
  Place& operator=(Place&&) = delete;

 private:
  std::size_t* taken_;
};

}  // namespace

class AdminServer::Engine {
 public:
  Engine(AdminOptions options, Control& control, telemetry::Log& log)
      : options_(std::move(options)),
        access_(options_.tokens),
        service_{options_, access_, control, log, control_thread_} {}

  ~Engine() { stop(); }

  protocol::Result<std::uint16_t> open();
  void serve();
  [[nodiscard]] int listening_socket() { return acceptor_ ? acceptor_->native_handle() : -1; }
  void set_tokens(std::vector<std::string> tokens) { access_.set_tokens(std::move(tokens)); }
  void stop();

 private:
  protocol::Status open_acceptor(const tcp::endpoint& endpoint);
  void begin_accepting();
  asio::awaitable<void> accept_forever();
  void admit(tcp::socket socket);
  asio::awaitable<void> run_session(tcp::socket socket, Place place);
  void run_loop();

  AdminOptions options_;
  Access access_;
  // Destroyed from the last up: what waits in the control thread owns sessions, and those own sockets of the loop.
  std::size_t session_count_ = 0;  ///< of the loop's thread
  asio::io_context loop_{1};
  asio::thread_pool control_thread_{1};
  Service service_;
  std::optional<tcp::acceptor> acceptor_;
  std::thread loop_thread_;
};

protocol::Status AdminServer::Engine::open_acceptor(const tcp::endpoint& endpoint) {
  boost::system::error_code error;
  acceptor_.emplace(loop_);
  if (options_.listening_socket >= 0) {
    acceptor_->assign(endpoint.protocol(), options_.listening_socket, error);
    return error ? protocol::Status(refused("the admin endpoint's socket cannot be used: " + error.message())) : protocol::Status();
  }
  acceptor_->open(endpoint.protocol(), error);
  if (!error) acceptor_->set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_->bind(endpoint, error);
  if (!error) acceptor_->listen(asio::socket_base::max_listen_connections, error);
  if (!error) return {};
  return refused("the admin endpoint cannot listen on " + options_.listen_host + " port " +
                 std::to_string(options_.listen_port) + ": " + error.message());
}

protocol::Result<std::uint16_t> AdminServer::Engine::open() {
  const auto address = listen_address(options_);
  if (!address) return address.error();
  const auto opened = open_acceptor(tcp::endpoint(*address, options_.listen_port));
  if (!opened) return opened.error();
  return acceptor_->local_endpoint().port();
}

void AdminServer::Engine::serve() {
  begin_accepting();
  loop_thread_ = std::thread([this] { run_loop(); });
}

void AdminServer::Engine::run_loop() {
  // A handler that throws must not end the thread, and with it the way back in an incident.
  while (!loop_.stopped()) {
    try {
      loop_.run();
    } catch (const std::exception& error) {
      service_.log.write(telemetry::LogLevel::error, "admin loop: a handler failed", {{"detail", error.what()}});
    }
  }
}

void AdminServer::Engine::begin_accepting() {
  asio::awaitable<void> accepting = accept_forever();
  asio::co_spawn(loop_, std::move(accepting), [this](const std::exception_ptr& failure) {
    if (failure) begin_accepting();  // out of memory for one peer must not shut the door for good
  });
}

asio::awaitable<void> AdminServer::Engine::accept_forever() {
  asio::steady_timer pause(loop_);
  while (true) {
    std::tuple<boost::system::error_code, tcp::socket> accepted = co_await acceptor_->async_accept(as_value);
    const boost::system::error_code error = std::get<0>(accepted);
    if (!error) {
      admit(std::move(std::get<1>(accepted)));
      continue;
    }
    pause.expires_after(accept_pause);
    const std::tuple<boost::system::error_code> waited = co_await pause.async_wait(as_value);
    if (std::get<0>(waited)) co_return;
  }
}

void AdminServer::Engine::admit(tcp::socket socket) {
  if (session_count_ < options_.connections_max) {
    asio::awaitable<void> session = run_session(std::move(socket), Place(session_count_));
    asio::co_spawn(loop_, std::move(session), asio::detached);
    return;
  }
  boost::system::error_code ignored;
  socket.non_blocking(true, ignored);                      // NOLINT(bugprone-unused-return-value)
  socket.write_some(asio::buffer(crowded_reply), ignored);  // best effort: the peer may not be reading
}

asio::awaitable<void> AdminServer::Engine::run_session(tcp::socket socket, [[maybe_unused]] Place place) {
  co_await serve_session(std::move(socket), service_);
}

void AdminServer::Engine::stop() {
  loop_.stop();
  if (loop_thread_.joinable()) loop_thread_.join();
  control_thread_.stop();
  control_thread_.join();
}

AdminServer::AdminServer(AdminOptions options, Control& control, telemetry::Log& log)
    : engine_(std::make_unique<Engine>(std::move(options), control, log)) {}

AdminServer::~AdminServer() = default;

protocol::Result<std::uint16_t> AdminServer::open() { return engine_->open(); }

void AdminServer::serve() { engine_->serve(); }

protocol::Result<std::uint16_t> AdminServer::start() {
  const protocol::Result<std::uint16_t> port = open();
  if (port) serve();
  return port;
}

int AdminServer::listening_socket() const { return engine_->listening_socket(); }

void AdminServer::set_tokens(std::vector<std::string> tokens) { engine_->set_tokens(std::move(tokens)); }

void AdminServer::stop() { engine_->stop(); }

}  // namespace proxy::admin
