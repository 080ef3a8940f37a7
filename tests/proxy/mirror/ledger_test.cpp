#include "proxy/mirror/ledger.hpp"

#include "proxy/mirror/ledger_line.hpp"
#include "tests/proxy/mirror/fixture.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

using namespace proxy::mirror;
using mirror_test::Scratch;
using Extent = MirrorControl::Extent;

namespace {

const std::chrono::system_clock::time_point now{std::chrono::milliseconds(1'700'000'000'000)};

LedgerEntry entry_of(LedgerKind kind, const std::string& table, std::vector<std::string> keys = {}, CommitSequence position = 5) {
  LedgerEntry entry;
  entry.kind = kind;
  entry.database = "shop";
  entry.table = table;
  entry.keys = std::move(keys);
  entry.fingerprint = 0xFFEEDDCCBBAA9988;
  entry.cause = "odd \"words\"\n\\ and \x01";
  entry.first_position = position;
  return entry;
}

std::string content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST_CASE("ledger: an entry as a line → comes back; a line changed, or after another one → an error") {
  LedgerEntry entry = entry_of(LedgerKind::unit_failed, "public.t", {"k=1", "k=\"x\""});
  entry.id = 12;
  entry.count = 3;
  entry.first_seen = entry.last_seen = now;
  entry.closed_by = "anna";
  const std::string line = encode_line(entry, 0);
  const auto read = decode_line(line, 0);
  REQUIRE(read.has_value());
  CHECK(read->entry.kind == LedgerKind::unit_failed);
  CHECK(read->entry.keys == entry.keys);
  CHECK(read->entry.cause == entry.cause);
  CHECK(read->entry.fingerprint == entry.fingerprint);
  CHECK(read->entry.first_seen == now);
  CHECK(read->entry.closed_by == "anna");
  CHECK_FALSE(decode_line(line, 1).has_value());
  std::string changed = line;
  changed.replace(changed.find("unit_failed"), 11, "rows_differ");
  CHECK_FALSE(decode_line(changed, 0).has_value());
}

TEST_CASE("ledger: the like while it is open → one entry; after it was accepted → a new one; all of it durable") {
  const Scratch scratch;
  const std::string path = scratch.path() + "/ledger.jsonl";
  {
    Ledger ledger;
    REQUIRE(ledger.open(path).has_value());
    CHECK(ledger.note(entry_of(LedgerKind::unsafe_statement, "public.t"), now) == 1);
    CHECK(ledger.is_pending());
    REQUIRE(ledger.flush(Ledger::Extent::pending).has_value());
    CHECK(ledger.note(entry_of(LedgerKind::unsafe_statement, "public.t", {}, 9), now) == 1);
    CHECK_FALSE(ledger.is_pending());  // nothing new that a client would have to wait for
    CHECK(ledger.note(entry_of(LedgerKind::unsafe_statement, "public.u"), now) == 2);
    REQUIRE(ledger.flush(Ledger::Extent::all).has_value());
    CHECK(ledger.close(1, "anna", now)->closed_by == "anna");
    CHECK_FALSE(ledger.close(1, "anna", now).has_value());
    CHECK_FALSE(ledger.close(77, "anna", now).has_value());
    CHECK(ledger.note(entry_of(LedgerKind::unsafe_statement, "public.t"), now) == 3);
  }
  Ledger ledger;
  REQUIRE(ledger.open(path).has_value());
  CHECK(ledger.open_count() == 1);  // the third was never flushed
  const auto all = ledger.entries(Extent::all);
  REQUIRE(all.size() == 2);
  CHECK(all[0].count == 2);
  CHECK(all[0].last_position == 9);
  CHECK_FALSE(all[0].is_open);
  CHECK(ledger.entries(Extent::open)[0].table == "public.u");
}

TEST_CASE("ledger: a last line cut off anywhere → gone; one in the middle changed → refused") {
  const Scratch scratch;
  const std::string path = scratch.path() + "/ledger.jsonl";
  {
    Ledger ledger;
    REQUIRE(ledger.open(path).has_value());
    for (const char* table : {"a.a", "b.b", "c.c"}) {
      ledger.note(entry_of(LedgerKind::rows_differ, table), now);
      REQUIRE(ledger.flush(Ledger::Extent::all).has_value());
    }
  }
  const std::string whole = content_of(path);
  const std::size_t last = whole.rfind('\n', whole.size() - 2) + 1;
  for (std::size_t bytes = last; bytes <= whole.size(); bytes += 7) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << whole.substr(0, bytes);
    Ledger ledger;
    REQUIRE(ledger.open(path).has_value());
    CHECK(ledger.open_count() == (bytes == whole.size() ? 3 : 2));
    ledger.note(entry_of(LedgerKind::rows_differ, "d.d"), now);
    CHECK(ledger.flush(Ledger::Extent::all).has_value());
  }
  std::string changed = whole;
  changed[whole.find("a.a")] = 'x';
  std::ofstream(path, std::ios::binary | std::ios::trunc) << changed;
  Ledger ledger;
  CHECK_FALSE(ledger.open(path).has_value());
}

