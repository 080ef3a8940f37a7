#pragma once

#include "protocol/base/result.hpp"
#include "protocol/statement.hpp"
#include "routing/decide.hpp"
#include "routing/plan.hpp"
#include "routing/side.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace proxy::admin {

/// Plain values between the admin endpoint (and later the controller) and the data plane. The admin endpoint
/// sees nothing else of the proxy. Implemented by the composition root; calls come from the control thread
/// and may wait for the workers, at most `acknowledge_timeout`.

struct SideStatus {
  std::string endpoint;                 ///< host:port as configured
  std::uint64_t connections = 0;        ///< open backend connections
  std::uint64_t requests = 0;
  std::uint64_t errors = 0;
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

/// Upper bounds of the latency buckets, in seconds; one more bucket counts what is beyond the last.
inline constexpr std::array<double, 16> latency_bounds{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                                       0.05,   0.1,     0.25,   0.5,   1.0,    2.5,   5.0,  10.0};

struct LatencyHistogram {
  std::array<std::uint64_t, latency_bounds.size() + 1> counts{};  ///< not cumulative
  double sum_seconds = 0;
  double max_seconds = 0;  ///< since the process began
  std::uint64_t total() const {
    std::uint64_t sum = 0;
    for (const std::uint64_t count : counts) sum += count;
    return sum;
  }
};

inline constexpr std::size_t statement_class_count = 6;

struct SideMetrics {
  std::uint64_t connections_open = 0;
  std::uint64_t connects_total = 0;
  std::uint64_t connect_failures_total = 0;
  std::uint64_t bytes_to_backend_total = 0;
  std::uint64_t bytes_to_client_total = 0;
  std::array<std::uint64_t, statement_class_count> requests_total{};          ///< by StatementClass
  std::array<LatencyHistogram, statement_class_count> latency{};              ///< by StatementClass
  std::map<std::string, std::uint64_t> errors_total;                          ///< by SQLSTATE or errno; bounded
};

struct PairMetrics {
  std::string pair;
  std::uint64_t clients_open = 0;
  std::uint64_t clients_total = 0;
  std::uint64_t logins_failed_total = 0;
  std::map<std::string, std::uint64_t> sessions_failed_total;  ///< by name_of(ErrorCode)
  std::map<protocol::PinReason, std::uint64_t> pins;           ///< sessions pinned now
  routing::PerSide<SideMetrics> sides;
};

class Control {
 public:
  virtual ~Control() = default;
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
  [[nodiscard]] virtual protocol::Result<ExplainResult> explain(const ExplainRequest& request) = 0;
};

}  // namespace proxy::admin
