#include "tests/config/fixture.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace config_test;
using namespace std::chrono_literals;

namespace {

Parts with_pair(const std::string& lines) {
  Parts parts;
  parts.pair = lines;
  return parts;
}

config::Outcome with_file(const std::string& content, const std::string& more = "") {
  Pretended world;
  world.files["/etc/users.txt"] = {content, false};
  return check(text_of(with_pair("    userlist_file: users.txt\n" + more)), world);
}

}  // namespace

TEST_CASE("access: rules → in order, with everything that is not said left open") {
  const auto outcome = check(text_of(with_pair("    access:\n"
                                               "      - {user: [a, b], database: shop, network: [10.0.0.0/8, \"::1\"], tls: required, method: scram-sha-256}\n"
                                               "      - {user: u, method: md5, tls: forbidden}\n"
                                               "      - {method: reject}\n")));
  CAPTURE(problems_of(outcome));
  REQUIRE(outcome.settings);
  const auto& rules = outcome.settings->pairs[0].access;
  REQUIRE(rules.size() == 3);
  CHECK(rules[0].users == std::vector<std::string>{"a", "b"});
  CHECK(rules[0].databases == std::vector<std::string>{"shop"});
  CHECK(rules[0].networks.size() == 2);
  CHECK(rules[0].tls == config::AccessTls::required);
  CHECK(rules[0].method == config::AccessMethod::scram_sha_256);
  CHECK(rules[1].tls == config::AccessTls::forbidden);
  CHECK(rules[2].method == config::AccessMethod::reject);
  CHECK(rules[2].tls == config::AccessTls::any);
  CHECK(rules[2].networks.empty());
}

TEST_CASE("access: a password in clear and a certificate → over TLS; the former without only where that is said, with a warning") {
  const auto rule = [](const std::string& text) {
    const auto outcome = check(text_of(with_pair("    access:\n      - " + text + "\n")));
    return std::pair(problems_of(outcome), outcome.settings ? outcome.settings->pairs[0].access.at(0).tls : config::AccessTls::forbidden);
  };
  CHECK(rule("{method: password}").second == config::AccessTls::required);
  CHECK(rule("{method: cert}").second == config::AccessTls::required);
  CHECK(rule("{method: password, tls: any}").second == config::AccessTls::any);
  CHECK(is_in(rule("{method: password, tls: any}").first,
              "8:33: warning: `pairs.p.access[0].tls`: lets clients send their password over connections that are not encrypted"));
  CHECK(is_in(rule("{method: cert, tls: any}").first, "8:29: error: `pairs.p.access[0].tls`: must be `required` for `cert`"));
}

TEST_CASE("access: mistakes → all of them, each with its place") {
  const std::string problems = problems_of(check(text_of(with_pair("    authentication: trust\n"
                                                                   "    trust_networks: [10.0.0.0/8]\n"
                                                                   "    access:\n"
                                                                   "      - {user: a}\n"
                                                                   "      - {method: scam-sha-256}\n"
                                                                   "      - {metod: trust}\n"
                                                                   "      - {method: trust, network: 10.1.0.0/8}\n"
                                                                   "      - {method: trust, tls: yes}\n"
                                                                   "      - trust\n"))));
  CAPTURE(problems);
  CHECK(is_in(problems, "7:21: error: `pairs.p.authentication`: has no say beside `access`"));
  CHECK(is_in(problems, "8:21: error: `pairs.p.trust_networks`: has no say beside `access`"));
  CHECK(is_in(problems, "10:9: error: `pairs.p.access[0]` lacks `method`"));
  CHECK(is_in(problems, "11:18: error: `pairs.p.access[1].method`"));
  CHECK(is_in(problems, "did you mean `scram-sha-256`?"));
  CHECK(is_in(problems, "unknown key `metod` in `pairs.p.access[2]` (did you mean `method`?)"));
  CHECK(is_in(problems, "`10.1.0.0/8`: address bits are set beyond the prefix"));
  CHECK(is_in(problems, "`pairs.p.access[4].tls`"));
  CHECK(is_in(problems, "`pairs.p.access[5]`: must be a map, not text"));
}

TEST_CASE("access: local sockets → a place, a mode, rules for them alone; mistakes → said") {
  const std::string rules = "    access:\n      - {network: local, method: peer}\n      - {method: reject}\n";
  const auto outcome = check(text_of(with_pair("    local_socket: {directory: /run/x/, mode: \"0660\"}\n" + rules)));
  CAPTURE(problems_of(outcome));
  REQUIRE(outcome.settings);
  const config::Pair& pair = outcome.settings->pairs[0];
  REQUIRE(pair.local_socket);
  CHECK(pair.local_socket->path == "/run/x/.s.PGSQL." + std::to_string(pair.listen.port));
  CHECK(pair.local_socket->mode == 0660);
  CHECK(pair.access[0].method == config::AccessMethod::peer);
  REQUIRE(pair.access[0].networks.size() == 1);
  CHECK(pair.access[0].networks[0].prefix_bits == 128);
  const auto told = [&](const std::string& local) { return problems_of(check(text_of(with_pair("    local_socket: " + local + "\n" + rules)))); };
  CHECK(told("{directory: run}").find("must be a full path") != std::string::npos);
  CHECK(told("{directory: /run, mode: \"0888\"}").find("in octal") != std::string::npos);
  CHECK(told("{mode: \"0600\"}").find("directory") != std::string::npos);
  CHECK(told("{directory: /" + std::string(120, 'x') + "}").find("too long") != std::string::npos);
}

