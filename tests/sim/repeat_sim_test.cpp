#include "tests/model/message.hpp"
#include "tests/sim/mini_server.hpp"
#include "tests/sim/world.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

// Reads that a backend takes along when it goes: which of them are made again, and what the client hears.
namespace {

using model::ClientMessage;
using routing::Side;
using sim::Client;
using sim::Script;
using sim::Weather;
using sim::World;
using test_support::CutKind;

constexpr std::uint32_t all_on_green = 10'000;
constexpr std::size_t header_bytes = 5;  ///< of a message; before it is whole nothing is passed on
/// Of a reply, so that the connection breaks with the request under way; with none it breaks before that.
constexpr std::size_t one_byte = 1;

/// Each inner list is written in one go, after the answer to the one before.
Script script_of(const std::vector<std::vector<ClientMessage>>& bursts) {
  Script script;
  script.name = "cx";
  sim::MiniServer oracle('?');
  for (const std::vector<ClientMessage>& messages : bursts) {
    sim::Burst burst;
    burst.heard_before = script.expected.size();
    for (const ClientMessage& message : messages) {
      burst.bytes += message.frame;
      oracle.take(message.tag, std::string_view(message.frame).substr(header_bytes), script.expected);
    }
    burst.heard_after = script.expected.size();
    script.bursts.push_back(std::move(burst));
  }
  script.bursts.push_back({model::terminate().frame, script.expected.size(), script.expected.size()});
  return script;
}

std::vector<ClientMessage> extended(const std::string& name, const std::string& text) {
  return {model::parse(name, text, {}), model::describe('S', name), model::bind("", name, {}, {}, {}), model::execute("", 0), model::sync()};
}

struct Outcome {
  bool is_unnoticed;  ///< heard what one server would have said, to the end
  std::string heard;
  std::string expected;
  std::vector<std::string> writes;
};

/// The first connection to `side` breaks when it has said so much behind its greeting.
Outcome play(const Script& script, Side side, std::size_t reply_bytes, std::uint32_t green_weight, CutKind kind = CutKind::reset) {
  World world(1, Weather{false, green_weight});
  world.cut_first(side, sim::MiniServer('x').greeting().size() + reply_bytes, kind);
  const Client& client = world.add_client(script);
  world.run();
  CHECK(world.worker().session_count() == 0);
  Outcome outcome{client.heard() == script.expected, client.heard(), script.expected, {}};
  for (const Side each : routing::both_sides) {
    for (const std::string& statement : world.executed("INSERT", each)) outcome.writes.push_back(statement);
  }
  return outcome;
}

/// Where the replies to the requests of a burst begin, and where the last one ends.
std::vector<std::size_t> beginnings(const std::vector<ClientMessage>& messages) {
  sim::MiniServer server('x');
  std::string replies;
  std::vector<std::size_t> places{0};
  for (const ClientMessage& message : messages) {
    server.take(message.tag, std::string_view(message.frame).substr(header_bytes), replies);
    if (message.tag == 'Q' || message.tag == 'S') places.push_back(replies.size());
  }
  return places;
}

/// Cuts the first connection after every byte. Unnoticed wherever nothing was passed on of the oldest unanswered reply.
void check_every_cut(const std::vector<ClientMessage>& messages, Side side, std::uint32_t green_weight) {
  const std::vector<std::size_t> places = beginnings(messages);
  const Script script = script_of({messages, {model::query("SELECT 'rcxlast'")}});
  for (std::size_t cut = 0; cut <= places.back(); ++cut) {
    const std::size_t begun = *(std::upper_bound(places.begin(), places.end(), cut) - 1);
    const bool is_unnoticed = cut - begun < header_bytes;
    const Outcome outcome = play(script, side, cut, green_weight, cut % 2 == 0 ? CutKind::reset : CutKind::end);
    CAPTURE(cut);
    CHECK(outcome.is_unnoticed == is_unnoticed);
    if (is_unnoticed) continue;
    // In the middle of a message nothing can be said: then the client has a true beginning and the end of the connection.
    const bool is_told = outcome.heard.find("C08006") != std::string::npos;
    CHECK((is_told || outcome.expected.starts_with(outcome.heard)));
    CHECK(outcome.heard.find("rcxlast") == std::string::npos);
  }
}

}  // namespace

TEST_CASE("repeat: green cut after every byte of a simple read's reply → unnoticed before the first, 08006 after it") {
  check_every_cut({model::query("SELECT 'rcx1'")}, Side::green, all_on_green);
}

TEST_CASE("repeat: the same of an extended batch") { check_every_cut(extended("p1", "SELECT 'rcx1'"), Side::green, all_on_green); }

TEST_CASE("repeat: three reads pipelined → those that are unanswered are made again, in order") {
  check_every_cut({model::query("SELECT 'rcx1'"), model::query("SELECT 'rcx2'"), model::query("SELECT 'rcx3'")}, Side::green,
                  all_on_green);
}

TEST_CASE("repeat: no other side may stand in → made again on a new connection of the same side") {
  check_every_cut({model::query("SELECT 'rcx1'"), model::query("SELECT 'rcx2'")}, Side::blue, 0);
}

TEST_CASE("repeat: a statement prepared by the batch that was lost → there once, on whichever side serves it next") {
  std::vector<ClientMessage> again{model::bind("", "p1", {}, {}, {}), model::execute("", 0), model::sync()};
  const Script script = script_of({extended("p1", "SELECT 'rcx1'"), again, again});
  for (std::size_t cut = 0; cut < header_bytes; ++cut) CHECK(play(script, Side::green, cut, all_on_green).is_unnoticed);
}

