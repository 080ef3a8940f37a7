#include "proxy/net/socket.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <system_error>

namespace proxy::net {

namespace {

void set_option(int socket, int level, int name, int value) {
  (void)setsockopt(socket, level, name, &value, sizeof value);
}

}  // namespace

void apply_tcp_options(int socket, const TcpOptions& options) {
  set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  if (options.keepalive_idle.count() > 0) {
    set_option(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(socket, IPPROTO_TCP, TCP_KEEPIDLE, static_cast<int>(options.keepalive_idle.count()));
    set_option(socket, IPPROTO_TCP, TCP_KEEPINTVL, static_cast<int>(options.keepalive_interval.count()));
    set_option(socket, IPPROTO_TCP, TCP_KEEPCNT, options.keepalive_count_max);
  }
  if (options.unacknowledged_timeout.count() > 0) {
    set_option(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(options.unacknowledged_timeout.count()));
  }
}

std::string describe_socket_error(int error_number) {
  switch (error_number) {
    case ECONNREFUSED: return "connection refused";
    case ECONNRESET: return "reset by peer";
    case EPIPE: return "closed by peer";
    case ETIMEDOUT: return "timed out";
    case EHOSTUNREACH: return "no route to host";
    case ENETUNREACH: return "network unreachable";
    case ENOENT: return "local socket does not exist";
    case EACCES: return "permission denied";
    case EAGAIN: return "the local socket's queue is full";
    case EMFILE:
    case ENFILE: return "too many open files";
    case EADDRNOTAVAIL: return "no local port left, or not an address of this machine";
    case EADDRINUSE: return "address in use";
    default: return std::generic_category().message(error_number);
  }
}

}  // namespace proxy::net
