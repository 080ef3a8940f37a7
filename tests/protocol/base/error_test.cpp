#include "protocol/base/error.hpp"

#include <doctest/doctest.h>

#include <set>
#include <string>

TEST_CASE("error codes: every code → a name of its own") {
  std::set<std::string> names;
  const auto last = static_cast<int>(protocol::ErrorCode::internal);
  for (int i = 0; i <= last; ++i) names.insert(std::string(protocol::name_of(static_cast<protocol::ErrorCode>(i))));
  CHECK(names.size() == static_cast<std::size_t>(last) + 1);
  CHECK(names.count("unknown") == 0);
}
