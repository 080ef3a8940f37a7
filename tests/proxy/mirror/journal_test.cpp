#include "proxy/mirror/journal.hpp"

#include "tests/proxy/mirror/fixture.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <string>
#include <vector>

using namespace proxy::mirror;
using mirror_test::Scratch;
using protocol::Status;
using routing::Side;

namespace {

constexpr std::chrono::milliseconds some_time{1'700'000'000'000};

Journal::Options options_of(const std::string& directory) {
  Journal::Options options;
  options.directory = directory;
  options.bytes_max = std::uint64_t{1} << 30;
  options.segment_bytes = std::uint64_t{1} << 20;
  return options;
}

/// A journal with nothing around it.
struct Opened {
  explicit Opened(const Journal::Options& options)
      : journal(options, [] { return Status(); }, [this](const protocol::Error&) { ++failures; }) {}
  Journal::Recovery open(CommitSequence finished_through = 0) { return *journal.open(StreamName{}, Side::blue, 0, finished_through); }
  Journal::Verdict append(CommitSequence sequence, const protocol::MirrorUnit& unit) {
    std::promise<Journal::Verdict> written;
    journal.append_intent(sequence, some_time, *encode_intent(unit), [&](Journal::Verdict verdict, protocol::ByteView) { written.set_value(verdict); });
    return written.get_future().get();
  }
  std::atomic<int> failures{0};
  Journal journal;
};

std::vector<std::string> segments_in(const std::string& directory) {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) paths.push_back(entry.path().string());
  std::ranges::sort(paths);
  return paths;
}

std::string content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

std::vector<CommitSequence> sequences_of(const Journal::Recovery& recovery) {
  std::vector<CommitSequence> sequences;
  for (const Journal::Recovered& unit : recovery.units) sequences.push_back(unit.sequence);
  return sequences;
}

using Sequences = std::vector<CommitSequence>;

}  // namespace

TEST_CASE("journal: what was written → is there for the next process, with the fates that are known") {
  const Scratch scratch;
  {
    Opened opened(options_of(scratch.path()));
    CHECK(opened.open().units.empty());
    for (const CommitSequence sequence : {1, 2, 3}) CHECK(opened.append(sequence, mirror_test::put(std::to_string(sequence), "x")) == Journal::Verdict::safe);
    opened.journal.append_fate({1, Fate::committed});
    opened.journal.append_fate({3, Fate::dropped});
  }
  Opened again(options_of(scratch.path()));
  const Journal::Recovery recovery = again.open();
  CHECK(sequences_of(recovery) == Sequences{1, 2, 3});
  CHECK(recovery.highest == 3);
  CHECK(recovery.damages.empty());
  CHECK(recovery.units[0].fate == Fate::committed);
  CHECK_FALSE(recovery.units[1].fate.has_value());
  CHECK(recovery.units[1].transaction_id == "72");
  CHECK(recovery.units[2].fate == Fate::dropped);
  CHECK(*again.journal.read_unit(2) == mirror_test::put("2", "x"));
}

TEST_CASE("journal: units that are not needed any more → their segments go, and not before") {
  const Scratch scratch;
  Journal::Options options = options_of(scratch.path());
  options.segment_bytes = 1'000;
  Opened opened(options);
  static_cast<void>(opened.open());
  for (CommitSequence sequence = 1; sequence <= 40; ++sequence) static_cast<void>(opened.append(sequence, mirror_test::put("1", std::string(100, 'x'))));
  const std::size_t before = segments_in(scratch.path()).size();
  CHECK(before > 5);
  const std::uint64_t bytes = opened.journal.bytes();
  opened.journal.release_through(20);
  CHECK(segments_in(scratch.path()).size() < before);
  CHECK(opened.journal.bytes() < bytes);
  CHECK(opened.journal.first_kept() <= 21);
  CHECK(opened.journal.read_unit(21).has_value());
  CHECK_FALSE(opened.journal.read_unit(20).has_value());
  opened.journal.release_through(40);
  CHECK(segments_in(scratch.path()).size() == 1);
}

