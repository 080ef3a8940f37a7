#include "proxy/switchover/authority_record.hpp"

#include <doctest/doctest.h>

#include <string>

using proxy::switchover::AuthorityRecord;
using routing::Side;

namespace {

AuthorityRecord some_record() {
  AuthorityRecord record;
  record.pair = "shop";
  record.authority = Side::green;
  record.epoch = 42;
  record.remains = routing::SwitchoverRemains::flip;
  record.target = Side::green;
  record.is_fenced[Side::blue] = true;
  record.last_change = routing::LastChange::switchover;
  record.since_ms = 1'700'000'000'123;
  record.verification = {1'700'000'000'456, true, "a night's run"};
  record.frozen = "3 of 200 requests failed";
  return record;
}

}  // namespace

TEST_CASE("authority record: written and read → the same") {
  const auto read = proxy::switchover::decode_record(proxy::switchover::encode_record(some_record()));
  REQUIRE(read);
  CHECK(*read == some_record());
}

TEST_CASE("authority record: nothing is frozen, or in words of several lines → read so, on one line") {
  AuthorityRecord record = some_record();
  record.frozen.clear();
  CHECK(*proxy::switchover::decode_record(proxy::switchover::encode_record(record)) == record);
  record.frozen = "ERROR\nDETAIL";
  CHECK(proxy::switchover::decode_record(proxy::switchover::encode_record(record))->frozen == "ERROR DETAIL");
}

TEST_CASE("authority record: cut at every byte, or any byte changed → refused") {
  const std::string text = proxy::switchover::encode_record(some_record());
  for (std::size_t i = 0; i < text.size(); ++i) {
    CHECK_FALSE(proxy::switchover::decode_record(std::string_view(text).substr(0, i)));
    std::string changed = text;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    CHECK_FALSE(proxy::switchover::decode_record(changed));
  }
  CHECK_FALSE(proxy::switchover::decode_record(text + "more\n"));
}
