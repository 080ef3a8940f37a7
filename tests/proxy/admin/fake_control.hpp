#pragma once

#include "proxy/admin/control.hpp"

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace fake {

using protocol::Blame;
using protocol::ErrorCode;

/// One pair "shop" with the rules "reports" and "all", kept in memory. Every call is counted by the plans it makes.
class Control : public proxy::admin::Control {
 public:
  Control() {
    routing::Rule reports;
    reports.name = "reports";
    reports.reads = {2'500};
    routing::Rule all;
    all.name = "all";
    plan_ = std::make_shared<const routing::Plan>(routing::Plan{1, {reports, all}, routing::Side::blue});
  }

  proxy::admin::Status status() override {
    if (on_status) on_status();
    proxy::admin::PairStatus shop;
    shop.name = pair_name;
    shop.dialect = "postgres";
    shop.listen = "127.0.0.1:6432";
    shop.clients = 3;
    shop.plan = plan_;
    shop.has_previous_plan = previous_ != nullptr;
    shop.sides[routing::Side::blue] = {"blue.example:5432", 2, 100, 1};
    shop.sides[routing::Side::green] = {"green.example:5432", 1, 10, 0};
    shop.sides[routing::Side::green].health = "down";
    shop.sides[routing::Side::green].health_reason = "refused";
    shop.sides[routing::Side::green].health_for = std::chrono::seconds(12);
    shop.sides[routing::Side::blue].server_version = "15.4";
    shop.sides[routing::Side::blue].is_in_recovery = true;
    shop.pins[protocol::PinReason::listen] = 1;
    return {"0.1.0", std::chrono::seconds(7), 2, {shop}};
  }

  std::vector<proxy::admin::PairMetrics> metrics() override {
    proxy::admin::PairMetrics shop;
    shop.pair = pair_name;
    return {shop};
  }

  bool is_ready() override { return is_ready_now; }

  protocol::Result<routing::Rule> rule(const std::string& pair, const std::string& rule) override {
    if (failure) return *failure;
    const auto found = std::ranges::find(plan_->rules, rule, &routing::Rule::name);
    if (pair != pair_name || found == plan_->rules.end()) return unknown();
    return *found;
  }

  protocol::Result<proxy::admin::PlanChange> set_weights(const std::string& pair, const std::string& rule,
                                                         routing::Weights reads) override {
    if (failure) return *failure;
    routing::Plan next = *plan_;
    const auto found = std::ranges::find(next.rules, rule, &routing::Rule::name);
    if (pair != pair_name || found == next.rules.end()) return unknown();
    found->reads = reads;
    return publish(std::move(next));
  }

  protocol::Result<proxy::admin::PlanChange> rollback(const std::string& pair) override {
    if (pair != pair_name) return unknown();
    if (!previous_) return protocol::failure(ErrorCode::configuration_invalid, Blame::operator_, "no previous plan");
    return publish(*previous_);
  }

  protocol::Result<proxy::admin::TypeReport> type_report(const std::string& pair) override {
    if (pair != "shop") return protocol::failure(protocol::ErrorCode::configuration_invalid, protocol::Blame::operator_, "no such pair");
    proxy::admin::TypeReport report;
    report.total = 1;
    report.databases.push_back({"shop", true, false, 1, {{"public.mood", "enum", 16400, 0}}});
    return report;
  }
  protocol::Result<proxy::admin::PinnedSessions> pinned_sessions(const std::string& pair) override {
    if (pair != pair_name) return unknown();
    proxy::telemetry::PinnedSession session{
        7, "ann", "shop", "till\xFF", routing::Side::blue, 4711,
        {{{protocol::PinReason::advisory_lock, 0x00ab}, std::chrono::milliseconds(1500)},
         {{protocol::PinReason::listen, 0}, std::chrono::milliseconds(20)}}};
    return proxy::admin::PinnedSessions{1, {std::move(session)}};
  }

  protocol::Result<proxy::admin::HoldChange> pause(const std::string& pair, const routing::HoldScope& scope) override {
    if (pair != pair_name) return unknown();
    hold = routing::with_hold(hold, scope, routing::HoldClass::everything);
    return proxy::admin::HoldChange{std::make_shared<const routing::Hold>(hold), std::chrono::microseconds(9), true, 2, 1};
  }

  protocol::Result<proxy::admin::HoldChange> resume(const std::string& pair, const routing::HoldScope& scope) override {
    if (pair != pair_name) return unknown();
    hold = routing::without_hold(hold, scope);
    return proxy::admin::HoldChange{std::make_shared<const routing::Hold>(hold), std::chrono::microseconds(9), true, 0, 0};
  }

  protocol::Result<proxy::admin::ExplainResult> explain(const proxy::admin::ExplainRequest& request) override {
    if (request.pair != pair_name) return unknown();
    last_explained = request;
    proxy::admin::ExplainResult result;
    result.facts.statement_class = protocol::StatementClass::read;
    result.facts.tables = {"orders"};
    result.facts.functions = {"lower"};
    result.facts.statement_count = 1;
    result.tags = {{"route", "checkout\xFF"}};
    result.explanation.route = {routing::Side::green, routing::RouteReason::read_weight, 0};
    result.explanation.steps = {{"rule reports", "matched"}};
    return result;
  }

  proxy::admin::ReloadOutcome reload(proxy::admin::ReloadMode mode) override {
    last_reload = mode;
    return reload_outcome;
  }

  std::string pair_name = "shop";
  std::optional<proxy::admin::ReloadMode> last_reload;
  proxy::admin::ReloadOutcome reload_outcome;
  bool is_ready_now = true;
  bool is_acknowledged = true;
  std::optional<protocol::Error> failure;
  std::function<void()> on_status;
  routing::Hold hold;
  std::optional<proxy::admin::ExplainRequest> last_explained;

  [[nodiscard]] const routing::Plan& plan() const { return *plan_; }

 private:
  static protocol::Error unknown() {
    return protocol::failure(ErrorCode::configuration_invalid, Blame::operator_, "unknown");
  }

  proxy::admin::PlanChange publish(routing::Plan next) {
    next.epoch = plan_->epoch + 1;
    previous_ = std::exchange(plan_, std::make_shared<const routing::Plan>(std::move(next)));
    return {plan_, std::chrono::microseconds(142), is_acknowledged};
  }

  routing::PlanSnapshot plan_;
  routing::PlanSnapshot previous_;
};

}  // namespace fake