TEST_CASE("journal: full → said so before anything is written") {
  const Scratch scratch;
  Journal::Options options = options_of(scratch.path());
  options.bytes_max = 10'000;
  Opened opened(options);
  static_cast<void>(opened.open());
  CHECK(opened.journal.has_room(9'000));
  static_cast<void>(opened.append(1, mirror_test::put("1", std::string(5'000, 'x'))));
  CHECK_FALSE(opened.journal.has_room(9'000));
}

TEST_CASE("journal: cut off at any byte → a prefix, and the journal goes on behind it") {
  const Scratch written;
  std::string whole;
  {
    Opened opened(options_of(written.path()));
    static_cast<void>(opened.open());
    for (CommitSequence sequence = 1; sequence <= 6; ++sequence) {
      static_cast<void>(opened.append(sequence, mirror_test::put("1", "x")));
      if (sequence % 2 == 0) opened.journal.append_fate({sequence, Fate::committed});
    }
  }
  whole = content_of(segments_in(written.path()).front());
  const Scratch cut;
  for (std::size_t bytes = 0; bytes <= whole.size(); ++bytes) {
    for (const std::string& path : segments_in(cut.path())) std::filesystem::remove(path);
    write(cut.path() + "/segment-000000000001", whole.substr(0, bytes));
    Opened opened(options_of(cut.path()));
    const Journal::Recovery recovery = opened.open();
    CHECK(recovery.damages.empty());
    for (std::size_t i = 0; i < recovery.units.size(); ++i) CHECK(recovery.units[i].sequence == i + 1);
    if (bytes == whole.size()) CHECK(recovery.units.size() == 6);
  }
  // And what is written behind a cut is found.
  write(cut.path() + "/segment-000000000001", whole.substr(0, whole.size() - 20));
  {
    Opened opened(options_of(cut.path()));
    const CommitSequence highest = opened.open().highest;
    CHECK(opened.append(highest + 1, mirror_test::put("9", "y")) == Journal::Verdict::safe);
  }
  Opened last(options_of(cut.path()));
  const Journal::Recovery recovery = last.open();
  REQUIRE_FALSE(recovery.units.empty());
  CHECK(*last.journal.read_unit(recovery.units.back().sequence) == mirror_test::put("9", "y"));
}

TEST_CASE("journal: any bit turned → what is missing is at the tail, or said to be missing") {
  const Scratch written;
  {
    Opened opened(options_of(written.path()));
    static_cast<void>(opened.open());
    for (CommitSequence sequence = 1; sequence <= 5; ++sequence) static_cast<void>(opened.append(sequence, mirror_test::put("1", "x")));
  }
  const std::string whole = content_of(segments_in(written.path()).front());
  const Scratch damaged;
  for (std::size_t bit = segment_header_bytes * 8; bit < whole.size() * 8; bit += 3) {
    for (const std::string& path : segments_in(damaged.path())) std::filesystem::remove(path);
    std::string turned = whole;
    turned[bit / 8] = static_cast<char>(turned[bit / 8] ^ static_cast<char>(1U << (bit % 8)));
    write(damaged.path() + "/segment-000000000001", turned);
    Opened opened(options_of(damaged.path()));
    const Journal::Recovery recovery = opened.open();
    const Sequences found = sequences_of(recovery);
    CHECK(std::ranges::is_sorted(found));
    CHECK(found.size() == 4);  // the one that was hit
    const bool is_prefix = found.empty() || found.back() == found.size();
    CHECK((is_prefix || !recovery.damages.empty()));
  }
}

TEST_CASE("journal: the disk does not take it → nobody is told that it is safe, and a new segment goes on") {
  const Scratch scratch;
  Opened opened(options_of(scratch.path()));
  static_cast<void>(opened.open());
  CHECK(opened.append(1, mirror_test::put("1", "x")) == Journal::Verdict::safe);
  const std::string path = segments_in(scratch.path()).front();
  // A file of this process may not grow beyond a bound: the write comes back short.
  const rlimit before = mirror_test::limit_files(std::filesystem::file_size(path) + 50);
  CHECK(opened.append(2, mirror_test::put("2", std::string(500, 'x'))) == Journal::Verdict::failed);
  CHECK(opened.append(3, mirror_test::put("3", "x")) == Journal::Verdict::failed);
  CHECK(opened.failures == 1);
  mirror_test::restore_limit(before);
  CHECK(opened.append(4, mirror_test::put("4", "x")) == Journal::Verdict::failed);
  REQUIRE(opened.journal.begin_segment(StreamName{}, Side::blue, 4).has_value());
  CHECK(opened.append(5, mirror_test::put("5", "x")) == Journal::Verdict::safe);
  opened.journal.close();
  Opened again(options_of(scratch.path()));
  const Journal::Recovery recovery = again.open();
  CHECK(sequences_of(recovery) == Sequences{1, 5});
  CHECK(recovery.damages.empty());
}
