#pragma once

#include "protocol/dialogue.hpp"
#include "proxy/lifecycle/takeover_client.hpp"
#include "proxy/net/stream.hpp"
#include "proxy/runtime/event_loop.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace proxy {

/// Part of the composition root: passes cancel requests of one pair on one worker to the processes before this one.
class CancelForwarder {
 public:
  /// A process that does not answer holds nobody up for longer.
  static constexpr std::chrono::seconds timeout{10};
  /// Under way at once; more are dropped, as the server may drop them.
  static constexpr std::size_t under_way_max = 256;

  /// All outlive it; `predecessors` does not change.
  CancelForwarder(runtime::EventLoop& loop, const std::vector<lifecycle::Predecessor>& predecessors, const std::string& pair);
  ~CancelForwarder();
  CancelForwarder(const CancelForwarder&) = delete;
  CancelForwarder& operator=(const CancelForwarder&) = delete;

  /// On the loop. `done` is called on it when the request was acted on, or there is nobody to act on it.
  void forward(const protocol::CancelKey& key, std::function<void()> done);
  /// On the loop: drops what is under way.
  void close();

 private:
  class UnderWay;
  enum class Passed : std::uint8_t { no, yes };
  [[nodiscard]] Passed pass_to(const lifecycle::Predecessor& predecessor, const protocol::CancelKey& key, std::function<void()> on_end);
  runtime::EventLoop& loop_;
  const std::vector<lifecycle::Predecessor>& predecessors_;
  const std::string& pair_;
  std::map<UnderWay*, std::unique_ptr<UnderWay>> under_way_;
};

}  // namespace proxy
