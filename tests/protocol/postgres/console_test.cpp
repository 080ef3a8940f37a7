#include "protocol/postgres/console.hpp"
#include "tests/model/message.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace {

using protocol::Console;
using protocol::ConsoleAnswer;
using protocol::ConsoleRefusal;
using protocol::ConsoleTable;
using protocol::ConsoleType;
using protocol::ConsoleVerb;

/// A console whose commands are answered at once, with a table of two rows.
class Conversation {
 public:
  /// What comes back, as tags.
  std::string say(const std::string& bytes) {
    unread_ += bytes;
    protocol::Bytes out;
    while (true) {
      const Console::Progress progress = console.advance(protocol::as_bytes(unread_), out);
      unread_.erase(0, progress.consumed);
      state = progress.state;
      if (progress.state != Console::State::asking) break;
      asked.push_back(console.command());
      console.answer(answer_to(console.command()), out);
    }
    std::string buffer(protocol::as_text(out));
    messages.clear();
    REQUIRE(model::take_messages(buffer, messages));
    REQUIRE(buffer.empty());
    std::string tags;
    for (const model::ServerMessage& message : messages) tags += message.tag;
    return tags;
  }
  [[nodiscard]] bool has(const std::string& words) const {
    for (const model::ServerMessage& message : messages) {
      if (message.payload.find(words) != std::string::npos) return true;
    }
    return false;
  }
  [[nodiscard]] char status() const { return messages.back().tag == 'Z' ? messages.back().payload[0] : '?'; }

  protocol::postgres::PostgresConsole console;
  std::vector<protocol::ConsoleCommand> asked;
  std::vector<model::ServerMessage> messages;
  Console::State state = Console::State::reading;

 private:
  static ConsoleAnswer answer_to(const protocol::ConsoleCommand& command) {
    ConsoleAnswer answer;
    if (command.verb == ConsoleVerb::resume) {
      answer.refusal = ConsoleRefusal::wrong_state;
      answer.words = "not paused";
    }
    if (command.verb != ConsoleVerb::show) return answer;
    ConsoleTable table;
    table.columns = {{"name"}, {"small", ConsoleType::integer}, {"large", ConsoleType::bigint}};
    table.rows = {{{"one"}, {"1"}, {"-2"}}, {{"two"}, {"3"}, {}}};
    answer.table = std::move(table);
    return answer;
  }
  std::string unread_;
};

const std::string show = model::query("SHOW POOLS").frame;

std::string prepared(const std::string& text, const std::vector<std::int16_t>& formats = {}) {
  return model::parse("", text, {}).frame + model::bind("", "", {}, {}, formats).frame + model::describe('P', "").frame +
         model::execute("", 0).frame + model::sync().frame;
}

}  // namespace

TEST_CASE("console: welcome → parameters, a key, ready") {
  protocol::Bytes out;
  protocol::postgres::PostgresConsole console;
  console.write_welcome({7, protocol::Bytes(4)}, out);
  std::string buffer(protocol::as_text(out));
  std::vector<model::ServerMessage> messages;
  REQUIRE(model::take_messages(buffer, messages));
  CHECK(messages.back() == model::ServerMessage{'Z', "I"});
  CHECK(messages[messages.size() - 2].tag == 'K');
  CHECK(messages[0].payload.starts_with("server_version"));
}

TEST_CASE("console: SHOW as a simple query → description, rows, SHOW, ready; byte by byte the same") {
  Conversation whole;
  CHECK(whole.say(show) == "TDDCZ");
  CHECK(whole.messages[3].payload == std::string("SHOW\0", 5));
  CHECK(whole.asked[0].subject == "pools");
  Conversation pieces;
  std::string tags;
  for (const char c : show) tags += pieces.say(std::string(1, c));
  CHECK(tags == "TDDCZ");
}

TEST_CASE("console: several commands → one ready; a refused one ends them") {
  Conversation talk;
  CHECK(talk.say(model::query("SHOW POOLS; PAUSE").frame) == "TDDCCZ");
  CHECK(talk.say(model::query("RESUME; PAUSE").frame) == "EZ");
  CHECK(talk.has("55000"));
  CHECK(talk.asked.size() == 3);
}

TEST_CASE("console: an unknown command → 42601 with PgBouncer's words, and the session goes on") {
  Conversation talk;
  CHECK(talk.say(model::query("SELECT 1").frame) == "EZ");
  CHECK(talk.has("C42601"));
  CHECK(talk.has("invalid command 'SELECT 1', use SHOW HELP;"));
  CHECK(talk.say(model::query("KILL shop").frame) == "EZ");
  CHECK(talk.has("C0A000"));
  CHECK(talk.say(show) == "TDDCZ");
}

TEST_CASE("console: an empty query, settings of drivers → answered; other settings → refused with what to do") {
  Conversation talk;
  CHECK(talk.say(model::query("").frame) == "IZ");
  CHECK(talk.say(model::query("SET extra_float_digits = 3").frame) == "NCZ");
  CHECK(talk.say(model::query("SET pool_size = 3").frame) == "EZ");
  CHECK(talk.has("RELOAD"));
}