TEST_CASE("ledger: units that were not applied → their rows are known as missing until accepted") {
  const Scratch scratch;
  Ledger ledger;
  REQUIRE(ledger.open(scratch.path() + "/ledger.jsonl").has_value());
  CHECK_FALSE(ledger.has_missing());
  const std::uint64_t keyed = ledger.note(entry_of(LedgerKind::unit_failed, "public.t", {"k=1"}, 20), now);
  const std::uint64_t whole = ledger.note(entry_of(LedgerKind::unit_dependent, "public.u", {}, 10), now);
  CHECK(ledger.is_missing("shop", "public.t", "k=1"));
  CHECK_FALSE(ledger.is_missing("shop", "public.t", "k=2"));
  CHECK_FALSE(ledger.is_missing("other", "public.t", "k=1"));
  CHECK(ledger.is_missing("shop", "public.t", ""));
  CHECK(ledger.is_missing("shop", "public.u", "k=9"));
  CHECK(ledger.first_missing() == 10);
  CHECK(ledger.close(whole, "anna", now).has_value());
  CHECK(ledger.first_missing() == 20);
  CHECK_FALSE(ledger.is_missing("shop", "public.u", "k=9"));
  CHECK(ledger.close(keyed, "anna", now).has_value());
  CHECK_FALSE(ledger.first_missing().has_value());
}

TEST_CASE("ledger: more keys than an entry lists → the whole table") {
  const Scratch scratch;
  Ledger ledger;
  REQUIRE(ledger.open(scratch.path() + "/ledger.jsonl").has_value());
  for (std::size_t i = 0; i <= Ledger::keys_max; ++i) ledger.note(entry_of(LedgerKind::unit_failed, "public.t", {"k=" + std::to_string(i)}), now);
  CHECK(ledger.entries(Extent::open)[0].keys.empty());
  CHECK(ledger.is_missing("shop", "public.t", "k=5000"));
}

TEST_CASE("ledger: old news → the file is written anew and says the same") {
  const Scratch scratch;
  const std::string path = scratch.path() + "/ledger.jsonl";
  std::uintmax_t largest = 0;
  {
    Ledger ledger;
    REQUIRE(ledger.open(path).has_value());
    LedgerEntry entry = entry_of(LedgerKind::unsafe_statement, "public.t");
    entry.cause = std::string(50'000, 'x');
    for (int i = 0; i < 200; ++i) {
      ledger.note(entry, now);
      REQUIRE(ledger.flush(Ledger::Extent::all).has_value());
      largest = std::max(largest, std::filesystem::file_size(path));
    }
  }
  CHECK(largest > (std::uintmax_t{3} << 20));
  CHECK(std::filesystem::file_size(path) < largest);
  Ledger ledger;
  REQUIRE(ledger.open(path).has_value());
  CHECK(ledger.entries(Extent::open)[0].count == 200);
}
