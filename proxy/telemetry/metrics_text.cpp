#include "proxy/telemetry/metrics_text.hpp"

#include <array>

namespace proxy::telemetry {

namespace {

using protocol::StatementClass;
using routing::both_sides;
using routing::Side;

using Pairs = std::vector<PairMetrics>;

/// One number per pair.
struct PairFamily {
  std::string_view name;
  MetricType type;
  std::string_view help;
  std::uint64_t PairMetrics::*value;
};

constexpr std::array<PairFamily, 8> pair_families{{
    {"crossfade_clients_open", MetricType::gauge, "Client sessions open now.", &PairMetrics::clients_open},
    {"crossfade_clients_total", MetricType::counter, "Client sessions that were ever accepted.",
     &PairMetrics::clients_total},
    {"crossfade_logins_failed_total", MetricType::counter, "Client logins that failed.",
     &PairMetrics::logins_failed_total},
    {"crossfade_sessions_working", MetricType::gauge, "Sessions that a backend works for, or that are in a transaction, now.",
     &PairMetrics::sessions_working},
    {"crossfade_sessions_held", MetricType::gauge, "Sessions that wait for the end of a hold now.", &PairMetrics::sessions_held},
    {"crossfade_held_bytes", MetricType::gauge, "Bytes of requests that wait for the end of a hold now.",
     &PairMetrics::held_bytes},
    {"crossfade_questions_total", MetricType::counter, "Questions to servers about the state of sessions.",
     &PairMetrics::questions_total},
    {"crossfade_types_differing", MetricType::gauge, "Types of the databases that the two sides number differently, or that one lacks.",
     &PairMetrics::types_differing},
}};

/// One number per pair and side.
struct SideFamily {
  std::string_view name;
  MetricType type;
  std::string_view help;
  std::uint64_t SideMetrics::*value;
};

constexpr std::array<SideFamily, 9> side_families{{
    {"crossfade_side_up", MetricType::gauge, "1, or 0 while the side is down and takes no reads.", &SideMetrics::is_up},
    {"crossfade_side_health_changes_total", MetricType::counter, "Changes of a side's health between up, suspect and down.",
     &SideMetrics::health_changes_total},
    {"crossfade_side_probes_failed_total", MetricType::counter, "Probes of a side that failed.",
     &SideMetrics::probes_failed_total},
    {"crossfade_backend_connections_open", MetricType::gauge, "Backend connections open now.",
     &SideMetrics::connections_open},
    {"crossfade_backend_connects_total", MetricType::counter, "Backend connections that were opened and logged in.",
     &SideMetrics::connects_total},
    {"crossfade_backend_connect_failures_total", MetricType::counter, "Backend connections that could not be opened.",
     &SideMetrics::connect_failures_total},
    {"crossfade_reads_repeated_total", MetricType::counter,
     "Reads whose connection to this side broke and that were made again elsewhere.", &SideMetrics::reads_repeated_total},
    {"crossfade_backend_sent_bytes_total", MetricType::counter, "Bytes sent to backends.",
     &SideMetrics::bytes_to_backend_total},
    {"crossfade_client_sent_bytes_total", MetricType::counter, "Bytes of a side's replies sent to clients.",
     &SideMetrics::bytes_to_client_total},
}};

constexpr auto all_classes = [] {
  PerClass<StatementClass> classes{};
  for (std::size_t i = 0; i < classes.size(); ++i) classes[i] = static_cast<StatementClass>(i);
  return classes;
}();

void write_pair_family(Exposition& page, const Pairs& pairs, const PairFamily& family) {
  page.begin(family.name, family.type, family.help);
  for (const PairMetrics& pair : pairs) page.sample({{"pair", pair.pair}}, pair.*family.value);
}

void write_side_family(Exposition& page, const Pairs& pairs, const SideFamily& family) {
  page.begin(family.name, family.type, family.help);
  for (const PairMetrics& pair : pairs) {
    for (const Side side : both_sides) {
      page.sample({{"pair", pair.pair}, {"side", name_of(side)}}, pair.sides[side].*family.value);
    }
  }
}

void write_session_failures(Exposition& page, const Pairs& pairs) {
  page.begin("crossfade_sessions_failed_total", MetricType::counter, "Client sessions that ended with an error.");
  for (const PairMetrics& pair : pairs) {
    for (const auto& [reason, count] : pair.sessions_failed_total) {
      page.sample({{"pair", pair.pair}, {"reason", reason}}, count);
    }
  }
}

void write_pins(Exposition& page, const Pairs& pairs) {
  page.begin("crossfade_sessions_pinned", MetricType::gauge, "Client sessions that cannot change sides now, and why.");
  for (const PairMetrics& pair : pairs) {
    for (const auto& [reason, sessions] : pair.pins) {
      if (reason == protocol::PinReason::none) continue;
      page.sample({{"pair", pair.pair}, {"reason", protocol::name_of(reason)}}, sessions);
    }
  }
  page.begin("crossfade_pins_total", MetricType::counter, "What has tied sessions to a side or connection, by reason.");
  for (const PairMetrics& pair : pairs) {
    for (const auto& [reason, count] : pair.pins_total) {
      page.sample({{"pair", pair.pair}, {"reason", protocol::name_of(reason)}}, count);
    }
  }
}

void write_requests(Exposition& page, const Pairs& pairs) {
  page.begin("crossfade_requests_total", MetricType::counter, "Requests sent to a side.");
  for (const PairMetrics& pair : pairs) {
    for (const Side side : both_sides) {
      for (const StatementClass statement_class : all_classes) {
        page.sample({{"pair", pair.pair}, {"side", name_of(side)}, {"class", protocol::name_of(statement_class)}},
                    pair.sides[side].requests_total[index_of(statement_class)]);
      }
    }
  }
}

void write_errors(Exposition& page, const Pairs& pairs) {
  page.begin("crossfade_errors_total", MetricType::counter, "Error replies of a side.");
  for (const PairMetrics& pair : pairs) {
    for (const Side side : both_sides) {
      for (const auto& [code, count] : pair.sides[side].errors_total) {
        page.sample({{"pair", pair.pair}, {"side", name_of(side)}, {"sqlstate", code}}, count);
      }
    }
  }
}

/// Calls `write` for every histogram that has counted something.
template <class Write>
void for_each_latency(const Pairs& pairs, Write write) {
  for (const PairMetrics& pair : pairs) {
    for (const Side side : both_sides) {
      for (const StatementClass statement_class : all_classes) {
        const LatencyHistogram& histogram = pair.sides[side].latency[index_of(statement_class)];
        if (histogram.total() != 0) write(pair.pair, name_of(side), protocol::name_of(statement_class), histogram);
      }
    }
  }
}

void write_latencies(Exposition& page, const Pairs& pairs) {
  page.begin("crossfade_request_latency_seconds", MetricType::histogram,
             "Time from sending a request to a side until its reply was complete.");
  for_each_latency(pairs, [&](std::string_view pair, std::string_view side, std::string_view statement_class,
                              const LatencyHistogram& histogram) {
    page.histogram({{"pair", pair}, {"side", side}, {"class", statement_class}}, histogram);
  });
  page.begin("crossfade_request_latency_max_seconds", MetricType::gauge, "The longest of them since the start.");
  for_each_latency(pairs, [&](std::string_view pair, std::string_view side, std::string_view statement_class,
                              const LatencyHistogram& histogram) {
    page.sample({{"pair", pair}, {"side", side}, {"class", statement_class}}, histogram.max_seconds);
  });
}

}  // namespace

void write_pairs(Exposition& page, const std::vector<PairMetrics>& pairs) {
  for (const PairFamily& family : pair_families) write_pair_family(page, pairs, family);
  write_session_failures(page, pairs);
  write_pins(page, pairs);
  for (const SideFamily& family : side_families) write_side_family(page, pairs, family);
  write_requests(page, pairs);
  write_errors(page, pairs);
  write_latencies(page, pairs);
}

std::string metrics_text(const std::vector<PairMetrics>& pairs) {
  Exposition page;
  write_pairs(page, pairs);
  return page.text();
}

}  // namespace proxy::telemetry
