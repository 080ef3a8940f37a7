#include "config/scalar.hpp"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

namespace {

using std::chrono::milliseconds;

template <class T>
std::string detail_of(const protocol::Result<T>& result) {
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().code == protocol::ErrorCode::configuration_invalid);
  return result.error().detail;
}

bool is_in(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("duration: a number with a unit → milliseconds") {
  const std::vector<std::pair<std::string, milliseconds>> rows{
      {"0s", milliseconds(0)},       {"250ms", milliseconds(250)},           {"30s", milliseconds(30'000)},
      {"1.5s", milliseconds(1'500)}, {"5m", milliseconds(300'000)},          {"2h", milliseconds(7'200'000)},
      {"0.001s", milliseconds(1)},   {"8760h", milliseconds(31'536'000'000)}};
  for (const auto& [text, expected] : rows) {
    CAPTURE(text);
    const auto value = config::parse_duration(text);
    REQUIRE(value.has_value());
    CHECK(value->count() == expected.count());
  }
}

TEST_CASE("duration: anything else → refused with what would do") {
  for (const char* text : {"",
                           "s",
                           "-1s",
                           "+1s",
                           " 1s",
                           "1s ",
                           "1 s",
                           "1,5s",
                           "1.s",
                           ".5s",
                           "1e3s",
                           "0x10s",
                           "1d",
                           "1h30m",
                           "99999999999999999999s",
                           "8761h",
                           "999999999999h",
                           "0.5ms",
                           "1.2345s",
                           "auto",
                           "1S"}) {
    CAPTURE(text);
    CHECK_FALSE(config::parse_duration(text).has_value());
  }
  CHECK(is_in(detail_of(config::parse_duration("5")), "has no unit"));
  CHECK(is_in(detail_of(config::parse_duration("15sec")), "did you mean `15s`?"));
  CHECK(is_in(detail_of(config::parse_duration("2 ms")), "did you mean `2ms`?"));
  CHECK_FALSE(is_in(detail_of(config::parse_duration("2KB")), "did you mean"));
}

TEST_CASE("size: a number with a binary unit → bytes") {
  CHECK(config::parse_size("512B").value() == 512);
  CHECK(config::parse_size("64KiB").value() == 65'536);
  CHECK(config::parse_size("1.5MiB").value() == 1'572'864);
  CHECK(config::parse_size("1024GiB").value() == std::uint64_t{1} << 40);
  for (const char* text : {"", "1", "1.5B", "1025GiB", "-1B", "64 KiB", "64kiB", "0.1KiB", "1TiB", "30s"}) {
    CAPTURE(text);
    CHECK_FALSE(config::parse_size(text).has_value());
  }
  CHECK(is_in(detail_of(config::parse_size("64KB")), "did you mean `64KiB`?"));
  CHECK(is_in(detail_of(config::parse_size("1M")), "did you mean `1MiB`?"));
}

TEST_CASE("percent: up to two decimals, with or without the sign → hundredths") {
  const std::vector<std::pair<std::string, std::uint32_t>> rows{
      {"0", 0},           {"10", 1'000},   {"12.5", 1'250}, {"33.33%", 3'333},
      {"99.99 %", 9'999}, {"100", 10'000}, {"0.01", 1},     {"100.00%", 10'000}};
  for (const auto& [text, expected] : rows) {
    CAPTURE(text);
    CHECK(config::parse_percent(text).value() == expected);
  }
  for (const char* text : {"", "%", "-1", "100.01", "101", "1.234", "ten", "10 percent", "1e1", "0x1"}) {
    CAPTURE(text);
    CHECK_FALSE(config::parse_percent(text).has_value());
  }
}

TEST_CASE("count: whole numbers only") {
  CHECK(config::parse_count("0").value() == 0);
  CHECK(config::parse_count("4294967295").value() == 4'294'967'295);
  for (const char* text : {"", "-1", "+1", "1.0", "1k", " 1", "4294967296", "0x10"}) {
    CAPTURE(text);
    CHECK_FALSE(config::parse_count(text).has_value());
  }
}

TEST_CASE("listen: a literal address and a port → both, and back") {
  CHECK(config::parse_listen("127.0.0.1:6432").value() == config::ListenAddress{"127.0.0.1", 6432});
  CHECK(config::parse_listen("[::1]:0").value() == config::ListenAddress{"::1", 0});
  CHECK(config::parse_listen("localhost:1").value() == config::ListenAddress{"127.0.0.1", 1});
  for (const char* text : {"0.0.0.0:6432", "[2001:db8::1]:65535"}) {
    CHECK(config::format_listen(config::parse_listen(text).value()) == text);
  }
}

TEST_CASE("listen: anything else → refused with what would do") {
  for (const char* text : {"", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:x", "::1:6432",
                           "[::1]", "[]:1", "[127.0.0.1]:1", "db.example.org:1", "127.0.0.1:-1", "1.2.3:1"}) {
    CAPTURE(text);
    CHECK_FALSE(config::parse_listen(text).has_value());
  }
  CHECK(is_in(detail_of(config::parse_listen("*:6432")), "`0.0.0.0:6432`"));
  CHECK(is_in(detail_of(config::parse_listen(":6432")), "`0.0.0.0:6432`"));
  CHECK(is_in(detail_of(config::parse_listen("::1:6432")), "brackets"));
}

TEST_CASE("verifier: as PostgreSQL stores it → accepted; damaged → refused without quoting it") {
  const std::string salt = "QSXCR+Q6sek8bf92Bz5mqA==";
  const std::string key = "Aa1Aa1Aa1Aa1Aa1Aa1Aa1Aa1Aa1Aa1Aa1Aa1Aa1Aa1A=";
  REQUIRE(key.size() == 44);
  const std::string good = "SCRAM-SHA-256$4096:" + salt + "$" + key + ":" + key;
  CHECK(config::check_scram_verifier(good).has_value());
  for (const std::string& text :
       {std::string(), std::string("secret"), "md5" + std::string(32, 'a'),
        "SCRAM-SHA-256$0:" + salt + "$" + key + ":" + key, "SCRAM-SHA-256$4096:" + salt + "$" + key,
        "SCRAM-SHA-256$4096:$" + key + ":" + key, "SCRAM-SHA-256$4096:" + salt + "$" + key + ":" + salt,
        "SCRAM-SHA-1$4096:" + salt + "$" + key + ":" + key, good.substr(0, good.size() - 1), good + "A"}) {
    CAPTURE(text);
    const auto status = config::check_scram_verifier(text);
    REQUIRE_FALSE(status.has_value());
    CHECK((text.empty() || !is_in(status.error().detail, text)));
  }
}
