#include "protocol/postgres/apply_text.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace protocol;
using protocol::postgres::PostgresApplyText;

namespace {

RowChange change_of(RowChange::Kind kind, std::vector<std::string> columns, std::vector<std::string> key_columns, std::size_t rows = 1) {
  RowChange change;
  change.kind = kind;
  change.schema = "public";
  change.table = "t";
  change.columns = std::move(columns);
  change.key_columns = std::move(key_columns);
  for (std::size_t row = 0; row < rows; ++row) {
    auto& values = change.rows.emplace_back();
    for (std::size_t column = 0; column < change.columns.size(); ++column) values.push_back(std::to_string(row) + "." + std::to_string(column));
  }
  return change;
}

MirrorUnit unit_of(RowChange change) {
  MirrorUnit unit;
  unit.items.emplace_back().rows = std::move(change);
  return unit;
}

std::vector<std::string> texts_of(const MirrorUnit& unit) {
  std::vector<std::string> texts;
  for (const ApplyStep& step : PostgresApplyText().steps_of(unit)) texts.push_back(step.text);
  return texts;
}

using Texts = std::vector<std::string>;
constexpr auto put = RowChange::Kind::put;
constexpr auto remove_rows = RowChange::Kind::remove;

}  // namespace

TEST_CASE("apply text: a row with a key → an upsert with every value as a parameter") {
  const MirrorUnit unit = unit_of(change_of(put, {"k", "a", "b"}, {"k"}));
  const std::vector<ApplyStep> steps = PostgresApplyText().steps_of(unit);
  REQUIRE(steps.size() == 1);
  CHECK(steps[0].text ==
        R"(INSERT INTO "public"."t" ("k", "a", "b") OVERRIDING SYSTEM VALUE VALUES ($1, $2, $3) )"
        R"(ON CONFLICT ("k") DO UPDATE SET "a" = EXCLUDED."a", "b" = EXCLUDED."b")");
  REQUIRE(steps[0].parameters.size() == 3);
  CHECK(**steps[0].parameters[2] == "0.2");
  CHECK(steps[0].rows_expected == 1);
  CHECK(steps[0].is_usual);
  CHECK(steps[0].table == "public.t");
}

TEST_CASE("apply text: only a key → nothing to update, and any number of rows; no key → a plain insert") {
  const MirrorUnit unit = unit_of(change_of(put, {"a", "b"}, {"a", "b"}));
  const std::vector<ApplyStep> steps = PostgresApplyText().steps_of(unit);
  CHECK(steps[0].text == R"(INSERT INTO "public"."t" ("a", "b") OVERRIDING SYSTEM VALUE VALUES ($1, $2) ON CONFLICT ("a", "b") DO NOTHING)");
  CHECK_FALSE(steps[0].rows_expected.has_value());
  CHECK(texts_of(unit_of(change_of(put, {"a"}, {}))) == Texts{R"(INSERT INTO "public"."t" ("a") OVERRIDING SYSTEM VALUE VALUES ($1))"});
  RowChange empty = change_of(put, {}, {}, 2);
  CHECK(texts_of(unit_of(empty)) == Texts(2, R"(INSERT INTO "public"."t" DEFAULT VALUES)"));
}

TEST_CASE("apply text: rows to remove → by their keys") {
  CHECK(texts_of(unit_of(change_of(remove_rows, {"k"}, {"k"}))) == Texts{R"(DELETE FROM "public"."t" WHERE "k" = $1)"});
  CHECK(texts_of(unit_of(change_of(remove_rows, {"k"}, {"k"}, 3))) == Texts{R"(DELETE FROM "public"."t" WHERE "k" IN ($1, $2, $3))"});
  CHECK(texts_of(unit_of(change_of(remove_rows, {"a", "b"}, {"a", "b"}, 2))) ==
        Texts{R"(DELETE FROM "public"."t" WHERE ("a", "b") IN (($1, $2), ($3, $4)))"});
}

TEST_CASE("apply text: names with quotes and capitals → quoted") {
  RowChange change = change_of(put, {"Key\"s"}, {});
  change.schema = "My Schema";
  change.table = "Täble";
  CHECK(texts_of(unit_of(change)) == Texts{R"(INSERT INTO "My Schema"."Täble" ("Key""s") OVERRIDING SYSTEM VALUE VALUES ($1))"});
}

