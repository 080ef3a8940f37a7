#pragma once

#include "protocol/base/result.hpp"
#include "routing/switchover.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace proxy::switchover {

/// A short file that says one thing and outlives the machine. A change is durable or has not happened: a new file is written and brought
/// to the disk, takes the old one's name, and the folder is brought to the disk.
/// Source: fsync(2), "does not necessarily ensure that the entry in the directory containing the file has also reached disk".
class DurableFile {
 public:
  static constexpr std::size_t bytes_max = std::size_t{256} << 10;  ///< of one that is read

  /// `folder` is there.
  DurableFile(const std::string& folder, const std::string& name) : folder_(folder), path_(folder + "/" + name) {}

  [[nodiscard]] const std::string& path() const { return path_; }
  /// Nothing: there is no file. Errors: configuration_invalid when there is one that cannot be read, or is too long.
  [[nodiscard]] protocol::Result<std::optional<std::string>> read() const;
  /// done; failed: what was there still is; in_doubt: either may be there after a crash.
  struct Written {
    routing::SwitchoverOutcome outcome = routing::SwitchoverOutcome::done;
    std::string words;  ///< of a failure
  };
  [[nodiscard]] Written write(std::string_view text) const;
  /// Brings `text` to the disk beside the file, for publish().
  [[nodiscard]] Written prepare(std::string_view text) const;
  /// What was prepared takes the file's place.
  [[nodiscard]] Written publish() const;

 private:
  [[nodiscard]] Written write_beside(const std::string& unfinished, std::string_view text) const;
  [[nodiscard]] Written rename_over(const std::string& unfinished) const;
  std::string folder_;
  std::string path_;
};

/// `text`, which ends with a line, and a last line with its checksum.
[[nodiscard]] std::string with_checksum(std::string text);
/// The text again. Errors: configuration_invalid when it is torn or was changed. Lifetime: a loan from `text`.
[[nodiscard]] protocol::Result<std::string_view> without_checksum(std::string_view text);

}  // namespace proxy::switchover
