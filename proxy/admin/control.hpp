#pragma once

#include "protocol/base/result.hpp"
#include "protocol/statement.hpp"
#include "proxy/telemetry/metrics.hpp"
#include "proxy/telemetry/pinned_session.hpp"
#include "proxy/telemetry/type_report.hpp"
#include "routing/decide.hpp"
#include "routing/hold.hpp"
#include "routing/plan.hpp"
#include "routing/side.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace proxy::mirror {
class MirrorControl;
}

namespace proxy::admin {

/// Plain values between the admin endpoint (and later the controller) and the data plane. The admin endpoint
/// sees nothing else of the proxy. Implemented by the composition root; calls come from the control thread
/// and may wait for the workers, at most `acknowledge_timeout`.

struct SideStatus {
  std::string endpoint;                 ///< host:port as configured
  std::uint64_t connections = 0;        ///< open backend connections
  std::uint64_t requests = 0;
  std::uint64_t errors = 0;
  std::string health = "up";            ///< up, suspect or down
  std::string health_reason = {};       ///< the last bad sign; empty while up
  std::chrono::seconds health_for{0};   ///< how long it has been so
  std::string server_version = {};      ///< empty: not known
  bool is_in_recovery = false;
  bool is_read_only = false;
};

struct PairStatus {
  std::string name;
  std::string dialect;
  std::string listen;                   ///< the address that clients use, with the port really bound
  std::uint64_t clients = 0;
  routing::PlanSnapshot plan;
  bool has_previous_plan = false;
  routing::PerSide<SideStatus> sides;
  std::map<protocol::PinReason, std::uint64_t> pins;
  routing::HoldSnapshot hold;           ///< what PAUSE keeps back; may be null
  std::uint64_t sessions_working = 0;
  std::uint64_t sessions_held = 0;
  std::uint64_t held_bytes = 0;
  std::uint64_t types_differing = 0;
};

struct Status {
  std::string version;
  std::chrono::seconds uptime{0};
  std::uint32_t worker_count = 0;
  std::vector<PairStatus> pairs;
};

/// A published plan and how long all workers took to acknowledge it.
struct PlanChange {
  routing::PlanSnapshot plan;
  std::chrono::microseconds acknowledged_after{0};
  bool is_acknowledged_by_all = false;  ///< false: some worker did not answer within acknowledge_timeout
  bool is_durable = true;               ///< false: it should outlive the process, and the disk did not take it
};

/// A published hold, and what is left to wait for.
struct HoldChange {
  routing::HoldSnapshot hold;
  std::chrono::microseconds acknowledged_after{0};
  bool is_acknowledged_by_all = false;
  std::uint64_t sessions_working = 0;  ///< of the pair; a pause is complete when none in its scope is left
  std::uint64_t sessions_held = 0;
};

struct ExplainRequest {
  std::string pair;
  std::string sql;
  routing::SessionFacts session;
};

struct ExplainResult {
  protocol::StatementFacts facts;
  protocol::CommentTags tags;
  routing::Explanation explanation;
};

enum class ReloadMode : std::uint8_t {
  apply,
  rehearse,  ///< everything but the last step
};

/// A key of the configuration that says something else than before.
struct SettingChange {
  std::string kind;  ///< "added", "removed", "changed"
  std::string path;  ///< "pairs.shop.pool.size"
  std::string before;  ///< both empty for a secret
  std::string after;
  bool needs_restart = false;  ///< until then the value stays as it was
};

struct ReloadOutcome {
  enum class Verdict : std::uint8_t { refused, rehearsed, applied };
  Verdict verdict = Verdict::refused;
  std::vector<std::string> problems;  ///< one line each, as `crossfade check` has them; refused: with an error among them
  std::vector<SettingChange> changes;
};

using telemetry::PairMetrics;
using telemetry::PinnedSessions;
using telemetry::SideMetrics;
using telemetry::TypeReport;

class SwitchoverControl;

/// By the names of the pairs that are mirrored.
using Mirrors = std::vector<std::pair<std::string, std::shared_ptr<mirror::MirrorControl>>>;

class Control {
 public:
  virtual ~Control() = default;
  /// Null: no pair can switch over.
  [[nodiscard]] virtual SwitchoverControl* switchovers() { return nullptr; }
  [[nodiscard]] virtual Mirrors mirrors() { return {}; }
  [[nodiscard]] virtual Status status() = 0;
  [[nodiscard]] virtual std::vector<PairMetrics> metrics() = 0;
  /// Every pair has at least one side it can serve from; for /readyz.
  [[nodiscard]] virtual bool is_ready() = 0;

  /// Errors: configuration_invalid for an unknown pair or rule.
  [[nodiscard]] virtual protocol::Result<routing::Rule> rule(const std::string& pair, const std::string& rule) = 0;
  [[nodiscard]] virtual protocol::Result<PlanChange> set_weights(const std::string& pair, const std::string& rule,
                                                                 routing::Weights reads) = 0;
  /// Back to the plan before the newest one; a second call goes forth again.
  [[nodiscard]] virtual protocol::Result<PlanChange> rollback(const std::string& pair) = 0;
  [[nodiscard]] virtual protocol::Result<PinnedSessions> pinned_sessions(const std::string& pair) = 0;
  [[nodiscard]] virtual protocol::Result<TypeReport> type_report(const std::string& pair) = 0;
  /// New transactions and logins in `scope` wait from now on; does not wait for those under way. Errors: as above.
  [[nodiscard]] virtual protocol::Result<HoldChange> pause(const std::string& pair, const routing::HoldScope& scope) = 0;
  [[nodiscard]] virtual protocol::Result<HoldChange> resume(const std::string& pair, const routing::HoldScope& scope) = 0;
  /// Reads the configuration again. All of it is put in force, or nothing.
  [[nodiscard]] virtual ReloadOutcome reload(ReloadMode mode) = 0;
  [[nodiscard]] virtual protocol::Result<ExplainResult> explain(const ExplainRequest& request) = 0;
};

}  // namespace proxy::admin
