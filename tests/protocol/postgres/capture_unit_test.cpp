#include "protocol/postgres/capture_unit.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace protocol;
using protocol::postgres::UnitBuilder;

UnitItem item(std::string text) {
  UnitItem made;
  made.statement = CarriedStatement{std::move(text), {}, false, {}};
  return made;
}

std::string texts(const MirrorUnit& unit) {
  std::string all;
  for (const UnitItem& each : unit.items) all += each.statement->text + " ";
  return all;
}

}  // namespace

TEST_CASE("capture unit: savepoints rolled back, in each other and twice → what is left is in order") {
  UnitBuilder unit(1000);
  unit.add(item("1"), 1, {"t"});
  unit.savepoint("a");
  unit.add(item("2"), 1, {"t"});
  unit.savepoint("b");
  unit.add(item("3"), 1, {"t"});
  unit.note(UnmirroredWrite{{}, 0, "lost"});
  unit.roll_back_to("a");
  unit.add(item("4"), 1, {"t"});
  unit.roll_back_to("a");
  unit.add(item("5"), 1, {"t"});
  CHECK(unit.take_notes().empty());
  CHECK(texts(unit.take()) == "1 5 ");
}

TEST_CASE("capture unit: a savepoint that hides one of its name, and is released → the outer one counts again") {
  UnitBuilder unit(1000);
  unit.savepoint("a");
  unit.add(item("1"), 1, {});
  unit.savepoint("a");
  unit.add(item("2"), 1, {});
  unit.release("a");
  unit.add(item("3"), 1, {});
  unit.roll_back_to("a");
  CHECK_FALSE(unit.has_items());
}

TEST_CASE("capture unit: larger than the bound → nothing is carried, and a note names every table") {
  UnitBuilder unit(10);
  unit.add(item("1"), 6, {"t"});
  unit.add(item("2"), 6, {"u"});
  unit.add(item("3"), 6, {"t"});
  CHECK(unit.is_too_large());
  CHECK(unit.take().items.empty());
  const std::vector<UnmirroredWrite> notes = unit.take_notes();
  REQUIRE(notes.size() == 1);
  CHECK(notes[0].tables == std::vector<std::string>{"t", "u"});
  CHECK_FALSE(unit.is_too_large());
}

TEST_CASE("capture unit: more settings later, or fewer → the most of them; another value → not the same unit") {
  UnitBuilder unit(1000);
  const UnitBuilder::Settings plain{{"DateStyle", "ISO"}};
  const UnitBuilder::Settings money{{"DateStyle", "ISO"}, {"lc_monetary", "C"}};
  REQUIRE(unit.set_settings(plain));
  unit.add(item("1"), 1, {"t"});
  CHECK(unit.set_settings(money));
  CHECK(unit.set_settings(plain));
  CHECK_FALSE(unit.set_settings({{"DateStyle", "ISO"}, {"lc_monetary", "de_DE"}}));
  CHECK_FALSE(unit.set_settings({{"DateStyle", "SQL"}}));
  CHECK(unit.take().settings == money);
}
