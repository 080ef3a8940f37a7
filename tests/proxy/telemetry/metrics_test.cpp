#include "proxy/telemetry/metrics.hpp"

#include <doctest/doctest.h>

#include <iterator>
#include <limits>
#include <string>

using protocol::StatementClass;
using proxy::telemetry::add;
using proxy::telemetry::CodeCounts;
using proxy::telemetry::index_of;
using proxy::telemetry::latency_bounds;
using proxy::telemetry::LatencyHistogram;
using proxy::telemetry::PairMetrics;
using proxy::telemetry::SideMetrics;

TEST_CASE("latency: a value on a bound → the bucket of that bound, just above → the next") {
  for (std::size_t i = 0; i < latency_bounds.size(); ++i) {
    LatencyHistogram histogram;
    histogram.record(latency_bounds[i]);
    CHECK(histogram.counts[i] == 1);
    histogram.record(latency_bounds[i] * 1.0001);
    CHECK(histogram.counts[i + 1] == 1);
    CHECK(histogram.total() == 2);
  }
}

TEST_CASE("latency: negative and not-a-number → counted as zero, the sum stays a number") {
  LatencyHistogram histogram;
  histogram.record(-1);
  histogram.record(std::numeric_limits<double>::quiet_NaN());
  CHECK(histogram.counts[0] == 2);
  CHECK(histogram.sum_seconds == 0);
  CHECK(histogram.max_seconds == 0);
}

TEST_CASE("codes: more than the bound → the rest under other, none lost") {
  CodeCounts counts;
  for (int i = 0; i < 1000; ++i) counts.count("X" + std::to_string(i));
  CHECK(std::distance(counts.begin(), counts.end()) == CodeCounts::codes_max + 1);
  CHECK(counts.of(CodeCounts::other) == 1000 - CodeCounts::codes_max);
  CHECK(counts.total() == 1000);
  counts.count("X0", 5);
  CHECK(counts.of("X0") == 6);
}

TEST_CASE("codes: other came first → still as many codes of their own") {
  CodeCounts counts;
  counts.count(std::string(CodeCounts::code_bytes_max + 1, 'x'));
  for (std::size_t i = 0; i < CodeCounts::codes_max; ++i) counts.count("X" + std::to_string(i));
  CHECK(counts.of(CodeCounts::other) == 1);
}

TEST_CASE("merge: two workers → sums, the larger maximum, the name of the sum") {
  PairMetrics first;
  first.pair = "shop";
  first.clients_open = 2;
  first.pins[protocol::PinReason::listen] = 1;
  first.pins_total[protocol::PinReason::listen] = 3;
  SideMetrics& blue = first.sides[routing::Side::blue];
  blue.count_request(StatementClass::read);
  blue.record_latency(StatementClass::read, 0.5);
  blue.errors_total.count("40001");

  PairMetrics second = first;
  second.pair = "ignored";
  second.sides[routing::Side::blue].record_latency(StatementClass::read, 3);
  second.sides[routing::Side::green].bytes_to_client_total = 7;

  PairMetrics sum = first;
  add(sum, second);
  CHECK(sum.pair == "shop");
  CHECK(sum.clients_open == 4);
  CHECK(sum.pins.at(protocol::PinReason::listen) == 2);
  CHECK(sum.pins_total.at(protocol::PinReason::listen) == 6);
  const SideMetrics& merged = sum.sides[routing::Side::blue];
  CHECK(merged.requests_total[index_of(StatementClass::read)] == 2);
  const LatencyHistogram& reads = merged.latency[index_of(StatementClass::read)];
  CHECK(reads.total() == 3);
  CHECK(reads.sum_seconds == doctest::Approx(4));
  CHECK(reads.max_seconds == 3);
  CHECK(merged.errors_total.of("40001") == 2);
  CHECK(sum.sides[routing::Side::green].bytes_to_client_total == 7);
}