TEST_CASE("console: BEGIN and COMMIT of drivers → the status follows; an error fails the transaction") {
  Conversation talk;
  talk.say(model::query("BEGIN").frame);
  CHECK(talk.status() == 'T');
  talk.say(model::query("nonsense").frame);
  CHECK(talk.status() == 'E');
  CHECK(talk.say(show) == "EZ");
  CHECK(talk.has("C25P02"));
  talk.say(model::query("ROLLBACK").frame);
  CHECK(talk.status() == 'I');
}

TEST_CASE("console: extended → each message answered in order, the command carried out once") {
  Conversation talk;
  CHECK(talk.say(prepared("SHOW POOLS")) == "12TDDCZ");
  CHECK(talk.asked.size() == 1);
  CHECK(talk.say(prepared("PAUSE")) == "12nCZ");
  CHECK(talk.say(prepared("")) == "12nIZ");
  CHECK(talk.say(model::parse("s", "SHOW POOLS", {}).frame + model::describe('S', "s").frame + model::sync().frame) == "1tTZ");
  CHECK(talk.say(model::bind("", "s", {}, {}, {}).frame + model::execute("", 0).frame + model::sync().frame) == "2DDCZ");
  CHECK(talk.say(model::close('S', "s").frame + model::flush().frame + model::sync().frame) == "3Z");
}

TEST_CASE("console: binary results → numbers in network order, NULL as such") {
  Conversation talk;
  CHECK(talk.say(prepared("SHOW POOLS", {1})) == "12TDDCZ");
  const std::string row = talk.messages[3].payload;
  CHECK(row == std::string("\0\3\0\0\0\3one\0\0\0\4\0\0\0\1\0\0\0\x8\xff\xff\xff\xff\xff\xff\xff\xfe", 29));
  CHECK(talk.messages[4].payload.substr(17) == "\xff\xff\xff\xff");
}

TEST_CASE("console: a limit of rows → suspended, then the rest") {
  Conversation talk;
  CHECK(talk.say(model::parse("", "SHOW POOLS", {}).frame + model::bind("", "", {}, {}, {}).frame + model::execute("", 1).frame +
                 model::execute("", 1).frame + model::execute("", 5).frame + model::sync().frame) == "12DsDCCZ");
}

TEST_CASE("console: an error in a batch → the rest of it is skipped up to Sync") {
  struct Row {
    std::string bytes;
    const char* code;
  };
  for (const Row& row : {Row{model::parse("", "SELECT $1", {}).frame, "42601"}, Row{model::bind("", "none", {}, {}, {}).frame, "26000"},
                         Row{model::execute("none", 0).frame, "34000"}, Row{model::describe('P', "none").frame, "34000"},
                         Row{model::describe('S', "none").frame, "26000"}, Row{model::parse("", "PAUSE; PAUSE", {}).frame, "42601"}}) {
    Conversation talk;
    CHECK(talk.say(row.bytes + prepared("PAUSE")) == "EZ");
    CHECK_MESSAGE(talk.has("C" + std::string(row.code)), row.code);
    CHECK(talk.asked.empty());
    CHECK(talk.say(show) == "TDDCZ");
  }
  Conversation talk;
  const std::string with_value = model::parse("", "PAUSE", {}).frame + model::bind("", "", {}, {{"x"}}, {}).frame + model::sync().frame;
  CHECK(talk.say(with_value) == "1EZ");
  CHECK(talk.say(model::parse("", "SHOW POOLS", {}).frame + model::bind("", "", {}, {}, {0, 1}).frame + model::execute("", 0).frame +
                 model::sync().frame) == "12EZ");
}

TEST_CASE("console: bounds → statements are counted, a long message ends the session") {
  Conversation talk;
  std::string many;
  for (std::size_t i = 0; i <= protocol::postgres::PostgresConsole::statements_max; ++i) {
    many += model::parse("s" + std::to_string(i), "PAUSE", {}).frame;
  }
  talk.say(many + model::sync().frame);
  CHECK(talk.has("C53400"));
  talk.say(std::string("Q\0\1\0\0", 5));
  CHECK(talk.state == Console::State::reading);
  Conversation other;
  other.say(std::string("Q\0\2\0\0", 5));
  CHECK(other.state == Console::State::failed);
  CHECK(other.console.error().code == protocol::ErrorCode::frame_length_invalid);
}

TEST_CASE("console: goodbye, late COPY data, unknown messages → finished, ignored, refused") {
  Conversation talk;
  CHECK(talk.say(model::copy_data("x").frame + model::copy_done().frame).empty());
  CHECK(talk.say(model::function_call(1, 0, {}, 0).frame) == "EZ");
  talk.say(model::terminate().frame);
  CHECK(talk.state == Console::State::finished);
  Conversation other;
  other.say(std::string("?\0\0\0\4", 5));
  CHECK(other.state == Console::State::failed);
}
