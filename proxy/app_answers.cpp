#include "proxy/app.hpp"
#include "proxy/app_countdown.hpp"

#include <algorithm>
#include <iterator>
#include <mutex>
#include <utility>

/// What the admin endpoint asks of sessions and statements.
namespace proxy {

using protocol::Blame;
using protocol::ErrorCode;

protocol::Result<admin::PinnedSessions> App::pinned_sessions(const std::string& pair_name) {
  const std::lock_guard lock(control_mutex_);
  AppPair* pair = find_pair(pair_name);
  if (pair == nullptr) return unknown_pair(pair_name);
  struct Sum {
    std::mutex mutex;
    admin::PinnedSessions pinned;
  };
  const auto sum = std::make_shared<Sum>();
  ask_workers([pair, sum](std::size_t index) {
    admin::PinnedSessions part = pair->worker(index).pinned_sessions();
    const std::lock_guard part_lock(sum->mutex);
    sum->pinned.total += part.total;
    std::move(part.shown.begin(), part.shown.end(), std::back_inserter(sum->pinned.shown));
  });
  const std::lock_guard sum_lock(sum->mutex);
  std::vector<telemetry::PinnedSession>& shown = sum->pinned.shown;
  std::ranges::sort(shown, {}, &telemetry::PinnedSession::session_number);
  if (shown.size() > admin::PinnedSessions::shown_max) shown.resize(admin::PinnedSessions::shown_max);
  return std::move(sum->pinned);
}

protocol::Result<admin::ExplainResult> App::explain(const admin::ExplainRequest& request) {
  const std::lock_guard lock(control_mutex_);
  AppPair* pair = find_pair(request.pair);
  if (pair == nullptr) return unknown_pair(request.pair);
  // The first worker answers, with the very cache and catalogue that its sessions use.
  struct Answer {
    protocol::postgres::Analysis analysis;
    bool has_differing_types = false;
  };
  const auto answer = std::make_shared<Answer>();
  const auto countdown = std::make_shared<Countdown>(1);
  workers_.front()->loop().post([pair, request, answer, countdown] {
    answer->analysis = pair->dialect(0).analyse(request.session.database, request.sql);
    answer->has_differing_types = pair->dialect(0).has_differing_types(request.session.database, *answer->analysis.facts);
    countdown->count_down();
  });
  if (!countdown->wait(acknowledge_timeout)) {
    return protocol::failure(ErrorCode::internal, Blame::self, "no worker answered in time");
  }
  admin::ExplainResult result;
  result.facts = *answer->analysis.facts;
  result.tags = *answer->analysis.tags;
  protocol::BatchFacts batch = protocol::batch_facts_of(result.facts, result.tags);
  batch.has_differing_types = answer->has_differing_types;
  result.explanation = routing::explain(*pair->history().current(), request.session, batch, {});
  return result;
}

protocol::Result<admin::TypeReport> App::type_report(const std::string& pair_name) {
  const std::lock_guard lock(control_mutex_);
  AppPair* pair = find_pair(pair_name);
  if (pair == nullptr) return unknown_pair(pair_name);
  return pair->type_report();
}

}  // namespace proxy
