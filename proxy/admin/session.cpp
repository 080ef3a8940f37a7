#include "proxy/admin/session.hpp"

#include "proxy/admin/deadline.hpp"
#include "proxy/admin/router.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <exception>
#include <optional>
#include <utility>
#include <variant>

namespace proxy::admin {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;

namespace {

/// Failures of the socket are everyday values here, not exceptions.
constexpr auto as_value = asio::as_tuple(asio::use_awaitable);
using Transfer = std::tuple<boost::system::error_code, std::size_t>;

using Parser = http::request_parser<http::string_body>;
using Message = http::response<http::string_body>;

/// How long a peer that was refused may keep sending before the socket is closed under it.
constexpr std::chrono::milliseconds farewell_timeout{1'000};
constexpr std::size_t farewell_bytes_max = 256 * 1024;

/// One connection: its socket, what was read ahead (pipelining), and its deadline.
struct Peer {
  explicit Peer(tcp::socket connected, const AdminOptions& options)
      : socket(std::move(connected)), deadline(socket), buffer(options.header_bytes_max + options.body_bytes_max) {}

  tcp::socket socket;
  Deadline deadline;
  beast::flat_buffer buffer;  ///< bounded; Beast never reads beyond it
  std::string address;
};

/// What reading a request came to.
struct Closed {};  ///< the peer went, or was silent between two requests: nothing to say
using Reading = std::variant<Closed, Response, http::request<http::string_body>>;

std::optional<Response> refusal_of(const boost::system::error_code& error, bool has_deadline_passed) {
  if (has_deadline_passed) return error_response(408, "the request was not complete in time");
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return error_response(431, "the header is larger than this endpoint reads");
  }
  if (error == http::error::body_limit) return error_response(413, "the body is larger than this endpoint reads");
  if (error == http::error::bad_version) return error_response(505, "this endpoint speaks HTTP/1.1");
  const bool is_grammar = error.category() == make_error_code(http::error::bad_method).category() &&
                          error != http::error::end_of_stream && error != http::error::partial_message;
  if (is_grammar) return error_response(400, "this is not an HTTP request: " + error.message());
  return std::nullopt;
}

Request plain_request(const http::request<http::string_body>& message, const Peer& peer) {
  const auto optional_field = [&](http::field name) -> std::optional<std::string> {
    const auto found = message.find(name);
    if (found == message.end()) return std::nullopt;
    return std::string(found->value());
  };
  Request request;
  request.method = std::string(message.method_string());
  request.target = std::string(message.target());
  request.host = optional_field(http::field::host).value_or("");
  request.origin = optional_field(http::field::origin);
  request.authorization = optional_field(http::field::authorization);
  request.content_type = optional_field(http::field::content_type);
  request.body = message.body();
  request.peer = peer.address;
  return request;
}

/// What of a request decides the outside of its reply; the defaults are for a request that could not be read.
struct Manner {
  unsigned http_version = 11;
  bool is_kept_alive = false;
  bool is_head = false;
};

/// Fields that every reply has: nothing here may be cached, framed or guessed at by a browser.
Message to_message(Response response, const Manner& manner) {
  Message message{static_cast<http::status>(response.status), manner.http_version};
  message.set(http::field::server, "crossfade");
  message.set(http::field::content_type, response.content_type);
  message.set(http::field::cache_control, "no-store");
  message.set("X-Content-Type-Options", "nosniff");
  for (const auto& [name, value] : response.fields) message.set(name, value);
  message.keep_alive(manner.is_kept_alive);
  message.body() = std::move(response.body);
  message.prepare_payload();
  if (manner.is_head) message.body().clear();  // Content-Length stays: that of the GET
  return message;
}

/// Waits for the first byte of the next request, which may have come with the one before.
asio::awaitable<bool> wait_for_request(Peer& peer, const AdminOptions& options) {
  if (peer.buffer.size() != 0) co_return true;
  peer.deadline.arm(options.idle_timeout);
  const std::tuple<boost::system::error_code> waited =
      co_await peer.socket.async_wait(tcp::socket::wait_read, as_value);
  const bool is_readable = !std::get<0>(waited) && !peer.deadline.has_passed();
  peer.deadline.disarm();
  co_return is_readable;
}

asio::awaitable<bool> send_continue(Peer& peer, const Parser& parser) {
  if (!beast::iequals(parser.get()[http::field::expect], "100-continue")) co_return true;
  http::response<http::empty_body> message{http::status::continue_, parser.get().version()};
  const Transfer sent = co_await http::async_write(peer.socket, message, as_value);
  co_return !std::get<0>(sent);
}

asio::awaitable<boost::system::error_code> read_whole(Peer& peer, Parser& parser) {
  const Transfer header = co_await http::async_read_header(peer.socket, peer.buffer, parser, as_value);
  if (std::get<0>(header)) co_return std::get<0>(header);
  const bool is_welcome = co_await send_continue(peer, parser);
  if (!is_welcome) co_return http::error::end_of_stream;
  const Transfer body = co_await http::async_read(peer.socket, peer.buffer, parser, as_value);
  co_return std::get<0>(body);
}

asio::awaitable<Reading> read_request(Peer& peer, const AdminOptions& options) {
  const bool has_begun = co_await wait_for_request(peer, options);
  if (!has_begun) co_return Closed{};
  Parser parser;
  parser.header_limit(static_cast<std::uint32_t>(options.header_bytes_max));
  parser.body_limit(options.body_bytes_max);
  peer.deadline.arm(options.request_timeout);
  const boost::system::error_code error = co_await read_whole(peer, parser);
  const bool is_late = peer.deadline.has_passed();
  peer.deadline.disarm();
  if (!error && !is_late) co_return parser.release();
  std::optional<Response> refusal = refusal_of(error, is_late);
  if (refusal) co_return std::move(*refusal);
  co_return Closed{};
}

/// Runs on the control thread.
asio::awaitable<Response> answer(Service& service, Request request) {
  co_return handle_request(service.control, service.access, request);
}

void log_response(telemetry::Log& log, const Request& request, const Response& response) {
  if (!response.change.empty()) {
    log.write(telemetry::LogLevel::info, "traffic changed", {{"change", response.change}, {"peer", request.peer}});
  } else if (response.status == 401 || response.status == 403 || response.status >= 500) {
    log.write(telemetry::LogLevel::warning, "admin request failed",
              {{"method", request.method}, {"target", request.target}, {"peer", request.peer},
               {"status", std::uint64_t{response.status}}});
  }
}

/// How the conversation goes on after a request.
enum class Next { request, farewell, hang_up };

asio::awaitable<Next> write_message(Peer& peer, const AdminOptions& options, Message message) {
  const bool is_kept_alive = message.keep_alive();
  peer.deadline.arm(options.reply_timeout);
  const Transfer sent = co_await http::async_write(peer.socket, message, as_value);
  peer.deadline.disarm();
  if (std::get<0>(sent)) co_return Next::hang_up;  // does not read: a farewell would only keep its place longer
  co_return is_kept_alive ? Next::request : Next::farewell;
}

/// Source: RFC 9112, section 3.2: a request of HTTP/1.1 without exactly one Host field is answered with 400.
bool has_host_as_due(const http::request<http::string_body>& message) {
  const auto count = message.count(http::field::host);
  return message.version() < 11 ? count <= 1 : count == 1;
}

asio::awaitable<Next> refuse(Peer& peer, const AdminOptions& options, Response refusal) {
  Message message = to_message(std::move(refusal), Manner{});
  const Next next = co_await write_message(peer, options, std::move(message));
  co_return next;
}

asio::awaitable<Response> answer_where_due(Service& service, const Request& request) {
  if (!needs_control(request)) co_return handle_request(service.control, service.access, request);
  asio::awaitable<Response> answering = answer(service, request);
  Response response = co_await asio::co_spawn(service.control_thread, std::move(answering), asio::use_awaitable);
  co_return response;
}

/// Reads a request and answers it.
asio::awaitable<Next> serve_request(Peer& peer, Service& service) {
  Reading reading = co_await read_request(peer, service.options);
  if (std::holds_alternative<Closed>(reading)) co_return Next::hang_up;
  if (auto* refusal = std::get_if<Response>(&reading)) {
    const Next next = co_await refuse(peer, service.options, std::move(*refusal));
    co_return next;
  }
  const auto& received = std::get<http::request<http::string_body>>(reading);
  if (!has_host_as_due(received)) {
    const Next next = co_await refuse(peer, service.options, error_response(400, "a request has one Host field"));
    co_return next;
  }
  const Request request = plain_request(received, peer);
  Response response = co_await answer_where_due(service, request);
  log_response(service.log, request, response);
  const Manner manner{received.version(), received.keep_alive(), request.method == "HEAD"};
  Message message = to_message(std::move(response), manner);
  const Next next = co_await write_message(peer, service.options, std::move(message));
  co_return next;
}

/// Ends the conversation so that the last reply arrives: closing a socket with unread bytes in it resets the
/// connection, and the peer may lose the reply it was about to read.
asio::awaitable<void> say_farewell(Peer& peer) {
  boost::system::error_code ignored;
  peer.socket.shutdown(tcp::socket::shutdown_send, ignored);  // NOLINT(bugprone-unused-return-value)
  peer.deadline.arm(farewell_timeout);
  std::size_t discarded_bytes = 0;
  while (discarded_bytes < farewell_bytes_max && !peer.deadline.has_passed()) {
    peer.buffer.clear();
    const auto room = peer.buffer.prepare(peer.buffer.max_size());
    const Transfer received = co_await peer.socket.async_read_some(room, as_value);
    if (std::get<0>(received)) break;
    discarded_bytes += std::get<1>(received);
  }
  peer.deadline.disarm();
}

}  // namespace

asio::awaitable<void> serve_session(tcp::socket socket, Service& service) {
  Peer peer(std::move(socket), service.options);
  boost::system::error_code error;
  const tcp::endpoint remote = peer.socket.remote_endpoint(error);
  if (!error) peer.address = remote.address().to_string();
  Next next = Next::request;
  while (next == Next::request) next = co_await serve_request(peer, service);
  if (next == Next::farewell) co_await say_farewell(peer);
}

}  // namespace proxy::admin
