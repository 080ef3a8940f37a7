#include "protocol/postgres/secret_agreement.hpp"

#include "protocol/postgres/digest.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace protocol;
using namespace protocol::postgres;

namespace {

std::string scram(const char* password, unsigned char salt, std::uint32_t iterations = 4096) {
  return to_text(make_scram_verifier(password, Bytes(16, std::byte{salt}), iterations));
}
std::string md5(const char* password) { return "md5" + *md5_hex({password, "alice"}); }

std::string judged(const std::string& known, const std::string& held) {
  const auto complaint = disagreement("alice", *parse_user_secret(known), held);
  if (complaint) CHECK(complaint->find("pencil") == std::string::npos);
  return complaint.value_or("fine");
}

}  // namespace

TEST_CASE("secret agreement: the same verifier, or a password that fits → fine") {
  CHECK(judged(scram("pencil", 1), scram("pencil", 1)) == "fine");
  CHECK(judged(md5("pencil"), md5("pencil")) == "fine");
  for (const std::string& held : {scram("pencil", 1), scram("pencil", 2, 5000), md5("pencil")}) CHECK(judged("pencil", held) == "fine");
}

TEST_CASE("secret agreement: anything else → what is wrong") {
  CHECK(judged(scram("pencil", 1), scram("pencil", 2)).find("another salt") != std::string::npos);
  CHECK(judged(scram("pencil", 1), scram("pencil", 1, 5000)).find("iterations") != std::string::npos);
  CHECK(judged(scram("pencil", 1), scram("pen", 1)).find("another password") != std::string::npos);
  CHECK(judged(scram("pencil", 1), md5("pencil")).find("no SCRAM verifier") != std::string::npos);
  CHECK(judged(md5("pencil"), scram("pencil", 1)).find("no MD5 verifier") != std::string::npos);
  CHECK(judged(md5("pencil"), md5("pen")).find("another password") != std::string::npos);
  CHECK(judged("pencil", scram("pen", 1)) == "holds another password");
  CHECK(judged("pencil", md5("pen")) == "holds another password");
  CHECK(judged("pencil", "") == "knows no such user, or no password of it that is still valid");
  CHECK(judged("pencil", "SCRAM-SHA-256$pencil") == "holds a verifier that is malformed");
}
