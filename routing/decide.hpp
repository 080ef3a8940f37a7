#pragma once

#include "protocol/statement.hpp"
#include "routing/facts.hpp"
#include "routing/plan.hpp"
#include "routing/route.hpp"

#include <string>
#include <vector>

namespace routing {

/// Where a batch goes. Pure: no I/O, clock, dice or globals; at most 300 ns for a handful of rules.
[[nodiscard]] Route decide(const Plan& plan, const SessionFacts& session, const protocol::BatchFacts& batch,
                           const Circumstances& circumstances);

/// A read to the router: changes nothing and opens no transaction that might. A batch that opens or ends
/// other transactions is not one, whatever its class says.
[[nodiscard]] bool is_read(const protocol::BatchFacts& batch);

/// One step of the walk that decide() took, in words.
struct ExplainStep {
  std::string subject;  ///< "transaction", "rule reports", …
  std::string outcome;  ///< "not matched: user is alice, rule wants bob"
};

struct Explanation {
  Route route;
  std::vector<ExplainStep> steps;
};

/// The same walk as decide(), told. Always the same route as decide() for the same arguments.
[[nodiscard]] Explanation explain(const Plan& plan, const SessionFacts& session, const protocol::BatchFacts& batch,
                                  const Circumstances& circumstances);

}  // namespace routing
