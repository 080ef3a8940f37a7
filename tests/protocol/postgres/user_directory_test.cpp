#include "protocol/postgres/user_directory.hpp"

#include "tests/support/fixed_nonce.hpp"

#include <doctest/doctest.h>

using namespace protocol;
using namespace protocol::postgres;

namespace {

tests::support::CountingNonceSource nonces;

}  // namespace

TEST_CASE("users: a password → a SCRAM verifier of 4096 iterations and an MD5 verifier; the password stays known") {
  UserDirectory users(nonces);
  REQUIRE(users.add_secret("alice", "pencil"));
  const UserCredentials& found = *users.find("alice");
  CHECK(found.kind == ScramServer::Kind::real);
  CHECK(found.has_scram);
  CHECK(found.scram.iterations == 4096);
  CHECK(found.scram == make_scram_verifier("pencil", found.scram.salt, 4096));
  REQUIRE(found.md5);
  CHECK(found.md5->text.reveal() == "md5" + *md5_hex({"pencil", "alice"}));
  REQUIRE(found.clear);
  CHECK(found.clear->text.reveal() == "pencil");
}

TEST_CASE("users: a stored SCRAM verifier → used as it is, and nothing else is known") {
  UserDirectory users(nonces);
  const ScramVerifier verifier = make_scram_verifier("pencil", Bytes(16, std::byte{9}), 5000);
  REQUIRE(users.add_secret("alice", to_text(verifier)));
  CHECK(users.find("alice")->scram == verifier);
  CHECK(!users.find("alice")->md5);
  CHECK(!users.find("alice")->clear);
}

TEST_CASE("users: a stored MD5 verifier → SCRAM is doomed, with a salt as for anybody") {
  UserDirectory users(nonces);
  const std::string verifier = "md5" + *md5_hex({"pencil", "alice"});
  REQUIRE(users.add_secret("alice", verifier));
  CHECK(users.find("alice")->md5->text.reveal() == verifier);
  CHECK(!users.find("alice")->has_scram);
  CHECK(users.find("alice")->scram.salt == users.doomed("alice").scram.salt);
}

TEST_CASE("users: an unknown one → a doomed exchange, the same salt each time, another for each name") {
  UserDirectory users(nonces);
  REQUIRE(users.add_secret("alice", "pencil"));
  CHECK(users.find("mallory") == nullptr);
  const UserCredentials first = users.doomed("mallory");
  CHECK(first.kind == ScramServer::Kind::doomed);
  CHECK(first.scram.salt.size() == scram_salt_bytes);
  CHECK(first.scram.iterations == users.find("alice")->scram.iterations);
  CHECK(users.doomed("mallory").scram.salt == first.scram.salt);
  CHECK(users.doomed("mallet").scram.salt != first.scram.salt);
}

TEST_CASE("users: an unknown one → asked for MD5 where most are, for SCRAM otherwise") {
  UserDirectory users(nonces);
  CHECK(!users.doomed("mallory").md5);
  REQUIRE(users.add_secret("alice", "md5" + *md5_hex({"pencil", "alice"})));
  CHECK(users.doomed("mallory").md5);
  REQUIRE(users.add_secret("bob", to_text(make_scram_verifier("pencil", Bytes(16, std::byte{9}), 4096))));
  CHECK(!users.doomed("mallory").md5);
}

TEST_CASE("users: mistakes of an operator → configuration_invalid, and no secret in the words") {
  UserDirectory users(nonces);
  REQUIRE(users.add_secret("alice", "pencil"));
  for (const Status& status : {users.add_secret("alice", "other"), users.add_secret("", "other"),
                               users.add_secret("bob", ""), users.add_secret("bob", "SCRAM-SHA-256$4096:other")}) {
    REQUIRE(!status);
    CHECK(status.error().code == ErrorCode::configuration_invalid);
    CHECK(status.error().blame == Blame::operator_);
    CHECK(status.error().detail.find("other") == std::string::npos);
  }
  CHECK(users.user_count() == 1);
}

TEST_CASE("nonces: the system's generator → other bytes each time") {
  SystemNonceSource system;
  CHECK(make_scram_nonce(system) != make_scram_nonce(system));
  CHECK(make_scram_nonce(system).size() == 24);
}
