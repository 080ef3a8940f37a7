#include "proxy/lifecycle/takeover_state.hpp"

#include <memory>
#include <sstream>
#include <utility>

namespace proxy::lifecycle {

namespace {

constexpr std::size_t rules_max = 1024;

/// A plan of bare names and weights, as far as adopt_rules() looks at one.
routing::Plan plan_of(const PairState& state, routing::Weights PairState::RuleState::*weights) {
  routing::Plan plan;
  plan.epoch = state.epoch;
  for (const PairState::RuleState& each : state.rules) {
    routing::Rule& rule = plan.rules.emplace_back();
    rule.name = each.name;
    rule.reads = each.*weights;
  }
  return plan;
}

routing::Weights weights_in(const routing::Plan& plan, const routing::Rule& rule) {
  const routing::Rule* found = routing::find_rule(plan, rule.name);
  return found == nullptr ? rule.reads : found->reads;
}

}  // namespace

PairState state_of(const std::string& pair, const routing::Plan& configured, const routing::PlanHistory& history) {
  PairState state;
  state.pair = pair;
  state.epoch = history.current()->epoch;
  state.has_previous = history.previous() != nullptr;
  for (const routing::Rule& rule : configured.rules) {
    const routing::Weights live = weights_in(*history.current(), rule);
    const routing::Weights previous = state.has_previous ? weights_in(*history.previous(), rule) : live;
    state.rules.push_back({rule.name, rule.reads, live, previous});
  }
  return state;
}

routing::PlanHistory history_from(const PairState& state, const routing::Plan& wanted) {
  const routing::Plan configured = plan_of(state, &PairState::RuleState::configured);
  routing::Plan current = routing::adopt_rules(plan_of(state, &PairState::RuleState::live), configured, wanted);
  if (!state.has_previous || state.epoch < 2) return routing::PlanHistory(std::move(current));
  routing::Plan previous = routing::adopt_rules(plan_of(state, &PairState::RuleState::previous), configured, wanted);
  previous.epoch = current.epoch - 1;
  routing::PlanHistory history(std::move(previous));
  history.publish(std::move(current));
  return history;
}

std::string encode_state(const PairState& state) {
  std::ostringstream text;
  text << "pair " << state.pair << " " << state.epoch << " " << (state.has_previous ? 1 : 0) << "\n";
  for (const PairState::RuleState& rule : state.rules) {
    text << rule.name << " " << rule.configured.green << " " << rule.live.green << " " << rule.previous.green << "\n";
  }
  return text.str();
}

protocol::Result<PairState> decode_state(std::string_view text) {
  std::istringstream lines{std::string(text)};
  std::string kind;
  PairState state;
  int has_previous = 0;
  lines >> kind >> state.pair >> state.epoch >> has_previous;
  bool is_sound = lines.good() && kind == "pair" && state.epoch != 0;
  state.has_previous = has_previous == 1;
  PairState::RuleState rule;
  while (is_sound && lines >> rule.name) {
    lines >> rule.configured.green >> rule.live.green >> rule.previous.green;
    const auto is_share = [](routing::Weights weights) { return weights.green <= routing::weight_total; };
    is_sound = !lines.fail() && is_share(rule.configured) && is_share(rule.live) && is_share(rule.previous) &&
               state.rules.size() < rules_max;
    state.rules.push_back(rule);
  }
  if (is_sound) return state;
  return protocol::failure(protocol::ErrorCode::message_malformed, protocol::Blame::operator_,
                           "the other process does not speak this version's words");
}

}  // namespace proxy::lifecycle
