#pragma once

#include "tests/model/random.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace sim {

/// What a client writes in one go, and what it has heard in all when that is answered.
struct Burst {
  std::string bytes;
  std::size_t heard_before = 0;  ///< bytes it waits for before it writes this; 0: it does not wait
  std::size_t heard_after = 0;   ///< bytes it has heard when everything up to here is answered
};

/// A client's part of a conversation and what one server would say to it.
struct Script {
  std::string name;             ///< in every statement, so that it can be found again on a backend
  std::vector<Burst> bursts;    ///< the last one ends with Terminate
  std::string expected;         ///< all replies after the login, with '?' for the mark of the side
  std::vector<std::string> executed;  ///< statements with the client's name that one server would run
};

struct ScriptOptions {
  std::size_t unit_count = 20;
  unsigned wait_percent = 60;
  unsigned write_percent = 20;
  std::size_t long_rows_max = 60;
};

[[nodiscard]] Script make_script(const std::string& name, model::Random& random, const ScriptOptions& options);

}  // namespace sim
