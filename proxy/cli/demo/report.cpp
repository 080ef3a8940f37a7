#include "proxy/cli/demo/report.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace proxy::cli {
namespace {

template <class... Arguments>
std::string print(const char* format, Arguments... arguments) {
  std::array<char, 256> text{};
  const int length = std::snprintf(text.data(), text.size(), format, arguments...);
  return {text.data(), static_cast<std::size_t>(std::clamp(length, 0, static_cast<int>(text.size()) - 1))};
}

bool is_exact(double share) { return share <= 0 || share >= 100; }

void judge_step(const StepResult& step, std::vector<std::string>& complaints) {
  if (step.counts.read_count() == 0) {
    complaints.push_back("step \"" + step.title + "\": no read was answered");
    return;
  }
  const double share = step.counts.green_read_share();
  const double off = std::abs(share - step.green_share_expected);
  if (off > (is_exact(step.green_share_expected) ? 0.0 : share_tolerance)) {
    complaints.push_back("step \"" + step.title + print("\": green answered %.2f %% of the reads", share));
  }
  const routing::Side other = routing::other(step.writes_expected);
  if (step.counts.writes[other] > 0) {
    complaints.push_back("step \"" + step.title + "\": " + std::string(routing::name_of(other)) + " took writes, which belong to " +
                         std::string(routing::name_of(step.writes_expected)));
  }
  if (step.counts.writes[step.writes_expected] == 0) complaints.push_back("step \"" + step.title + "\": no write was committed");
}

}  // namespace

std::string short_duration(std::chrono::microseconds duration) {
  const auto count = static_cast<double>(duration.count());
  if (count < 10'000) return print("%.2f ms", count / 1e3);
  if (count < 1'000'000) return print("%.0f ms", count / 1e3);
  return print("%.1f s", count / 1e6);
}

std::string grouped(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t end = digits.size(); end > 3; end -= 3) digits.insert(end - 3, 1, ',');
  return digits;
}

std::vector<std::string> judge(const std::vector<StepResult>& steps, const LoadCounts& total) {
  std::vector<std::string> complaints;
  if (total.errors > 0) complaints.push_back(grouped(total.errors) + " transactions failed");
  if (total.dropped > 0) complaints.push_back(grouped(total.dropped) + " connections were lost");
  for (const StepResult& step : steps) judge_step(step, complaints);
  return complaints;
}

std::string live_heading() {
  return "  time    reads/s    blue   green    writes/s    blue   green   errors  dropped  worst\n";
}

std::string live_line(std::chrono::seconds since_start, std::chrono::duration<double> interval, const LoadCounts& counts) {
  const double seconds = std::max(interval.count(), 1e-3);
  const auto writes = static_cast<double>(counts.write_count());
  const double green_writes =
      counts.write_count() == 0 ? 0 : 100.0 * static_cast<double>(counts.writes[routing::Side::green]) / writes;
  const double green_reads = counts.green_read_share();
  return print("  %3lld s  %9s  %4.0f %%  %4.0f %%  %10s  %4.0f %%  %4.0f %%  %7s  %7s  %s\n",
               static_cast<long long>(since_start.count()),
               grouped(static_cast<std::uint64_t>(static_cast<double>(counts.read_count()) / seconds)).c_str(),
               counts.read_count() == 0 ? 0.0 : 100.0 - green_reads, green_reads,
               grouped(static_cast<std::uint64_t>(writes / seconds)).c_str(),
               counts.write_count() == 0 ? 0.0 : 100.0 - green_writes, green_writes, grouped(counts.errors).c_str(),
               grouped(counts.dropped).c_str(), short_duration(counts.worst).c_str());
}

namespace {

std::string moves(const std::vector<StepResult>& steps) {
  std::string text;
  Stall worst;
  for (const StepResult& step : steps) {
    if (!step.held) continue;
    if (text.empty()) text = "\n  move of the authority           clients held   longest silence of writes   longest transaction\n";
    text += print("  %-29s   %12s   %25s   %19s\n", step.title.c_str(), short_duration(*step.held).c_str(),
                  short_duration(step.stall.silence).c_str(), short_duration(step.stall.longest).c_str());
    worst = {std::max(worst.silence, step.stall.silence), std::max(worst.longest, step.stall.longest)};
  }
  if (text.empty()) return text;
  return text + "  the longest stall: " + short_duration(worst.silence) + " without a write of any client, " + short_duration(worst.longest) +
         " of one transaction\n";
}

}  // namespace

std::string summary(const std::vector<StepResult>& steps, const LoadCounts& total,
                    const std::vector<std::string>& complaints, const std::string& equality) {
  std::string text = "  step                               reads   on green   writes of   acknowledged in   worst\n";
  for (const StepResult& step : steps) {
    const bool has_change = step.acknowledged_after.count() > 0;
    text += print("  %-29s %10s   %6.2f %%   %-9s   %15s   %s\n", step.title.c_str(), grouped(step.counts.read_count()).c_str(),
                  step.counts.green_read_share(), std::string(routing::name_of(step.writes_expected)).c_str(),
                  has_change ? short_duration(step.acknowledged_after).c_str() : "", short_duration(step.counts.worst).c_str());
  }
  text += moves(steps);
  text += "\n  " + grouped(total.own_read_count()) + " times a client read what it had just written, " +
          grouped(total.own_reads[routing::Side::green]) + " of them on green: it was there each time\n";
  text += "  " + grouped(total.read_count() + total.own_read_count() + total.write_count()) + " transactions (" +
          grouped(total.read_count() + total.own_read_count()) + " reads, " + grouped(total.write_count()) + " writes), " + grouped(total.errors) + " errors, " +
          grouped(total.dropped) + " dropped connections, worst latency " + short_duration(total.worst) + "\n";
  text += equality;
  for (const std::string& complaint : complaints) text += "  NOT AS PROMISED: " + complaint + "\n";
  return text;
}

}  // namespace proxy::cli
