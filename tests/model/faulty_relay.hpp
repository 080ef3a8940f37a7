#pragma once

#include "tests/model/session.hpp"

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace model {

/// What a faulty relay does wrong. Each is a mistake that a proxy has really made.
enum class Fault : std::uint8_t {
  none,                 ///< a faithful relay: nothing may be found
  drops_reply,          ///< a ParseComplete, CloseComplete or NoData is lost
  repeats_reply,        ///< a CommandComplete comes twice
  swaps_replies,        ///< two neighbouring replies of different kinds change places
  ignores_flush,        ///< sends on Sync only
  swallows_ready,       ///< one ReadyForQuery too few after an error
  wrong_status,         ///< ReadyForQuery says idle inside a transaction
  drops_notice,
  loses_copy_data,      ///< a CopyData of the client is lost
  cancels_nothing,      ///< a cancel request is accepted and forgotten
};

[[nodiscard]] std::string_view name_of(Fault fault);
[[nodiscard]] const std::vector<Fault>& all_faults();

/// A relay on a thread of its own, in place of Crossfade, to prove that the model test notices mistakes.
/// Serves one client after another, and cancel requests at any time.
class FaultyRelay {
 public:
  FaultyRelay(Address server, Fault fault);
  FaultyRelay(const FaultyRelay&) = delete;
  FaultyRelay& operator=(const FaultyRelay&) = delete;
  ~FaultyRelay();
  [[nodiscard]] Address address() const { return {"127.0.0.1", port_}; }

 private:
  void run();
  void serve(int client);

  Address server_;
  Fault fault_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<bool> is_ending_{false};
  std::vector<std::thread> sessions_;
  std::thread acceptor_;
};

}  // namespace model
