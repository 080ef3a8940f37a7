#include "protocol/postgres/access_rules.hpp"

#include <algorithm>

namespace protocol::postgres {
namespace {

bool contains(const AccessNetwork& network, const PeerAddress& address) {
  constexpr unsigned byte_bits = 8;
  unsigned bits_left = network.prefix_bits;
  for (std::size_t i = 0; i < address.size() && bits_left > 0; ++i) {
    const unsigned bits = std::min(bits_left, byte_bits);
    const auto mask = static_cast<std::uint8_t>(0xFF00U >> bits);
    if ((network.address[i] & mask) != (address[i] & mask)) return false;
    bits_left -= bits;
  }
  return true;
}

bool names(const AccessRule::Names& listed, std::string_view name) { return listed.empty() || listed.contains(name); }

bool names_database(const AccessRule& rule, std::string_view database) {
  if (!database.empty()) return names(rule.databases, database);
  return rule.replication == AccessRule::Replication::always || rule.databases.contains(std::string_view("replication"));
}

bool matches(const AccessRule& rule, const AccessFacts& facts) {
  if (rule.method == AccessMethod::peer && !facts.is_local()) return false;
  if (rule.tls == AccessRule::Tls::required && !facts.is_encrypted) return false;
  if (rule.tls == AccessRule::Tls::forbidden && facts.is_encrypted) return false;
  if (!names(rule.users, facts.user) || !names_database(rule, facts.database)) return false;
  return rule.networks.empty() ||
         std::any_of(rule.networks.begin(), rule.networks.end(),
                     [&](const AccessNetwork& network) { return contains(network, facts.address); });
}

}  // namespace

const AccessRule* find_access_rule(const AccessRules& rules, const AccessFacts& facts) {
  const auto found =
      std::find_if(rules.begin(), rules.end(), [&](const AccessRule& rule) { return matches(rule, facts); });
  return found == rules.end() ? nullptr : &*found;
}

}  // namespace protocol::postgres
