#pragma once

#include "routing/side.hpp"

#include <cstdint>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

namespace proxy::backend {

/// The server processes behind a pair's connections, on all its workers and on their way between them: what a switchover takes for
/// its own. Thread-safe; asked when a connection has logged in and when it ends.
class ProcessRegister {
 public:
  /// One process, for as long as its connection has it. Lifetime: at most that of the register.
  class Entry {
   public:
    Entry() = default;
    Entry(Entry&& other) noexcept { *this = std::move(other); }
    Entry& operator=(Entry&& other) noexcept;
    ~Entry() { leave(); }

   private:
    friend class ProcessRegister;
    void leave();
    ProcessRegister* register_ = nullptr;
    routing::Side side_ = routing::Side::blue;
    std::uint32_t process_ = 0;
  };

  [[nodiscard]] Entry enter(routing::Side side, std::uint32_t process);
  [[nodiscard]] std::vector<std::uint32_t> processes(routing::Side side);

 private:
  std::mutex mutex_;
  /// Behind a balancer two servers of one side may give the same number.
  routing::PerSide<std::multiset<std::uint32_t>> processes_;  ///< under mutex_
};

}  // namespace proxy::backend
