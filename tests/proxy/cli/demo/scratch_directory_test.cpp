#include "proxy/cli/demo/scratch_directory.hpp"

#include <doctest/doctest.h>

#include <sys/stat.h>

#include <optional>

using proxy::cli::last_lines;
using proxy::cli::ScratchDirectory;
using proxy::cli::write_file;

TEST_CASE("scratch directory: at its end → gone with all that is in it") {
  std::filesystem::path path;
  {
    const ScratchDirectory scratch(std::nullopt);
    path = scratch.path();
    std::filesystem::create_directories(path / "a" / "b");
    write_file(path / "a" / "b" / "file", "text");
    CHECK(std::filesystem::exists(path / "a" / "b" / "file"));
  }
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("scratch directory: only its owner can enter") {
  const ScratchDirectory scratch(std::nullopt);
  struct stat status {};
  REQUIRE(::stat(scratch.path().c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0700);
}

TEST_CASE("last lines: more, as many, fewer lines than wanted, none → the end of the text") {
  const ScratchDirectory scratch(std::nullopt);
  const auto file = scratch.path() / "log";
  write_file(file, "one\ntwo\nthree\n");
  CHECK(last_lines(file, 2) == "two\nthree");
  CHECK(last_lines(file, 3) == "one\ntwo\nthree");
  CHECK(last_lines(file, 9) == "one\ntwo\nthree");
  write_file(file, "");
  CHECK(last_lines(file, 2).empty());
  CHECK(last_lines(scratch.path() / "none", 2).empty());
}
