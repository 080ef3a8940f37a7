#include "proxy/cli/demo/cluster.hpp"

#include "proxy/cli/demo/failure.hpp"

#include <doctest/doctest.h>

#include <string>

using proxy::cli::newest_of;

TEST_CASE("newest server: versions are compared as numbers, not as text") {
  CHECK(newest_of({"/usr/lib/postgresql/9.6/bin", "/usr/lib/postgresql/15/bin", "/usr/lib/postgresql/13/bin"}) ==
        std::filesystem::path("/usr/lib/postgresql/15/bin"));
  CHECK(newest_of({"/usr/pgsql-9.6/bin", "/usr/pgsql-16/bin"}) == std::filesystem::path("/usr/pgsql-16/bin"));
  CHECK(newest_of({"/usr/pgsql-devel/bin"}) == std::filesystem::path("/usr/pgsql-devel/bin"));
}

TEST_CASE("newest server: no candidates → nothing") { CHECK_FALSE(newest_of({}).has_value()); }

TEST_CASE("free port: asked for → a port that can be bound") { CHECK(proxy::cli::free_port() > 1023); }
