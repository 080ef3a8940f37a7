#include "proxy/mirror/apply_pace.hpp"

namespace proxy::mirror {

namespace {

constexpr std::chrono::milliseconds look_interval{100};
/// Half of what is known is older than some eight seconds.
constexpr double kept_each_look = 0.98;

}  // namespace

void ApplyPace::look(Clock::time_point now, std::uint64_t applied_total, std::uint64_t behind, std::chrono::milliseconds age) {
  while (!worst_.empty() && worst_.back().second <= age) worst_.pop_back();
  worst_.emplace_back(now, age);
  while (worst_.front().first + memory < now) worst_.pop_front();
  if (last_ && now - last_->at < look_interval) return;
  // Where nothing was left at one of both looks, the time says nothing: it may have waited.
  if (last_ && last_->behind != 0 && behind != 0 && applied_total >= last_->applied_total) {
    units_ = units_ * kept_each_look + static_cast<double>(applied_total - last_->applied_total);
    seconds_ = seconds_ * kept_each_look + std::chrono::duration<double>(now - last_->at).count();
  }
  last_ = {now, applied_total, behind};
}

std::optional<double> ApplyPace::units_per_second() const {
  if (units_ <= 0 || seconds_ <= 0) return std::nullopt;
  return units_ / seconds_;
}

std::chrono::milliseconds ApplyPace::worst_age() const { return worst_.empty() ? std::chrono::milliseconds(0) : worst_.front().second; }

}  // namespace proxy::mirror
