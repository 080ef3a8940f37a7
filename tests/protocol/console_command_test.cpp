#include "protocol/console.hpp"

#include <doctest/doctest.h>

#include <string>

namespace {

using protocol::ConsoleCommand;
using protocol::ConsoleVerb;

ConsoleCommand only(std::string_view text) {
  const auto commands = protocol::parse_console_commands(text);
  REQUIRE(commands.size() == 1);
  return commands[0];
}

}  // namespace

TEST_CASE("console command: words in any case, with blanks and semicolons → the command") {
  struct Row {
    const char* text;
    ConsoleCommand command;
  };
  for (const Row& row : {Row{"SHOW POOLS", {ConsoleVerb::show, "pools"}}, Row{"  show\n stats_totals ; ", {ConsoleVerb::show, "stats_totals"}},
                         Row{"PAUSE", {ConsoleVerb::pause, ""}}, Row{"pause Shop;", {ConsoleVerb::pause, "Shop"}},
                         Row{"RESUME \"my db;1\"", {ConsoleVerb::resume, "my db;1"}}, Row{"WAIT_CLOSE", {ConsoleVerb::wait_close, ""}},
                         Row{"reload", {ConsoleVerb::reload, ""}}, Row{"SHUTDOWN", {ConsoleVerb::shut_down, ""}},
                         Row{"BEGIN READ ONLY", {ConsoleVerb::begin, ""}}, Row{"START TRANSACTION", {ConsoleVerb::begin, ""}},
                         Row{"ROLLBACK", {ConsoleVerb::rollback, ""}}, Row{"set client_encoding='UTF8'", {ConsoleVerb::set, "client_encoding"}},
                         Row{"SET SESSION TimeZone TO x", {ConsoleVerb::set, "timezone"}}, Row{"KILL shop", {ConsoleVerb::unsupported, "kill"}},
                         Row{"", {ConsoleVerb::nothing, ""}}, Row{" ;; ", {ConsoleVerb::nothing, ""}}}) {
    CHECK_MESSAGE(only(row.text) == row.command, row.text);
  }
}

TEST_CASE("console command: what is none → unknown, with its text") {
  for (const char* text : {"SELECT 1", "SHOW", "SHOW POOLS EXTRA", "RELOAD now", "PAUSE a b", "\"show\" pools", "="}) {
    const ConsoleCommand expected{ConsoleVerb::unknown, text};
    CHECK_MESSAGE(only(text) == expected, text);
  }
  CHECK(only(std::string(10'000, 'x')).subject.size() < 100);
}

TEST_CASE("console command: several → each, in order") {
  const auto commands = protocol::parse_console_commands("SHOW POOLS; ;PAUSE;");
  REQUIRE(commands.size() == 2);
  CHECK(commands[1].verb == ConsoleVerb::pause);
}
