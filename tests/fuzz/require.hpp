#pragma once

#include <cstdio>
#include <cstdlib>

namespace tests::fuzz {

/// A property that must hold for every input; a fuzzer notices the abort.
inline void require(bool holds, const char* property) {
  if (holds) return;
  std::fprintf(stderr, "broken property: %s\n", property);
  std::abort();
}

}  // namespace tests::fuzz
