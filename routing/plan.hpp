#pragma once

#include "protocol/base/result.hpp"
#include "protocol/statement.hpp"
#include "routing/facts.hpp"
#include "routing/side.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace routing {

/// An address block in CIDR form, IPv4 mapped into IPv6 (so prefix_bits of 10.0.0.0/8 is 104).
struct Network {
  ClientAddress address{};
  std::uint8_t prefix_bits = 0;  ///< 0..128
  bool operator==(const Network&) const = default;
};

[[nodiscard]] bool contains(const Network& network, const ClientAddress& address);

/// What a rule asks of a batch. An empty list asks nothing; all lists that are not empty must be met.
struct Match {
  std::vector<std::string> users;
  std::vector<std::string> databases;
  std::vector<Network> networks;
  std::vector<std::string> application_names;
  /// The class of the batch as a router sees it: a BEGIN … READ ONLY alone counts as a read, for it decides
  /// where the reads that follow it will run; so `transaction_control` does not match it.
  std::vector<protocol::StatementClass> classes;
  /// Met when the batch touches at least one table and every table it touches is listed. "orders" matches
  /// the table in any schema, "sales.orders" only where it was written so.
  std::vector<std::string> tables;
  std::vector<std::pair<std::string, std::string>> tags;  ///< key and value, each must be present
  bool operator==(const Match&) const = default;
};

/// Which part of the traffic keeps to one side when weights are between 0 and 100.
enum class Stickiness : std::uint8_t {
  session,         ///< each session keeps its place (default)
  statement,       ///< each batch or transaction for itself
  user,            ///< the user's name
  client_address,  ///< the client's address
  tag,             ///< the value of a comment tag; without it as `session`
};

[[nodiscard]] std::string_view name_of(Stickiness stickiness);

/// Shares of reads in hundredths of a percent; blue + green = 10,000.
struct Weights {
  std::uint32_t green = 0;  ///< 0..10,000; the rest is blue's
  bool operator==(const Weights&) const = default;
};

inline constexpr std::uint32_t weight_total = 10'000;

struct Rule {
  std::string name;
  Match match;
  Weights reads;
  Side writes = Side::blue;
  Stickiness stickiness = Stickiness::session;
  std::string stickiness_tag;  ///< for Stickiness::tag
  /// So long a read may wait for its side to have what its session has written, before the other side answers it; 0: not at all.
  std::chrono::milliseconds causal_wait{0};
  bool operator==(const Rule&) const = default;
};

/// An immutable snapshot of a pair's rules. A change of traffic is a new Plan with a higher epoch.
struct Plan {
  std::uint64_t epoch = 1;
  std::vector<Rule> rules;
  Side default_writes = Side::blue;  ///< where everything goes that no rule matches
  bool is_authority_known = true;    ///< false: nothing that may write is run on either side
};

using PlanSnapshot = std::shared_ptr<const Plan>;

/// Null when no rule has that name. Lifetime: a loan from `plan`.
[[nodiscard]] const Rule* find_rule(const Plan& plan, std::string_view rule_name);

/// The same plan with other read weights for one rule and the next epoch. Fails with configuration_invalid for
/// an unknown rule or a weight above 100 %.
[[nodiscard]] protocol::Result<Plan> with_weights(const Plan& plan, std::string_view rule_name, Weights reads);

/// The same plan with all writes on one side. The epoch stays.
[[nodiscard]] Plan with_authority(Plan plan, Side authority);

/// What the configuration `after` makes of a plan that grew out of the configuration `before`: its rules, but a rule
/// whose configured weights did not change keeps those that it has in `in_force`. The epoch is that of `in_force`.
[[nodiscard]] Plan adopt_rules(const Plan& in_force, const Plan& before, const Plan& after);

/// The plan in force and the one before it. A value for one thread (the control thread); the snapshots that it
/// hands out may be read anywhere. Epochs only ever grow, over a rollback too.
class PlanHistory {
 public:
  explicit PlanHistory(Plan first);

  [[nodiscard]] const PlanSnapshot& current() const { return current_; }
  /// Null until something else than the first plan was published.
  [[nodiscard]] const PlanSnapshot& previous() const { return previous_; }

  /// Puts `next` in force under the epoch after the current one, whatever its own says. Publishing what is in
  /// force already (the same weights again) takes an epoch but leaves the way back as it was.
  PlanSnapshot publish(Plan next);

  /// Publishes the rules of another configuration (see adopt_rules), and rewrites the plan before the current one
  /// alike, so that a rollback concerns weights only. Null when nothing changes for the traffic.
  [[nodiscard]] PlanSnapshot adopt(const Plan& before, const Plan& after);

  /// Moves the writes of the plan in force, and of the one before it, so that a rollback concerns weights only; the epoch is the
  /// next one, and at least `epoch_min`.
  PlanSnapshot move_authority(Side authority, std::uint64_t epoch_min);
  /// Nothing that may write is run until move_authority().
  PlanSnapshot disown();

  /// Puts the previous plan in force under a new epoch; a second rollback goes forth again. Fails with
  /// configuration_invalid when there is none.
  [[nodiscard]] protocol::Result<PlanSnapshot> rollback();

 private:
  PlanSnapshot current_;
  PlanSnapshot previous_;
};

}  // namespace routing