TEST_CASE("apply text: many rows → statements within the bounds; a key twice → never in one statement") {
  const MirrorUnit many = unit_of(change_of(put, {"k", "v"}, {"k"}, 2 * PostgresApplyText::rows_max + 1));
  const std::vector<ApplyStep> steps = PostgresApplyText().steps_of(many);
  REQUIRE(steps.size() == 3);
  CHECK(steps[0].parameters.size() == 2 * PostgresApplyText::rows_max);
  CHECK(steps[2].rows_expected == 1);
  RowChange wide = change_of(put, {}, {}, 0);
  for (int i = 0; i < 1'600; ++i) wide.columns.push_back("c" + std::to_string(i));
  wide.rows.assign(100, std::vector<TextValue>(1'600, "x"));
  for (const ApplyStep& step : PostgresApplyText().steps_of(unit_of(wide))) CHECK(step.parameters.size() <= PostgresApplyText::parameters_max);
  RowChange twice = change_of(put, {"k", "v"}, {"k"}, 3);
  twice.rows[1][0] = twice.rows[0][0];
  const MirrorUnit doubled = unit_of(twice);
  CHECK(PostgresApplyText().steps_of(doubled).size() == 2);
  RowChange heavy = change_of(put, {"k"}, {"k"}, 3);
  for (auto& row : heavy.rows) row[0] = *row[0] + std::string(PostgresApplyText::bytes_max, 'x');
  CHECK(PostgresApplyText().steps_of(unit_of(heavy)).size() == 3);
}

TEST_CASE("apply text: a statement → under its own settings, and in its role only") {
  MirrorUnit unit;
  unit.settings = {{"DateStyle", "ISO, DMY"}};
  CarriedStatement& statement = unit.items.emplace_back().statement.emplace();
  statement.text = "CREATE TABLE x ()";
  statement.settings = {{"search_path", "\"$user\", public"}, {"role", "o'neil\\"}};
  const std::vector<ApplyStep> steps = PostgresApplyText().steps_of(unit);
  REQUIRE(steps.size() == 4);
  CHECK(steps[0].text == "SELECT pg_catalog.set_config('DateStyle', 'ISO, DMY', true)");
  CHECK(steps[1].text == R"(SELECT pg_catalog.set_config('search_path', '"$user", public', true), pg_catalog.set_config('role', E'o''neil\\', true))");
  CHECK(steps[1].session_text.find("false") != std::string::npos);
  CHECK(steps[2].text == "CREATE TABLE x ()");
  CHECK(steps[3].text == "SELECT pg_catalog.set_config('role', 'none', true)");
}

TEST_CASE("apply text: traces of a transaction → each row by its key, with the number and all values; none where there is no key") {
  MirrorUnit unit = unit_of(change_of(RowChange::Kind::put, {"id", "v"}, {"id"}, 2));
  unit.transaction_id = "77";
  unit.items.emplace_back().rows = change_of(RowChange::Kind::put, {"v"}, {});
  unit.items.emplace_back().rows = change_of(RowChange::Kind::remove, {"id"}, {"id"});
  const PostgresApplyText text;
  const std::vector<ApplyStep> traces = text.traces_of(unit);
  REQUIRE(traces.size() == 2);
  CHECK(traces[0].text ==
        "SELECT 1 FROM \"public\".\"t\" WHERE xmin = '77'::pg_catalog.xid8::pg_catalog.xid AND \"id\" = $1 AND "
        "\"id\"::pg_catalog.text IS NOT DISTINCT FROM $2 AND \"v\"::pg_catalog.text IS NOT DISTINCT FROM $3");
  CHECK(*traces[1].parameters[0] == "1.0");
}

namespace {

RowChange moved(std::vector<std::vector<std::string>> from_to) {
  RowChange change = change_of(RowChange::Kind::move, {"v", "k", "n"}, {"k"}, 0);
  change.fixed_columns = {"n"};
  for (const auto& pair : from_to) {
    change.old_keys.push_back({pair[0]});
    change.rows.push_back({"v" + pair[0], pair[1], "9"});
  }
  return change;
}

/// The old key of each row, in the order of the statements.
Texts order_of(const RowChange& change) {
  Texts order;
  const MirrorUnit unit = unit_of(change);
  for (const ApplyStep& step : PostgresApplyText().steps_of(unit)) order.push_back(**step.parameters.back());
  return order;
}

}  // namespace

TEST_CASE("apply text: a row whose key changes → found by the old one; its identity column stays") {
  const MirrorUnit unit = unit_of(moved({{"1", "5"}}));
  const std::vector<ApplyStep> steps = PostgresApplyText().steps_of(unit);
  REQUIRE(steps.size() == 1);
  CHECK(steps[0].text == R"(UPDATE "public"."t" SET "v" = $1, "k" = $2 WHERE "k" = $3)");
  CHECK(**steps[0].parameters[2] == "1");
  CHECK(steps[0].rows_expected == 1);
}

TEST_CASE("apply text: a row takes the key of another → that one goes first; rows that take each other's keys → together") {
  CHECK(order_of(moved({{"1", "2"}, {"2", "3"}, {"3", "4"}})) == Texts{"3", "2", "1"});
  CHECK(order_of(moved({{"4", "3"}, {"3", "2"}, {"7", "7"}})) == Texts{"3", "4", "7"});
  const MirrorUnit ring = unit_of(moved({{"1", "2"}, {"5", "1"}, {"2", "5"}, {"8", "9"}}));
  const std::vector<ApplyStep> steps = PostgresApplyText().steps_of(ring);
  REQUIRE(steps.size() == 2);
  CHECK(steps[0].rows_expected == 3);
  CHECK(steps[0].text ==
        R"(UPDATE "public"."t" SET "v" = CASE WHEN "k" = $1 THEN $4 WHEN "k" = $2 THEN $5 WHEN "k" = $3 THEN $6 ELSE "v" END, )"
        R"("k" = CASE WHEN "k" = $1 THEN $7 WHEN "k" = $2 THEN $8 WHEN "k" = $3 THEN $9 ELSE "k" END WHERE ("k" = $1) OR ("k" = $2) OR ("k" = $3))");
  CHECK(**steps[1].parameters.back() == "8");
}

TEST_CASE("apply text: a key that may be looked at late → an UPDATE, and an INSERT where there is none") {
  RowChange change = change_of(put, {"a", "v", "b"}, {"b", "a"});
  change.is_key_deferrable = true;
  const MirrorUnit unit = unit_of(change);
  const std::vector<ApplyStep> steps = PostgresApplyText().steps_of(unit);
  REQUIRE(steps.size() == 2);
  CHECK(steps[0].text == R"(UPDATE "public"."t" SET "v" = $1 WHERE "b" = $2 AND "a" = $3)");
  CHECK(**steps[0].parameters[1] == "0.2");
  CHECK(steps[1].text == R"(INSERT INTO "public"."t" ("a", "v", "b") OVERRIDING SYSTEM VALUE SELECT $1, $2, $3 )"
                         R"(WHERE NOT EXISTS (SELECT FROM "public"."t" WHERE "b" = $4 AND "a" = $5))");
}
