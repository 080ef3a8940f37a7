#include "config/load.hpp"

#include <doctest/doctest.h>

#include <algorithm>

TEST_CASE("example.yaml: loaded → valid, and its values arrive") {
  const config::Outcome outcome = config::load(CROSSFADE_EXAMPLE);
  CAPTURE(config::format_problems(outcome.problems));
  REQUIRE(outcome.settings.has_value());
  // The example holds made-up passwords and is readable by all: the only thing to say about it.
  CHECK(std::all_of(outcome.problems.begin(), outcome.problems.end(), [](const config::Problem& problem) {
    return problem.severity == config::Severity::warning &&
           problem.message.find("chmod 600") != std::string::npos;
  }));
  const config::Settings& settings = *outcome.settings;
  REQUIRE(settings.pairs.size() == 1);
  const config::Pair& pair = settings.pairs[0];
  CHECK(pair.name == "shop");
  CHECK(pair.listen == config::ListenAddress{"127.0.0.1", 6432});
  CHECK(pair.endpoints[routing::Side::green] == config::EndpointAddress{"127.0.0.1", 5433});
  REQUIRE(pair.plan.rules.size() == 2);
  CHECK(pair.plan.epoch == 1);
  CHECK(pair.plan.rules[0].reads.green == 10'000);
  CHECK(pair.plan.rules[1].reads.green == 1'000);
  CHECK(pair.plan.rules[1].match == routing::Match{});
}
