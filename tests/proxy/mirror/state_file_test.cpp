#include "proxy/mirror/state_file.hpp"

#include "tests/proxy/mirror/fixture.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <string>

using namespace proxy::mirror;
using mirror_test::Scratch;
using routing::Side;

namespace {

StateFile::State state_of(CommitSequence highest) {
  StateFile::State state;
  state.stream[0] = std::byte{5};
  state.authority = Side::green;
  state.highest = highest;
  state.broken_since = 3;
  state.boot = "this one";
  return state;
}

void damage(const std::string& path, std::streamoff offset) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(offset);
  file.put('X');
}

}  // namespace

TEST_CASE("state file: written → read by the next process") {
  const Scratch scratch;
  const std::string path = scratch.path() + "/state";
  {
    StateFile file;
    CHECK(*file.open(path, state_of(1)) == StateFile::Origin::made);
    REQUIRE(file.write(state_of(8)).has_value());
  }
  StateFile file;
  CHECK(*file.open(path, {}) == StateFile::Origin::found);
  CHECK(file.state().highest == 8);
  CHECK(file.state().authority == Side::green);
  CHECK(file.state().broken_since == 3);
  CHECK(file.state().boot == "this one");
}

TEST_CASE("state file: a write that was cut off → the state before it; both places damaged → an error") {
  const Scratch scratch;
  const std::string path = scratch.path() + "/state";
  {
    StateFile file;
    static_cast<void>(file.open(path, state_of(1)));
    REQUIRE(file.write(state_of(2)).has_value());  // number 2: the first place
    REQUIRE(file.write(state_of(3)).has_value());  // the second
  }
  damage(path, 4096 + 20);
  {
    StateFile file;
    static_cast<void>(file.open(path, {}));
    CHECK(file.state().highest == 2);
  }
  damage(path, 20);
  StateFile file;
  CHECK_FALSE(file.open(path, {}).has_value());
}

TEST_CASE("state file: files may not grow → it is written all the same") {
  const Scratch scratch;
  StateFile file;
  static_cast<void>(file.open(scratch.path() + "/state", state_of(1)));
  const rlimit before = mirror_test::limit_files(std::filesystem::file_size(scratch.path() + "/state"));
  const bool is_written = file.write(state_of(2)).has_value();
  mirror_test::restore_limit(before);
  CHECK(is_written);
}
