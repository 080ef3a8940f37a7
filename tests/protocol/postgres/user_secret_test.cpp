#include "protocol/postgres/user_secret.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace protocol;
using namespace protocol::postgres;

TEST_CASE("user secret: three forms → told apart as the server tells them apart") {
  const std::string verifier = to_text(make_scram_verifier("pencil", Bytes(16, std::byte{1}), 4096));
  CHECK(std::holds_alternative<ScramVerifier>(*parse_user_secret(verifier)));
  CHECK(std::holds_alternative<Md5Verifier>(*parse_user_secret("md5" + std::string(32, 'a'))));
  for (const std::string& text : {std::string("pencil"), std::string("md5"), "md5" + std::string(31, 'a'), "md5" + std::string(33, 'a'),
                                  "md5" + std::string(32, 'A'), "MD5" + std::string(32, 'a'), std::string("SCRAM-SHA-256")}) {
    CAPTURE(text);
    CHECK(std::holds_alternative<ClearPassword>(*parse_user_secret(text)));
  }
}

TEST_CASE("user secret: empty, or a broken SCRAM verifier → configuration_invalid, not quoted") {
  for (const char* text : {"", "SCRAM-SHA-256$", "SCRAM-SHA-256$4096:secret"}) {
    const Result<UserSecret> secret = parse_user_secret(text);
    REQUIRE(!secret);
    CHECK(secret.error().code == ErrorCode::configuration_invalid);
    CHECK(secret.error().detail.find("secret") == std::string::npos);
  }
}
