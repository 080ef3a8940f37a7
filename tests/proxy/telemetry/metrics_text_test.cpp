#include "proxy/telemetry/metrics_text.hpp"
#include "tests/proxy/telemetry/exposition_parser.hpp"

#include <doctest/doctest.h>

#include <random>
#include <string>

using protocol::StatementClass;
using proxy::telemetry::Exposition;
using proxy::telemetry::metrics_text;
using proxy::telemetry::MetricType;
using proxy::telemetry::PairMetrics;
using proxy::telemetry::SideMetrics;
using routing::Side;

namespace {

PairMetrics busy_pair(const std::string& name) {
  PairMetrics pair;
  pair.pair = name;
  pair.clients_open = 3;
  pair.clients_total = 17;
  pair.logins_failed_total = 2;
  pair.sessions_failed_total.count("backend_lost", 4);
  pair.pins[protocol::PinReason::listen] = 1;
  pair.pins_total[protocol::PinReason::listen] = 3;
  SideMetrics& green = pair.sides[Side::green];
  pair.sides[Side::blue].is_up = 1;
  green.health_changes_total = 6;
  green.reads_repeated_total = 8;
  green.bytes_to_backend_total = 1'000;
  green.bytes_to_client_total = 18'446'744'073'709'551'615U;
  green.count_request(StatementClass::read);
  green.record_latency(StatementClass::read, 0.0002);
  green.record_latency(StatementClass::read, 0.3);
  green.record_latency(StatementClass::read, 60);
  green.errors_total.count("40001", 5);
  return pair;
}

}  // namespace

TEST_CASE("metrics page: two pairs → a page that a strict reader accepts, with every value in its place") {
  const ExpositionParser page(metrics_text({busy_pair("shop"), busy_pair("crm")}));
  REQUIRE(page.complaint() == "");
  CHECK(page.value("crossfade_clients_open", {{"pair", "shop"}}) == 3);
  CHECK(page.value("crossfade_clients_total", {{"pair", "crm"}}) == 17);
  CHECK(page.value("crossfade_logins_failed_total", {{"pair", "crm"}}) == 2);
  CHECK(page.value("crossfade_sessions_failed_total", {{"pair", "crm"}, {"reason", "backend_lost"}}) == 4);
  CHECK(page.value("crossfade_sessions_pinned", {{"pair", "crm"}, {"reason", "listen"}}) == 1);
  CHECK(page.value("crossfade_pins_total", {{"pair", "shop"}, {"reason", "listen"}}) == 3);
  CHECK(page.value("crossfade_backend_sent_bytes_total", {{"pair", "crm"}, {"side", "green"}}) == 1000);
  CHECK(page.value("crossfade_side_up", {{"pair", "crm"}, {"side", "blue"}}) == 1);
  CHECK(page.value("crossfade_side_up", {{"pair", "crm"}, {"side", "green"}}) == 0);
  CHECK(page.value("crossfade_side_health_changes_total", {{"pair", "crm"}, {"side", "green"}}) == 6);
  CHECK(page.value("crossfade_reads_repeated_total", {{"pair", "crm"}, {"side", "green"}}) == 8);
  CHECK(page.value("crossfade_backend_sent_bytes_total", {{"pair", "crm"}, {"side", "blue"}}) == 0);
  CHECK(page.value("crossfade_errors_total", {{"pair", "crm"}, {"side", "green"}, {"sqlstate", "40001"}}) == 5);
  const std::map<std::string, std::string> reads{{"pair", "shop"}, {"side", "green"}, {"class", "read"}};
  CHECK(page.value("crossfade_requests_total", reads) == 1);
  CHECK(page.value("crossfade_request_latency_seconds_count", reads) == 3);
  CHECK(*page.value("crossfade_request_latency_seconds_sum", reads) == doctest::Approx(60.3002));
  CHECK(page.value("crossfade_request_latency_max_seconds", reads) == 60);
  auto bucket = reads;
  for (const auto& [bound, count] : {std::pair{"0.0001", 0}, {"0.00025", 1}, {"0.25", 1}, {"0.5", 2}, {"10", 2}, {"+Inf", 3}}) {
    CAPTURE(bound);
    bucket["le"] = bound;
    CHECK(page.value("crossfade_request_latency_seconds_bucket", bucket) == count);
  }
}

TEST_CASE("metrics page: the largest counter → not rounded") {
  CHECK(metrics_text({busy_pair("shop")}).find("} 18446744073709551615\n") != std::string::npos);
}

TEST_CASE("metrics page: names with every special character → escaped, and read back as they were") {
  const std::string name = "a\"b\\c\nd{e}=,ü";
  const ExpositionParser page(metrics_text({busy_pair(name)}));
  REQUIRE(page.complaint() == "");
  CHECK(page.value("crossfade_clients_open", {{"pair", name}}) == 3);
}

TEST_CASE("metrics page: nothing counted, no pair → still a page that is accepted") {
  CHECK(ExpositionParser(metrics_text({})).complaint() == "");
  const ExpositionParser page(metrics_text({PairMetrics{}}));
  CHECK(page.complaint() == "");
  CHECK(page.families().at("crossfade_request_latency_seconds").samples.empty());
}

TEST_CASE("metrics page: every family → prefixed, with a help text and a unit where it has one") {
  const ExpositionParser page(metrics_text({busy_pair("shop")}));
  for (const auto& [name, family] : page.families()) {
    CAPTURE(name);
    CHECK(name.starts_with("crossfade_"));
    CHECK(family.help.size() > 10);
    CHECK((family.type != "histogram" || name.ends_with("_seconds")));
  }
}

TEST_CASE("strict reader: pages that Prometheus would refuse → refused here too") {
  const std::string head = "# HELP a_total h\n# TYPE a_total counter\n";
  CHECK(ExpositionParser(head + "a_total{x=\"1\"} 2\n").complaint() == "");
  for (const char* line : {"a_total{x=\"1\" 2", "a_total 2 ", "a_total{x=1} 2", "b_total 2", "a_total", "a_total{x=\"\\q\"} 2",
                           "a_total{x=\"1\",x=\"1\"} 2", "a_total 2\na_total 2", "# TYPE a_total counter"}) {
    CAPTURE(line);
    CHECK(ExpositionParser(head + line + "\n").complaint() != "");
  }
}

TEST_CASE("exposition: numbers → the shortest text that reads back the same") {
  std::mt19937_64 random(11);
  for (int i = 0; i < 200; ++i) {
    const double value = static_cast<double>(random()) / static_cast<double>(1 + random() % 1'000'000);
    Exposition page;
    page.begin("a", MetricType::gauge, "help");
    page.sample({}, value);
    CHECK(ExpositionParser(page.text()).value("a", {}) == value);
  }
}
