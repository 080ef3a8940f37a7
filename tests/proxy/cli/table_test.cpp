#include "proxy/cli/table.hpp"

#include <doctest/doctest.h>

using proxy::cli::Align;
using proxy::cli::printable;
using proxy::cli::Table;

TEST_CASE("table: cells of several widths → aligned columns without trailing spaces") {
  Table table({{"name"}, {"count", Align::right}, {"note"}});
  table.add({"ü", "7", "short"});
  table.add({"longer", "1234567", ""});
  CHECK(table.text("> ") ==
        "> name      count  note\n"
        "> ü             7  short\n"
        "> longer  1234567\n");
}

TEST_CASE("printable: control characters, C1 included → question marks; other text → kept") {
  CHECK(printable("a\x1B[31mb\nc\x7F") == "a?[31mb?c?");
  CHECK(printable("\xC2\x9B" "31m") == "??31m");
  CHECK(printable("ü€ À") == "ü€ À");
}
