#include "routing/plan.hpp"

#include "routing/route.hpp"

#include <algorithm>

namespace routing {

namespace {

protocol::Error invalid(std::string detail) {
  return {protocol::ErrorCode::configuration_invalid, protocol::Blame::operator_, std::move(detail)};
}

}  // namespace

std::string_view name_of(Stickiness stickiness) {
  switch (stickiness) {
    case Stickiness::session: return "session";
    case Stickiness::statement: return "statement";
    case Stickiness::user: return "user";
    case Stickiness::client_address: return "client_address";
    case Stickiness::tag: return "tag";
  }
  return "unknown";
}

std::string_view name_of(RouteReason reason) {
  switch (reason) {
    case RouteReason::pinned: return "pinned";
    case RouteReason::write_refused: return "write_refused";
    case RouteReason::transaction_open: return "transaction_open";
    case RouteReason::session_statement: return "session_statement";
    case RouteReason::read_weight: return "read_weight";
    case RouteReason::own_writes: return "own_writes";
    case RouteReason::type_numbers: return "type_numbers";
    case RouteReason::side_unavailable: return "side_unavailable";
    case RouteReason::write_side: return "write_side";
    case RouteReason::no_rule_matched: return "no_rule_matched";
  }
  return "unknown";
}

const Rule* find_rule(const Plan& plan, std::string_view rule_name) {
  const auto found = std::find_if(plan.rules.begin(), plan.rules.end(),
                                  [rule_name](const Rule& rule) { return rule.name == rule_name; });
  return found == plan.rules.end() ? nullptr : &*found;
}

protocol::Result<Plan> with_weights(const Plan& plan, std::string_view rule_name, Weights reads) {
  if (reads.green > weight_total) return invalid("the weight of green is above 100 %");
  const Rule* rule = find_rule(plan, rule_name);
  if (rule == nullptr) return invalid("no rule is named " + std::string(rule_name));
  Plan changed = plan;
  changed.epoch = plan.epoch + 1;
  changed.rules[static_cast<std::size_t>(rule - plan.rules.data())].reads = reads;
  return changed;
}

Plan with_authority(Plan plan, Side authority) {
  plan.default_writes = authority;
  plan.is_authority_known = true;
  for (Rule& rule : plan.rules) rule.writes = authority;
  return plan;
}

Plan adopt_rules(const Plan& in_force, const Plan& before, const Plan& after) {
  Plan adopted = after;
  adopted.epoch = in_force.epoch;
  adopted.is_authority_known = in_force.is_authority_known;
  for (Rule& rule : adopted.rules) {
    const Rule* configured_before = find_rule(before, rule.name);
    const Rule* live = find_rule(in_force, rule.name);
    if (configured_before == nullptr || live == nullptr) continue;
    if (configured_before->reads == rule.reads) rule.reads = live->reads;
  }
  return adopted;
}

PlanHistory::PlanHistory(Plan first) : current_(std::make_shared<const Plan>(std::move(first))) {}

PlanSnapshot PlanHistory::publish(Plan next) {
  next.epoch = current_->epoch + 1;
  const bool is_same_traffic = next.rules == current_->rules && next.default_writes == current_->default_writes;
  if (!is_same_traffic) previous_ = current_;
  current_ = std::make_shared<const Plan>(std::move(next));
  return current_;
}

PlanSnapshot PlanHistory::adopt(const Plan& before, const Plan& after) {
  Plan adopted = adopt_rules(*current_, before, after);
  if (previous_) previous_ = std::make_shared<const Plan>(adopt_rules(*previous_, before, after));
  if (adopted.rules == current_->rules && adopted.default_writes == current_->default_writes) return nullptr;
  ++adopted.epoch;
  current_ = std::make_shared<const Plan>(std::move(adopted));
  return current_;
}

PlanSnapshot PlanHistory::move_authority(Side authority, std::uint64_t epoch_min) {
  Plan moved = with_authority(*current_, authority);
  moved.epoch = std::max(current_->epoch + 1, epoch_min);
  if (previous_) previous_ = std::make_shared<const Plan>(with_authority(*previous_, authority));
  current_ = std::make_shared<const Plan>(std::move(moved));
  return current_;
}

PlanSnapshot PlanHistory::disown() {
  Plan disowned = *current_;
  disowned.is_authority_known = false;
  ++disowned.epoch;
  current_ = std::make_shared<const Plan>(std::move(disowned));
  return current_;
}

protocol::Result<PlanSnapshot> PlanHistory::rollback() {
  if (!previous_) return invalid("there is no earlier plan to go back to");
  Plan restored = *previous_;
  restored.epoch = current_->epoch + 1;
  restored.is_authority_known = current_->is_authority_known;
  previous_ = current_;
  current_ = std::make_shared<const Plan>(std::move(restored));
  return current_;
}

}  // namespace routing
