#include "tests/model/shrink.hpp"

#include <algorithm>

namespace model {

namespace {

using StillFails = std::function<bool(const Conversation&)>;

Conversation without_steps(const Conversation& from, std::size_t begin, std::size_t count) {
  Conversation result = from;
  const auto first = result.steps.begin() + static_cast<std::ptrdiff_t>(begin);
  result.steps.erase(first, first + static_cast<std::ptrdiff_t>(std::min(count, from.steps.size() - begin)));
  return result;
}

Conversation without_message(const Conversation& from, std::size_t step, std::size_t message) {
  Conversation result = from;
  Step& changed = result.steps[step];
  changed.messages.erase(changed.messages.begin() + static_cast<std::ptrdiff_t>(message));
  changed.cuts.clear();
  if (changed.messages.empty()) result.steps.erase(result.steps.begin() + static_cast<std::ptrdiff_t>(step));
  return result;
}

bool adopt(Conversation& best, Conversation candidate, const StillFails& still_fails) {
  if (!still_fails(candidate)) return false;
  best = std::move(candidate);
  return true;
}

}  // namespace

Conversation shrink(Conversation failing, const StillFails& still_fails, std::chrono::steady_clock::time_point deadline) {
  const auto is_late = [deadline] { return std::chrono::steady_clock::now() > deadline; };
  Conversation plain = failing;
  plain.parameters.clear();
  for (Step& step : plain.steps) step.cuts.clear();
  adopt(failing, std::move(plain), still_fails);

  for (std::size_t count = std::max<std::size_t>(failing.steps.size() / 2, 1); count > 0 && !is_late(); count /= 2) {
    for (std::size_t begin = 0; begin < failing.steps.size() && !is_late();) {
      if (!adopt(failing, without_steps(failing, begin, count), still_fails)) begin += count;
    }
  }
  for (bool has_changed = true; has_changed && !is_late();) {
    has_changed = false;
    for (std::size_t step = failing.steps.size(); step-- > 0 && !is_late();) {
      for (std::size_t message = failing.steps[step].messages.size(); message-- > 0 && !is_late();) {
        if (step < failing.steps.size() && message < failing.steps[step].messages.size()) {
          has_changed |= adopt(failing, without_message(failing, step, message), still_fails);
        }
      }
      if (step < failing.steps.size() && failing.steps[step].kind != StepKind::send) {
        has_changed |= adopt(failing, without_steps(failing, step, 1), still_fails);
      }
    }
  }
  return failing;
}

}  // namespace model
