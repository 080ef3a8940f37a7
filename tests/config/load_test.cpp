#include "tests/config/fixture.hpp"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

namespace {

using config_test::check;
using config_test::is_in;
using config_test::Parts;
using config_test::problems_of;
using config_test::text_of;
using routing::Side;

config::Settings accepted(const Parts& parts) {
  const config::Outcome outcome = check(text_of(parts));
  CAPTURE(config::format_problems(outcome.problems));
  REQUIRE(outcome.settings.has_value());
  return *outcome.settings;
}

/// A mistake and what must be said of it; the numbers are line and column.
struct Row {
  Parts parts;
  std::string expected;
};

void refuse(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    CAPTURE(row.expected);
    const config::Outcome outcome = check(text_of(row.parts));
    const std::string problems = problems_of(outcome);
    CAPTURE(problems);
    CHECK_FALSE(outcome.settings.has_value());
    CHECK_UNARY(problems.starts_with(row.expected) || is_in(problems, "\n" + row.expected));
  }
}

Parts top(std::string text) {
  Parts parts;
  parts.top = std::move(text);
  return parts;
}
Parts pair(std::string text) {
  Parts parts;
  parts.pair = std::move(text);
  return parts;
}
Parts user(std::string text) {
  Parts parts;
  parts.user = std::move(text);
  return parts;
}
Parts rules(std::string text) {
  Parts parts;
  parts.rules = std::move(text);
  return parts;
}
Parts listen(std::string text) {
  Parts parts;
  parts.listen = std::move(text);
  return parts;
}

}  // namespace

