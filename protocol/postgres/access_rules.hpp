#pragma once

#include "protocol/dialogue.hpp"

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

/// Who may try to log in from where, and how they must prove who they are: ordered rules in the manner of pg_hba.conf.
/// Source: PostgreSQL 15 manual, 21.1 "The pg_hba.conf File".
namespace protocol::postgres {

enum class AccessMethod : std::uint8_t {
  trust,
  reject,
  password,       ///< in clear text
  md5,            ///< MD5, or SCRAM for users of whom only a SCRAM verifier is known
  scram_sha_256,  ///< with or without channel binding, as the client likes
  peer,           ///< over a local socket, a process of the machine's user of that name; other clients match no such rule
  certificate,    ///< a verified client certificate whose common name is the user
};

/// A block of addresses, IPv4 mapped into IPv6.
struct AccessNetwork {
  PeerAddress address{};
  std::uint8_t prefix_bits = 0;  ///< 0..128
};

struct AccessRule {
  enum class Tls : std::uint8_t { any, required, forbidden };
  /// Physical replication belongs to no database and copies them all: as in pg_hba.conf it must be named.
  enum class Replication : std::uint8_t { if_named, always };
  using Names = std::set<std::string, std::less<>>;
  Names users;                          ///< empty: everybody
  Names databases;                      ///< empty: every one, but no physical replication
  std::vector<AccessNetwork> networks;  ///< empty: every address and local sockets
  Replication replication = Replication::if_named;
  Tls tls = Tls::any;
  AccessMethod method = AccessMethod::reject;
};

using AccessRules = std::vector<AccessRule>;

/// What a rule looks at.
struct AccessFacts {
  std::string_view user;
  std::string_view database;  ///< empty for physical replication, which a rule names `replication`
  PeerAddress address{};
  bool is_encrypted = false;
  [[nodiscard]] bool is_local() const { return address == PeerAddress{}; }
};

/// The first rule that matches; null when none does: then nobody is let in. Lifetime: a loan from `rules`.
[[nodiscard]] const AccessRule* find_access_rule(const AccessRules& rules, const AccessFacts& facts);

}  // namespace protocol::postgres
