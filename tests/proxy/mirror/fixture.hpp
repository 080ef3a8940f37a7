#pragma once

#include "protocol/mirror_unit.hpp"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>

namespace mirror_test {

/// A folder of its own that goes with it.
class Scratch {
 public:
  Scratch() {
    std::string pattern = (std::filesystem::temp_directory_path() / "crossfade-mirror-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// No file of this process grows beyond `bytes` until restore_limit(): writes there fail as on a full disk.
inline rlimit limit_files(std::uint64_t bytes) {
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const rlimit narrow{bytes, before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &narrow);
  return before;
}
inline void restore_limit(const rlimit& before) { ::setrlimit(RLIMIT_FSIZE, &before); }

/// One row of the table public.t with the key `k` and the value `v`.
inline protocol::MirrorUnit put(const std::string& key, const std::string& value) {
  protocol::MirrorUnit unit;
  unit.database = "shop";
  unit.user = "app";
  unit.transaction_id = "7" + key;
  protocol::RowChange& rows = unit.items.emplace_back().rows.emplace();
  rows.schema = "public";
  rows.table = "t";
  rows.columns = {"k", "v"};
  rows.key_columns = {"k"};
  rows.rows = {{key, value}};
  return unit;
}

inline protocol::MirrorUnit schema_change(const std::string& text) {
  protocol::MirrorUnit unit;
  unit.database = "shop";
  protocol::CarriedStatement& statement = unit.items.emplace_back().statement.emplace();
  statement.text = text;
  statement.is_barrier = true;
  return unit;
}

}  // namespace mirror_test
