#pragma once

#include "proxy/cli/demo/proxy_process.hpp"

#include <chrono>
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

/// The few calls that the demo makes, in the words of the demo. They throw DemoFailure, with the endpoint's own
/// explanation, when the proxy does not do as asked.
class AdminApi {
 public:
  explicit AdminApi(DemoAddress address) : address_(std::move(address)) {}

  /// `percent` of the reads to green, the rest to blue.
  Acknowledgement set_green_reads(unsigned percent);
  /// Back to the weights before the last change.
  Acknowledgement roll_back();

 private:
  Acknowledgement change(const std::string& method, const std::string& target, const std::string& body);

  DemoAddress address_;
};

}  // namespace proxy::cli