TEST_CASE("access: a rule behind one that matches everything → a warning; nobody at all → an error") {
  CHECK(is_in(problems_of(check(text_of(with_pair("    access:\n      - {method: reject}\n      - {method: trust}\n")))),
              "9:9: warning: `pairs.p.access[1]`: is never reached"));
  CHECK(is_in(problems_of(check(text_of(with_pair("    access: []\n")))), "7:13: error: `pairs.p.access`: lets nobody in"));
}

TEST_CASE("access: beside it, users need no secret and may not say how they come in") {
  Parts parts = with_pair("    access: [{method: trust}]\n");
  parts.user = "        backend: {password: x}\n";
  CHECK(check(text_of(parts)).settings);
  parts.user = "        authentication: trust\n";
  CHECK(is_in(problems_of(check(text_of(parts))), "`pairs.p.users.u.authentication`: has no say beside `access`"));
}

TEST_CASE("users: an MD5 verifier, in the file or in one of its own → taken; something else → refused, not quoted") {
  Parts parts;
  const std::string verifier = "md5" + std::string(32, 'a');
  parts.user = "        verifier: " + verifier + "\n";
  auto outcome = check(text_of(parts));
  REQUIRE(outcome.settings);
  CHECK(outcome.settings->pairs[0].users[0].verifier->reveal() == verifier);
  parts.user = "        verifier_file: v\n";
  Pretended world;
  world.files["/etc/v"] = {verifier + "\n", false};
  outcome = check(text_of(parts), world);
  REQUIRE(outcome.settings);
  CHECK(outcome.settings->pairs[0].users[0].verifier->reveal() == verifier);
  parts.user = "        verifier: md5hunter2\n";
  const std::string problems = problems_of(check(text_of(parts)));
  CHECK(is_in(problems, "9:19: error: `pairs.p.users.u.verifier`: is not a stored verifier"));
  CHECK(!is_in(problems, "hunter2"));
}

TEST_CASE("userlist_file: read beside the configuration → users; named users need no password any more") {
  const auto outcome = with_file("\"alice\" \"pencil\"\n\"bob\" \"md5" + std::string(32, 'a') + "\"\n");
  CAPTURE(problems_of(outcome));
  REQUIRE(outcome.settings);
  CHECK(outcome.settings->pairs[0].userlist.size() == 2);
  Parts parts = with_pair("    userlist_file: users.txt\n");
  parts.user = "        backend: {user: other}\n";
  Pretended world;
  world.files["/etc/users.txt"] = {"\"u\" \"pencil\"", false};
  CHECK(check(text_of(parts), world).settings);
}

TEST_CASE("userlist_file: missing, open to others, malformed → said with its place, no secret quoted") {
  CHECK(is_in(problems_of(check(text_of(with_pair("    userlist_file: none.txt\n")))),
              "7:20: error: `pairs.p.userlist_file`: `none.txt` cannot be read: no such file"));
  Pretended world;
  world.files["/etc/users.txt"] = {"\"a\" \"b\"", true};
  CHECK(is_in(problems_of(check(text_of(with_pair("    userlist_file: users.txt\n")), world)), "7:20: warning: `pairs.p.userlist_file`: `users.txt` can be read by other users"));
  CHECK(is_in(problems_of(with_file("\"a\" hunter2\n")), "7:20: error: `pairs.p.userlist_file`: `users.txt`: line 1, column 5: a password in double quotes is expected"));
  const std::string broken = problems_of(with_file("\"a\" \"SCRAM-SHA-256$hunter2\"\n"));
  CHECK(is_in(broken, "the verifier of user `a` is malformed"));
  CHECK(!is_in(broken, "hunter2"));
}

TEST_CASE("auth_query: keys → settings; mistakes → said") {
  const auto outcome = check(text_of(with_pair("    auth_query: {user: asker, password: secret, database: d, query: \"SELECT * FROM f($1)\",\n"
                                               "                 cache: 10s, cache_unknown: 0s, cache_users: 5, timeout: 1s}\n")));
  CAPTURE(problems_of(outcome));
  REQUIRE(outcome.settings);
  const auto& query = outcome.settings->pairs[0].auth_query;
  REQUIRE(query);
  CHECK(query->login.user == "asker");
  CHECK(query->login.password->reveal() == "secret");
  CHECK(query->database == "d");
  CHECK(query->query == "SELECT * FROM f($1)");
  CHECK(query->lifetime == 10s);
  CHECK(query->lifetime_unknown == 0s);
  CHECK(query->users_max == 5);
  CHECK(query->timeout == 1s);
  const std::string problems = problems_of(check(text_of(with_pair("    auth_query: {usr: asker, query: SELECT 1}\n"))));
  CHECK(is_in(problems, "`pairs.p.auth_query` lacks `user`"));
  CHECK(is_in(problems, "unknown key `usr` in `pairs.p.auth_query` (did you mean `user`?)"));
  CHECK(is_in(problems, "`pairs.p.auth_query.query`: must hold `$1`"));
}
