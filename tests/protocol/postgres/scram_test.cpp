#include "protocol/postgres/scram.hpp"

#include <doctest/doctest.h>

#include <string>

namespace {

using namespace protocol;
using namespace protocol::postgres;

// The exchange published in RFC 7677, section 3: user "user", password "pencil".
constexpr std::string_view client_nonce = "rOprNGfwEbeRWgbNEkqO";
constexpr std::string_view server_nonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
constexpr std::string_view salt_text = "W22ZaJ0SNY7soEsUEjb6gQ==";
constexpr std::string_view client_first = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
constexpr std::string_view server_first =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
constexpr std::string_view client_final =
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
constexpr std::string_view server_final = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

ScramVerifier pencil_verifier() { return make_scram_verifier("pencil", *decode_base64(salt_text), 4096); }

ScramServer make_server(ScramServer::Kind kind = ScramServer::Kind::real) {
  return ScramServer(pencil_verifier(), kind, std::string(server_nonce));
}

}  // namespace

TEST_CASE("scram: the server's end of the published exchange → the published texts") {
  ScramServer server = make_server();
  const Result<std::string> challenge = server.accept_first(client_first);
  REQUIRE(challenge);
  CHECK(*challenge == server_first);
  const Result<std::string> outcome = server.accept_final(client_final);
  REQUIRE(outcome);
  CHECK(*outcome == server_final);
}

TEST_CASE("scram: the client's end of the published exchange → the published texts") {
  ScramKeyCache cache;
  ScramClient client("user", std::string(client_nonce));
  CHECK(client.first() == client_first);
  const Result<std::string> response = client.respond(server_first, "pencil", cache);
  REQUIRE(response);
  CHECK(*response == client_final);
  CHECK(client.verify(server_final));
}

TEST_CASE("scram: a verifier as pg_authid holds it → read and written") {
  const ScramVerifier verifier = pencil_verifier();
  const Result<ScramVerifier> again = parse_scram_verifier(to_text(verifier));
  REQUIRE(again);
  CHECK(*again == verifier);
}

TEST_CASE("scram: what is no verifier → configuration_invalid, the operator's blame") {
  const std::string good = to_text(pencil_verifier());
  const std::string stored = good.substr(good.rfind('$') + 1);
  for (const std::string& text : {std::string(), std::string("pencil"), good.substr(0, good.size() - 1), good + "x",
                                  "SCRAM-SHA-256$0:" + std::string(salt_text) + "$" + stored,
                                  "SCRAM-SHA-256$-1:" + std::string(salt_text) + "$" + stored,
                                  "SCRAM-SHA-256$4096x:" + std::string(salt_text) + "$" + stored,
                                  "SCRAM-SHA-256$4096:$" + stored, "SCRAM-SHA-256$4096:abc$" + stored,
                                  "SCRAM-SHA-256$4096:" + std::string(salt_text) + "$" + stored.substr(0, 44),
                                  "SCRAM-SHA-256$4096:" + std::string(salt_text), "SCRAM-SHA-1$" + good.substr(14)}) {
    CAPTURE(text);
    const Result<ScramVerifier> verifier = parse_scram_verifier(text);
    REQUIRE(!verifier);
    CHECK(verifier.error().code == ErrorCode::configuration_invalid);
    CHECK(verifier.error().blame == Blame::operator_);
  }
}

TEST_CASE("scram server: a right proof in a doomed exchange → authentication_failed all the same") {
  ScramServer server = make_server(ScramServer::Kind::doomed);
  REQUIRE(server.accept_first(client_first));
  const Result<std::string> outcome = server.accept_final(client_final);
  REQUIRE(!outcome);
  CHECK(outcome.error().code == ErrorCode::authentication_failed);
}

TEST_CASE("scram server: a client that could bind but sees no offer → accepted with its own header") {
  ScramServer server = make_server();
  ScramKeyCache cache;
  REQUIRE(server.accept_first("y,,n=,r=abc"));
  // "eSws" is "y,,"; "biws" would say that the client changed its mind on the way.
  const std::string nonce = "abc" + std::string(server_nonce);
  CHECK(server.accept_final("c=biws,r=" + nonce + ",p=" + encode_base64(sha256({}))).error().code == ErrorCode::message_malformed);
  CHECK(server.accept_final("c=eSws,r=" + nonce + ",p=" + encode_base64(sha256({}))).error().code == ErrorCode::authentication_failed);
}

TEST_CASE("scram server: first messages that break the grammar → message_malformed") {
  for (const char* text : {"", "n", "n,", "x,,n=,r=abc", "p=tls-unique,,n=,r=abc", "n,b,n=,r=abc", "nn,n=,r=abc", "n,,r=abc", "n,,n=", "n,,n=,", "n,,n=,r", "n,,n=,r=a bc", "n,,n=,r=abc,", "n,,n=,r=abc,1=x",
                           "n,,n=,r=abc,x"}) {
    CAPTURE(std::string(text));
    ScramServer server = make_server();
    const Result<std::string> challenge = server.accept_first(text);
    REQUIRE(!challenge);
    CHECK(challenge.error().code == ErrorCode::message_malformed);
    CHECK(challenge.error().blame == Blame::client);
  }
  CHECK(make_server().accept_first("n,,n=,r=abc,x=unknown,y=extensions"));
}

TEST_CASE("scram server: what the RFC allows and PostgreSQL does not → authentication_unsupported") {
  for (const char* text : {"n,a=bob,n=,r=abc", "n,,m=ext,n=,r=abc"}) {
    CAPTURE(std::string(text));
    CHECK(make_server().accept_first(text).error().code == ErrorCode::authentication_unsupported);
  }
}

