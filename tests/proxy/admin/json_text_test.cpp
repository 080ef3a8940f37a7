#include "proxy/admin/json_text.hpp"

#include <boost/json.hpp>
#include <doctest/doctest.h>

#include <limits>
#include <string>

namespace json = boost::json;
using proxy::admin::json_text;

TEST_CASE("json text: every kind of value → compact, and read back the same") {
  const json::value value = json::parse(
      R"({"a":[1,-2,18446744073709551615,true,null,[],{}],"q\"\\\n":"ü\u0001","b":{"c":66.67,"d":[0.01,-3.5]}})");
  CHECK(json_text(value) ==
        R"({"a":[1,-2,18446744073709551615,true,null,[],{}],"q\"\\\n":"ü\u0001","b":{"c":66.67,"d":[0.01,-3.5]}})");
}

TEST_CASE("json text: numbers of every size → read back the same") {
  for (const double number : {0.0, 1e-300, -1e300, 5e-324, 1e15, 1e16, std::numeric_limits<double>::max()}) {
    CAPTURE(number);
    CHECK(json::parse(json_text(json::value(number))).to_number<double>() == number);
  }
}
