#include "proxy/mirror/journal_format.hpp"

#include "proxy/mirror/crc32c.hpp"
#include "tests/proxy/mirror/fixture.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace proxy::mirror;
using protocol::Bytes;
using protocol::ByteView;

namespace {

constexpr std::uint32_t seed = 77;

protocol::MirrorUnit unit_of_everything() {
  protocol::MirrorUnit unit = mirror_test::put("1", std::string("a\0b", 3));
  unit.last_write_done = 0x1122334455667788;
  unit.settings = {{"DateStyle", "ISO, MDY"}, {"TimeZone", "UTC"}};
  unit.items[0].rows->rows.push_back({"2", std::nullopt});
  unit.items[0].rows->rows.push_back({"", ""});
  protocol::RowChange& removed = unit.items.emplace_back().rows.emplace();
  removed.kind = protocol::RowChange::Kind::remove;
  removed.skips_triggers = true;
  removed.may_remove_others = true;
  removed.fixed_columns = {"b"};
  removed.schema = "Odd \"Name\"";
  removed.columns = removed.key_columns = {"a", "b"};
  protocol::RowChange& moved = unit.items.emplace_back().rows.emplace();
  moved.kind = protocol::RowChange::Kind::move;
  moved.is_key_deferrable = true;
  moved.columns = {"a", "b"};
  moved.key_columns = {"a"};
  moved.rows = {{"2", "x"}, {"1", std::nullopt}};
  moved.old_keys = {{"1"}, {"2"}};
  protocol::CarriedStatement& statement = unit.items.emplace_back().statement.emplace();
  statement.text = "COPY t FROM STDIN";
  statement.copy_data = "1\tx\n";
  statement.settings = {{"search_path", "public"}};
  unit.items.push_back(mirror_test::schema_change("ALTER TABLE t ADD c int").items[0]);
  return unit;
}

Bytes sealed(const protocol::MirrorUnit& unit) {
  Bytes record = *encode_intent(unit);
  seal_intent(record, 42, std::chrono::milliseconds(1'700'000'000'123), seed);
  return record;
}

}  // namespace

TEST_CASE("crc32c: the vectors of RFC 3720, by the processor and by table") {
  const auto check = [](const Bytes& bytes, std::uint32_t wanted) {
    CHECK(crc32c(bytes) == wanted);
    CHECK(crc32c_by_table(bytes) == wanted);
  };
  check(Bytes(32, std::byte{0}), 0x8A9136AA);
  check(Bytes(32, std::byte{0xFF}), 0x62A8AB43);
  Bytes rising;
  for (int i = 0; i < 32; ++i) rising.push_back(static_cast<std::byte>(i));
  check(rising, 0x46DD794E);
  CHECK(crc32c(protocol::as_bytes("123456789")) == 0xE3069283);
  CHECK(crc32c(protocol::as_bytes("6789"), crc32c(protocol::as_bytes("12345"))) == 0xE3069283);
}

TEST_CASE("journal format: a unit with everything → comes back as it was") {
  const Bytes record = sealed(unit_of_everything());
  REQUIRE(whole_record(record, seed) == record.size());
  const auto decoded = decode_record(record);
  REQUIRE(decoded.has_value());
  const IntentRecord& intent = std::get<IntentRecord>(*decoded);
  CHECK(intent.sequence == 42);
  CHECK(intent.recorded_at.count() == 1'700'000'000'123);
  CHECK(intent.unit == unit_of_everything());
}

TEST_CASE("journal format: a fate → comes back") {
  for (const Fate fate : {Fate::committed, Fate::dropped, Fate::set_aside}) {
    const Bytes record = encode_fate({9, fate}, seed);
    REQUIRE(whole_record(record, seed) == record.size());
    CHECK(std::get<FateRecord>(*decode_record(record)) == FateRecord{9, fate});
  }
}

TEST_CASE("journal format: a record cut anywhere, of another segment, or with any bit turned → no record") {
  const Bytes record = sealed(mirror_test::put("1", "x"));
  CHECK_FALSE(whole_record(record, seed + 1).has_value());
  for (std::size_t bytes = 0; bytes < record.size(); ++bytes) CHECK_FALSE(whole_record(ByteView(record).first(bytes), seed).has_value());
  for (std::size_t bit = 0; bit < record.size() * 8; ++bit) {
    Bytes turned = record;
    turned[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    CHECK_FALSE(whole_record(turned, seed).has_value());
  }
  CHECK_FALSE(whole_record(Bytes(100), 0).has_value());
}

TEST_CASE("journal format: a body that is not whole → an error, never more than it has") {
  const Bytes record = sealed(unit_of_everything());
  for (std::size_t bytes = record_prefix_bytes; bytes < record.size(); ++bytes) {
    CHECK_FALSE(decode_record(ByteView(record).first(bytes)).has_value());
  }
}

TEST_CASE("journal format: a header → comes back; of another version, with any bit turned → an error") {
  SegmentHeader header;
  header.stream[3] = std::byte{9};
  header.authority = routing::Side::green;
  header.first_sequence = 12'345'678'901;
  const Bytes bytes = encode_header(header);
  REQUIRE(bytes.size() == segment_header_bytes);
  CHECK(*decode_header(bytes) == header);
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    Bytes turned = bytes;
    turned[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    CHECK_FALSE(decode_header(turned).has_value());
  }
  CHECK(text_of(header.stream) == "00000009-0000-0000-0000-000000000000");
}
