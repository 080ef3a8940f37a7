#pragma once

#include "proxy/admin/control.hpp"

#include <boost/json/object.hpp>

namespace proxy::admin {

/// The values of the control interface as JSON; the one place that knows their field names. All text in the
/// result is valid UTF-8.
[[nodiscard]] boost::json::object status_json(const Status& status);
[[nodiscard]] boost::json::object pair_json(const PairStatus& pair);
[[nodiscard]] boost::json::object rule_json(const routing::Rule& rule);
[[nodiscard]] boost::json::object change_json(const PlanChange& change);
[[nodiscard]] boost::json::object hold_change_json(const HoldChange& change);
/// `plan` names the rule of the route; may be null.
[[nodiscard]] boost::json::object explain_json(const ExplainResult& result, const routing::PlanSnapshot& plan);

[[nodiscard]] boost::json::object pinned_sessions_json(const PinnedSessions& pinned);
[[nodiscard]] boost::json::object type_report_json(const TypeReport& report);

/// {"blue": 90, "green": 10}: whole percents as integers, others with up to two decimals.
[[nodiscard]] boost::json::object weights_json(routing::Weights weights);

/// What a reload changed, or would.
[[nodiscard]] boost::json::object reload_json(const ReloadOutcome& outcome);
/// An error as every failure is one, with all that is wrong.
[[nodiscard]] boost::json::object refused_reload_json(const ReloadOutcome& outcome);

}  // namespace proxy::admin