TEST_CASE("repeat: a write among what is unanswered → 08006, and it ran at most once") {
  const std::vector<std::vector<ClientMessage>> mixtures{
      {model::query("INSERT INTO t VALUES ('wcx1')")},
      {model::query("SELECT 'rcx1'"), model::query("INSERT INTO t VALUES ('wcx1')")},
      {model::query("INSERT INTO t VALUES ('wcx1')"), model::query("SELECT 'rcx1'")},
      {model::query("SELECT 'rcx1'; INSERT INTO t VALUES ('wcx1')")},
      extended("", "INSERT INTO t VALUES ('wcx1')")};
  for (const std::vector<ClientMessage>& messages : mixtures) {
    const Outcome outcome = play(script_of({messages}), Side::blue, one_byte, 0);
    CHECK_FALSE(outcome.is_unnoticed);
    CHECK(outcome.heard.find("C08006") != std::string::npos);
    CHECK(outcome.writes.size() <= 1);
  }
}

TEST_CASE("repeat: a read in a transaction, one behind a setting that is unanswered, one beyond the limit → 08006") {
  const Script in_transaction = script_of({{model::query("BEGIN READ ONLY")}, {model::query("SELECT 'rcx1'")}});
  const std::size_t begin_bytes = beginnings({model::query("BEGIN READ ONLY")}).back();
  CHECK_FALSE(play(in_transaction, Side::green, begin_bytes + one_byte, all_on_green).is_unnoticed);
  const Script behind_setting = script_of({{model::query("SET work_mem TO '8MB'"), model::query("SELECT 'rcx1'")}});
  CHECK_FALSE(play(behind_setting, Side::blue, one_byte, 0).is_unnoticed);
  const std::string padding(proxy::session::KeptRequests::bytes_max, ' ');
  const Script too_large = script_of({{model::query("SELECT " + padding + "'rcx1'")}});
  CHECK_FALSE(play(too_large, Side::green, one_byte, all_on_green).is_unnoticed);
}

TEST_CASE("repeat: the connection breaks a second time → once is enough, 08006") {
  World world(1, Weather{false, all_on_green});
  const std::size_t greeting_bytes = sim::MiniServer('x').greeting().size();
  world.cut_first(Side::green, greeting_bytes + one_byte, CutKind::reset);
  const Client& client = world.add_client(script_of({{model::query("SELECT 'rcx1'")}}));
  // Blue has greeted the client; what it says next is its answer to the read.
  world.cut_first(Side::blue, greeting_bytes + one_byte, CutKind::reset);
  world.run();
  CHECK(client.heard().find("C08006") != std::string::npos);
  CHECK(world.worker().session_count() == 0);
}

TEST_CASE("repeat: a server that says that it stops, by FATAL or by a warning → the same, without its words") {
  for (const char* code : {"57P01", "57P02", "57P03"}) {
    for (const char severity : {'E', 'N'}) {
      World world(1, Weather{false, all_on_green});
      world.answer_first_with(Side::green, sim::farewell_message(severity, code));
      const Client& client = world.add_client(script_of({{model::query("SELECT 'rcx1'")}, {model::query("SELECT 'rcx2'")}}));
      world.run();
      CAPTURE(code);
      CHECK(client.heard() == client.script().expected);
    }
  }
}

TEST_CASE("repeat: a FATAL that speaks of the request, or a farewell to a write → the client hears it once, and nothing else") {
  World world(1, Weather{false, all_on_green});
  world.answer_first_with(Side::green, sim::farewell_message('E', "25P03"));
  const Client& reader = world.add_client(script_of({{model::query("SELECT 'rcx1'")}}));
  world.run();
  CHECK(reader.heard() == sim::farewell_message('E', "25P03"));
  World second(1, Weather{false, 0});
  second.answer_first_with(Side::blue, sim::farewell_message('E', "57P01"));
  const Client& writer = second.add_client(script_of({{model::query("INSERT INTO t VALUES ('wcx1')")}}));
  second.run();
  CHECK(writer.heard() == sim::farewell_message('E', "57P01"));
}

TEST_CASE("repeat: a side is found down while a read waits there → made again on the other, without waiting any longer") {
  World world(1, Weather{false, all_on_green});
  const Client& client = world.add_client(script_of({{model::query("SELECT 'rcx1'")}, {model::query("SELECT 'rcx2'")}}));
  while (world.backends().size() < 2) world.loop().advance(std::chrono::microseconds(10));
  world.stall(Side::green);
  world.loop().advance(std::chrono::seconds(1));
  world.find_down(Side::green);
  world.run();
  CHECK(client.heard() == client.script().expected);
}

TEST_CASE("repeat: a side is found down while a session waits for a connection to it → its read goes to the other one at once") {
  World world(1, Weather{false, all_on_green});
  world.stall(Side::green);
  const Client& client = world.add_client(script_of({{model::query("SELECT 'rcx1'")}, {model::query("SELECT 'rcx2'")}}));
  world.loop().advance(std::chrono::seconds(1));
  CHECK(client.heard().empty());
  const auto begin = world.loop().now();
  world.find_down(Side::green);
  world.run();
  CHECK(client.heard() == client.script().expected);
  CHECK(client.last_event() - begin < std::chrono::milliseconds(100));
}
