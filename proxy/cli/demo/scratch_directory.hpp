#pragma once

#include "proxy/cli/demo/account.hpp"

#include <filesystem>
#include <optional>
#include <string_view>

namespace proxy::cli {

/// A fresh directory that only its owner can enter, gone with everything in it when this object ends.
class ScratchDirectory {
 public:
  /// Owned by `owner`, else by this process's user. Throws DemoFailure.
  explicit ScratchDirectory(const std::optional<Account>& owner);
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  ~ScratchDirectory();

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// Writes a file that every user of the directory may read. Throws DemoFailure.
void write_file(const std::filesystem::path& path, std::string_view text);
/// The last `line_count_max` lines of a file; empty when it cannot be read.
[[nodiscard]] std::string last_lines(const std::filesystem::path& path, std::size_t line_count_max);

}  // namespace proxy::cli
