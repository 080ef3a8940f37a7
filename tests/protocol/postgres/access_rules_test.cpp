#include "protocol/postgres/access_rules.hpp"

#include <doctest/doctest.h>

#include <initializer_list>

using namespace protocol;
using namespace protocol::postgres;

namespace {

PeerAddress ipv4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) {
  return {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, a, b, c, d};
}

AccessRule rule(AccessMethod method) {
  AccessRule made;
  made.method = method;
  return made;
}

}  // namespace

TEST_CASE("access rules: none, or none that matches → nobody is let in") {
  CHECK(find_access_rule({}, {"alice", "shop", {}, false}) == nullptr);
  AccessRule other = rule(AccessMethod::trust);
  other.users = {"bob"};
  CHECK(find_access_rule({other}, {"alice", "shop", {}, false}) == nullptr);
}

TEST_CASE("access rules: several match → the first decides") {
  AccessRule barred = rule(AccessMethod::reject);
  barred.users = {"mallory"};
  const AccessRules rules{barred, rule(AccessMethod::md5), rule(AccessMethod::trust)};
  CHECK(find_access_rule(rules, {"mallory", "shop", {}, false}) == &rules[0]);
  CHECK(find_access_rule(rules, {"alice", "shop", {}, false}) == &rules[1]);
}

TEST_CASE("access rules: user, database, network and TLS → all that are given must be met") {
  AccessRule all = rule(AccessMethod::scram_sha_256);
  all.users = {"alice", "bob"};
  all.databases = {"shop"};
  all.networks = {{ipv4(10, 0, 0, 0), 104}, {ipv4(192, 168, 3, 128), 121}};
  all.tls = AccessRule::Tls::required;
  const AccessRules rules{all};
  const auto is_met = [&](const AccessFacts& facts) { return find_access_rule(rules, facts) != nullptr; };
  CHECK(is_met({"alice", "shop", ipv4(10, 200, 1, 1), true}));
  CHECK(is_met({"bob", "shop", ipv4(192, 168, 3, 255), true}));
  CHECK(!is_met({"carol", "shop", ipv4(10, 200, 1, 1), true}));
  CHECK(!is_met({"alice", "other", ipv4(10, 200, 1, 1), true}));
  CHECK(!is_met({"alice", "", ipv4(10, 200, 1, 1), true}));
  CHECK(!is_met({"alice", "shop", ipv4(11, 0, 0, 0), true}));
  CHECK(!is_met({"bob", "shop", ipv4(192, 168, 3, 127), true}));
  CHECK(!is_met({"alice", "shop", PeerAddress{}, true}));
  CHECK(!is_met({"alice", "shop", ipv4(10, 200, 1, 1), false}));
}

TEST_CASE("access rules: physical replication → only where it is named, or a rule is for it always") {
  AccessRule any = rule(AccessMethod::trust);
  CHECK(find_access_rule({any}, {"alice", "", {}, false}) == nullptr);
  AccessRule named = any;
  named.databases = {"shop", "replication"};
  const AccessRules by_name{named};
  CHECK(find_access_rule(by_name, {"alice", "", {}, false}) == &by_name[0]);
  AccessRule short_form = any;
  short_form.replication = AccessRule::Replication::always;
  const AccessRules always{short_form};
  CHECK(find_access_rule(always, {"alice", "", {}, false}) == &always[0]);
}

TEST_CASE("access rules: TLS forbidden → met without only") {
  AccessRule plain = rule(AccessMethod::trust);
  plain.tls = AccessRule::Tls::forbidden;
  CHECK(find_access_rule({plain}, {"alice", "shop", {}, true}) == nullptr);
  const AccessRules rules{plain};
  CHECK(find_access_rule(rules, {"alice", "shop", {}, false}) != nullptr);
}

TEST_CASE("access rules: a network of all addresses → local sockets too; of all of IPv4 → not IPv6") {
  AccessRule every = rule(AccessMethod::trust);
  every.networks = {{PeerAddress{}, 0}};
  AccessRule every_ipv4 = rule(AccessMethod::trust);
  every_ipv4.networks = {{ipv4(0, 0, 0, 0), 96}};
  const AccessRules anywhere{every};
  const AccessRules old_world{every_ipv4};
  PeerAddress ipv6{};
  ipv6[0] = 0x20;
  CHECK(find_access_rule(anywhere, {"alice", "shop", PeerAddress{}, false}) != nullptr);
  CHECK(find_access_rule(anywhere, {"alice", "shop", ipv6, false}) != nullptr);
  CHECK(find_access_rule(old_world, {"alice", "shop", ipv4(255, 1, 2, 3), false}) != nullptr);
  CHECK(find_access_rule(old_world, {"alice", "shop", ipv6, false}) == nullptr);
}
