#include "config/readers.hpp"
#include "config/scalar.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>

namespace config {

namespace {

using namespace std::chrono_literals;

constexpr std::uint16_t postgres_port = 5432;
/// Room in sockaddr_un.sun_path, less the terminator.
constexpr std::size_t socket_path_bytes_max = 107;

/// What is wrong with a host, in words; empty if nothing is.
std::string host_mistake(std::string_view host) {
  constexpr std::size_t host_bytes_max = 253;
  if (host.size() > host_bytes_max) return "is longer than a host name can be";
  if (host.front() == '[' || host.back() == ']') return "must be written without brackets";
  const bool has_colon = host.find(':') != std::string_view::npos;
  const bool is_hexadecimal = std::all_of(
      host.begin(), host.end(), [](unsigned char c) { return std::isxdigit(c) || c == ':' || c == '.'; });
  if (has_colon && !(is_hexadecimal && std::count(host.begin(), host.end(), ':') >= 2)) {
    return "must not hold the port; that is `port`";
  }
  const bool is_usual = std::all_of(host.begin(), host.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '.' || c == '-' || c == '_' || c == ':';
  });
  return is_usual ? std::string() : "is no host name, address or path of a local socket";
}

/// A folder stands for the socket that PostgreSQL puts there.
/// Source: PostgreSQL 15, 20.3.1 "Connection Settings", unix_socket_directories.
std::string socket_path(std::string host, std::uint16_t port) {
  const std::size_t slash = host.rfind('/');
  if (host.substr(slash + 1).starts_with(".s.PGSQL.")) return host;
  while (host.size() > 1 && host.back() == '/') host.pop_back();
  return host + "/.s.PGSQL." + std::to_string(port);
}

/// "0660": who may connect, in octal as chmod has it.
std::optional<std::uint32_t> parse_mode(std::string_view text) {
  constexpr int octal = 8;
  std::uint32_t mode = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), mode, octal);
  const bool is_whole = parsed.ec == std::errc{} && parsed.ptr == text.data() + text.size();
  return is_whole && mode <= 0777 ? std::optional(mode) : std::nullopt;
}

void read_local_socket(Section& pair_section, Reading& reading, Pair& pair) {
  const Node* node = pair_section.take("local_socket");
  if (node == nullptr) return;
  auto section = Section::open(*node, reading.findings, pair_section.path_of("local_socket"));
  if (!section) return;
  section->require("directory");
  const auto directory = section->take_text("directory");
  LocalSocket local;
  if (directory && !directory->starts_with('/')) {
    reading.findings.error(section->mark_of("directory"), about(section->path_of("directory"), "must be a full path"));
  } else if (directory) {
    local.path = socket_path(*directory, pair.listen.port);
    if (local.path.size() > socket_path_bytes_max) {
      reading.findings.error(section->mark_of("directory"), about(section->path_of("directory"), "is too long for a local socket"));
    }
  }
  if (pair.listen.port == 0 && directory) {
    reading.findings.error(section->mark_of("directory"),
                           about(section->path_of("directory"), "needs a port in `listen`: the socket is named after it"));
  }
  if (const auto mode = section->take_text("mode")) {
    const auto parsed = parse_mode(*mode);
    if (parsed) local.mode = *parsed;
    if (!parsed) {
      reading.findings.error(section->mark_of("mode"), about(section->path_of("mode"), quote(*mode) + " must be a mode in octal, such as `\"0770\"`"));
    }
  }
  section->finish();
  pair.local_socket = std::move(local);
}

