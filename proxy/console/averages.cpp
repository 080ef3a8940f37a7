#include "proxy/console/averages.hpp"

#include <algorithm>
#include <utility>

namespace proxy::console {

using telemetry::DatabaseCounters;

namespace {

const DatabaseCounters& find(const StatsPeriods::Databases& databases, const std::string& name) {
  static const DatabaseCounters nothing;
  const auto place = databases.find(name);
  return place == databases.end() ? nothing : place->second;
}

std::chrono::microseconds per(std::chrono::microseconds time, std::uint64_t count) {
  return count == 0 ? std::chrono::microseconds(0) : time / static_cast<std::int64_t>(count);
}

}  // namespace

void StatsPeriods::note(Instant now, Databases counters) {
  has_period_ = last_time_ != Instant{};
  before_time_ = std::exchange(last_time_, now);
  before_ = std::exchange(last_, std::move(counters));
}

/// Source: PgBouncer 1.18, stats.c: counts and bytes per second, times per transaction and query.
DatabaseCounters StatsPeriods::averages(const std::string& database, Instant now, const Databases& counters) const {
  const DatabaseCounters& end = has_period_ ? find(last_, database) : find(counters, database);
  const DatabaseCounters& begin = has_period_ ? find(before_, database) : find(last_, database);
  const auto span = has_period_ ? last_time_ - before_time_ : now - last_time_;
  const auto seconds = static_cast<std::uint64_t>(std::max<std::int64_t>(1, std::chrono::duration_cast<std::chrono::seconds>(span).count()));
  DatabaseCounters averages;
  averages.transaction_count = (end.transaction_count - begin.transaction_count) / seconds;
  averages.query_count = (end.query_count - begin.query_count) / seconds;
  averages.received_bytes = (end.received_bytes - begin.received_bytes) / seconds;
  averages.sent_bytes = (end.sent_bytes - begin.sent_bytes) / seconds;
  averages.transaction_time = per(end.transaction_time - begin.transaction_time, end.transaction_count - begin.transaction_count);
  averages.query_time = per(end.query_time - begin.query_time, end.query_count - begin.query_count);
  averages.wait_time = (end.wait_time - begin.wait_time) / static_cast<std::int64_t>(seconds);
  return averages;
}

}  // namespace proxy::console
