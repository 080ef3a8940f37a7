#pragma once

#include "protocol/base/result.hpp"
#include "proxy/mirror/desk.hpp"
#include "proxy/mirror/journal_format.hpp"
#include "proxy/net/file_descriptor.hpp"
#include "routing/side.hpp"

#include <cstdint>
#include <mutex>
#include <string>

namespace proxy::mirror {

/// What must survive beside the units, in two places that are written in turn, each with its number and checksum: a write
/// that a crash cuts off leaves the other one. Nothing is ever appended, so that a full disk does not keep it from being written.
class StateFile {
 public:
  struct State {
    StreamName stream{};
    routing::Side authority = routing::Side::blue;
    CommitSequence highest = 0;           ///< at least as high as every sequence given out before the newest segment
    CommitSequence finished_through = 0;  ///< units up to here are not looked at again
    CommitSequence broken_since = 0;      ///< 0: the mirror is not broken off
    std::string boot;                     ///< of the machine, while the journal is open; empty: it was closed in order
  };

  enum class Origin : std::uint8_t { made, found };
  /// Errors: internal; message_malformed when neither place can be read.
  [[nodiscard]] protocol::Result<Origin> open(const std::string& path, const State& initial);
  [[nodiscard]] State state() const;
  /// Durable when it returns; on an error the one before still holds.
  [[nodiscard]] protocol::Status write(const State& state);

 private:
  net::FileDescriptor file_;
  mutable std::mutex mutex_;
  State state_;
  std::uint64_t number_ = 0;
};

/// Differs from one start of the machine to the next.
[[nodiscard]] std::string boot_of_machine();
/// 16 bytes by chance.
[[nodiscard]] StreamName new_stream();

}  // namespace proxy::mirror
