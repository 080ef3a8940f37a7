#include "proxy/admin/server.hpp"
#include "proxy/cli/command_line.hpp"
#include "tests/proxy/admin/fake_control.hpp"

#include <boost/json.hpp>
#include <doctest/doctest.h>

#include <sstream>
#include <string>
#include <vector>

using proxy::cli::Commands;
using proxy::cli::DemoOptions;
using proxy::cli::Terminal;

namespace {

struct Outcome {
  int exit_code = -1;
  std::string out;
  std::string complaints;

  [[nodiscard]] bool says(std::string_view words) const { return out.find(words) != std::string::npos; }
  [[nodiscard]] bool complains(std::string_view words) const { return complaints.find(words) != std::string::npos; }
};

Commands no_commands() {
  return {[](const proxy::cli::RunOptions&) { return 90; }, [](const std::string&) { return 91; }, [](const DemoOptions&) { return 92; }};
}

Outcome invoke(std::vector<std::string> arguments, const Commands& commands = no_commands(), std::string token = "") {
  arguments.insert(arguments.begin(), "crossfade");
  std::vector<const char*> argv;
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  std::ostringstream out;
  std::ostringstream complaints;
  const int exit_code = proxy::cli::run_command_line(static_cast<int>(argv.size()), argv.data(), commands,
                                                     Terminal{out, complaints, std::move(token)});
  return {exit_code, out.str(), complaints.str()};
}

/// A proxy as the admin API shows it, on a port of its own.
class RunningProxy {
 public:
  explicit RunningProxy(std::vector<std::string> tokens = {})
      : log_(quiet()), server_(options(std::move(tokens)), control, log_), port_(server_.start().value()) {}

  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

  fake::Control control;

 private:
  static proxy::telemetry::LogOptions quiet() {
    proxy::telemetry::LogOptions options;
    options.level = proxy::telemetry::LogLevel::error;
    return options;
  }
  static proxy::admin::AdminOptions options(std::vector<std::string> tokens) {
    proxy::admin::AdminOptions options;
    options.listen_port = 0;
    options.tokens = std::move(tokens);
    return options;
  }

  proxy::telemetry::Log log_;
  proxy::admin::AdminServer server_;
  std::uint16_t port_;
};

}  // namespace

TEST_CASE("usage: an unknown command → the word, and the commands that there are") {
  const Outcome outcome = invoke({"frobnicate", "--green", "1"});
  CHECK(outcome.exit_code == 2);
  CHECK(outcome.complains("there is no command `frobnicate`"));
  CHECK(outcome.complains("rollback"));
}

TEST_CASE("usage: nothing, an unknown command, a missing or impossible value → 2 and an explanation") {
  const std::vector<std::vector<std::string>> rows{{},
                                                   {"frobnicate"},
                                                   {"run"},
                                                   {"check"},
                                                   {"run", "a", "b"},
                                                   {"shift", "shop", "reports"},
                                                   {"shift", "shop", "--green", "10"},
                                                   {"shift", "shop", "reports", "--green", "101"},
                                                   {"shift", "shop", "reports", "--green", "much"},
                                                   {"explain"},
                                                   {"rollback"},
                                                   {"demo", "--seconds", "0"},
                                                   {"demo", "--clients", "100000"},
                                                   {"status", "--admin", "ftp://x"},
                                                   {"status", "--admin", "https://127.0.0.1"},
                                                   {"status", "--token-file", "/nonexistent/token"}};
  for (const auto& row : rows) {
    CAPTURE(row.size());
    const Outcome outcome = invoke(row);
    CHECK(outcome.exit_code == 2);
    CHECK_FALSE(outcome.complaints.empty());
  }
}

TEST_CASE("answers: --version and --help → 0 on standard output") {
  CHECK(invoke({"--version"}).says("crossfade " CROSSFADE_VERSION));
  const Outcome help = invoke({"--help"});
  CHECK(help.exit_code == 0);
  for (const char* command : {"run", "check", "demo", "status", "explain", "shift", "rollback", "Exit codes"}) {
    CHECK(help.says(command));
  }
  CHECK(invoke({"shift", "--help"}).exit_code == 0);
}

TEST_CASE("local commands: run, check and demo → handed on, their exit codes handed back") {
  Commands commands = no_commands();
  std::string path;
  DemoOptions demo;
  commands.run = [&](const proxy::cli::RunOptions& given) { return path = given.path, 11; };
  commands.check = [&](const std::string& given) { return path = given, 12; };
  commands.demo = [&](const DemoOptions& given) { return demo = given, 13; };
  CHECK(invoke({"run", "a.yaml"}, commands).exit_code == 11);
  CHECK(path == "a.yaml");
  CHECK(invoke({"check", "b.yaml"}, commands).exit_code == 12);
  CHECK(path == "b.yaml");
  CHECK(invoke({"demo", "--hold", "--seconds", "7", "--clients", "5"}, commands).exit_code == 13);
  CHECK(demo.ending == proxy::cli::DemoEnding::hold);
  CHECK(demo.step == std::chrono::seconds(7));
  CHECK(demo.client_count == 5);
}

