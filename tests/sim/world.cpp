#include "tests/sim/world.hpp"

#include "tests/model/message.hpp"
#include "tests/proxy/net/tls_fixture.hpp"

#include <algorithm>
#include <utility>

namespace sim {

using proxy::net::Endpoint;
using routing::Side;
using test_support::ConnectAnswer;
using test_support::StreamFaults;

namespace {

constexpr std::uint32_t clients_max = 1000;
constexpr std::chrono::seconds pool_idle_timeout{20};
constexpr const char* names_of_endpoints[] = {"blue", "green"};

Side side_of(const Endpoint& endpoint) { return endpoint.host == names_of_endpoints[0] ? Side::blue : Side::green; }

routing::PlanSnapshot plan_with(std::uint32_t green_weight, std::uint64_t epoch) {
  routing::Rule rule;
  rule.name = "everything";
  rule.reads.green = green_weight;
  rule.stickiness = routing::Stickiness::statement;
  routing::Plan plan;
  plan.epoch = epoch;
  plan.rules.push_back(rule);
  return std::make_shared<const routing::Plan>(std::move(plan));
}

protocol::postgres::Admission everybody(protocol::postgres::NonceSource& nonces) {
  protocol::postgres::AccessRule trust;
  trust.method = protocol::postgres::AccessMethod::trust;
  return {std::make_shared<const protocol::postgres::AccessRules>(1, trust),
          std::make_shared<const protocol::postgres::UserDirectory>(nonces)};
}

}  // namespace

std::string first_difference(const std::string& heard, const std::string& expected) {
  const auto [left, right] = std::mismatch(heard.begin(), heard.end(), expected.begin(), expected.end());
  if (left == heard.end() || right == expected.end()) return "";
  const auto at = static_cast<std::size_t>(left - heard.begin());
  const std::size_t begin = at > 200 ? at - 200 : 0;
  return "first difference at " + std::to_string(at) + "\n  expected … " +
         model::readable(std::string_view(expected).substr(begin, 400), 900) + "\n  heard    … " +
         model::readable(std::string_view(heard).substr(begin, 400), 900);
}

World::Encryption::Encryption()
    : server(net_test::open(net_test::server_options())),
      client(net_test::open(net_test::client_options())),
      serving(*server, scratch),
      asking(*client, scratch) {}

World::World(std::uint64_t seed, const Weather& weather)
    : seed_(seed),
      weather_(weather),
      random_(seed),
      encryption_(weather.is_encrypted ? std::make_unique<Encryption>() : nullptr),
      connector_(
          loop_, [this](const Endpoint& endpoint, std::size_t) { return behaviour(endpoint); },
          [this](const Endpoint& endpoint, std::unique_ptr<test_support::MemoryStream> server) {
            accept(endpoint, std::move(server));
          }) {
  protocol::postgres::PostgresDialect::Options options;
  // A bound that a handful of clients reach.
  options.client_half.prepared_statements_max = 3;
  proxy::backend::Encryption encryption;
  if (encryption_) {
    options.client_encryption = protocol::postgres::ClientEncryption::required;
    encryption.to_clients = &encryption_->serving;
    for (const Side side : routing::both_sides) {
      encryption.to_backends[side] = {&encryption_->asking, proxy::backend::BackendEncryption::always};
    }
  }
  dialect_ = std::make_unique<protocol::postgres::PostgresDialect>(options, everybody(nonces_), nonces_,
                                                                   [](const protocol::Login&) {});
  proxy::session::SessionTerms terms = weather.terms;
  terms.pooling = weather.pool_size == 0 ? proxy::session::Pooling::session : proxy::session::Pooling::transaction;
  terms.pool_size = weather.pool_size;
  shared_.reset(new proxy::session::PairShared{proxy::session::PlanPublisher(plan_with(weather.green_weight, 1)), 0, clients_open_,
                                               clients_max, proxy::backend::ConnectionCounts({0})});
  health_ = std::make_unique<proxy::backend::Health>("sim", proxy::backend::Health::Thresholds{}, nullptr, loop_.now());
  shared_->health = health_.get();
  shared_->terms = proxy::session::TermsTable(terms);
  worker_ = std::make_unique<proxy::session::PairWorker>(
      *shared_, proxy::session::PairWorker::Identity{0, [] { return 7U; }}, loop_, *dialect_, connector_, credentials_, options_,
      proxy::backend::Pool::Options{pool_idle_timeout, {}},
      routing::PerSide<Endpoint>{{Endpoint{names_of_endpoints[0], 1}, Endpoint{names_of_endpoints[1], 2}}},
      scratch_, encryption);
  worker_->set_peers({worker_.get()});
}

World::~World() {
  worker_.reset();
}

/// Depends on the stream's number only, so that what happens to one connection changes nothing for another.
StreamFaults World::faults(std::uint64_t stream_number) const {
  StreamFaults faults;
  model::Random random(seed_ * 1'000'003 + stream_number);
  faults.seed = stream_number + seed_;
  faults.delay = std::chrono::microseconds(random.between(5, 300));
  if (!weather_.is_rough) return faults;
  if (random.chance(60)) faults.piece_bytes_max = random.between(1, random.chance(50) ? 20 : 3000);
  if (random.chance(60)) faults.jitter = std::chrono::microseconds(random.between(1, 2000));
  if (random.chance(40)) faults.capacity_bytes = random.between(20, 5000);
  return faults;
}

test_support::SimConnector::Behaviour World::behaviour(const Endpoint& endpoint) {
  const Side side = side_of(endpoint);
  const std::uint64_t number = 1000 * (1 + routing::index_of(side)) + 2 * connection_count_[side]++;
  test_support::SimConnector::Behaviour behaviour;
  behaviour.answer = fates_[side].answer;
  behaviour.delay = std::chrono::microseconds(200);
  behaviour.to_server = faults(number);
  behaviour.to_client = faults(number + 1);
  if (connection_count_[side] == 1) {
    behaviour.to_client.cut_after_bytes = fates_[side].cut_after_bytes;
    behaviour.to_client.cut_kind = fates_[side].cut_kind;
  }
  return behaviour;
}

void World::accept(const Endpoint& endpoint, std::unique_ptr<test_support::MemoryStream> server) {
  loop_.note("a connection to " + endpoint.host);
  const Side side = side_of(endpoint);
  backends_.push_back(std::make_unique<Backend>(side, std::move(server), encryption_ ? &encryption_->serving : nullptr));
  if (connection_count_[side] == 1) backends_.back()->answer_with(fates_[side].last_words);
  const auto is_open = [side](const auto& backend) { return backend->side() == side && !backend->is_closed(); };
  const auto open = static_cast<std::size_t>(std::count_if(backends_.begin(), backends_.end(), is_open));
  most_open_[side] = std::max(most_open_[side], open);
}

Client& World::add_client(Script script, Client::Pace pace) {
  const std::uint64_t number = 100'000 + 2 * clients_.size();
  test_support::MemoryPair pair(loop_, faults(number), faults(number + 1));
  clients_.push_back(std::make_unique<Client>(loop_, std::move(script), std::move(pair.a), pace,
                                              encryption_ ? &encryption_->asking : nullptr));
  worker_->take_in(std::move(pair.b), routing::ClientAddress{});
  return *clients_.back();
}

void World::set_green_weight(std::uint32_t hundredths) {
  loop_.note("green weight " + std::to_string(hundredths));
  shared_->plan.publish(plan_with(hundredths, shared_->plan.epoch() + 1));
}

void World::pause(routing::HoldClass hold_class, proxy::session::HoldDesk::OnDrained on_drained) {
  loop_.note("paused");
  shared_->hold.publish([=](const routing::Hold& now) { return routing::with_hold(now, {}, hold_class); });
  worker_->watch_drain({}, hold_class, std::move(on_drained));
}

void World::resume() {
  loop_.note("resumed");
  shared_->hold.publish([](const routing::Hold& now) { return routing::without_hold(now, {}); });
  worker_->on_hold_change();
}

void World::find_down(Side side) {
  health_->note_sign(side, proxy::backend::HealthSign::refused, loop_.now());
  worker_->on_side_down(side);
}

void World::cut_first(Side side, std::size_t after_bytes, test_support::CutKind kind) {
  fates_[side].cut_after_bytes = after_bytes;
  fates_[side].cut_kind = kind;
}

void World::kill(Side side, test_support::CutKind kind) {
  loop_.note(std::string(routing::name_of(side)) + " is killed");
  fates_[side].answer = ConnectAnswer::refuse;
  for (const auto& backend : backends_) {
    if (backend->side() == side && !backend->is_closed()) backend->kill(kind);
  }
}

void World::stall(Side side) {
  loop_.note(std::string(routing::name_of(side)) + " falls silent");
  fates_[side].answer = ConnectAnswer::ignore;
  for (const auto& backend : backends_) {
    if (backend->side() == side) backend->stall();
  }
}

std::vector<std::string> World::executed(const std::string& client, Side side) const {
  std::vector<std::string> statements;
  for (const auto& backend : backends_) {
    if (backend->side() != side) continue;
    for (const std::string& statement : backend->server().executed()) {
      if (statement.find(client) != std::string::npos) statements.push_back(statement);
    }
  }
  return statements;
}

bool World::is_side_idle(Side side) const {
  return std::all_of(backends_.begin(), backends_.end(),
                     [side](const auto& backend) { return backend->side() != side || backend->is_closed() || backend->is_idle(); });
}

std::string World::complaints() const {
  std::string words;
  for (const auto& client : clients_) {
    const std::string& expected = client->script().expected;
    const std::string heard = client->heard();
    if (heard != expected) {
      words += client->script().name + " heard " + std::to_string(heard.size()) + " bytes, " + std::to_string(expected.size()) +
               " expected; " + first_difference(heard, expected) + "\n";
    }
    if (!client->is_closed()) words += client->script().name + " is still connected\n";
    std::vector<std::string> ran = executed(client->script().name, Side::blue);
    for (std::string& statement : executed(client->script().name, Side::green)) {
      if (statement.starts_with("INSERT")) words += "a write ran on green: " + statement + "\n";
      ran.push_back(std::move(statement));
    }
    std::vector<std::string> due = client->script().executed;
    std::sort(ran.begin(), ran.end());
    std::sort(due.begin(), due.end());
    if (ran != due) words += client->script().name + ": statements did not run exactly once\n";
  }
  if (worker_->session_count() != 0) words += std::to_string(worker_->session_count()) + " sessions remain\n";
  for (const auto& backend : backends_) {
    if (!backend->is_closed()) words += "a connection to " + std::string(routing::name_of(backend->side())) + " stays open\n";
  }
  return words;
}

}  // namespace sim
