#pragma once

#include "proxy/cli/remote.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace proxy::cli {

/// What is wanted of the ledger of a pair.
struct LedgerWish {
  std::string pair;  ///< empty: the only one there is
  enum class Extent : std::uint8_t { open, all } extent = Extent::open;
  std::optional<std::uint64_t> accepted;  ///< the entry that somebody takes upon himself; nothing: they are shown
  std::string who;
  std::string why;
};

/// Shows what is known to differ, or accepts an entry. Shown without open entries: done; with some: refused.
[[nodiscard]] int show_ledger(const Remote& remote, const LedgerWish& wish);
/// How the follower is kept equal, and how far behind it is.
[[nodiscard]] int show_mirror(const Remote& remote, const std::string& pair);

}  // namespace proxy::cli
