#pragma once

#include "proxy/console/machine.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace console_test {

using namespace std::chrono_literals;
using routing::Side;

inline proxy::console::PairFacts facts() {
  proxy::console::PairFacts facts;
  facts.pair = "shop";
  facts.listen_host = "127.0.0.1";
  facts.listen_port = 6432;
  facts.sides[Side::blue] = {"db1", 5432};
  facts.sides[Side::green] = {"db2", 5433};
  facts.pool_mode = "transaction";
  facts.pool_size = 20;
  facts.users = {"app"};
  facts.settings = {{"pool_mode", "transaction"}};
  return facts;
}

inline proxy::telemetry::ClientView client(std::uint64_t number, const std::string& user, proxy::telemetry::ClientState state) {
  proxy::telemetry::ClientView view;
  view.number = number;
  view.user = user;
  view.database = "shop";
  view.address[15] = 1;
  view.state = state;
  return view;
}

inline proxy::telemetry::BackendView backend(Side side, const std::string& user, proxy::telemetry::BackendState state) {
  proxy::telemetry::BackendView view;
  view.side = side;
  view.user = user;
  view.database = "shop";
  view.state = state;
  view.process_id = 99;
  return view;
}

/// Two users: one at work on blue, one that waits, one whose session is held; an idle connection on green.
inline proxy::console::PairView view() {
  using proxy::telemetry::BackendState;
  using proxy::telemetry::ClientState;
  proxy::console::PairView view;
  view.inventory.clients = {client(1, "app", ClientState::active), client(2, "app", ClientState::waiting),
                            client(3, "job", ClientState::held), client(4, "root", ClientState::console)};
  view.inventory.clients[0].side = Side::blue;
  view.inventory.clients[0].pins = {{{protocol::PinReason::listen, 0xAB}, 1'000ms}};
  view.inventory.clients[1].wait = 2'500'000us;
  view.inventory.backends = {backend(Side::blue, "app", BackendState::active), backend(Side::green, "app", BackendState::idle)};
  view.inventory.backends[0].client_number = 1;
  view.inventory.databases["shop"] = {10, 20, 300, 400, 5'000us, 6'000us, 7us};
  view.hold = std::make_shared<const routing::Hold>(routing::with_hold({}, {"shop"}, routing::HoldClass::everything));
  routing::Plan plan;
  routing::Rule rule;
  rule.name = "rest";
  rule.reads.green = 1'250;
  plan.rules.push_back(rule);
  view.plan = std::make_shared<const routing::Plan>(plan);
  return view;
}

}  // namespace console_test
