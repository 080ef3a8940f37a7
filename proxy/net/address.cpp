#include "proxy/net/address.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace proxy::net {

namespace {

constexpr std::array<std::uint8_t, 12> mapped_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

template <class Number>
std::optional<Number> parse_number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool is_mapped_ipv4(const std::array<std::uint8_t, 16>& bytes) {
  return std::equal(mapped_prefix.begin(), mapped_prefix.end(), bytes.begin());
}

}  // namespace

std::optional<Address> Address::parse(std::string_view literal, std::uint16_t port) {
  if (literal.size() >= 2 && literal.front() == '[' && literal.back() == ']') {
    literal = literal.substr(1, literal.size() - 2);
    if (literal.find(':') == std::string_view::npos) return std::nullopt;
  }
  if (literal.find('\0') != std::string_view::npos) return std::nullopt;
  Address address;
  address.port_ = port;
  if (const std::size_t percent = literal.find('%'); percent != std::string_view::npos) {
    const auto scope = parse_number<std::uint32_t>(literal.substr(percent + 1));
    if (!scope) return std::nullopt;
    address.scope_ = *scope;
    literal = literal.substr(0, percent);
  }
  const std::string text(literal);
  if (inet_pton(AF_INET, text.c_str(), address.bytes_.data() + 12) == 1 && address.scope_ == 0) {
    std::copy(mapped_prefix.begin(), mapped_prefix.end(), address.bytes_.begin());
    address.family_ = Family::ipv4;
    return address;
  }
  if (inet_pton(AF_INET6, text.c_str(), address.bytes_.data()) != 1) return std::nullopt;
  address.family_ = is_mapped_ipv4(address.bytes_) ? Family::ipv4 : Family::ipv6;
  return address;
}

std::optional<Address> Address::parse_with_port(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view host = text.substr(0, colon);
  // An IPv6 literal wants brackets here: its last group could be a port.
  if (host.find(':') != std::string_view::npos && (host.front() != '[' || host.back() != ']')) return std::nullopt;
  const auto port = parse_number<std::uint16_t>(text.substr(colon + 1));
  if (!port) return std::nullopt;
  return parse(host, *port);
}

Address Address::from_sockaddr(const sockaddr_storage& source) {
  Address address;
  if (source.ss_family == AF_INET) {
    sockaddr_in ipv4{};
    std::memcpy(&ipv4, &source, sizeof ipv4);
    address.family_ = Family::ipv4;
    address.port_ = ntohs(ipv4.sin_port);
    std::copy(mapped_prefix.begin(), mapped_prefix.end(), address.bytes_.begin());
    std::memcpy(address.bytes_.data() + 12, &ipv4.sin_addr, 4);
  } else if (source.ss_family == AF_INET6) {
    sockaddr_in6 ipv6{};
    std::memcpy(&ipv6, &source, sizeof ipv6);
    address.port_ = ntohs(ipv6.sin6_port);
    address.scope_ = ipv6.sin6_scope_id;
    std::memcpy(address.bytes_.data(), &ipv6.sin6_addr, 16);
    address.family_ = is_mapped_ipv4(address.bytes_) ? Family::ipv4 : Family::ipv6;
  }
  return address;
}

std::string Address::host_text() const {
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  switch (family_) {
    case Family::local: return "local";
    case Family::ipv4: inet_ntop(AF_INET, bytes_.data() + 12, buffer.data(), buffer.size()); break;
    case Family::ipv6: inet_ntop(AF_INET6, bytes_.data(), buffer.data(), buffer.size()); break;
  }
  std::string result = buffer.data();
  if (scope_ != 0) result += "%" + std::to_string(scope_);
  return result;
}

std::string Address::text() const {
  switch (family_) {
    case Family::local: return "local";
    case Family::ipv4: return host_text() + ":" + std::to_string(port_);
    case Family::ipv6: return "[" + host_text() + "]:" + std::to_string(port_);
  }
  return {};
}

socklen_t Address::to_sockaddr(sockaddr_storage& target) const {
  target = {};
  if (family_ == Family::local) return 0;
  if (family_ == Family::ipv4) {
    sockaddr_in ipv4{};
    ipv4.sin_family = AF_INET;
    ipv4.sin_port = htons(port_);
    std::memcpy(&ipv4.sin_addr, bytes_.data() + 12, 4);
    std::memcpy(&target, &ipv4, sizeof ipv4);
    return sizeof ipv4;
  }
  sockaddr_in6 ipv6{};
  ipv6.sin6_family = AF_INET6;
  ipv6.sin6_port = htons(port_);
  ipv6.sin6_scope_id = scope_;
  std::memcpy(&ipv6.sin6_addr, bytes_.data(), 16);
  std::memcpy(&target, &ipv6, sizeof ipv6);
  return sizeof ipv6;
}

}  // namespace proxy::net
