#include "proxy/cli/demo/story.hpp"

#include "proxy/cli/demo/failure.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

namespace proxy::cli {
namespace {

constexpr std::chrono::seconds live_interval{1};
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

std::string text_of(const DemoAddress& address) { return address.host + ":" + std::to_string(address.port); }

}  // namespace

Story::Story(const DemoOptions& options, StopSignals& signals, std::ostream& out)
    : options_(options),
      signals_(signals),
      out_(out),
      began_at_(DemoClock::now()),
      account_(unprivileged_account()),
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
  return options;
}

void Story::say(const std::string& text) {
  out_ << text << std::flush;
  if (!out_) throw DemoFailure("nobody reads the output any more");
}

void Story::raise_servers() {
  say("Crossfade " CROSSFADE_VERSION " demo: reads move from one PostgreSQL server to another while clients work\n\n");
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
                                          demo_configuration(blue_.port(), green_.port()), signals_);
  signals_.watch(proxy_->process().exit_descriptor(), "crossfade");
  admin_ = std::make_unique<AdminApi>(proxy_->addresses().admin);
  say("  crossfade on " + text_of(proxy_->addresses().pair) + ", admin endpoint on http://" +
      text_of(proxy_->addresses().admin) + "\n\n");
  say("  Green begins as a copy of blue and is not kept equal here: that is `sync: mirror` in a configuration.\n"
      "  So writes stay on blue, and only reads move.\n\n");
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

void Story::play_step(std::size_t number, std::string title, double green_share,
                      const std::optional<Acknowledgement>& change) {
  ledger_.enter_phase(number);
  std::string line = "  ── " + title;
  if (change) line += ": acknowledged by all workers after " + short_duration(change->after);
  say(line + "\n");
  show_until(DemoClock::now() + options_.step);
  ledger_.leave_phase();
  StepResult result;
  result.title = std::move(title);
  result.green_share_expected = green_share;
  if (change) result.acknowledged_after = change->after;
  result.counts = ledger_.of_phase(number);
  steps_.push_back(std::move(result));
}

std::vector<std::string> Story::move_reads() {
  say("  " + std::to_string(options_.client_count) +
      " clients: reads in simple, extended and prepared mode, read-only transactions, pgbench's writes\n");
  say(live_heading());
  start_load(LoadOptions{}.think_time);
  play_step(0, "reads 0 % on green", 0, std::nullopt);
  play_step(1, "reads 10 % on green", 10, admin_->set_green_reads(10));
  play_step(2, "reads 50 % on green", 50, admin_->set_green_reads(50));
  play_step(3, "reads 100 % on green", 100, admin_->set_green_reads(100));
  play_step(4, "rollback, to 50 %", 50, admin_->roll_back());
  play_step(5, "all back on blue", 0, admin_->set_green_reads(0));
  load_->finish();
  std::vector<std::string> complaints = judge(steps_, ledger_.total());
  check_histories(complaints);
  if (!ledger_.first_trouble().empty()) complaints.push_back("the first trouble was: " + ledger_.first_trouble());
  say("\n" + summary(steps_, ledger_.total(), complaints));
  return complaints;
}

void Story::check_histories(std::vector<std::string>& complaints) {
  const std::string question = "SELECT count(*) FROM pgbench_history";
  const std::string committed = std::to_string(ledger_.total().write_count());
  const std::string on_blue = blue_.ask(question);
  const std::string on_green = green_.ask(question);
  if (on_blue != committed) complaints.push_back("blue holds " + on_blue + " writes, the clients committed " + committed);
  if (on_green != "0") complaints.push_back("green holds " + on_green + " writes");
}

void Story::hold() {
  const DemoAddress& pair = proxy_->addresses().pair;
  const std::string base = "http://" + text_of(proxy_->addresses().admin);
  const std::string weights = base + "/api/v1/pairs/" + std::string(demo_pair_name) + "/rules/" +
                              std::string(demo_rule_name) + "/weights";
  const std::string at = " -h " + pair.host + " -p " + std::to_string(pair.port) + " -U demo";
  say("\n  Everything keeps running until Ctrl-C. Try, in another terminal:\n\n"
      "    psql" + at + " demo -c 'SELECT name FROM demo_side'\n"
      "    pgbench" + at + " -n -S -M prepared -c 8 -T 10 demo\n"
      "    curl -s -X PUT -H 'Content-Type: application/json' -d '{\"reads\": {\"green\": 25}}' " + weights + "\n"
      "    curl -s -X POST " + base + "/api/v1/pairs/" + std::string(demo_pair_name) + "/rollback\n"
      "    curl -s " + base + "/api/v1/status\n"
      "    curl -s " + base + "/metrics\n\n");
  say(live_heading());
  static_cast<void>(ledger_.take_interval());
  start_load(hold_think_time);
  for (;;) show_until(DemoClock::now() + live_interval);
}

}  // namespace proxy::cli
