#include "config/nearest.hpp"

#include <doctest/doctest.h>

#include <string>

namespace {

const std::vector<std::string_view> keys{"listen",          "blue",         "green", "login_timeout",
                                         "connect_timeout", "scram-sha-256"};

std::string nearest_of(std::string_view written) {
  return std::string(config::nearest(written, keys).value_or("-"));
}

}  // namespace

TEST_CASE("nearest: one slip of each kind → the key that was meant") {
  CHECK(nearest_of("listn") == "listen");    // a letter too few
  CHECK(nearest_of("lissten") == "listen");  // one too many
  CHECK(nearest_of("lisden") == "listen");   // a wrong one
  CHECK(nearest_of("lsiten") == "listen");   // two exchanged
  CHECK(nearest_of("Listen") == "listen");   // in capitals
  CHECK(nearest_of("login-timeout") == "login_timeout");
  CHECK(nearest_of("conect_timout") == "connect_timeout");
  CHECK(nearest_of("scram") == "scram-sha-256");  // only the beginning
}

TEST_CASE("nearest: nothing like any key → nothing") {
  for (const char* text : {"", "x", "port", "timeout", "password", "sc"}) {
    CAPTURE(text);
    CHECK(nearest_of(text) == "-");
  }
  CHECK(nearest_of(std::string(10'000, 'l')) == "-");
  CHECK_FALSE(config::nearest("listen", {}).has_value());
}
