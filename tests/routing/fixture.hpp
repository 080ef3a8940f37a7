#pragma once

#include "routing/decide.hpp"
#include "routing/network.hpp"

#include <array>
#include <string>
#include <utility>
#include <vector>

namespace routing_test {

using protocol::PinReason;
using protocol::StatementClass;
using protocol::TransactionEffect;
using routing::Circumstances;
using routing::Plan;
using routing::Route;
using routing::RouteReason;
using routing::Rule;
using routing::Side;
using routing::Stickiness;

inline constexpr std::array<StatementClass, 6> all_classes{
    StatementClass::read,  StatementClass::session,       StatementClass::transaction_control,
    StatementClass::write, StatementClass::schema_change, StatementClass::unknown};
inline constexpr std::array<TransactionEffect, 6> all_effects{
    TransactionEffect::none, TransactionEffect::begin_read_only, TransactionEffect::begin_read_write,
    TransactionEffect::end,  TransactionEffect::inside,          TransactionEffect::unclear};

/// A batch that owns what BatchFacts only points to.
struct Batch {
  StatementClass statement_class = StatementClass::read;
  TransactionEffect effect = TransactionEffect::none;
  std::vector<std::string> tables;
  protocol::CommentTags tags;

  [[nodiscard]] protocol::BatchFacts facts() const { return {statement_class, effect, &tables, &tags, 0}; }
};

inline const Batch a_read{};
inline const Batch a_write{StatementClass::write, {}, {}, {}};
inline const Batch begin_read_only{StatementClass::transaction_control, TransactionEffect::begin_read_only, {}, {}};
inline const Batch begin{StatementClass::transaction_control, TransactionEffect::begin_read_write, {}, {}};
inline const Batch set{StatementClass::session, {}, {}, {}};

inline Batch read_of(std::vector<std::string> tables) {
  return {StatementClass::read, {}, std::move(tables), {}};
}
inline Batch read_tagged(protocol::CommentTags tags) {
  return {StatementClass::read, {}, {}, std::move(tags)};
}

inline routing::SessionFacts make_session() {
  routing::SessionFacts session;
  session.user = "alice";
  session.database = "shop";
  session.application_name = "psql";
  session.client = *routing::parse_address("10.1.2.3");
  return session;
}

/// A rule that sends reads to green and writes to blue, so that a read by rule shows.
inline Rule make_rule(routing::Match match) {
  Rule rule;
  rule.name = "first";
  rule.match = std::move(match);
  rule.reads.green = routing::weight_total;
  return rule;
}

inline Plan plan_of(std::vector<Rule> rules) {
  Plan plan;
  plan.rules = std::move(rules);
  return plan;
}

inline Plan plan_matching(routing::Match match) {
  return plan_of({make_rule(std::move(match))});
}

inline Rule reading_blue(Rule rule) {
  rule.name = "blue reads";
  rule.reads.green = 0;
  return rule;
}

inline Rule writing_green(Rule rule) {
  rule.name = "green writes";
  rule.writes = Side::green;
  return rule;
}

inline Plan writing_green_by_default(Plan plan) {
  plan.default_writes = Side::green;
  return plan;
}

inline Circumstances on(Side side) {
  Circumstances circumstances;
  circumstances.current = side;
  return circumstances;
}

inline Circumstances in_transaction(Circumstances circumstances) {
  circumstances.is_transaction_open = true;
  return circumstances;
}

inline Circumstances pinned(Circumstances circumstances) {
  circumstances.pin = PinReason::advisory_lock;
  return circumstances;
}

inline Circumstances held(Side side, Circumstances circumstances) {
  circumstances.held_on = side;
  return circumstances;
}

inline Circumstances without(Side side, Circumstances circumstances) {
  circumstances.is_unavailable[side] = true;
  return circumstances;
}

inline routing::Match users(std::vector<std::string> names) {
  routing::Match match;
  match.users = std::move(names);
  return match;
}
inline routing::Match databases(std::vector<std::string> names) {
  routing::Match match;
  match.databases = std::move(names);
  return match;
}
inline routing::Match applications(std::vector<std::string> names) {
  routing::Match match;
  match.application_names = std::move(names);
  return match;
}
inline routing::Match networks(const std::vector<std::string>& blocks) {
  routing::Match match;
  for (const std::string& block : blocks) match.networks.push_back(*routing::parse_network(block));
  return match;
}
inline routing::Match classes(std::vector<StatementClass> wanted) {
  routing::Match match;
  match.classes = std::move(wanted);
  return match;
}
inline routing::Match tables(std::vector<std::string> names) {
  routing::Match match;
  match.tables = std::move(names);
  return match;
}
inline routing::Match tags(protocol::CommentTags wanted) {
  routing::Match match;
  match.tags = std::move(wanted);
  return match;
}

constexpr Route to(Side side, RouteReason reason, std::uint32_t rule_index = routing::no_rule) {
  return {side, reason, rule_index};
}

inline const Route green_read = to(Side::green, RouteReason::read_weight, 0);
inline const Route no_match = to(Side::blue, RouteReason::no_rule_matched);

}  // namespace routing_test