TEST_CASE("load: as little as possible → every default") {
  const config::Settings settings = accepted({});
  CHECK_FALSE(settings.worker_count.has_value());
  CHECK(settings.log.level == config::LogLevel::info);
  REQUIRE(settings.admin.has_value());
  CHECK(settings.admin->listen == config::ListenAddress{"127.0.0.1", 7780});
  CHECK_FALSE(settings.admin->token.has_value());
  CHECK(settings.limits.clients_max == 10'000);
  const config::Pair& pair = settings.pairs[0];
  CHECK(pair.endpoints[Side::blue] == config::EndpointAddress{"b", 5432});
  CHECK(pair.plan.default_writes == Side::blue);
  CHECK(pair.users[0].authentication == config::Authentication::scram_sha_256);
  CHECK(pair.users[0].backend[Side::green].password == config::Secret("secret"));
  CHECK(pair.users[0].backend[Side::green].user.empty());
  CHECK(pair.plan.rules[0].reads.green == 0);
  CHECK(pair.plan.rules[0].writes == Side::blue);
  CHECK(pair.plan.rules[0].stickiness == routing::Stickiness::session);
  CHECK_FALSE(pair.catalogue.login.has_value());
}

TEST_CASE("load: process settings given → taken") {
  const config::Settings settings =
      accepted(top("workers: 3\nlog: {level: debug, format: json}\nadmin: off\n"
                   "limits:\n  clients_max: 5\n  login_timeout: 250ms\n  statement_bytes_max: 2KiB\n"
                   "  tcp_keepalive_idle: 2m\n  tcp_user_timeout: 0ms\n"));
  CHECK(settings.worker_count == 3U);
  CHECK(settings.log.level == config::LogLevel::debug);
  CHECK(settings.log.format == config::LogFormat::json);
  CHECK_FALSE(settings.admin.has_value());
  CHECK(settings.limits.clients_max == 5);
  CHECK(settings.limits.login_timeout.count() == 250);
  CHECK(settings.limits.statement_bytes_max == 2'048);
  CHECK(settings.limits.tcp_keepalive_idle.count() == 120);
  CHECK(settings.limits.tcp_user_timeout.count() == 0);
}

TEST_CASE("load: a rule with everything → taken") {
  const config::Settings settings = accepted(rules(
      "      - name: r\n        match:\n          user: u\n          database: [a, b]\n          network: "
      "[10.0.0.0/8]\n"
      "          application_name: x y\n          class: [read, write]\n          table: t\n          tag: "
      "{k: v, l: ''}\n"
      "        reads: {blue: 66.67%, green: 33.33%}\n        writes: green\n        stickiness: tag:tenant\n"
      "      - {name: s, reads: green, stickiness: client_address}\n      - {name: t, reads: {blue: 25}}\n"));
  const routing::Rule& rule = settings.pairs[0].plan.rules[0];
  CHECK(rule.match.users == std::vector<std::string>{"u"});
  CHECK(rule.match.databases == std::vector<std::string>{"a", "b"});
  CHECK(rule.match.networks.size() == 1);
  CHECK(rule.match.application_names == std::vector<std::string>{"x y"});
  CHECK(rule.match.classes.size() == 2);
  CHECK(rule.match.tables == std::vector<std::string>{"t"});
  CHECK(rule.match.tags == protocol::CommentTags{{"k", "v"}, {"l", ""}});
  CHECK(rule.reads.green == 3'333);
  CHECK(rule.writes == Side::green);
  CHECK(rule.stickiness == routing::Stickiness::tag);
  CHECK(rule.stickiness_tag == "tenant");
  CHECK(settings.pairs[0].plan.rules[1].reads.green == 10'000);
  CHECK(settings.pairs[0].plan.rules[1].stickiness == routing::Stickiness::client_address);
  CHECK(settings.pairs[0].plan.rules[2].reads.green == 7'500);
}

TEST_CASE("load: a rule silent about reads → they go where its writes go") {
  Parts parts = rules("      - {name: r, match: {user: u}, writes: blue}\n      - name: s\n");
  parts.pair = "    writes: green\n";
  const routing::Plan plan = accepted(parts).pairs[0].plan;
  CHECK(plan.rules[0].reads.green == 0);
  CHECK(plan.rules[1].reads.green == 10'000);
}

TEST_CASE("load: users → backend logins, per side where given") {
  const config::Settings settings = accepted(
      user("        password: one\n        backend:\n          user: x\n          password: two\n          "
           "green: {password: three}\n"
           "      v: {password: four, backend: {blue: {user: y}}}\n"
           "      w: {authentication: trust, password: five}\n      \"*\": {authentication: trust}\n"));
  const config::Pair& pair = settings.pairs[0];
  CHECK(pair.users[0].password == config::Secret("one"));
  CHECK(pair.users[0].backend[Side::blue].user == "x");
  CHECK(pair.users[0].backend[Side::blue].password == config::Secret("two"));
  CHECK(pair.users[0].backend[Side::green].user == "x");
  CHECK(pair.users[0].backend[Side::green].password == config::Secret("three"));
  CHECK(pair.users[1].backend[Side::blue].user == "y");
  CHECK(pair.users[1].backend[Side::blue].password == config::Secret("four"));
  CHECK(pair.users[1].backend[Side::green].user.empty());
  CHECK_FALSE(pair.users[2].password.has_value());
  CHECK(pair.users[2].backend[Side::green].password == config::Secret("five"));
  CHECK_FALSE(pair.users[3].backend[Side::green].password.has_value());
  CHECK(config::find_user(pair, "v")->name == "v");
  CHECK(config::find_user(pair, "nobody")->name == "*");
}

TEST_CASE("load: nobody by that name and no entry for any → null") {
  CHECK(config::find_user(accepted({}).pairs[0], "nobody") == nullptr);
}

TEST_CASE("load: a folder as host → the path of the socket in it") {
  Parts parts = pair("");
  std::string text = text_of(parts);
  text.replace(text.find("{host: b}"), 9, "{host: /run/postgresql/, port: 5433}");
  text.replace(text.find("{host: g}"), 9, "{host: /tmp/.s.PGSQL.7}");
  const config::Outcome outcome = check(text);
  REQUIRE(outcome.settings.has_value());
  CHECK(outcome.settings->pairs[0].endpoints[Side::blue].host == "/run/postgresql/.s.PGSQL.5433");
  CHECK(outcome.settings->pairs[0].endpoints[Side::green].host == "/tmp/.s.PGSQL.7");
}

TEST_CASE("load: mistakes at the top → the place, the text and what would do") {
  refuse({
      {top("worker: 4\n"), "1:1: error: unknown key `worker` (did you mean `workers`?)\n"},
      {top("workers: 0\n"), "1:10: error: `workers`: `0` is out of range; it must be 1 to 64\n"},
      {top("workers: fast\n"),
       "1:10: error: `workers`: `fast` must be `auto` or a whole number from 1 to 64\n"},
      {top("workers:\n"), "1:1: error: `workers`: has no value\n"},
      {top("log: {level: inof}\n"),
       "1:14: error: `log.level`: `inof` is unknown; it must be one of trace, debug, info, warning, error "
       "(did you mean `info`?)\n"},
      {top("log: verbose\n"), "1:6: error: `log`: must be a map, not text\n"},
      {top("admin: on\n"), "1:8: error: `admin`: must be `off` or a map with `listen`\n"},
      {top("admin: {listen: 0.0.0.0:7780}\n"),
       "1:17: error: `admin.listen`: `0.0.0.0:7780` can be reached from other machines; "},
      {top("admin: {listen: 127.0.0.1:7780, token: short}\n"),
       "1:8: error: `admin.token`: is shorter than 16 characters"},
      {top("admin: {listen: 127.0.0.1:6432}\n"),
       "5:13: error: `pairs.p.listen`: `127.0.0.1:6432` is taken by `admin.listen`"},
      {top("limits: {connect_timeout: 5}\n"), "1:27: error: `limits.connect_timeout`: `5` has no unit; "},
      {top("limits: {connect_timeout: 15sec}\n"),
       "1:27: error: `limits.connect_timeout`: `15sec` has the unknown unit `sec`; "},
      {top("limits: {connect_timeout: 11m}\n"),
       "1:27: error: `limits.connect_timeout`: `11m` is out of range; it must be 100ms to 10m\n"},
      {top("limits: {connect_timeout: [5s]}\n"),
       "1:27: error: `limits.connect_timeout`: must be text, not a list\n"},
      {top("limits: {tcp_keepalive_idle: 1.5s}\n"),
       "1:30: error: `limits.tcp_keepalive_idle`: `1.5s` must be whole seconds\n"},
      {top("limits: {statement_bytes_max: 1MB}\n"),
       "1:31: error: `limits.statement_bytes_max`: `1MB` has the unknown unit `MB`; "},
      {top("limits: {statement_bytes_max: 1GiB}\n"),
       "1:31: error: `limits.statement_bytes_max`: `1GiB` is out of range; it must be 1KiB to 64MiB\n"},
      {top("limits: {clients_max: -1}\n"),
       "1:23: error: `limits.clients_max`: `-1` is not a whole number from 1 to 1000000\n"},
      {top("limits: {clients_max: 1, clients_max: 2}\n"),
       "1:26: error: the key `clients_max` is given twice; first on line 1\n"},
      {top("<<: {a: b}\n"), "1:1: error: unknown key `<<`; merge keys are not supported"},
  });
}

TEST_CASE("load: mistakes in a pair → the place, the text and what would do") {
  refuse({
      {pair("    listn: x\n"), "7:5: error: unknown key `listn` in `pairs.p` (did you mean `listen`?)\n"},
      {pair("    login_timeout: 3s\n"),
       "7:5: error: unknown key `login_timeout` in `pairs.p`; it belongs to `limits`\n"},
      {pair("    writes: gren\n"),
       "7:13: error: `pairs.p.writes`: `gren` is unknown; it must be one of blue, green (did you mean "
       "`green`?)\n"},
      {pair("    authentication: scram\n"),
       "7:21: error: `pairs.p.authentication`: `scram` is unknown; it must be one of scram-sha-256, "
       "trust (did you mean `scram-sha-256`?)\n"},
      {pair("    catalogue: {refresh: 60}\n"),
       "7:26: error: `pairs.p.catalogue.refresh`: `60` has no unit; "},
      {pair("    catalogue: {password: x}\n"),
       "7:16: error: `pairs.p.catalogue`: gives a password but no `user`\n"},
      {pair("    trust_networks: [10.0.0.1/8]\n"),
       "7:22: error: `pairs.p.trust_networks`: `10.0.0.1/8`: address bits are set beyond the prefix; "
       "the block of this address is 10.0.0.0/8\n"},
      {pair("    allow_same_endpoint: yes\n"),
       "7:26: error: `pairs.p.allow_same_endpoint`: `yes` is unknown; it must be one of true, false\n"},
      {listen("6432"), "4:13: error: `pairs.p.listen`: `6432` is not an address with a port; "},
      {listen("\"*:6432\""), "4:13: error: `pairs.p.listen`: `*:6432` names no address; "},
      {listen("[::1]:6432"), "4:18: error: not valid YAML: "},
  });
}

TEST_CASE("load: mistakes in endpoints → the place, the text and what would do") {
  const auto with = [](const std::string& blue, const std::string& green) {
    std::string text = text_of({});
    text.replace(text.find("{host: b}"), 9, blue);
    text.replace(text.find("{host: g}"), 9, green);
    return problems_of(check(text));
  };
  CHECK(with("{host: db:5432}", "{host: g}") ==
        "5:18: error: `pairs.p.blue.host`: `db:5432` must not hold the port; that is `port`\n");
  CHECK(with("{host: '[::1]'}", "{host: g}") ==
        "5:18: error: `pairs.p.blue.host`: `[::1]` must be written without brackets\n");
  CHECK(with("{host: a b}", "{host: g}") ==
        "5:18: error: `pairs.p.blue.host`: `a b` is no host name, address or path of a local socket\n");
  CHECK(with("{port: 1}", "{host: g}") == "5:11: error: `pairs.p.blue` lacks `host`\n");
  CHECK(with("{host: b, port: 0}", "{host: g}") ==
        "5:27: error: `pairs.p.blue.port`: `0` is out of range; it must be 1 to 65535\n");
  CHECK(with("db:5432", "{host: g}") ==
        "5:11: error: `pairs.p.blue`: must be a map, such as `{host: db1.example.org, port: 5432}`\n");
  CHECK(is_in(with("{host: /" + std::string(120, 'x') + "}", "{host: g}"), "is too long for a local socket"));
  CHECK(is_in(with("{host: same}", "{host: same}"),
              "6:12: error: `pairs.p.green`: is the same server as blue"));
  CHECK(is_in(with("{host: localhost}", "{host: 127.0.0.1}"), "is the same server as blue"));
  CHECK(with("{host: same}", "{host: same, port: 5433}").empty());
  CHECK(with("{host: 127.0.0.1, port: 6432}", "{host: g}") ==
        "5:11: error: `pairs.p.blue`: is the address this pair listens on itself\n");
  CHECK(with("{host: 2001:db8::7}", "{host: ::1}").empty());
}

TEST_CASE("load: the same server twice, and meant → allowed") {
  Parts parts = pair("    allow_same_endpoint: true\n");
  std::string text = text_of(parts);
  text.replace(text.find("{host: g}"), 9, "{host: b}");
  CHECK(check(text).settings.has_value());
}

TEST_CASE("load: mistakes in users → the place and what would do, never the secret") {
  refuse({
      {user("        {}\n"), "9:9: error: `pairs.p.users.u`: needs `password_file` (or "},
      {user("        hunter2\n"), "9:9: error: `pairs.p.users.u`: must be a map, not text\n"},
      {user("        passwrd: hunter2\n"),
       "9:9: error: unknown key `passwrd` in `pairs.p.users.u` (did you mean `password`?)\n"},
      {user("        password: [hunter2]\n"),
       "9:19: error: `pairs.p.users.u.password`: must be text, not a list\n"},
      {user("        password: ''\n"), "9:19: error: `pairs.p.users.u.password`: is empty\n"},
      {user("        password: \"hunter2\\nx\"\n"),
       "9:19: error: `pairs.p.users.u.password`: holds more than one line\n"},
      {user("        password: hunter2\n        password_env: X\n"),
       "9:9: error: `pairs.p.users.u`: gives the password in more than one way; "},
      {user("        scram_verifier: hunter2\n"),
       "9:25: error: `pairs.p.users.u.scram_verifier`: is not a stored verifier; "},
      {user("        password: SCRAM-SHA-256$hunter2\n"),
       "9:9: error: `pairs.p.users.u`: the password looks like a stored verifier; "},
      {user("        password_file: no.txt\n"),
       "9:24: error: `pairs.p.users.u.password_file`: `no.txt` cannot be read: no such file\n"},
      {user("        password_env: NO\n"),
       "9:23: error: `pairs.p.users.u.password_env`: the environment variable `NO` is not set\n"},
      {user("        password: a\n      \"*\": {password: hunter2}\n"),
       "10:12: error: `pairs.p.users.*`: stands for any user, "},
      {user("        authentication: trust\n        scram_verifier: hunter2\n"),
       "10:25: error: `pairs.p.users.u`: is let in by trust; "},
      {user("        password: a\n        backend: {usr: x}\n"),
       "10:19: error: unknown key `usr` in `pairs.p.users.u.backend` (did you mean `user`?)\n"},
      {user("        password: a\n      " + std::string(64, 'x') + ": {password: a}\n"),
       "10:7: error: `pairs.p.users`: the name of a user must have 1 to 63 bytes\n"},
  });
  const std::string problems =
      problems_of(check(text_of(user("        password: [hunter2]\n        scram_verifier: hunter2\n"))));
  CHECK_FALSE(is_in(problems, "hunter2"));
}

TEST_CASE("load: trust on an address others can reach → only with networks named") {
  Parts parts = user("        authentication: trust\n");
  parts.listen = "0.0.0.0:6432";
  const std::string problems = problems_of(check(text_of(parts)));
  CHECK(is_in(
      problems,
      "error: `pairs.p`: lets user `u` in by trust, and `0.0.0.0:6432` can be reached from other machines; "
      "name the `trust_networks`\n"));
  parts.pair = "    trust_networks: [10.0.0.0/8]\n";
  CHECK(accepted(parts).pairs[0].trust_networks.size() == 1);
  parts.listen = "127.0.0.1:6432";
  parts.pair = "";
  CHECK(accepted(parts).pairs[0].trust_networks.empty());
}

TEST_CASE("load: mistakes in rules → the place, the text and what would do") {
  const auto rule = [](const std::string& more) { return rules("      - {name: r, " + more + "}\n"); };
  refuse({
      {rules("      - match: {}\n"), "11:9: error: `pairs.p.rules[0]` lacks `name`\n"},
      {rules("      - r\n"), "11:9: error: `pairs.p.rules[0]`: must be a map, not text\n"},
      {rules("      r: {}\n"), "11:7: error: `pairs.p.rules`: must be a list, not a map\n"},
      {rules("      - name: a b\n"),
       "11:15: error: `pairs.p.rules[0].name`: `a b` must have 1 to 63 letters, digits, _ and -\n"},
      {rules("      - {name: r, match: {user: u}}\n      - name: r\n"),
       "12:9: error: `pairs.p.rules`: the name `r` is given twice; first on line 11\n"},
      {rule("reads: {blue: 90, green: 20}"),
       "11:26: error: `pairs.p.rules[0].reads`: the weights come to 110 %, not 100: blue 90 and green 20\n"},
      {rule("reads: {blue: 33.33, green: 66.66}"),
       "11:26: error: `pairs.p.rules[0].reads`: the weights come to 99.99 %, not 100: blue 33.33 and green "
       "66.66\n"},
      {rule("reads: {}"), "11:26: error: `pairs.p.rules[0].reads`: names no side; "},
      {rule("reads: {gren: 5}"),
       "11:27: error: unknown key `gren` in `pairs.p.rules[0].reads` (did you mean `green`?)\n"},
      {rule("reads: {green: 101}"),
       "11:34: error: `pairs.p.rules[0].reads.green`: `101` is more than 100 %\n"},
      {rule("reads: {green: 0.001}"),
       "11:34: error: `pairs.p.rules[0].reads.green`: `0.001` is finer than a hundredth of a percent\n"},
      {rule("reads: grean"), "11:26: error: `pairs.p.rules[0].reads`: `grean` is no side; "},
      {rule("writes: both"),
       "11:27: error: `pairs.p.rules[0].writes`: `both` is unknown; it must be one of blue, green\n"},
      {rule("stickiness: tag"), "11:31: error: `pairs.p.rules[0].stickiness`: `tag` names no tag; "},
      {rule("stickiness: 'tag:'"), "11:31: error: `pairs.p.rules[0].stickiness`: `tag:` names no tag; "},
      {rule("stickiness: sesion"), "11:31: error: `pairs.p.rules[0].stickiness`: `sesion` is unknown; "},
      {rule("match: {class: [reads]}"),
       "11:35: error: `pairs.p.rules[0].match.class`: `reads` is no class of statements; "},
      {rule("match: {network: db}"),
       "11:36: error: `pairs.p.rules[0].match.network`: `db`: not an IPv4 or IPv6 address\n"},
      {rule("match: {table: []}"), "11:34: error: `pairs.p.rules[0].match.table`: is an empty list; "},
      {rule("match: {table: [a, a]}"), "11:38: error: `pairs.p.rules[0].match.table`: `a` is listed twice\n"},
      {rule("match: {tag: k}"), "11:32: error: `pairs.p.rules[0].match.tag`: must be a map, not text\n"},
      {rule("match: {usr: k}"),
       "11:27: error: unknown key `usr` in `pairs.p.rules[0].match` (did you mean `user`?)\n"},
      {rule("match: {database: 'a\tb'}"),
       "11:37: error: `pairs.p.rules[0].match.database`: holds a control character\n"},
  });
}

TEST_CASE("load: what is allowed but surely not meant → a warning, and the settings all the same") {
  const auto warned = [](const Parts& parts) {
    const config::Outcome outcome = check(text_of(parts));
    CHECK(outcome.settings.has_value());
    return problems_of(outcome);
  };
  CHECK(warned(rules("      - name: a\n      - name: b\n")) ==
        "12:9: warning: `pairs.p.rules`: rule `b` is never reached: `a` before it matches everything\n");
  CHECK(warned(rules("      - {name: a, match: {user: v}}\n")) ==
        "11:33: warning: `pairs.p.rules[0].match.user`: `v` is no user of this pair\n");
  CHECK(warned(rules("      - {name: a, match: {user: u}}\n      - {name: b, writes: green}\n")) ==
        "12:9: warning: `pairs.p.rules`: rule `b` sends writes to the other side than `a`: a transaction follows its first "
        "decision, whatever it writes to\n");
  CHECK(warned(pair("    trust_networks: [10.0.0.0/8]\n")) ==
        "7:21: warning: `pairs.p.trust_networks`: has no effect: no user is let in by trust\n");
  std::string text = text_of({});
  text.resize(text.find("    rules:"));
  CHECK(
      problems_of(check(text)) ==
      "3:5: warning: `pairs.p`: has no `rules`: everything goes to blue and there are no weights to move\n");
}

TEST_CASE("load: several pairs → all taken, and no two on one address") {
  const auto second = [](const std::string& address) {
    return text_of({}) + "  q:\n    dialect: postgres\n    listen: " + address +
           "\n    blue: {host: b}\n    green: {host: g}\n    users: {u: {password: x}}\n    rules: [{name: "
           "r}]\n";
  };
  const config::Outcome outcome = check(second("127.0.0.1:6433"));
  REQUIRE(outcome.settings.has_value());
  CHECK(outcome.settings->pairs.size() == 2);
  CHECK(outcome.settings->pairs[1].name == "q");
  for (const char* address : {"127.0.0.1:6432", "0.0.0.0:6432", "\"[::]:6432\""}) {
    CHECK(is_in(problems_of(check(second(address))), "is taken by pair `p`\n"));
  }
  CHECK(check(second("127.0.0.1:0")).settings.has_value());
  CHECK(check(second("127.0.0.2:6432")).settings.has_value());
}

TEST_CASE("load: many mistakes → all in one go, in the order of the file") {
  const config::Outcome outcome = check(
      "log: {level: x}\nadmin: 5\nlimits: {clients_max: x, login_timeout: x}\npairs:\n  a: {}\n  b: 5\nmore: "
      "1\n");
  CHECK_FALSE(outcome.settings.has_value());
  CHECK(outcome.problems.size() >= 10);
  for (std::size_t i = 1; i < outcome.problems.size(); ++i) {
    CHECK(outcome.problems[i - 1].line <= outcome.problems[i].line);
  }
}

TEST_CASE("load: nothing, no map, no pair, too long → said") {
  CHECK(problems_of(check("")) == " error: is empty; at least `pairs` is needed\n");
  CHECK(problems_of(check("- a\n")) == "1:1: error: must be a map of settings, not a list\n");
  CHECK(problems_of(check("pairs: {}\n")) == "1:8: error: `pairs`: names no pair; at least one is needed\n");
  CHECK(problems_of(check("workers: 1\n")) == "1:1: error: `pairs` is missing\n");
  CHECK(problems_of(check(std::string(config::file_bytes_max + 1, '#'))) ==
        " error: is longer than 1048576 bytes\n");
  CHECK(is_in(problems_of(check("pairs:\n  a b: {}\n")),
              "2:3: error: the name of a pair must have 1 to 63 letters, digits, _ and -, "
              "not `a b`\n"));
}

TEST_CASE("load: wrong throughout → a bounded number of lines") {
  std::string text = "limits:\n";
  for (int i = 0; i < 20'000; ++i) text += "  clients_mx" + std::to_string(i) + ": x\n";
  const config::Outcome outcome = check(text);
  CHECK(outcome.problems.size() == 201);
  CHECK(outcome.problems.back().message == "and 19801 more");
  std::string pairs = "pairs:\n";
  for (int i = 0; i < 300; ++i) pairs += "  p" + std::to_string(i) + ": {}\n";
  CHECK(is_in(problems_of(check(pairs)), "has more than 256 pairs"));
}

TEST_CASE("load: the same anchor wrong for two pairs → its content reported once") {
  const config::Outcome outcome = check("pairs:\n  a: &x\n    listen: 5\n  b: *x\n");
  const std::string problems = problems_of(outcome);
  CHECK(is_in(problems, "`pairs.a.listen`: `5`"));
  CHECK(is_in(problems, "`pairs.b.listen`: `5`"));
}
