#include "tests/sim/mirror_world.hpp"

#include <algorithm>
#include <utility>

namespace sim {

using proxy::net::Endpoint;
using routing::Side;
using test_support::ConnectAnswer;
using test_support::CutKind;
using namespace std::chrono_literals;

namespace {

Side side_of(const Endpoint& endpoint) { return endpoint.host == "blue" ? Side::blue : Side::green; }

protocol::postgres::Admission everybody(protocol::postgres::NonceSource& nonces) {
  protocol::postgres::AccessRule trust;
  trust.method = protocol::postgres::AccessMethod::trust;
  return {std::make_shared<const protocol::postgres::AccessRules>(1, trust),
          std::make_shared<const protocol::postgres::UserDirectory>(nonces)};
}

}  // namespace

MirrorWorld::Process::Process(MirrorWorld& world)
    : mirror(world.disk_, world.stores_, world.loop_, world.random_, world.nature_.mirror),
      connector(
          world.loop_,
          [this, &world](const Endpoint& endpoint, std::size_t) {
            test_support::SimConnector::Behaviour behaviour;
            if (is_dead || !world.is_up_[side_of(endpoint)]) behaviour.answer = ConnectAnswer::refuse;
            behaviour.delay = 200us;
            behaviour.to_server = world.faults();
            behaviour.to_client = world.faults();
            return behaviour;
          },
          [this, &world](const Endpoint& endpoint, std::unique_ptr<test_support::MemoryStream> server) {
            const Side side = side_of(endpoint);
            world.backends_.push_back(std::make_unique<Backend>(side, std::move(server), nullptr));
            world.backends_.back()->keep_rows_in(world.stores_[side]);
            if (is_dead || !world.is_up_[side]) world.backends_.back()->kill(CutKind::reset);
          }) {
  dialect = std::make_unique<protocol::postgres::PostgresDialect>(protocol::postgres::PostgresDialect::Options{}, everybody(nonces), nonces,
                                                                  [](const protocol::Login&) {});
  proxy::session::SessionTerms terms;
  terms.pooling = world.nature_.pool_size == 0 ? proxy::session::Pooling::session : proxy::session::Pooling::transaction;
  terms.pool_size = world.nature_.pool_size;
  shared.reset(new proxy::session::PairShared{proxy::session::PlanPublisher(world.plan()), 0, clients_open, 1'000,
                                              proxy::backend::ConnectionCounts({0})});
  shared->terms = proxy::session::TermsTable(terms);
  shared->mirror.desk = &mirror;
  shared->mirror.capture.tick = [this] { return mirror.tick(); };
  worker = std::make_unique<proxy::session::PairWorker>(
      *shared, proxy::session::PairWorker::Identity{0, [] { return 7U; }}, world.loop_, *dialect, connector, credentials, options,
      proxy::backend::Pool::Options{20s, {}}, routing::PerSide<Endpoint>{{Endpoint{"blue", 1}, Endpoint{"green", 2}}}, scratch,
      proxy::backend::Encryption{});
  worker->set_peers({worker.get()});
}

MirrorWorld::MirrorWorld(std::uint64_t seed, const Nature& nature) : nature_(nature), random_(seed) {
  stores_[Side::green].set_fenced(true);
  process_ = std::make_unique<Process>(*this);
  for (std::size_t i = 0; i < nature_.teller_count; ++i) {
    tellers_.push_back(nullptr);
    tellers_[i] = std::make_unique<Teller>("c" + std::to_string(i), random_, nature_.tellers, [this, i] { connect(*tellers_[i]); });
  }
  for (const auto& teller : tellers_) connect(*teller);
}

MirrorWorld::~MirrorWorld() {
  if (process_ != nullptr) process_->worker.reset();
  for (const auto& process : dead_) process->worker.reset();
}

test_support::StreamFaults MirrorWorld::faults() {
  test_support::StreamFaults faults;
  faults.seed = ++streams_;
  faults.delay = std::chrono::microseconds(random_.between(5, 300));
  if (random_.chance(30)) faults.piece_bytes_max = random_.between(1, 200);
  if (random_.chance(60)) faults.jitter = std::chrono::microseconds(random_.between(1, 1'000));
  return faults;
}

routing::PlanSnapshot MirrorWorld::plan() const {
  routing::Rule rule;
  rule.name = "everything";
  rule.reads.green = nature_.green_weight;
  rule.stickiness = routing::Stickiness::statement;
  rule.causal_wait = nature_.causal_wait;
  routing::Plan plan;
  plan.epoch = epoch_;
  plan.rules.push_back(rule);
  return std::make_shared<const routing::Plan>(routing::with_authority(std::move(plan), disk_.authority));
}

void MirrorWorld::publish() {
  ++epoch_;
  if (process_ != nullptr) process_->shared->plan.publish(plan());
}

/// Soon, and again and again while nobody listens.
void MirrorWorld::connect(Teller& teller) {
  timers_.push_back(loop_.make_timer([this, &teller] {
    if (process_ == nullptr) return connect(teller);
    test_support::MemoryPair pair(loop_, faults(), faults());
    process_->worker->take_in(std::move(pair.b), routing::ClientAddress{});
    teller.connect(std::move(pair.a));
  }));
  timers_.back()->arm(loop_.now() + std::chrono::microseconds(random_.between(1, 2'000)));
}

void MirrorWorld::set_weight(std::uint32_t green_weight) {
  loop_.note("green weight " + std::to_string(green_weight));
  nature_.green_weight = green_weight;
  publish();
}

void MirrorWorld::set_disk_full(bool is_full) {
  loop_.note(is_full ? "the disk is full" : "the disk has room");
  if (process_ != nullptr) process_->mirror.set_full(is_full);
}

void MirrorWorld::set_up(Side side, bool is_up) {
  loop_.note(std::string(routing::name_of(side)) + (is_up ? " is up" : " is down"));
  is_up_[side] = is_up;
  if (!is_up) {
    for (const auto& backend : backends_) {
      if (backend->side() == side && !backend->is_closed()) backend->kill(CutKind::reset);
    }
  }
  if (process_ != nullptr) process_->mirror.set_reachable(is_up_);
}

void MirrorWorld::kill_proxy() {
  if (process_ == nullptr) return;
  loop_.note("the proxy is killed");
  process_->is_dead = true;
  process_->mirror.die();
  surprises_ += process_->mirror.surprises();
  for (const auto& backend : backends_) {
    if (!backend->is_closed()) backend->kill(CutKind::reset);
  }
  dead_.push_back(std::move(process_));
  attempt_ = Attempt::none;
  for (const auto& teller : tellers_) teller->lose_connection();
}

/// What the disk says is in force: one side may be written, the other may not.
void MirrorWorld::start_proxy() {
  if (process_ != nullptr) return;
  loop_.note("the proxy is started");
  for (const Side side : routing::both_sides) stores_[side].set_fenced(side != disk_.authority);
  ++epoch_;
  process_ = std::make_unique<Process>(*this);
  process_->mirror.set_reachable(is_up_);
}

void MirrorWorld::cut_somebody() {
  Teller& teller = *tellers_[random_.below(tellers_.size())];
  if (random_.chance(50)) return teller.lose_connection();
  std::vector<Backend*> open;
  for (const auto& backend : backends_) {
    if (!backend->is_closed()) open.push_back(backend.get());
  }
  if (!open.empty()) open[random_.below(open.size())]->kill(CutKind::reset);
}

/// Hold, drain, fence, catch up, turn and flip, release; undone when that takes too long.
void MirrorWorld::begin_switchover() {
  if (attempt_ != Attempt::none || process_ == nullptr || disk_.is_broken) return;
  loop_.note("a switchover begins");
  attempt_ = Attempt::draining;
  attempt_deadline_ = loop_.now() + 200ms;
  is_drained_ = false;
  process_->shared->hold.publish([](const routing::Hold& now) { return routing::with_switching(now); });
  process_->worker->on_hold_change();
  process_->worker->watch_drain({}, routing::HoldClass::writes, [this, process = process_.get()](proxy::session::DrainOutcome outcome) {
    if (process == process_.get()) is_drained_ = outcome == proxy::session::DrainOutcome::drained;
  });
}

void MirrorWorld::go_on_with_switchover() {
  if (attempt_ == Attempt::none || process_ == nullptr) return;
  const Side from = disk_.authority;
  if (loop_.now() > attempt_deadline_ || disk_.is_broken) {
    stores_[from].set_fenced(false);
    return end_switchover();
  }
  if (attempt_ == Attempt::draining && is_drained_) {
    stores_[from].set_fenced(true);
    attempt_ = Attempt::catching_up;
  }
  if (attempt_ != Attempt::catching_up || !process_->mirror.is_caught_up()) return;
  process_->mirror.turn(routing::other(from));
  process_->mirror.set_reachable(is_up_);
  stores_[disk_.authority].set_fenced(false);
  publish();
  ++switchovers_;
  loop_.note("the authority is " + std::string(routing::name_of(disk_.authority)));
  end_switchover();
}

void MirrorWorld::end_switchover() {
  attempt_ = Attempt::none;
  process_->shared->hold.publish([](const routing::Hold& now) { return routing::without_switching(now); });
  process_->worker->on_hold_change();
}

void MirrorWorld::do_something() {
  const Side side = random_.chance(60) ? routing::other(disk_.authority) : disk_.authority;
  switch (random_.weighted({20, 15, 15, 15, 6, 10, 15, 4})) {
    case 0: return set_weight(static_cast<std::uint32_t>(random_.below(101) * 100));
    case 1:
      if (process_ != nullptr) set_slowness(std::chrono::microseconds(random_.between(200, 30'000)));
      return;
    case 2: return begin_switchover();
    case 3: return set_up(side, !is_up_[side]);
    case 4: return kill_proxy();
    case 5: return start_proxy();
    case 6: return cut_somebody();
    default: return set_disk_full(random_.chance(30));
  }
}

void MirrorWorld::live_troubled(std::chrono::milliseconds span) {
  const auto end = loop_.now() + span;
  while (loop_.now() < end) {
    loop_.advance(std::chrono::microseconds(random_.between(100, 4'000)));
    do_something();
    go_on_with_switchover();
  }
}

void MirrorWorld::live_calmly() {
  start_proxy();
  set_disk_full(false);
  for (const Side side : routing::both_sides) set_up(side, true);
  const auto is_all_done = [this] {
    return attempt_ == Attempt::none && process_->mirror.is_caught_up() &&
           std::ranges::all_of(tellers_, [](const auto& teller) { return teller->is_done(); });
  };
  for (int i = 0; i < 20'000 && !is_all_done(); ++i) {
    loop_.advance(5ms);
    go_on_with_switchover();
  }
}

std::size_t MirrorWorld::reads_by(Side side) const {
  std::size_t sum = 0;
  for (const auto& teller : tellers_) sum += teller->reads_by(side);
  return sum;
}

bool MirrorWorld::are_sides_equal() const { return stores_[Side::blue].history() == stores_[Side::green].history(); }

std::string MirrorWorld::complaints() const {
  std::string words;
  for (const auto& teller : tellers_) words += complaints_about(*teller);
  if (!process_->mirror.is_caught_up()) words += "the follower has not caught up\n";
  if (surprises_ + process_->mirror.surprises() != 0) words += "something was not mirrored\n";
  routing::PerSide<std::map<std::string, std::vector<std::string>>> histories{{stores_[Side::blue].history(), stores_[Side::green].history()}};
  for (auto& history : histories.values) std::erase_if(history, [this](const auto& row) { return disk_.ledger.contains(row.first); });
  for (const auto& [key, values] : histories[Side::blue]) {
    if (histories[Side::green][key] != values) words += key + " differs\n";
  }
  if (histories[Side::blue].size() != histories[Side::green].size()) words += "a side has more rows\n";
  return words;
}

std::string MirrorWorld::complaints_about(const Teller& teller) const {
  std::string words = teller.complaints();
  if (!teller.is_done()) words += "a client is not done\n";
  for (const Teller::Write& write : teller.writes()) {
    routing::PerSide<std::ptrdiff_t> counts{};
    for (const Side side : routing::both_sides) {
      const auto row = stores_[side].history().find(write.key);
      if (row != stores_[side].history().end()) counts[side] = std::ranges::count(row->second, write.value);
    }
    const bool is_excused = disk_.ledger.contains(write.key);
    const std::ptrdiff_t most = std::max(counts[Side::blue], counts[Side::green]);
    const std::string what = write.key + " = " + write.value + ": " + std::to_string(counts[Side::blue]) + " on blue, " +
                             std::to_string(counts[Side::green]) + " on green";
    if (most > 1) words += what + ", more than once\n";
    if (write.told == Teller::Told::failed && most != 0) words += what + ", but it failed\n";
    if (write.told == Teller::Told::acknowledged && most == 0) words += what + ", but it was acknowledged\n";
    if (!is_excused && counts[Side::blue] != counts[Side::green]) words += what + "\n";
  }
  return words;
}

}  // namespace sim
