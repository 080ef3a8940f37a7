#pragma once

#include "proxy/cli/demo/proxy_process.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace proxy::cli {

/// What the proxy says of a change of traffic.
struct Acknowledgement {
  std::chrono::microseconds after{0};  ///< until all workers had taken it over
};

/// Reads the reply to a change; nothing when it is not one or when not every worker acknowledged. Pure.
[[nodiscard]] std::optional<Acknowledgement> parse_acknowledgement(std::string_view body);

/// What speaks against a switchover here and is accepted: pgbench's history has no key, and rows are only inserted into it.
inline constexpr std::string_view accepted_finding = "table_without_key:demo.public.pgbench_history";

/// How a move of the authority stands.
struct MoveState {
  enum class Kind : std::uint8_t { running, moved, failed } kind = Kind::running;
  std::chrono::microseconds held{0};  ///< how long clients were held at most
  std::string trouble;                ///< why it failed
};

/// Reads the reply to "where does the pair stand?"; nothing when it is not one, or tells of another attempt. Pure.
[[nodiscard]] std::optional<MoveState> parse_move(std::string_view body, std::uint64_t attempt_number);

/// How the mirror stands.
struct MirrorStanding {
  std::uint64_t units_waiting = 0;  ///< committed, and not yet on the follower
  std::uint64_t ledger_open = 0;    ///< what could not be carried
};

/// Reads the reply to "how is the mirror?"; nothing when it is not one. Pure.
[[nodiscard]] std::optional<MirrorStanding> parse_mirror(std::string_view body);

/// The few calls that the demo makes, in the words of the demo. They throw DemoFailure, with the endpoint's own
/// explanation, when the proxy does not do as asked.
class AdminApi {
 public:
  explicit AdminApi(DemoAddress address) : address_(std::move(address)) {}

  /// `percent` of the reads to green, the rest to blue.
  Acknowledgement set_green_reads(unsigned percent);
  /// Back to the weights before the last change.
  Acknowledgement roll_back();
  /// Begins to move the authority to the other side; gives the attempt's number.
  [[nodiscard]] std::uint64_t begin_switchover();
  /// The same, as what takes back the last one.
  [[nodiscard]] std::uint64_t begin_authority_rollback();
  [[nodiscard]] MoveState move(std::uint64_t attempt_number);
  [[nodiscard]] MirrorStanding mirror();

 private:
  std::string call(const std::string& method, const std::string& target, const std::string& body, unsigned status);
  std::uint64_t begin_move(const char* how);
  Acknowledgement change(const std::string& method, const std::string& target, const std::string& body);

  DemoAddress address_;
};

}  // namespace proxy::cli
