#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace proxy::net {

/// The numeric address of one end of a connection: IPv4, IPv6 or a local socket. An IPv4 address that
/// arrived through an IPv6 socket (::ffff:a.b.c.d) is an IPv4 address here.
class Address {
 public:
  enum class Family : std::uint8_t { local, ipv4, ipv6 };

  /// A local socket's peer: no path, no port.
  Address() = default;

  /// A literal without a port: "127.0.0.1", "::1", "[::1]", "fe80::1%2" (numeric scope). Never asks a name
  /// service; nothing for anything but a literal.
  [[nodiscard]] static std::optional<Address> parse(std::string_view literal, std::uint16_t port);
  /// A literal with its port: "127.0.0.1:5432", "[::1]:5432".
  [[nodiscard]] static std::optional<Address> parse_with_port(std::string_view text);
  /// A local socket's peer whose process belongs to this user of the machine.
  [[nodiscard]] static Address local_user(std::uint32_t user_number) {
    Address address;
    address.user_number_ = user_number;
    return address;
  }
  /// Families other than the three become local.
  [[nodiscard]] static Address from_sockaddr(const sockaddr_storage& source);

  [[nodiscard]] Family family() const { return family_; }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  /// Of a local peer, as far as the system tells.
  [[nodiscard]] std::optional<std::uint32_t> user_number() const { return user_number_; }
  [[nodiscard]] Address with_port(std::uint16_t port) const {
    Address copy = *this;
    copy.port_ = port;
    return copy;
  }
  /// Sixteen bytes in network order, IPv4 as ::ffff:a.b.c.d, a local peer as all zeros.
  [[nodiscard]] const std::array<std::uint8_t, 16>& bytes() const { return bytes_; }
  /// Without the port: "127.0.0.1", "::1", "local".
  [[nodiscard]] std::string host_text() const;
  /// "127.0.0.1:5432", "[::1]:5432", "local".
  [[nodiscard]] std::string text() const;
  /// Fills `target` for bind() or connect(); the length to pass, 0 for a local address.
  [[nodiscard]] socklen_t to_sockaddr(sockaddr_storage& target) const;

  bool operator==(const Address&) const = default;

 private:
  Family family_ = Family::local;
  std::uint16_t port_ = 0;
  std::uint32_t scope_ = 0;
  std::array<std::uint8_t, 16> bytes_{};
  std::optional<std::uint32_t> user_number_;
};

}  // namespace proxy::net
