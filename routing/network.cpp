#include "routing/network.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace routing {

namespace {

constexpr std::array<std::uint8_t, 12> mapped_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
constexpr std::uint8_t mapped_bits = 96;

bool is_mapped(const ClientAddress& address) {
  return std::equal(mapped_prefix.begin(), mapped_prefix.end(), address.begin());
}

ClientAddress mask(ClientAddress address, std::uint8_t prefix_bits) {
  for (std::size_t i = 0; i < address.size(); ++i) {
    const int bits = std::clamp(static_cast<int>(prefix_bits) - static_cast<int>(i) * 8, 0, 8);
    address[i] = static_cast<std::uint8_t>(address[i] & (0xFF00U >> static_cast<unsigned>(bits)));
  }
  return address;
}

protocol::Error invalid(std::string detail) {
  return {protocol::ErrorCode::configuration_invalid, protocol::Blame::operator_, std::move(detail)};
}

}  // namespace

std::optional<ClientAddress> parse_address(std::string_view text) {
  // A longer text is no address; the bound keeps the copy (inet_pton wants a terminator) small.
  if (text.size() > INET6_ADDRSTRLEN || text.find('\0') != std::string_view::npos) return std::nullopt;
  const std::string terminated(text);
  ClientAddress address{};
  if (text.find(':') == std::string_view::npos) {
    if (inet_pton(AF_INET, terminated.c_str(), address.data() + mapped_prefix.size()) != 1)
      return std::nullopt;
    std::copy(mapped_prefix.begin(), mapped_prefix.end(), address.begin());
    return address;
  }
  if (inet_pton(AF_INET6, terminated.c_str(), address.data()) != 1) return std::nullopt;
  return address;
}

protocol::Result<Network> parse_network(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto address = parse_address(text.substr(0, slash));
  if (!address) return invalid("not an IPv4 or IPv6 address");
  const bool is_ipv4 = text.substr(0, slash).find(':') == std::string_view::npos;
  const unsigned written_max = is_ipv4 ? 32 : 128;
  unsigned written = written_max;
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), written);
    if (digits.empty() || parsed.ec != std::errc{} || parsed.ptr != digits.data() + digits.size() ||
        written > written_max) {
      return invalid("the prefix length must be a number from 0 to " + std::to_string(written_max));
    }
  }
  const auto prefix_bits = static_cast<std::uint8_t>(is_ipv4 ? written + mapped_bits : written);
  const ClientAddress masked = mask(*address, prefix_bits);
  if (masked != *address) {
    return invalid("address bits are set beyond the prefix; the block of this address is " +
                   format_network({masked, prefix_bits}));
  }
  return Network{*address, prefix_bits};
}

std::string format_address(const ClientAddress& address) {
  if (address == ClientAddress{}) return "local";
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (is_mapped(address)) {
    inet_ntop(AF_INET, address.data() + mapped_prefix.size(), text.data(),
              static_cast<socklen_t>(text.size()));
  } else {
    inet_ntop(AF_INET6, address.data(), text.data(), static_cast<socklen_t>(text.size()));
  }
  return text.data();
}

std::string format_network(const Network& network) {
  const bool is_ipv4 = is_mapped(network.address) && network.prefix_bits >= mapped_bits;
  const unsigned written = is_ipv4 ? network.prefix_bits - mapped_bits : network.prefix_bits;
  const std::string address = network.address == ClientAddress{} ? "::" : format_address(network.address);
  return address + "/" + std::to_string(written);
}

bool is_loopback(const ClientAddress& address) {
  if (is_mapped(address)) return address[mapped_prefix.size()] == 127;
  ClientAddress one{};
  one.back() = 1;
  return address == one;
}

bool contains(const Network& network, const ClientAddress& address) {
  return mask(address, network.prefix_bits) == mask(network.address, network.prefix_bits);
}

}  // namespace routing
