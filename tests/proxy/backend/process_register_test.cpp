#include "proxy/backend/process_register.hpp"

#include <doctest/doctest.h>

#include <optional>

using proxy::backend::ProcessRegister;
using routing::Side;
using Numbers = std::vector<std::uint32_t>;

TEST_CASE("process register: entries that move and end → a process is there as long as one of them has it, on its side only") {
  ProcessRegister book;
  ProcessRegister::Entry first = book.enter(Side::blue, 7);
  std::optional<ProcessRegister::Entry> same = book.enter(Side::blue, 7);
  ProcessRegister::Entry other = book.enter(Side::green, 8);
  ProcessRegister::Entry moved = std::move(first);
  CHECK(book.processes(Side::blue) == Numbers{7, 7});
  CHECK(book.processes(Side::green) == Numbers{8});
  same.reset();
  CHECK(book.processes(Side::blue) == Numbers{7});
  moved = std::move(other);
  CHECK(book.processes(Side::blue).empty());
  CHECK(book.processes(Side::green) == Numbers{8});
  moved = {};
  CHECK(book.processes(Side::green).empty());
}
