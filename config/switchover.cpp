#include "config/readers.hpp"

namespace config {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t folder_bytes_max = 3'000;

}  // namespace

void read_state(const Node& node, Reading& reading, State& state) {
  auto section = Section::open(node, reading.findings, "state");
  if (!section) return;
  section->require("directory");
  const auto directory = section->take_text("directory");
  if (directory) state.directory = (reading.folder / *directory).string();
  if (state.directory.size() > folder_bytes_max) {
    reading.findings.error(section->mark_of("directory"), about("state.directory", "is longer than a path can be"));
  }
  section->finish();
}

void read_switchover(Section& pair_section, Reading& reading, Pair& pair) {
  const Node* node = pair_section.take("switchover");
  if (node == nullptr) return;
  auto section = Section::open(*node, reading.findings, pair_section.path_of("switchover"));
  if (!section) return;
  Switchover& switchover = pair.switchover;
  const auto user = section->take_text("user");
  const auto password = take_secret(*section, "password", reading);
  if (user) switchover.login = BackendLogin{*user, password};
  if (!section->has("user") && has_secret(*section, "password")) {
    reading.findings.error(section->mark(), about(section->path(), "gives a password but no `user`"));
  }
  const auto database = section->take_text("database");
  if (database) switchover.database = *database;
  if (section->has("databases")) {
    for (Section::Item& item : section->take_list("databases")) switchover.databases.push_back(std::move(item.text));
  }
  section->read_duration("max_hold", 100ms, 20s, switchover.hold_max);
  section->read_duration("drain_timeout", 10ms, 20s, switchover.drain_timeout);
  section->read_choice<routing::DrainPolicy>(
      "on_drain_timeout", {{"abort", routing::DrainPolicy::abort}, {"end", routing::DrainPolicy::end}}, switchover.on_drain_timeout);
  section->read_duration("fence_timeout", 100ms, 20s, switchover.fence_timeout);
  section->read_duration("check_timeout", 1s, 1h, switchover.check_timeout);
  section->read_duration("cooldown", 0ms, 24h, switchover.cooldown);
  section->read_duration("soak", 0ms, 24h, switchover.soak);
  section->read_count("soak_errors_max", 0, 100, switchover.soak_errors_max);
  section->read_duration("soak_latency_max", 0ms, 1h, switchover.soak_latency_max);
  if (section->has("soak_questions")) {
    for (Section::Item& item : section->take_list("soak_questions")) switchover.soak_questions.push_back(std::move(item.text));
  }
  using routing::OnBreach;
  section->read_choice<OnBreach>("on_breach", {{"page", OnBreach::page}, {"freeze", OnBreach::freeze}, {"reverse", OnBreach::reverse}}, switchover.on_breach);
  section->read_duration("verification_age_max", 0ms, 8'760h, switchover.verification_age_max);
  section->read_count("sequence_headroom", 0, 1'000'000'000, switchover.sequence_headroom);
  section->finish();
}

}  // namespace config
