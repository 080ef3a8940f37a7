#include "proxy/cli/demo/report.hpp"

#include <doctest/doctest.h>

using proxy::cli::grouped;
using proxy::cli::judge;
using proxy::cli::LoadCounts;
using proxy::cli::short_duration;
using proxy::cli::StepResult;
using routing::Side;
using std::chrono::microseconds;

namespace {

LoadCounts counts(std::uint64_t blue_reads, std::uint64_t green_reads) {
  LoadCounts made;
  made.reads[Side::blue] = blue_reads;
  made.reads[Side::green] = green_reads;
  made.writes[Side::blue] = 100;
  return made;
}

StepResult step(double expected, std::uint64_t blue_reads, std::uint64_t green_reads) {
  StepResult made;
  made.title = "a step";
  made.green_share_expected = expected;
  made.acknowledged_after = microseconds(350);
  made.counts = counts(blue_reads, green_reads);
  return made;
}

}  // namespace

TEST_CASE("judge: every share met, no error, no drop → nothing to say") {
  CHECK(judge({step(0, 1000, 0), step(10, 905, 95), step(50, 490, 510), step(100, 0, 1000)}, counts(1, 1)).empty());
}

TEST_CASE("judge: a single read on the wrong side at 0 or 100 % → said") {
  CHECK(judge({step(0, 100'000, 1)}, counts(1, 1)).size() == 1);
  CHECK(judge({step(100, 1, 100'000)}, counts(1, 1)).size() == 1);
}

TEST_CASE("judge: a share beyond the tolerance → said, within it → not") {
  CHECK(judge({step(50, 481, 519)}, counts(1, 1)).empty());
  CHECK(judge({step(50, 479, 521)}, counts(1, 1)).size() == 1);
}

TEST_CASE("judge: a step without reads → said, though its share is the expected 0") {
  CHECK(judge({step(0, 0, 0)}, counts(1, 1)).size() == 1);
}

TEST_CASE("judge: errors, lost connections → one sentence each") {
  LoadCounts total = counts(1, 1);
  total.errors = 3;
  CHECK(judge({}, total).size() == 1);
  total.dropped = 1;
  CHECK(judge({}, total).size() == 2);
}

TEST_CASE("judge: writes on the side without the authority, no writes → one sentence each") {
  StepResult made = step(50, 500, 500);
  CHECK(judge({made}, counts(1, 1)).empty());
  made.counts.writes[Side::green] = 1;
  CHECK(judge({made}, counts(1, 1)).size() == 1);
  made.counts.writes[Side::blue] = 0;
  CHECK(judge({made}, counts(1, 1)).size() == 2);
  made.writes_expected = Side::green;
  CHECK(judge({made}, counts(1, 1)).empty());
}

TEST_CASE("judge: reads of what a client has written → no share of theirs counts") {
  StepResult made = step(100, 0, 1000);
  made.counts.own_reads[Side::blue] = 500;
  CHECK(judge({made}, counts(1, 1)).empty());
}

TEST_CASE("summary: moves of the authority → the longest of their stalls") {
  StepResult one = step(50, 10, 10);
  one.held = microseconds(20'000);
  one.stall = {microseconds(31'000), microseconds(44'000)};
  StepResult two = one;
  two.stall = {microseconds(36'000), microseconds(42'000)};
  const std::string text = proxy::cli::summary({one, two}, counts(10, 10), {}, "all equal\n");
  CHECK(text.find("the longest stall: 36 ms without a write of any client, 44 ms of one transaction") != std::string::npos);
  CHECK(text.find("all equal") != std::string::npos);
}

TEST_CASE("summary: a complaint → stands in the text, with its step") {
  const std::vector<StepResult> steps{step(0, 10, 10)};
  const LoadCounts total = counts(10, 10);
  const std::string text = proxy::cli::summary(steps, total, judge(steps, total), "");
  CHECK(text.find("NOT AS PROMISED") != std::string::npos);
  CHECK(text.find("0.35 ms") != std::string::npos);
  CHECK(proxy::cli::summary(steps, total, {}, "").find("NOT AS PROMISED") == std::string::npos);
}

TEST_CASE("live line: rates are per second of the interval, shares of what was answered") {
  LoadCounts made = counts(3000, 1000);
  made.worst = microseconds(12'345);
  const std::string line = proxy::cli::live_line(std::chrono::seconds(7), std::chrono::duration<double>(2.0), made);
  CHECK(line.find("7 s") != std::string::npos);
  CHECK(line.find("2,000") != std::string::npos);
  CHECK(line.find("75 %") != std::string::npos);
  CHECK(line.find("25 %") != std::string::npos);
  CHECK(line.find("12 ms") != std::string::npos);
}

TEST_CASE("live line: nothing happened → zeros, no division by zero") {
  const std::string line = proxy::cli::live_line(std::chrono::seconds(1), std::chrono::duration<double>(0), {});
  CHECK(line.find("nan") == std::string::npos);
  CHECK(line.find("inf") == std::string::npos);
}

TEST_CASE("numbers for people: grouped digits and short durations") {
  CHECK(grouped(0) == "0");
  CHECK(grouped(999) == "999");
  CHECK(grouped(1000) == "1,000");
  CHECK(grouped(1'234'567) == "1,234,567");
  CHECK(short_duration(microseconds(350)) == "0.35 ms");
  CHECK(short_duration(microseconds(12'400)) == "12 ms");
  CHECK(short_duration(microseconds(1'250'000)) == "1.2 s");
}
