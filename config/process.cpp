#include "config/readers.hpp"
#include "config/scalar.hpp"
#include "routing/network.hpp"

#include <array>

namespace config {

namespace {

using std::chrono::milliseconds;
using namespace std::chrono_literals;

constexpr std::size_t token_bytes_min = 16;

}  // namespace

void read_log(const Node& node, Reading& reading, Log& log) {
  auto section = Section::open(node, reading.findings, "log");
  if (!section) return;
  section->read_choice<LogLevel>("level",
                                 {{"trace", LogLevel::trace},
                                  {"debug", LogLevel::debug},
                                  {"info", LogLevel::info},
                                  {"warning", LogLevel::warning},
                                  {"error", LogLevel::error}},
                                 log.level);
  section->read_choice<LogFormat>("format", {{"text", LogFormat::text}, {"json", LogFormat::json}},
                                  log.format);
  section->finish();
}

std::optional<ListenAddress> take_listen(Section& section, std::string_view key) {
  const auto text = section.take_text(key);
  if (!text) return std::nullopt;
  const auto address = parse_listen(*text);
  if (!address) {
    section.findings().error(section.mark_of(key),
                             about(section.path_of(key), quote(*text) + " " + address.error().detail));
    return std::nullopt;
  }
  return *address;
}

std::optional<Admin> read_admin(const Node* node, Reading& reading) {
  if (node == nullptr) return Admin{};
  if (node->kind == Node::Kind::scalar && node->text == "off") return std::nullopt;
  Admin admin;
  if (node->kind == Node::Kind::scalar) {
    reading.findings.error(node->mark, about("admin", "must be `off` or a map with `listen`"));
    return admin;
  }
  auto section = Section::open(*node, reading.findings, "admin");
  if (!section) return admin;
  const auto listen = take_listen(*section, "listen");
  if (listen) admin.listen = *listen;
  const bool is_token_given = has_secret(*section, "token");
  admin.token = take_secret(*section, "token", reading);
  if (admin.token && admin.token->reveal().size() < token_bytes_min) {
    reading.findings.error(section->mark(),
                           about("admin.token", "is shorter than " + std::to_string(token_bytes_min) +
                                                    " characters and could be guessed"));
  }
  const auto address = routing::parse_address(admin.listen.host);
  if (!is_token_given && address && !routing::is_loopback(*address)) {
    reading.findings.error(
        section->mark_of("listen"),
        about("admin.listen", quote(format_listen(admin.listen)) +
                                  " can be reached from other machines; that needs `token_file` (or "
                                  "`token_env`, `token`)"));
  }
  section->finish();
  return admin;
}

void read_takeover(const Node& node, Reading& reading, Takeover& takeover) {
  constexpr std::size_t socket_path_bytes_max = 107;  // room in sockaddr_un.sun_path, less the terminator
  auto section = Section::open(node, reading.findings, "takeover");
  if (!section) return;
  section->require("socket");
  const auto socket = section->take_text("socket");
  if (socket) takeover.socket = (reading.folder / *socket).string();
  if (takeover.socket.size() > socket_path_bytes_max) {
    reading.findings.error(section->mark_of("socket"), about("takeover.socket", "is too long for a local socket"));
  }
  section->read_duration("start_timeout", 1s, 10min, takeover.start_timeout);
  section->read_duration("session_timeout", 0ms, 24h * 7, takeover.session_timeout);
  section->finish();
}

void read_limits(const Node& node, Reading& reading, Limits& limits) {
  constexpr std::uint64_t kibibyte = 1024;
  constexpr std::uint64_t mebibyte = 1024 * kibibyte;
  auto section = Section::open(node, reading.findings, "limits");
  if (!section) return;
  section->read_count("clients_max", 1, 1'000'000, limits.clients_max);
  section->read_duration("login_timeout", 100ms, 10min, limits.login_timeout);
  section->read_duration("connect_timeout", 100ms, 10min, limits.connect_timeout);
  section->read_duration("shutdown_timeout", 0ms, 24h, limits.shutdown_timeout);
  section->read_size("statement_bytes_max", kibibyte, 64 * mebibyte, limits.statement_bytes_max);
  section->read_size("session_state_bytes_max", 4 * kibibyte, 1024 * mebibyte,
                     limits.session_state_bytes_max);
  section->read_size("held_bytes_max", 64 * kibibyte, 1024 * 1024 * mebibyte, limits.held_bytes_max);
  section->read_count("statement_cache_entries", 16, 10'000'000, limits.statement_cache_entries);
  section->read_duration("tcp_keepalive_idle", 1s, 2h, limits.tcp_keepalive_idle);
  section->read_duration("tcp_keepalive_interval", 1s, 2h, limits.tcp_keepalive_interval);
  section->read_count("tcp_keepalive_count", 1, 127, limits.tcp_keepalive_count);
  section->read_duration("tcp_user_timeout", 0ms, 2h, limits.tcp_user_timeout);
  section->read_duration("failed_login_delay", 0ms, 1min, limits.failed_login_delay);
  section->read_duration("failed_login_delay_max", 0ms, 1min, limits.failed_login_delay_max);
  section->read_count("failed_logins_max", 0, 1'000'000, limits.failed_logins_max);
  section->read_duration("failed_login_memory", 1s, 24h, limits.failed_login_memory);
  section->finish();
}

}  // namespace config
