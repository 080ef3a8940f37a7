#include "proxy/app_mirror.hpp"

#include "proxy/app.hpp"
#include "proxy/app_pair.hpp"
#include "proxy/app_users.hpp"

#include <optional>
#include <utility>

namespace proxy {

using routing::Side;

namespace {

routing::PerSide<migrate::DatabaseTarget> targets_of(const config::Pair& pair) {
  routing::PerSide<migrate::DatabaseTarget> targets;
  for (const Side side : routing::both_sides) {
    const secrets::QuestionTarget target = question_target(pair, side, pair.mirror->login, "");
    auto& keywords = targets[side].keywords;
    keywords = {{"host", target.host}, {"port", std::to_string(target.port)}, {"user", target.user}};
    if (!target.password.is_empty()) keywords.emplace_back("password", target.password.reveal());
    keywords.insert(keywords.end(), target.more.begin(), target.more.end());
  }
  return targets;
}

}  // namespace

session::MirrorTerms mirror_terms_from(const config::Mirror& mirror, mirror::Desk& desk) {
  const mirror::CaptureOptions& options = mirror.options.capture;
  session::MirrorTerms terms;
  terms.desk = &desk;
  terms.awaits_follower = options.ack != mirror::Acknowledgement::authority;
  terms.capture.is_two_phase = options.ack == mirror::Acknowledgement::atomic;
  terms.capture.tick = [&desk] { return desk.tick(); };
  terms.capture.unsafe_statements = options.unsafe_statements;
  terms.capture.schema_changes = options.schema_changes;
  return terms;
}

AppMirror::AppMirror(const config::Pair& pair, telemetry::Log& log)
    : door_(targets_of(pair), text_), mirror_(pair.mirror->options, pair.name, door_, &log) {}

protocol::Status AppPair::open_mirror() {
  const std::shared_ptr<const config::Pair> pair = settings().pair;
  if (!mirror_) return {};
  const routing::PlanSnapshot plan = history_.current();
  std::optional<Side> authority;
  if (plan->is_authority_known) authority = plan->default_writes;
  return mirror_->mirror().open(authority, pair->plan.default_writes);
}

mirror::Desk* AppPair::mirror_desk() const { return mirror_ ? &mirror_->mirror() : nullptr; }

mirror::MirrorControl* AppPair::mirror_control() const { return mirror_ ? &mirror_->mirror() : nullptr; }

admin::Mirrors App::mirrors() {
  const std::lock_guard lock(control_mutex_);
  admin::Mirrors mirrors;
  for (const std::shared_ptr<AppPair>& pair : pairs_) {
    mirror::MirrorControl* control = pair->mirror_control();
    if (control != nullptr) mirrors.emplace_back(pair->name(), std::shared_ptr<mirror::MirrorControl>(pair, control));
  }
  return mirrors;
}

}  // namespace proxy
