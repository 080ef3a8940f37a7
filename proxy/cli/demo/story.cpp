#include "proxy/cli/demo/story.hpp"

#include "proxy/cli/demo/equality.hpp"
#include "proxy/cli/demo/failure.hpp"

#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>

namespace proxy::cli {
namespace {

constexpr std::chrono::seconds live_interval{1};
/// Between two looks whether something is over.
constexpr std::chrono::milliseconds look_interval{5};
/// A move, or what the mirror still has to apply, takes milliseconds.
constexpr std::chrono::seconds patience{60};
/// While held, the machine is the visitor's: the clients keep a pulse going and no more.
constexpr std::chrono::microseconds hold_think_time{50'000};

std::filesystem::path make_directory(const std::filesystem::path& path, const std::optional<Account>& owner) {
  std::filesystem::create_directory(path);
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  if (owner && ::chown(path.c_str(), owner->uid, owner->gid) != 0) {
    throw DemoFailure("cannot give " + path.string() + " to user " + owner->name + ": " + std::strerror(errno));
  }
  return path;
}

std::string search_path() {
  const char* path = std::getenv("PATH");
  return path == nullptr ? "" : path;
}

std::string random_password() {
  std::array<unsigned char, 16> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) throw DemoFailure("no random bytes on this system");
  std::string text;
  for (const unsigned char byte : bytes) {
    text += "0123456789abcdef"[byte >> 4U];
    text += "0123456789abcdef"[byte & 15U];
  }
  return text;
}

std::string text_of(const DemoAddress& address) { return address.host + ":" + std::to_string(address.port); }

}  // namespace

Story::Story(const DemoOptions& options, StopSignals& signals, std::ostream& out)
    : options_(options),
      signals_(signals),
      out_(out),
      began_at_(DemoClock::now()),
      account_(unprivileged_account()),
      keeper_password_(random_password()),
      scratch_(account_),
      blue_(cluster_options("blue")),
      green_(cluster_options("green")) {}

ClusterOptions Story::cluster_options(const char* name) const {
  ClusterOptions options;
  options.name = name;
  options.programs = find_server_programs(search_path());
  options.directory = make_directory(scratch_.path() / name, account_);
  options.account = account_;
  options.connections_max = options_.client_count + 50;
  options.keeper_password = keeper_password_;
  return options;
}

void Story::say(const std::string& text) {
  out_ << text << std::flush;
  if (!out_) throw DemoFailure("nobody reads the output any more");
}

void Story::raise_servers() {
  say("Crossfade " CROSSFADE_VERSION " demo: reads and writes move from one PostgreSQL server to another, and back, while clients work\n\n");
  say("  two throw-away servers, blue and green, in " + scratch_.path().string() +
      (account_ ? " as user " + account_->name : std::string()) + " …\n");
  for (Cluster* cluster : {&blue_, &green_}) cluster->begin_initialise();
  for (Cluster* cluster : {&blue_, &green_}) cluster->finish_initialise(signals_);
  for (Cluster* cluster : {&blue_, &green_}) {
    cluster->start(signals_);
    signals_.watch(cluster->server().exit_descriptor(), cluster->name() + "'s server");
    cluster->begin_load(options_.scale);
  }
  for (Cluster* cluster : {&blue_, &green_}) cluster->finish_load(signals_);
  say("  blue on 127.0.0.1:" + std::to_string(blue_.port()) + ", green on 127.0.0.1:" + std::to_string(green_.port()) +
      ", each with " + grouped(options_.scale * std::uint64_t{100'000}) + " pgbench accounts\n");
}

void Story::start_proxy() {
  proxy_ = std::make_unique<ProxyProcess>(make_directory(scratch_.path() / "proxy", account_), account_,
                                          demo_configuration(blue_.port(), green_.port(), keeper_password_), signals_);
  signals_.watch(proxy_->process().exit_descriptor(), "crossfade");
  admin_ = std::make_unique<AdminApi>(proxy_->addresses().admin);
  say("  crossfade on " + text_of(proxy_->addresses().pair) + ", admin endpoint on http://" +
      text_of(proxy_->addresses().admin) + "\n\n");
  say("  Green begins as a copy of blue; from here on the mirror keeps the two equal, whichever has the authority for writes.\n\n");
}

void Story::start_load(std::chrono::microseconds think_time) {
  LoadOptions load;
  const DemoAddress& address = proxy_->addresses().pair;
  load.conninfo = "host=" + address.host + " port=" + std::to_string(address.port) +
                  " user=demo dbname=demo application_name=crossfade-demo";
  load.client_count = options_.client_count;
  load.scale = options_.scale;
  load.think_time = think_time;
  load_ = std::make_unique<LoadDriver>(std::move(load), ledger_);
}

void Story::show_until(DemoClock::time_point end) {
  auto shown_at = DemoClock::now();
  while (shown_at < end) {
    signals_.wait_until(std::min(end, shown_at + live_interval));
    const auto now = DemoClock::now();
    const auto since_start = std::chrono::duration_cast<std::chrono::seconds>(now - began_at_);
    say(live_line(since_start, now - shown_at, ledger_.take_interval()));
    shown_at = now;
  }
}

void Story::play_step(std::string title, double green_share, const std::optional<Acknowledgement>& change) {
  StepResult result;
  result.title = std::move(title);
  result.green_share_expected = green_share;
  if (change) result.acknowledged_after = change->after;
  std::string line = "  ── " + result.title;
  if (change) line += ": acknowledged by all workers after " + short_duration(change->after);
  say(line + "\n");
  finish_step(std::move(result));
}

void Story::finish_step(StepResult result) {
  const std::size_t number = steps_.size();
  ledger_.enter_phase(number);
  show_until(DemoClock::now() + options_.step);
  ledger_.leave_phase();
  result.writes_expected = authority_;
  result.counts = ledger_.of_phase(number);
  if (result.held) result.stall = ledger_.stall();
  steps_.push_back(std::move(result));
}

void Story::move_authority(std::string title, double green_share, std::uint64_t (AdminApi::*begin)()) {
  say("  ── " + title + "\n");
  ledger_.watch_stalls();
  const std::uint64_t number = (*admin_.*begin)();
  const auto deadline = DemoClock::now() + patience;
  MoveState state = admin_->move(number);
  while (state.kind == MoveState::Kind::running && DemoClock::now() < deadline) {
    signals_.wait_until(DemoClock::now() + look_interval);
    state = admin_->move(number);
  }
  if (state.kind != MoveState::Kind::moved) throw DemoFailure(title + ": " + (state.trouble.empty() ? "takes too long" : state.trouble));
  authority_ = routing::other(authority_);
  say("     " + std::string(routing::name_of(authority_)) + " has the authority; clients were held for at most " +
      short_duration(state.held) + "\n");
  StepResult result;
  result.title = std::move(title);
  result.green_share_expected = green_share;
  result.held = state.held;
  finish_step(std::move(result));
}

std::vector<std::string> Story::move_traffic() {
  say("  " + std::to_string(options_.client_count) +
      " clients: of four, one writes (TPC-B) and reads what it has written, three read, in simple, extended and prepared mode\n");
  say(live_heading());
  start_load(LoadOptions{}.think_time);
  play_step("reads 0 % on green", 0, std::nullopt);
  play_step("reads 10 % on green", 10, admin_->set_green_reads(10));
  play_step("reads 50 % on green", 50, admin_->set_green_reads(50));
  play_step("reads 100 % on green", 100, admin_->set_green_reads(100));
  play_step("rollback, to 50 %", 50, admin_->roll_back());
  move_authority("switchover to green", 50, &AdminApi::begin_switchover);
  move_authority("rollback to blue", 50, &AdminApi::begin_authority_rollback);
  move_authority("switchover to green again", 50, &AdminApi::begin_switchover);
  play_step("reads 100 % on green, as writes", 100, admin_->set_green_reads(100));
  load_->finish();
  std::vector<std::string> complaints = judge(steps_, ledger_.total());
  const std::string equality = compare_sides(complaints);
  if (!ledger_.first_trouble().empty()) complaints.push_back("the first trouble was: " + ledger_.first_trouble());
  say("\n" + summary(steps_, ledger_.total(), complaints, equality));
  return complaints;
}

/// Row by row, once the follower has everything.
std::string Story::compare_sides(std::vector<std::string>& complaints) {
  say("\n  the clients have stopped; every row of both sides is compared …\n");
  const auto deadline = DemoClock::now() + patience;
  MirrorStanding standing = admin_->mirror();
  while (standing.units_waiting > 0 && DemoClock::now() < deadline) {
    signals_.wait_until(DemoClock::now() + look_interval);
    standing = admin_->mirror();
  }
  if (standing.units_waiting > 0) complaints.push_back(grouped(standing.units_waiting) + " transactions are not on the follower yet");
  if (standing.ledger_open > 0) complaints.push_back("the ledger has " + grouped(standing.ledger_open) + " open entries");
  const std::string committed = std::to_string(ledger_.total().write_count());
  const std::string there = blue_.ask("SELECT count(*) FROM pgbench_history");
  if (there != committed) complaints.push_back("blue holds " + there + " writes, the clients committed " + committed);
  std::string text;
  for (const TableComparison& each : compare_tables(blue_.socket_conninfo("demo"), green_.socket_conninfo("demo"), signals_)) {
    text += comparison_line(each);
    if (each.differing > 0) complaints.push_back(each.table + ": " + grouped(each.differing) + " rows are on one side only");
  }
  return text;
}

void Story::hold() {
  const DemoAddress& pair = proxy_->addresses().pair;
  const std::string base = "http://" + text_of(proxy_->addresses().admin);
  const std::string pair_base = base + "/api/v1/pairs/" + std::string(demo_pair_name);
  const std::string weights = pair_base + "/rules/" + std::string(demo_rule_name) + "/weights";
  const std::string accepting = " -H 'Content-Type: application/json' -d '{\"accept\": [\"" + std::string(accepted_finding) + "\"]}' ";
  const std::string at = " -h " + pair.host + " -p " + std::to_string(pair.port) + " -U demo";
  say("\n  Everything keeps running until Ctrl-C. Try, in another terminal:\n\n"
      "    psql" + at + " demo -c 'SELECT name FROM demo_side'\n"
      "    pgbench" + at + " -n -S -M prepared -c 8 -T 10 demo\n"
      "    curl -s -X PUT -H 'Content-Type: application/json' -d '{\"reads\": {\"green\": 25}}' " + weights + "\n"
      "    curl -s -X POST" + accepting + pair_base + "/rollback\n"
      "    curl -s -X POST" + accepting + pair_base + "/switchover\n"
      "    curl -s " + pair_base + "/mirror\n"
      "    curl -s " + base + "/api/v1/status\n"
      "    curl -s " + base + "/metrics\n\n");
  say(live_heading());
  static_cast<void>(ledger_.take_interval());
  start_load(hold_think_time);
  for (;;) show_until(DemoClock::now() + live_interval);
}

}  // namespace proxy::cli