EndpointAddress read_endpoint(const Node& node, const std::string& path, Reading& reading, BackendTls& tls) {
  EndpointAddress endpoint;
  endpoint.port = postgres_port;
  if (node.kind == Node::Kind::scalar) {
    reading.findings.error(node.mark,
                           about(path, "must be a map, such as `{host: db1.example.org, port: 5432}`"));
    return endpoint;
  }
  auto section = Section::open(node, reading.findings, path);
  if (!section) return endpoint;
  section->require("host");
  const auto host = section->take_text("host");
  section->read_count("port", 1, 65'535, endpoint.port);
  const Node* tls_node = section->take("tls");
  section->finish();
  if (!host) return endpoint;
  read_backend_tls(tls_node, path + ".tls", *host, reading, tls);
  if (host->front() == '/') {
    endpoint.host = socket_path(*host, endpoint.port);
    if (endpoint.host.size() > socket_path_bytes_max) {
      reading.findings.error(section->mark_of("host"),
                             about(section->path_of("host"), "is too long for a local socket"));
    }
    return endpoint;
  }
  const std::string mistake = host_mistake(*host);
  if (!mistake.empty()) {
    reading.findings.error(section->mark_of("host"),
                           about(section->path_of("host"), quote(*host) + " " + mistake));
  }
  endpoint.host = *host;
  return endpoint;
}

std::string_view unify(std::string_view host) {
  return host == "localhost" || host == "::1" ? "127.0.0.1" : host;
}

bool is_same(const EndpointAddress& left, const EndpointAddress& right) {
  return !left.host.empty() && left.port == right.port && unify(left.host) == unify(right.host);
}

/// The proxy would connect to itself until it runs out of sockets.
bool is_own_listener(const ListenAddress& listen, const EndpointAddress& endpoint) {
  if (listen.port == 0 || listen.port != endpoint.port || listen.host.empty()) return false;
  const bool is_wildcard = listen.host == "0.0.0.0" || listen.host == "::";
  return unify(endpoint.host) == unify(is_wildcard ? "127.0.0.1" : listen.host);
}

void read_endpoints(Section& section, Reading& reading, Pair& pair) {
  for (const routing::Side side : routing::both_sides) {
    const std::string_view key = routing::name_of(side);
    section.require(key);
    const Node* node = section.take(key);
    if (node == nullptr) continue;
    pair.endpoints[side] = read_endpoint(*node, section.path_of(key), reading, pair.backend_tls[side]);
    const bool is_own_local = pair.local_socket && pair.endpoints[side].host == pair.local_socket->path;
    if (is_own_local || is_own_listener(pair.listen, pair.endpoints[side])) {
      reading.findings.error(node->mark,
                             about(section.path_of(key), "is the address this pair listens on itself"));
    }
  }
  bool is_same_allowed = false;
  section.read_flag("allow_same_endpoint", is_same_allowed);
  if (!is_same_allowed &&
      is_same(pair.endpoints[routing::Side::blue], pair.endpoints[routing::Side::green])) {
    reading.findings.error(section.mark_of("green"),
                           about(section.path_of("green"),
                                 "is the same server as blue; if that is meant, say "
                                 "`allow_same_endpoint: true`"));
  }
}

void read_catalogue(const Node& node, const std::string& path, Reading& reading, Catalogue& catalogue) {
  auto section = Section::open(node, reading.findings, path);
  if (!section) return;
  const auto user = section->take_text("user");
  const auto password = take_secret(*section, "password", reading);
  const auto database = section->take_text("database");
  section->read_duration("refresh", 1s, 24h, catalogue.refresh);
  enum class Differing : std::uint8_t { stay, move };
  Differing differing = Differing::stay;
  section->read_choice<Differing>("differing_types", {{"stay", Differing::stay}, {"move", Differing::move}}, differing);
  catalogue.moves_differing_types = differing == Differing::move;
  if (user) catalogue.login = BackendLogin{*user, password};
  if (database) catalogue.database = *database;
  if (!section->has("user") && has_secret(*section, "password")) {
    reading.findings.error(section->mark(), about(path, "gives a password but no `user`"));
  }
  section->finish();
}

void read_health(const Node& node, const std::string& path, Reading& reading, Health& health) {
  auto section = Section::open(node, reading.findings, path);
  if (!section) return;
  section->read_duration("interval", 100ms, 1h, health.interval);
  section->read_duration("timeout", 10ms, 1min, health.timeout);
  section->read_count("rise", 1, 100, health.rise);
  section->read_count("fall", 1, 100, health.fall);
  const auto user = section->take_text("user");
  const auto password = take_secret(*section, "password", reading);
  const auto database = section->take_text("database");
  if (user) health.login = BackendLogin{*user, password};
  if (database) health.database = *database;
  if (!section->has("user") && has_secret(*section, "password")) {
    reading.findings.error(section->mark(), about(path, "gives a password but no `user`"));
  }
  section->finish();
}

}  // namespace

bool is_name(std::string_view text) {
  constexpr std::size_t name_bytes_max = 63;
  return !text.empty() && text.size() <= name_bytes_max &&
         std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return std::isalnum(c) || c == '_' || c == '-'; });
}

Pair read_pair(const std::string& name, const Node& node, Reading& reading) {
  Pair pair;
  pair.name = name;
  const std::string path = "pairs." + name;
  if (!expect_kind(node, Node::Kind::map, path, reading.findings)) return pair;
  Section section(node, reading.findings, path);
  section.require("dialect");
  section.read_choice<Dialect>("dialect", {{"postgres", Dialect::postgres}}, pair.dialect);
  section.require("listen");
  const auto listen = take_listen(section, "listen");
  if (listen) pair.listen = *listen;
  read_local_socket(section, reading, pair);
  const Node* tls = section.take("tls");
  if (tls != nullptr) read_client_tls(*tls, section.path_of("tls"), reading, pair.tls);
  read_endpoints(section, reading, pair);
  read_writes(section, reading, pair.plan.default_writes);
  read_access(section, reading, pair);
  read_secret_sources(section, reading, pair);
  read_users(section, reading, pair);
  const Node* catalogue = section.take("catalogue");
  if (catalogue != nullptr) read_catalogue(*catalogue, section.path_of("catalogue"), reading, pair.catalogue);
  const Node* pool = section.take("pool");
  if (pool != nullptr) read_pool(*pool, section.path_of("pool"), reading, pair.pool);
  read_console(section, reading, pair);
  read_switchover(section, reading, pair);
  section.read_flag("retry_reads", pair.repeats_reads);
  const Node* health = section.take("health");
  if (health != nullptr) read_health(*health, section.path_of("health"), reading, pair.health);
  const Node* limits = section.take("limits");
  if (limits != nullptr) read_pair_limits(*limits, section.path_of("limits"), reading, pair.limits);
  read_databases(section, reading, pair);
  read_rules(section, reading, pair);
  read_sync(section, reading, pair);
  check_mirrored_rules(section, reading, pair);
  section.finish();
  return pair;
}

}  // namespace config
