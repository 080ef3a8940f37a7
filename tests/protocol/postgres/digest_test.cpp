#include "protocol/postgres/digest.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace protocol;
using namespace protocol::postgres;

namespace {

std::string hex(ByteView bytes) {
  std::string text;
  for (const std::byte byte : bytes) {
    constexpr const char* digits = "0123456789abcdef";
    text += digits[std::to_integer<unsigned>(byte) >> 4];
    text += digits[std::to_integer<unsigned>(byte) & 15];
  }
  return text;
}

}  // namespace

TEST_CASE("digests: published examples → published values") {
  CHECK(hex(sha256(as_bytes("abc"))) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  // RFC 4231, test case 2.
  CHECK(hex(hmac_sha256(as_bytes("Jefe"), {"what do ya want", " for nothing?"})) ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  // RFC 7914, section 11.
  CHECK(hex(pbkdf2_sha256("passwd", as_bytes("salt"), 1)) == "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
  CHECK(md5_hex({"mess", "age digest"}) == "f96b697d7cb7938d525a2f31aaf161d0");
}

TEST_CASE("base64: texts of every length modulo three → there and back (RFC 4648, section 10)") {
  const std::pair<const char*, const char*> examples[] = {{"", ""},         {"f", "Zg=="},         {"fo", "Zm8="},
                                                          {"foo", "Zm9v"},  {"foob", "Zm9vYg=="},  {"fooba", "Zm9vYmE="},
                                                          {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, encoded] : examples) {
    CAPTURE(std::string(plain));
    CHECK(encode_base64(as_bytes(plain)) == encoded);
    const auto decoded = decode_base64(encoded);
    REQUIRE(decoded);
    CHECK(as_text(*decoded) == plain);
  }
}

TEST_CASE("base64: anything but its one form → refused") {
  for (const char* text : {"Z", "Zg", "Zg=", "Zg===", "Z===", "====", "Zh==", "Zm9=", "Zm 9", "Zm9v\n", "Zg==Zg==", "Zm-_", "=Zg="}) {
    CAPTURE(std::string(text));
    CHECK(!decode_base64(text));
  }
}

TEST_CASE("constant-time equality: lengths and contents → equal only if both agree") {
  CHECK(equal_in_constant_time(as_bytes("abc"), as_bytes("abc")));
  CHECK(!equal_in_constant_time(as_bytes("abc"), as_bytes("abd")));
  CHECK(!equal_in_constant_time(as_bytes("abc"), as_bytes("abcd")));
  CHECK(equal_in_constant_time({}, {}));
}

TEST_CASE("wipe: a secret → overwritten") {
  std::array<std::byte, 4> secret{std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}};
  wipe(secret);
  CHECK(secret == std::array<std::byte, 4>{});
  std::string text = "pencil";
  wipe(text);
  CHECK(text.empty());
}