TEST_CASE("scram server: final messages that break the grammar → message_malformed") {
  const std::string nonce = std::string(client_nonce) + std::string(server_nonce);
  const std::string proof = encode_base64(sha256({}));
  for (const std::string& text :
       {std::string(), std::string("c=biws"), "r=" + nonce + ",p=" + proof, "c=biws,r=" + nonce, "c=biws,r=" + nonce + ",",
        "c=,r=" + nonce + ",p=" + proof, "c=biws,r=" + std::string(client_nonce) + ",p=" + proof, "c=biws,r=" + nonce + "x,p=" + proof,
        "c=biws,r=" + nonce + ",p=" + proof + ",x=y", "c=biws,r=" + nonce + ",p=abc", "c=biws,r=" + nonce + ",p=Zg==",
        "c=biws,r=" + nonce + ",p=" + proof + std::string("\0", 1)}) {
    CAPTURE(text);
    ScramServer server = make_server();
    REQUIRE(server.accept_first(client_first));
    const Result<std::string> outcome = server.accept_final(text);
    REQUIRE(!outcome);
    CHECK(outcome.error().code == ErrorCode::message_malformed);
    CHECK(outcome.error().blame == Blame::client);
  }
}

TEST_CASE("scram server: extensions before the proof → part of what is signed") {
  ScramServer server = make_server();
  REQUIRE(server.accept_first(client_first));
  const std::string nonce = std::string(client_nonce) + std::string(server_nonce);
  const std::string without_proof = "c=biws,r=" + nonce + ",x=extension";
  const ScramClientKeys keys = derive_scram_client_keys("pencil", *decode_base64(salt_text), 4096);
  const Sha256 signature = hmac_sha256(sha256(keys.client_key), {client_first.substr(3), ",", server_first, ",", without_proof});
  Sha256 proof;
  for (std::size_t i = 0; i < proof.size(); ++i) proof[i] = keys.client_key[i] ^ signature[i];
  CHECK(server.accept_final(without_proof + ",p=" + encode_base64(proof)));
}

TEST_CASE("scram client: challenges that a server may not send → backend_misbehaved") {
  const std::string salt = ",s=" + std::string(salt_text);
  for (const std::string& text :
       {std::string(), std::string("r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"), "r=" + std::string(client_nonce) + salt + ",i=4096",
        "r=" + std::string(client_nonce) + "x", "r=" + std::string(client_nonce) + "x,i=4096", "r=" + std::string(client_nonce) + "x,s=,i=4096",
        "r=" + std::string(client_nonce) + "x,s=abc,i=4096", "r=" + std::string(client_nonce) + "x" + salt,
        "r=" + std::string(client_nonce) + "x" + salt + ",i=0", "r=" + std::string(client_nonce) + "x" + salt + ",i=-1",
        "r=" + std::string(client_nonce) + "x" + salt + ",i=1000001", "r=" + std::string(client_nonce) + "x" + salt + ",i=99999999999",
        "r=" + std::string(client_nonce) + "\x01" + salt + ",i=4096"}) {
    CAPTURE(text);
    ScramKeyCache cache;
    ScramClient client("user", std::string(client_nonce));
    const Result<std::string> response = client.respond(text, "pencil", cache);
    REQUIRE(!response);
    CHECK(response.error().code == ErrorCode::backend_misbehaved);
    CHECK(response.error().blame == Blame::backend);
    CHECK(cache.derivation_count() == 0);
  }
}

TEST_CASE("scram client: last messages that prove nothing → backend_misbehaved") {
  ScramKeyCache cache;
  ScramClient client("user", std::string(client_nonce));
  REQUIRE(client.respond(server_first, "pencil", cache));
  for (const char* text : {"", "v=", "v=abc", "e=other-error", "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
                           "v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="}) {
    CAPTURE(std::string(text));
    CHECK(client.verify(text).error().code == ErrorCode::backend_misbehaved);
  }
  CHECK(client.verify(server_final));
}

TEST_CASE("scram keys: the same password, salt and count again → no second derivation; anything else → one") {
  ScramKeyCache cache;
  const Bytes salt(16, std::byte{1});
  const Bytes other_salt(16, std::byte{2});
  const Sha256 first = cache.keys_for("pencil", salt, 10).client_key;
  CHECK(cache.keys_for("pencil", salt, 10).client_key == first);
  CHECK(cache.derivation_count() == 1);
  CHECK(cache.keys_for("pen", salt, 10).client_key != first);
  CHECK(cache.keys_for("pencil", other_salt, 10).client_key != first);
  CHECK(cache.keys_for("pencil", salt, 11).client_key != first);
  CHECK(cache.derivation_count() == 4);
}

TEST_CASE("scram keys: more entries than the cache holds → the one used longest ago is dropped") {
  ScramKeyCache cache;
  const Bytes salt(16, std::byte{1});
  (void)cache.keys_for("kept", salt, 1);
  for (std::size_t i = 0; i < ScramKeyCache::entry_count_max; ++i) {
    (void)cache.keys_for("p" + std::to_string(i), salt, 1);
    (void)cache.keys_for("kept", salt, 1);
  }
  const std::uint64_t count = cache.derivation_count();
  (void)cache.keys_for("kept", salt, 1);
  CHECK(cache.derivation_count() == count);
  (void)cache.keys_for("p0", salt, 1);
  CHECK(cache.derivation_count() == count + 1);
}
