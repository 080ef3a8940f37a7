#include "protocol/postgres/session_state.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace protocol;
using namespace protocol::postgres;

namespace {

using Kind = SessionChange::Kind;
using Outcome = SessionState::Outcome;

void succeed(SessionState& state, Kind kind, const std::string& name = {}, const std::string& text = {}) {
  StatementFacts facts;
  SessionChange change{kind, name};
  change.text = text;
  facts.changes.push_back(change);
  state.on_success(facts);
}

void set(SessionState& state, const std::string& name, const std::string& value) {
  succeed(state, Kind::set, name, "SET " + name + " TO " + value);
}

std::string setting(const SessionState& state, const std::string& name) {
  const auto place = state.settings()->find(name);
  return place == state.settings()->end() ? "" : place->second;
}

PinReason first_pin(const SessionState& state) {
  return state.pins().empty() ? PinReason::none : state.pins().begin()->reason;
}

PinReason pin_after(PinReason reason, Outcome outcome) {
  SessionState state;
  StatementFacts facts;
  facts.pin = reason;
  state.on_success(facts);
  state.on_transaction_end(outcome);
  return first_pin(state);
}

}  // namespace

TEST_CASE("session state: SET committed → part of the state; rolled back → never was") {
  SessionState state;
  set(state, "work_mem", "'1MB'");
  CHECK(setting(state, "work_mem").empty());  // not before its transaction ends
  state.on_transaction_end(Outcome::committed);
  CHECK(setting(state, "work_mem") == "SET work_mem TO '1MB'");
  set(state, "work_mem", "'2MB'");
  state.on_transaction_end(Outcome::rolled_back);
  CHECK(setting(state, "work_mem") == "SET work_mem TO '1MB'");
}

TEST_CASE("session state: ROLLBACK TO → takes back what came after the savepoint, keeps what came before") {
  SessionState state;
  set(state, "a", "1");
  succeed(state, Kind::savepoint, "s");
  set(state, "a", "2");
  set(state, "b", "2");
  succeed(state, Kind::rollback_to, "s");
  set(state, "c", "3");
  succeed(state, Kind::rollback_to, "s");  // the savepoint is still there
  set(state, "d", "4");
  succeed(state, Kind::release, "s");
  state.on_transaction_end(Outcome::committed);
  CHECK(setting(state, "a") == "SET a TO 1");
  CHECK(setting(state, "b").empty());
  CHECK(setting(state, "c").empty());
  CHECK(setting(state, "d") == "SET d TO 4");
}

TEST_CASE("session state: the newest of several savepoints of one name → the one that counts") {
  SessionState state;
  succeed(state, Kind::savepoint, "s");
  set(state, "a", "1");
  succeed(state, Kind::savepoint, "s");
  set(state, "a", "2");
  succeed(state, Kind::rollback_to, "s");
  state.on_transaction_end(Outcome::committed);
  CHECK(setting(state, "a") == "SET a TO 1");
}

TEST_CASE("session state: RESET and RESET ALL → settings return to start-up, identity stays") {
  SessionState state;
  set(state, "a", "1");
  set(state, "role", "r");
  state.on_transaction_end(Outcome::committed);
  succeed(state, Kind::reset, "a");
  state.on_transaction_end(Outcome::committed);
  CHECK(setting(state, "a").empty());
  set(state, "a", "1");
  succeed(state, Kind::reset_all);
  state.on_transaction_end(Outcome::committed);
  CHECK(setting(state, "a").empty());
  CHECK(setting(state, "role") == "SET role TO r");
}

TEST_CASE("session state: nothing changed → the same settings object") {
  SessionState state;
  set(state, "a", "1");
  state.on_transaction_end(Outcome::committed);
  const SettingsPointer before = state.settings();
  set(state, "a", "1");
  state.on_transaction_end(Outcome::committed);
  CHECK(state.settings() == before);
  succeed(state, Kind::reset, "a");
  state.on_transaction_end(Outcome::committed);
  CHECK(state.settings() == no_settings());
}

TEST_CASE("session state: prepared statements → stay after a rollback, each change gives a new version") {
  SessionState state;
  succeed(state, Kind::prepare, "p", "PREPARE p AS SELECT 1");
  state.on_transaction_end(Outcome::rolled_back);
  REQUIRE(state.find_statement("p") != nullptr);
  CHECK(state.find_statement("p")->origin == PreparedStatement::Origin::sql);
  const std::uint64_t version = state.statements_version();
  succeed(state, Kind::deallocate, "p");
  CHECK(state.find_statement("p") == nullptr);
  CHECK(state.statements_version() != version);
}

TEST_CASE("session state: DISCARD ALL → settings, statements and pins are gone") {
  SessionState state;
  set(state, "a", "1");
  succeed(state, Kind::prepare, "p", "PREPARE p AS SELECT 1");
  StatementFacts facts;
  facts.pin = PinReason::advisory_lock;
  state.on_success(facts);
  state.on_transaction_end(Outcome::committed);
  CHECK(first_pin(state) == PinReason::advisory_lock);
  succeed(state, Kind::discard_all);
  state.on_transaction_end(Outcome::committed);
  CHECK(state.settings() == no_settings());
  CHECK(state.statements().empty());
  CHECK(first_pin(state) == PinReason::none);
}

TEST_CASE("session state: pins → temporary objects follow their transaction, session locks do not") {
  for (const PinReason reason : {PinReason::temporary_object, PinReason::listen, PinReason::hold_cursor}) {
    CHECK(pin_after(reason, Outcome::committed) == reason);
    CHECK(pin_after(reason, Outcome::rolled_back) == PinReason::none);
  }
  for (const PinReason reason : {PinReason::advisory_lock, PinReason::loaded_library, PinReason::untracked_state}) {
    CHECK(pin_after(reason, Outcome::rolled_back) == reason);
  }
}

TEST_CASE("session state: what a pin was for is undone → the pin ends") {
  const auto pinned = [](PinReason reason) {
    auto state = std::make_unique<SessionState>();
    StatementFacts facts;
    facts.pin = reason;
    state->on_success(facts);
    state->on_transaction_end(Outcome::committed);
    return state;
  };
  const std::pair<PinReason, Kind> cases[] = {{PinReason::listen, Kind::unlisten_all},
                                              {PinReason::temporary_object, Kind::discard_temporary},
                                              {PinReason::hold_cursor, Kind::close_all_cursors},
                                              {PinReason::advisory_lock, Kind::unlock_all}};
  for (const auto& [reason, undone_by] : cases) {
    const auto state = pinned(reason);
    CHECK(first_pin(*state) == reason);
    succeed(*state, undone_by);
    state->on_transaction_end(Outcome::committed);
    CHECK(first_pin(*state) == PinReason::none);
  }
}
