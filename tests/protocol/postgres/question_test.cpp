#include "protocol/postgres/question.hpp"
#include "protocol/postgres/question_history.hpp"
#include "protocol/wire/byte_writer.hpp"

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <vector>

using namespace protocol;
using namespace protocol::postgres;

namespace {

using Columns = std::vector<std::optional<std::string>>;

Bytes row(const Columns& columns) {
  Bytes bytes;
  ByteWriter writer(bytes);
  writer.write_u16_be(static_cast<std::uint16_t>(columns.size()));
  for (const std::optional<std::string>& column : columns) {
    writer.write_u32_be(column ? static_cast<std::uint32_t>(column->size()) : 0xFFFFFFFFU);
    if (column) writer.write_text(*column);
  }
  return bytes;
}

Answer answer_of(const std::vector<Columns>& rows) {
  Answer answer;
  for (const Columns& columns : rows) read_answer_row(row(columns), answer);
  return answer;
}

}  // namespace

TEST_CASE("question: one thing in doubt → asks for that alone, every name qualified") {
  struct Row {
    PinReason reason;
    std::string has;
  };
  for (const Row& each : {Row{PinReason::advisory_lock, "pg_catalog.pg_locks"},
                          {PinReason::temporary_object, "pg_catalog.pg_my_temp_schema()"},
                          {PinReason::hold_cursor, "pg_catalog.pg_cursors"},
                          {PinReason::listen, "pg_catalog.pg_listening_channels()"},
                          {PinReason::untracked_state, "pg_catalog.pg_settings"}}) {
    CAPTURE(each.has);
    const std::string text = question_text({each.reason}, {});
    CHECK(text.find(each.has) != std::string::npos);
    CHECK(text.find(" = ") == std::string::npos);
    CHECK((text.find("UNION") == std::string::npos || each.reason == PinReason::untracked_state));
  }
}

TEST_CASE("question: settings that a server does not list → asked for by name") {
  const Settings known{{"app.user", "SET app.user TO 'ann'"}, {"work_mem", "SET work_mem TO '1MB'"}};
  CHECK(unlisted_names(known, {"b.c", "app.user"}) == std::vector<std::string>{"app.user", "b.c"});
  const std::string text = question_text({PinReason::untracked_state}, {"it's.\\name"});
  CHECK(text.find("current_setting( E'it''s.\\\\name', true)") != std::string::npos);
}

TEST_CASE("answer: rows of every kind → what they say") {
  const Answer answer = answer_of({{"t", {}, {}, {}}, {"l", {}, {}, {}}, {"c", {}, {}, {}}, {"n", {}, {}, {}}, {"p", "plan", {}, {}},
                                   {"r", "ann", {}, {}}, {"s", "DateStyle", "SQL, DMY", "user"}, {"s", "app.gone", {}, "user"}});
  CHECK(answer.is_usable);
  CHECK(answer.found == PinReasonSet{PinReason::temporary_object, PinReason::advisory_lock, PinReason::hold_cursor, PinReason::listen});
  CHECK(answer.prepared_names == std::vector<std::string>{"plan"});
  CHECK(answer.role == "ann");
  REQUIRE(answer.settings.size() == 1);
  CHECK(answer.settings[0].name == "datestyle");
}

TEST_CASE("answer: a row of another shape, or cut short → of no use, nothing is read beyond it") {
  CHECK_FALSE(answer_of({{"t"}}).is_usable);
  CHECK_FALSE(answer_of({{"x", {}, {}, {}}}).is_usable);
  CHECK_FALSE(answer_of({{{}, {}, {}, {}}}).is_usable);
  const Bytes whole = row({"s", "work_mem", "64", "user"});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    Answer answer;
    read_answer_row(ByteView(whole).first(size), answer);
    CHECK_FALSE(answer.is_usable);
  }
}

TEST_CASE("adopted settings: what the server lists replaces what was known, names with a point stay") {
  const Settings known{{"work_mem", "SET work_mem TO '1MB'"}, {"jit", "SET jit TO off"}, {"app.user", "SET app.user TO 'ann'"}, {"role", "SET ROLE bob"}};
  const Adopted adopted = adopt_settings(known, answer_of({{"r", "none", {}, {}}, {"s", "work_mem", "64", "user"}, {"s", "TimeZone", "Asia/Tokyo", "user"}}));
  CHECK(adopted.is_complete);
  CHECK(adopted.settings == Settings{{"app.user", "SET app.user TO 'ann'"},
                                     {"timezone", "SELECT pg_catalog.set_config('timezone', 'Asia/Tokyo', false)"},
                                     {"work_mem", "SELECT pg_catalog.set_config('work_mem', '64', false)"}});
  CHECK(adopt_settings({}, answer_of({{"r", "a\"b", {}, {}}})).settings == Settings{{"role", "SET ROLE \"a\"\"b\""}});
}

TEST_CASE("adopted settings: one that not everybody may set → not all can be taken along") {
  CHECK_FALSE(adopt_settings({}, answer_of({{"r", "none", {}, {}}, {"s", "lo_compat_privileges", "on", "superuser"}})).is_complete);
  const Settings known{{"lo_compat_privileges", "SET lo_compat_privileges TO on"}};  // whoever set it may set it again
  CHECK(adopt_settings(known, answer_of({{"r", "none", {}, {}}, {"s", "lo_compat_privileges", "on", "superuser"}})).is_complete);
}

TEST_CASE("question history: nothing found a few times → asked about seldom; something found → every time") {
  QuestionHistory history;
  for (int i = 0; i < QuestionHistory::clean_enough; ++i) {
    CHECK(history.is_due(7));
    history.note_clean(7);
  }
  int due_count = 0;
  for (int i = 0; i < 10 * QuestionHistory::asked_every; ++i) due_count += history.is_due(7) ? 1 : 0;
  CHECK(due_count == 10);
  CHECK(history.is_due(8));
  history.note_dirty(7);
  for (int i = 0; i < 20; ++i) history.note_clean(7);
  CHECK(history.is_due(7));
}
