#include "routing/switchover_attempt.hpp"

namespace routing {

std::string_view name_of(LastChange change) {
  switch (change) {
    case LastChange::nothing: return "nothing";
    case LastChange::weights: return "weights";
    case LastChange::switchover: return "switchover";
  }
  return "unknown";
}

std::string_view name_of(AttemptEnd end) {
  switch (end) {
    case AttemptEnd::none: return "running";
    case AttemptEnd::checked: return "checked";
    case AttemptEnd::moved: return "moved";
    case AttemptEnd::undone: return "undone";
    case AttemptEnd::disowned: return "disowned";
  }
  return "unknown";
}

}  // namespace routing
