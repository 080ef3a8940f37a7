#include "proxy/cli/http_client.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include <memory>
#include <optional>

namespace proxy::cli {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using protocol::Blame;
using protocol::ErrorCode;

constexpr std::uint64_t reply_bytes_max = std::uint64_t{64} << 20;

/// One exchange as a chain of callbacks on a loop that runs only for its sake.
class Exchange {
 public:
  Exchange(const HttpRequest& request, const std::string& authority) : resolver_(loop_), stream_(loop_) {
    parser_.body_limit(reply_bytes_max);
    message_.method_string(request.method);
    message_.target(request.target);
    message_.version(11);
    message_.set(http::field::host, authority);
    message_.set(http::field::connection, "close");
    if (!request.token.empty()) message_.set(http::field::authorization, "Bearer " + request.token);
    if (!request.body.empty()) message_.set(http::field::content_type, "application/json");
    message_.body() = request.body;
    message_.prepare_payload();
  }

  protocol::Result<HttpReply> run(const std::string& host, std::uint16_t port, std::chrono::milliseconds timeout) {
    resolver_.async_resolve(host, std::to_string(port), [this](const auto& error, const auto& addresses) {
      if (finish_if(error, ErrorCode::backend_unreachable)) return;
      stream_.async_connect(addresses, [this](const auto& failure, const auto&) {
        if (!finish_if(failure, ErrorCode::backend_unreachable)) write_request();
      });
    });
    loop_.run_for(timeout);
    if (error_) return *error_;
    if (!parser_.is_done()) {
      return protocol::failure(ErrorCode::backend_timeout, Blame::backend, "no reply within the time limit");
    }
    return HttpReply{parser_.get().result_int(), std::move(parser_.get().body())};
  }

 private:
  void write_request() {
    http::async_write(stream_, message_, [this](const auto& error, std::size_t) {
      if (finish_if(error, ErrorCode::backend_unreachable)) return;
      http::async_read(stream_, buffer_, parser_, [this](const auto& failure, std::size_t) {
        static_cast<void>(finish_if(failure, ErrorCode::backend_misbehaved));
      });
    });
  }

  [[nodiscard]] bool finish_if(const boost::system::error_code& error, ErrorCode code) {
    if (error) error_ = protocol::failure(code, Blame::backend, error.message());
    return static_cast<bool>(error);
  }

  asio::io_context loop_;
  asio::ip::tcp::resolver resolver_;
  beast::tcp_stream stream_;
  http::request<http::string_body> message_;
  http::response_parser<http::string_body> parser_;
  beast::flat_buffer buffer_;
  std::optional<protocol::Error> error_;
};

std::string authority_of(const std::string& host, std::uint16_t port) {
  const std::string name = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return name + ":" + std::to_string(port);
}

}  // namespace

protocol::Result<HttpReply> send_http(const std::string& host, std::uint16_t port, const HttpRequest& request,
                                      std::chrono::milliseconds timeout) {
  const auto exchange = std::make_unique<Exchange>(request, authority_of(host, port));
  return exchange->run(host, port, timeout);
}

}  // namespace proxy::cli
