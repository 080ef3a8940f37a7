#include "protocol/postgres/user_directory.hpp"

#include "tests/support/fixed_nonce.hpp"

#include <doctest/doctest.h>

using namespace protocol;
using namespace protocol::postgres;

namespace {

tests::support::CountingNonceSource nonces;

}  // namespace

TEST_CASE("users: a password → a verifier of 4096 iterations with a salt of its own") {
  UserDirectory users(nonces);
  REQUIRE(users.add_secret("alice", "pencil"));
  const ClientAuthentication found = users.find("alice");
  CHECK(found.method == ClientAuthentication::Method::scram_sha_256);
  CHECK(found.kind == ScramServer::Kind::real);
  CHECK(found.verifier.iterations == 4096);
  CHECK(found.verifier == make_scram_verifier("pencil", found.verifier.salt, 4096));
}

TEST_CASE("users: a stored verifier → used as it is") {
  UserDirectory users(nonces);
  const ScramVerifier verifier = make_scram_verifier("pencil", Bytes(16, std::byte{9}), 5000);
  REQUIRE(users.add_secret("alice", to_text(verifier)));
  CHECK(users.find("alice").verifier == verifier);
}

TEST_CASE("users: an unknown one → a doomed exchange, the same salt each time, another for each name") {
  UserDirectory users(nonces);
  REQUIRE(users.add_secret("alice", "pencil"));
  const ClientAuthentication first = users.find("mallory");
  CHECK(first.method == ClientAuthentication::Method::scram_sha_256);
  CHECK(first.kind == ScramServer::Kind::doomed);
  CHECK(first.verifier.salt.size() == scram_salt_bytes);
  CHECK(first.verifier.iterations == users.find("alice").verifier.iterations);
  CHECK(users.find("mallory").verifier.salt == first.verifier.salt);
  CHECK(users.find("mallet").verifier.salt != first.verifier.salt);
}

TEST_CASE("users: everybody is trusted → except those with a password of their own") {
  UserDirectory users(nonces);
  REQUIRE(users.add_trusted("*"));
  REQUIRE(users.add_secret("alice", "pencil"));
  CHECK(users.find("bob").method == ClientAuthentication::Method::trust);
  CHECK(users.find("*").method == ClientAuthentication::Method::trust);
  CHECK(users.find("alice").method == ClientAuthentication::Method::scram_sha_256);
}

TEST_CASE("users: mistakes of an operator → configuration_invalid, and no secret in the words") {
  UserDirectory users(nonces);
  REQUIRE(users.add_secret("alice", "pencil"));
  for (const Status& status : {users.add_secret("alice", "other"), users.add_trusted("alice"), users.add_trusted(""),
                               users.add_secret("*", "other"), users.add_secret("bob", ""),
                               users.add_secret("bob", "SCRAM-SHA-256$4096:other")}) {
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
