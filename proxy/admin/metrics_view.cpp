#include "proxy/admin/metrics_view.hpp"

#include "proxy/admin/text.hpp"
#include "proxy/telemetry/exposition.hpp"
#include "proxy/telemetry/metrics_text.hpp"

namespace proxy::admin {

using telemetry::Exposition;
using telemetry::MetricType;

namespace {

double ratio(std::uint32_t hundredths) { return static_cast<double>(hundredths) / routing::weight_total; }

void write_process(Exposition& page, const Status& status) {
  page.begin("crossfade_build_labels", MetricType::gauge, "Always 1; the version is in the label.");
  page.sample({{"version", status.version}}, std::uint64_t{1});
  page.begin("crossfade_uptime_seconds", MetricType::gauge, "Time since the process began.");
  page.sample({}, static_cast<double>(status.uptime.count()));
  page.begin("crossfade_workers", MetricType::gauge, "Worker threads.");
  page.sample({}, std::uint64_t{status.worker_count});
}

void write_weights(Exposition& page, const PairStatus& pair) {
  if (!pair.plan) return;
  for (const routing::Rule& rule : pair.plan->rules) {
    page.sample({{"pair", pair.name}, {"rule", rule.name}, {"side", "blue"}}, ratio(routing::weight_total - rule.reads.green));
    page.sample({{"pair", pair.name}, {"rule", rule.name}, {"side", "green"}}, ratio(rule.reads.green));
  }
}

void write_plans(Exposition& page, const Status& status) {
  page.begin("crossfade_plan_epoch", MetricType::gauge, "Epoch of the routing plan in force; grows with every change.");
  for (const PairStatus& pair : status.pairs) {
    page.sample({{"pair", pair.name}}, pair.plan ? pair.plan->epoch : std::uint64_t{0});
  }
  page.begin("crossfade_read_weight_ratio", MetricType::gauge, "Share of reads that a rule sends to a side, 0 to 1.");
  for (const PairStatus& pair : status.pairs) write_weights(page, pair);
}

}  // namespace

std::string metrics_view(const Status& status, const std::vector<PairMetrics>& pairs) {
  Exposition page;
  write_process(page, status);
  write_plans(page, status);
  telemetry::write_pairs(page, pairs);
  return valid_utf8(page.text());
}

}  // namespace proxy::admin
