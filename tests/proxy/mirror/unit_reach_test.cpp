#include "proxy/mirror/unit_reach.hpp"

#include "tests/proxy/mirror/fixture.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace proxy::mirror;

TEST_CASE("unit reach: a row whose key changes → both keys, in the key's order") {
  protocol::MirrorUnit unit = mirror_test::put("1", "a");
  protocol::RowChange& moved = *unit.items[0].rows;
  moved.kind = protocol::RowChange::Kind::move;
  moved.columns = {"b", "v", "a"};
  moved.key_columns = {"a", "b"};
  moved.rows = {{"y", "v", "x"}};
  moved.old_keys = {{"was x", "was y"}};
  const std::vector<TableReach> reach = reach_of(unit);
  REQUIRE(reach.size() == 1);
  CHECK(reach[0].keys == std::vector<std::string>{"a=was x,b=was y", "a=x,b=y"});
}
