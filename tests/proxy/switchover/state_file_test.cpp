#include "proxy/switchover/state_file.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <string>

using proxy::switchover::AuthorityRecord;
using proxy::switchover::StateFile;
using routing::Side;

namespace {

/// A folder of its own, gone with the case.
struct Folder {
  Folder() : path(std::filesystem::temp_directory_path() / "crossfade-state-XXXXXX") {
    std::string name = path.string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::filesystem::path path;
};

AuthorityRecord record_of(Side authority) {
  AuthorityRecord record;
  record.pair = "shop";
  record.authority = authority;
  record.target = authority;
  return record;
}

}  // namespace

TEST_CASE("state file: none → nothing; written → read again; written anew → the new one, and no rest of it") {
  const Folder folder;
  const StateFile file(folder.path.string(), "shop");
  const auto none = file.read();
  REQUIRE(none);
  CHECK_FALSE(*none);
  for (const Side side : {Side::blue, Side::green}) {
    CHECK(file.write(record_of(side)).outcome == routing::SwitchoverOutcome::done);
    const auto read = file.read();
    REQUIRE(read);
    REQUIRE(*read);
    CHECK((*read)->authority == side);
  }
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path), std::filesystem::directory_iterator()) == 1);
}

TEST_CASE("state file: torn, empty or foreign → an error, never a side") {
  const Folder folder;
  const StateFile file(folder.path.string(), "shop");
  const std::string whole = proxy::switchover::encode_record(record_of(Side::green));
  for (const std::string& text : {std::string(), whole.substr(0, whole.size() - 3), std::string("authority green\n"), std::string(10'000, 'x')}) {
    std::ofstream(file.path(), std::ios::binary) << text;
    CHECK_FALSE(file.read());
  }
}

TEST_CASE("state file: what a crash left of a new one → what was before is in force") {
  const Folder folder;
  const StateFile file(folder.path.string(), "shop");
  CHECK(file.write(record_of(Side::blue)).outcome == routing::SwitchoverOutcome::done);
  std::ofstream(file.path() + ".part") << "half of a new o";
  const auto read = file.read();
  REQUIRE(read);
  CHECK((*read)->authority == Side::blue);
}

TEST_CASE("state file: the folder is gone → failed, in words") {
  const StateFile file("/nonexistent-folder", "shop");
  const auto written = file.write(record_of(Side::blue));
  CHECK(written.outcome == routing::SwitchoverOutcome::failed);
  CHECK_FALSE(written.words.empty());
}
