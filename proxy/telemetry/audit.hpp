#pragma once

#include "protocol/base/result.hpp"

#include <cstdint>
#include <istream>
#include <mutex>
#include <string>
#include <string_view>

namespace proxy::telemetry {

/// A change of traffic: who, from what, to what, why.
struct AuditEntry {
  std::string_view pair;
  std::string_view what;  ///< "weights", "pause", "switchover" …
  std::string_view who;
  std::string_view from;
  std::string_view to;
  std::string_view why;
};

/// An append-only file of JSON lines, each with the digest (SHA-256) of itself and of the line before: whoever changes or takes
/// out one breaks the chain. It does not show that lines at its very end were taken away. Any thread.
class Audit {
 public:
  explicit Audit(std::string path) : path_(std::move(path)) {}
  /// Finds the end of the chain. Errors: configuration_invalid for a file that cannot be read, or whose chain is broken.
  [[nodiscard]] protocol::Status open();
  /// On the disk when it returns. Errors: internal.
  [[nodiscard]] protocol::Status append(const AuditEntry& entry);
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::mutex mutex_;
  const std::string path_;
  std::uint64_t number_ = 0;
  std::string digest_;
};

/// What a chain came to.
struct AuditVerdict {
  std::uint64_t entries = 0;   ///< good ones, up to the first bad one
  std::string last_digest;
  std::string complaint;       ///< empty: the chain is whole
};
[[nodiscard]] AuditVerdict verify_audit(std::istream& lines);

}  // namespace proxy::telemetry
