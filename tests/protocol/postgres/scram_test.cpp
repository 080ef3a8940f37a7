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
