#include "protocol/postgres/capture_rows.hpp"

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <vector>

namespace {

using namespace protocol;
using namespace protocol::postgres;

using Values = std::vector<TextValue>;

Tap tap_of(RowChange::Kind change) {
  Tap tap;
  tap.statement.change = change;
  tap.table.schema = "public";
  tap.table.name = "t";
  tap.table.columns = {"a", "made", "id"};
  tap.table.key = {"id"};
  tap.table.generated = {"made"};
  return tap;
}

}  // namespace

TEST_CASE("capture rows: the text of a row, as a server writes it → its values") {
  // Each as SELECT (t.*)::text of a PostgreSQL 15 gave it.
  CHECK(read_row_text("(1,x)") == Values{"1", "x"});
  CHECK(read_row_text("(1,)") == Values{"1", std::nullopt});
  CHECK(read_row_text("(,\"\")") == Values{std::nullopt, ""});
  CHECK(read_row_text("(\"a,b\",\"(x)\",\" \")") == Values{"a,b", "(x)", " "});
  CHECK(read_row_text("(\"say \"\"hi\"\"\",\"back\\\\slash\")") == Values{"say \"hi\"", "back\\slash"});
  CHECK(read_row_text("(\"{1,2,\"\"a b\"\"}\",\"line\nbreak\")") == Values{"{1,2,\"a b\"}", "line\nbreak"});
  CHECK(read_row_text("(\"\\\\x00ff\",\"(1,\"\"b \"\"\"\" c\"\")\")") == Values{"\\x00ff", "(1,\"b \"\" c\")"});
  CHECK(read_row_text("()")->size() == 1);
}

TEST_CASE("capture rows: what is no row → nothing") {
  for (const char* text : {"", "(", ")", "1,2", "(1,2", "(\"1)", "(\"a\"b)", "(1)2)"}) {
    CAPTURE(std::string(text));
    CHECK_FALSE(read_row_text(text));
  }
}

TEST_CASE("capture rows: rows that are put → all columns that can be written; removed → the key") {
  Tap put = tap_of(RowChange::Kind::put);
  REQUIRE(add_row(put, {"7", {}, {"1", "2", "3"}}));
  CHECK(put.change.columns == std::vector<std::string>{"a", "id"});
  CHECK(put.change.rows == std::vector<Values>{{"1", "3"}});
  Tap removed = tap_of(RowChange::Kind::remove);
  REQUIRE(add_row(removed, {"7", {}, {"1", "2", "3"}}));
  CHECK(removed.change.columns == std::vector<std::string>{"id"});
  CHECK(removed.change.rows == std::vector<Values>{{"3"}});
}

TEST_CASE("capture rows: another number of values than columns → not carried") {
  Tap tap = tap_of(RowChange::Kind::put);
  CHECK_FALSE(add_row(tap, {"7", {}, {"1", "2"}}));
}

TEST_CASE("capture rows: an UPDATE that changes the key → the old one is told beside the number, and carried") {
  Tap tap = tap_of(RowChange::Kind::put);
  tap.old_key = "ROW((1)::pg_catalog.text)::pg_catalog.text";
  CHECK(tap_clause(tap.statement, tap.old_key).find("_id()::pg_catalog.text OPERATOR(pg_catalog.||) ' ' OPERATOR(pg_catalog.||) ROW((1)") != std::string::npos);
  const std::string fields("\0\2\0\0\0\7" "7 (a,b)" "\0\0\0\5" "(1,x)", 22);
  const std::optional<TappedRow> row = read_tapped_row(as_bytes(fields));
  REQUIRE(row);
  CHECK(row->transaction_id == "7");
  CHECK(row->old_key == Values{"a", "b"});
  REQUIRE(add_row(tap, {"7", {"9"}, {"1", "2", "3"}}));
  CHECK(tap.change.kind == RowChange::Kind::move);
  CHECK(tap.change.old_keys == std::vector<Values>{{"9"}});
  CHECK_FALSE(add_row(tap, {"7", {}, {"1", "2", "3"}}));
}