TEST_CASE("types: of a running proxy → each type with its number on either side, or none") {
  const RunningProxy running;
  const Outcome outcome = invoke({"types", "--pair", "shop", "--admin", running.url()});
  REQUIRE(outcome.exit_code == 0);
  CHECK(outcome.says("shop: 1 type with other numbers on green"));
  CHECK(outcome.says("public.mood"));
  CHECK(outcome.says("missing"));
  CHECK(invoke({"types", "--pair", "other", "--admin", running.url()}).exit_code != 0);
}

TEST_CASE("status: of a running proxy → sides, rules and weights") {
  const RunningProxy running;
  const Outcome outcome = invoke({"status", "--admin", running.url()});
  REQUIRE(outcome.exit_code == 0);
  CHECK(outcome.says("shop (postgres) on 127.0.0.1:6432: 3 clients, epoch 1"));
  CHECK(outcome.says("  green  green.example:5432"));
  CHECK(outcome.says("down for 12 s: refused"));
  CHECK(outcome.says("up for 0 s, in recovery"));
  CHECK(outcome.says("  reports        75 %         25 %  blue    session"));
  CHECK(outcome.says("pinned sessions: listen 1"));
  const Outcome as_json = invoke({"status", "--json", "--admin", running.url() + "/"});
  CHECK(as_json.exit_code == 0);
  CHECK(boost::json::parse(as_json.out).at("pairs").at(0).at("name") == "shop");
}

TEST_CASE("shift and rollback: of a running proxy → the plan changes and is told") {
  RunningProxy running;
  const Outcome shifted =
      invoke({"shift", "shop", "reports", "--green", "33.33", "--why", "canary", "--admin", running.url()});
  CHECK(shifted.exit_code == 0);
  CHECK(shifted.says("shop: epoch 2, acknowledged by all workers after 142 µs"));
  CHECK(shifted.says("66.67 %      33.33 %"));
  CHECK(running.control.plan().rules[0].reads.green == 3'333);
  const Outcome back = invoke({"rollback", "shop", "--admin", running.url()});
  CHECK(back.exit_code == 0);
  CHECK(running.control.plan().rules[0].reads.green == 2'500);
}

TEST_CASE("shift: refused → 1 with the proxy's words; not acknowledged → 1 and said so") {
  RunningProxy running;
  const Outcome unknown = invoke({"shift", "shop", "no such/rule", "--blue", "10", "--admin", running.url()});
  CHECK(unknown.exit_code == 1);
  CHECK(unknown.complains("no rule \"no such/rule\"; its rules are reports, all"));
  const Outcome contradiction =
      invoke({"shift", "shop", "reports", "--blue", "10", "--green", "80", "--admin", running.url()});
  CHECK(contradiction.exit_code == 1);
  CHECK(contradiction.complains("make 90 percent"));
  running.control.is_acknowledged = false;
  const Outcome slow = invoke({"shift", "shop", "reports", "--green", "10", "--admin", running.url()});
  CHECK(slow.exit_code == 1);
  CHECK(slow.says("NOT acknowledged"));
}

TEST_CASE("explain: without a pair → the only one; the outcome shows route and steps") {
  RunningProxy running;
  const Outcome outcome = invoke({"explain", "SELECT 1", "--user", "alice", "--session-number", "4", "--client", "10.0.0.1",
                                  "--admin", running.url()});
  REQUIRE(outcome.exit_code == 0);
  CHECK(outcome.says("route      green, because of read_weight, by rule \"reports\""));
  CHECK(outcome.says("class      read"));
  CHECK(outcome.says("rule reports  matched"));
  CHECK(running.control.last_explained->session.user == "alice");
  CHECK(running.control.last_explained->session.session_number == 4);
}

TEST_CASE("token: needed → 1 without it, 0 with it from the environment") {
  const std::string token = "a-token-of-enough-bytes";
  const RunningProxy running({token});
  const Outcome without = invoke({"status", "--admin", running.url()});
  CHECK(without.exit_code == 1);
  CHECK(without.complains("--token-file"));
  CHECK(invoke({"status", "--admin", running.url()}, no_commands(), token).exit_code == 0);
  const Outcome wrong = invoke({"status", "--admin", running.url()}, no_commands(), token + "x");
  CHECK(wrong.exit_code == 1);
  CHECK_FALSE(wrong.complains(token));
}

TEST_CASE("nobody there: → 3") {
  std::string url;
  {
    const RunningProxy gone;
    url = gone.url();
  }
  const Outcome outcome = invoke({"status", "--admin", url});
  CHECK(outcome.exit_code == 3);
  CHECK(outcome.complains("no answer from 127.0.0.1"));
}
