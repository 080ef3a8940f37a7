#include "proxy/session/time_watch.hpp"

#include <doctest/doctest.h>

#include <chrono>

namespace {

using namespace std::chrono_literals;
using protocol::ErrorCode;
using proxy::session::TimeLimits;
using proxy::session::TimeWatch;
using Activity = TimeWatch::Activity;
using Due = TimeWatch::Due;

constexpr TimeWatch::Instant begin{1h};

TimeLimits limits(std::chrono::milliseconds query, std::chrono::milliseconds transaction = 0ms,
                  std::chrono::milliseconds idle_in_transaction = 0ms, std::chrono::milliseconds client_idle = 0ms) {
  return {query, transaction, idle_in_transaction, client_idle};
}

}  // namespace

TEST_CASE("time watch: nothing limited for what the session does → never due") {
  TimeWatch watch(limits(1s));
  watch.note({Activity::idle, false, 0}, begin);
  CHECK_FALSE(watch.deadline().has_value());
  watch.note({Activity::waiting, false, 0}, begin);
  CHECK_FALSE(watch.deadline().has_value());
  watch.note({Activity::idle_in_transaction, true, 1}, begin);
  CHECK_FALSE(watch.deadline().has_value());
  CHECK(watch.judge(begin + 24h) == Due::nothing);
}

TEST_CASE("time watch: a statement that runs too long → cancelled once, and the end where that does not help") {
  TimeWatch watch(limits(1s));
  watch.note({Activity::running, false, 0}, begin);
  CHECK(watch.deadline() == begin + 1s);
  CHECK(watch.judge(begin + 999ms) == Due::nothing);
  CHECK(watch.judge(begin + 1s) == Due::cancel);
  CHECK(watch.judge(begin + 1s) == Due::nothing);
  CHECK(watch.deadline() == begin + 1s + TimeWatch::cut_after);
  CHECK(watch.judge(begin + 1s + TimeWatch::cut_after) == Due::end);
  CHECK(watch.reason() == ErrorCode::query_timeout);
}

TEST_CASE("time watch: a pipeline → each batch has its time, counted from the answer before it") {
  TimeWatch watch(limits(1s));
  watch.note({Activity::running, false, 0}, begin);
  watch.note({Activity::running, false, 0}, begin + 900ms);
  CHECK(watch.deadline() == begin + 1s);
  watch.note({Activity::running, false, 1}, begin + 950ms);
  CHECK(watch.deadline() == begin + 1950ms);
  CHECK(watch.judge(begin + 1950ms) == Due::cancel);
  watch.note({Activity::running, false, 2}, begin + 2s);
  CHECK(watch.judge(begin + 3s) == Due::cancel);
}

TEST_CASE("time watch: a transaction → counted from its first statement to its end, whatever happens inside") {
  TimeWatch watch(limits(0ms, 10s));
  watch.note({Activity::running, false, 0}, begin);
  watch.note({Activity::idle_in_transaction, true, 1}, begin + 1s);
  watch.note({Activity::running, true, 1}, begin + 5s);
  CHECK(watch.deadline() == begin + 10s);
  CHECK(watch.judge(begin + 10s) == Due::end);
  CHECK(watch.reason() == ErrorCode::transaction_timeout);
  watch.note({Activity::idle, false, 2}, begin + 6s);
  CHECK_FALSE(watch.deadline().has_value());
}

TEST_CASE("time watch: statements without a pause, each a transaction of its own → the time begins anew with each") {
  TimeWatch watch(limits(0ms, 10s));
  watch.note({Activity::running, false, 0}, begin);
  watch.note({Activity::running, false, 1}, begin + 8s);
  CHECK(watch.deadline() == begin + 18s);
  watch.note({Activity::running, true, 2}, begin + 9s);  // BEGIN was answered
  CHECK(watch.deadline() == begin + 18s);
}

TEST_CASE("time watch: silence inside a transaction, and outside → the server's two reasons, the earlier deadline first") {
  TimeWatch watch(limits(0ms, 10s, 2s, 3s));
  watch.note({Activity::idle_in_transaction, true, 1}, begin);
  watch.note({Activity::idle_in_transaction, true, 1}, begin + 1s);
  CHECK(watch.deadline() == begin + 2s);
  CHECK(watch.judge(begin + 2s) == Due::end);
  CHECK(watch.reason() == ErrorCode::idle_in_transaction_timeout);
  watch.note({Activity::idle, false, 2}, begin + 4s);
  CHECK(watch.deadline() == begin + 7s);
  CHECK(watch.judge(begin + 7s) == Due::end);
  CHECK(watch.reason() == ErrorCode::client_idle_timeout);
}
