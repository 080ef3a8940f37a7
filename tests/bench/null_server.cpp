// bench_null_server LISTEN_PORT [THREADS]: a PostgreSQL that answers everything at once with one row of one number,
// whatever is asked, so that in a benchmark the proxy before it is what there is to measure.
// Source: PostgreSQL manual, "Frontend/Backend Protocol", Message Formats.

#include "tests/bench/loopback.hpp"

#include <array>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr std::uint32_t protocol_3 = 196'608;

std::string be32(std::uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>((value >> shift) & 0xFF));
  return bytes;
}
std::string be16(std::uint16_t value) { return be32(value).substr(2); }

std::string message(char type, const std::string& payload) {
  return type + be32(static_cast<std::uint32_t>(payload.size() + 4)) + payload;
}

std::string parameter(const char* name, const char* value) {
  return message('S', std::string(name) + '\0' + value + '\0');
}

/// Every reply there is, made once.
struct Replies {
  std::string ready = message('Z', "I");
  std::string columns =
      message('T', be16(1) + std::string("n") + '\0' + be32(0) + be16(0) + be32(23) + be16(4) + be32(0xFFFFFFFF) + be16(0));
  std::string row = message('D', be16(1) + be32(1) + "1");
  std::string complete = message('C', std::string("SELECT 1") + '\0');
  std::string parsed = message('1', "");
  std::string bound = message('2', "");
  std::string closed = message('3', "");
  std::string parameters = message('t', be16(0));
  std::string query = columns + row + complete + ready;
  std::string execute = row + complete;
  std::string statement = parameters + columns;
  std::string welcome = message('R', be32(0)) + parameter("server_version", "15.0") +
                        parameter("server_encoding", "UTF8") + parameter("client_encoding", "UTF8") +
                        parameter("DateStyle", "ISO, MDY") + parameter("integer_datetimes", "on") +
                        parameter("standard_conforming_strings", "on") + parameter("TimeZone", "UTC") +
                        message('K', be32(1) + be32(2)) + ready;
};

const Replies replies;

struct Client {
  int socket = -1;
  bool is_started = false;
  std::string unread;
};

std::uint32_t length_at(const std::string& bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = (value << 8) | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

/// False: the client says goodbye.
bool answer(const std::string& bytes, std::size_t at, std::string& out) {
  switch (bytes[at]) {
    case 'Q': out += replies.query; return true;
    case 'P': out += replies.parsed; return true;
    case 'B': out += replies.bound; return true;
    case 'D': out += bytes[at + 5] == 'S' ? replies.statement : replies.columns; return true;
    case 'E': out += replies.execute; return true;
    case 'C': out += replies.closed; return true;
    case 'S': out += replies.ready; return true;
    case 'X': return false;
    default: return true;
  }
}

/// Takes whole messages off the front of what is unread. False: the connection is to be closed.
bool digest(Client& client, std::string& out) {
  std::size_t at = 0;
  while (client.unread.size() - at >= (client.is_started ? 5U : 8U)) {
    const std::size_t head = client.is_started ? 1 : 0;
    const std::size_t size = length_at(client.unread, at + head) + head;
    if (client.unread.size() - at < size) break;
    if (client.is_started) {
      if (!answer(client.unread, at, out)) return false;
    } else if (length_at(client.unread, at + 4) == protocol_3) {
      client.is_started = true;
      out += replies.welcome;
    } else {
      out += 'N';  // SSLRequest or GSSENCRequest: not here
    }
    at += size;
  }
  client.unread.erase(0, at);
  return true;
}

/// Replies are far smaller than a socket's buffer, so a short send means a client that does not read: drop it.
bool serve(Client& client, std::array<char, 65'536>& buffer) {
  const ssize_t count = ::recv(client.socket, buffer.data(), buffer.size(), 0);
  if (count <= 0) return count < 0 && errno == EAGAIN;
  client.unread.append(buffer.data(), static_cast<std::size_t>(count));
  std::string out;
  if (!digest(client, out)) return false;
  return out.empty() || ::send(client.socket, out.data(), out.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(out.size());
}

[[noreturn]] void run(int listener) {
  const int poll = ::epoll_create1(EPOLL_CLOEXEC);
  bench::watch(poll, listener, EPOLLIN | EPOLLEXCLUSIVE, nullptr);
  std::array<epoll_event, 128> events{};
  std::array<char, 65'536> buffer{};
  for (;;) {
    const int count = ::epoll_wait(poll, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      auto* client = static_cast<Client*>(events[static_cast<std::size_t>(i)].data.ptr);
      if (client == nullptr) {
        const int socket = bench::accept_from(listener);
        if (socket >= 0) bench::watch(poll, socket, EPOLLIN, new Client{socket, false, {}});
      } else if (!serve(*client, buffer)) {
        ::close(client->socket);
        delete client;  // its socket was its only event
      }
    }
  }
}

}  // namespace

int main(int argument_count, char** arguments) {
  if (argument_count < 2 || argument_count > 3) {
    std::fprintf(stderr, "bench_null_server LISTEN_PORT [THREADS]\n");
    return 2;
  }
  const int listener = bench::listen_on(bench::number_argument(arguments[1]));
  const int thread_count = argument_count == 3 ? bench::number_argument(arguments[2]) : 1;
  std::vector<std::thread> threads;
  for (int i = 1; i < thread_count; ++i) threads.emplace_back(run, listener);
  run(listener);
}
