#include "protocol/postgres/scram.hpp"

#include <doctest/doctest.h>

#include <string>

// Channel binding on both ends, and the keys that an exchange gives away.
using namespace protocol;
using namespace protocol::postgres;

namespace {

const Bytes certificate_hash(32, std::byte{7});
const ScramBinding used{ScramBinding::Use::used, certificate_hash};
const ScramBinding offered{ScramBinding::Use::possible, certificate_hash};

ScramServer make_server(const ScramBinding& binding) {
  ScramServer server(make_scram_verifier("pencil", Bytes(16, std::byte{5}), 4096), ScramServer::Kind::real, "servernonce");
  server.set_binding(binding);
  return server;
}

/// The whole exchange; what the server says last.
Result<std::string> converse(ScramServer& server, const ScramBinding& clients) {
  ScramClient client("", "clientnonce", clients);
  ScramKeyCache cache;
  const Result<std::string> challenge = server.accept_first(client.first());
  if (!challenge) return challenge.error();
  const Result<std::string> response = client.respond(*challenge, "pencil", cache);
  REQUIRE(response);
  Result<std::string> outcome = server.accept_final(*response);
  if (outcome) CHECK(client.verify(*outcome));
  return outcome;
}

ErrorCode failure_of(const ScramBinding& servers, const ScramBinding& clients) {
  ScramServer server = make_server(servers);
  const Result<std::string> outcome = converse(server, clients);
  REQUIRE(!outcome);
  CHECK(outcome.error().blame == Blame::client);
  return outcome.error().code;
}

}  // namespace

TEST_CASE("scram binding: both ends see the same certificate → right") {
  ScramServer server = make_server(used);
  CHECK(converse(server, used));
}

TEST_CASE("scram binding: the client sees another certificate → channel_binding_failed") {
  CHECK(failure_of(used, {ScramBinding::Use::used, Bytes(32, std::byte{8})}) == ErrorCode::channel_binding_failed);
  CHECK(failure_of(used, {ScramBinding::Use::used, {}}) == ErrorCode::channel_binding_failed);
}

TEST_CASE("scram binding: offered, and the client believes that it was not → channel_binding_failed at its first message") {
  CHECK(failure_of(offered, {ScramBinding::Use::possible, {}}) == ErrorCode::channel_binding_failed);
  CHECK(make_server(offered).accept_first("y,,n=,r=abc").error().code == ErrorCode::channel_binding_failed);
}

TEST_CASE("scram binding: offered, and the client cannot → right without") {
  ScramServer server = make_server(offered);
  CHECK(converse(server, {}));
}

TEST_CASE("scram binding: not offered, and the client could → right without") {
  ScramServer server = make_server({});
  CHECK(converse(server, {ScramBinding::Use::possible, {}}));
}

TEST_CASE("scram binding: the mechanism says one thing and the flag another → message_malformed") {
  CHECK(failure_of(used, {}) == ErrorCode::message_malformed);
  CHECK(failure_of(used, {ScramBinding::Use::possible, {}}) == ErrorCode::message_malformed);
  CHECK(failure_of(offered, used) == ErrorCode::message_malformed);
  CHECK(failure_of({}, used) == ErrorCode::message_malformed);
}

TEST_CASE("scram binding: another type of binding → message_malformed") {
  for (const char* text : {"p=tls-unique,,n=,r=abc", "p=tls-exporter,,n=,r=abc", "p=,,n=,r=abc", "p,,n=,r=abc", "p", "p=tls-server-end-point"}) {
    CAPTURE(std::string(text));
    CHECK(make_server(used).accept_first(text).error().code == ErrorCode::message_malformed);
  }
}

TEST_CASE("scram server: a right proof → the client's keys are known; a wrong one → nothing is") {
  ScramServer server = make_server({});
  REQUIRE(converse(server, {}));
  const ScramClientKeys keys = derive_scram_client_keys("pencil", Bytes(16, std::byte{5}), 4096);
  CHECK(server.keys().client_key == keys.client_key);
  CHECK(server.keys().server_key == keys.server_key);

  ScramServer wrong(make_scram_verifier("other", Bytes(16, std::byte{5}), 4096), ScramServer::Kind::real, "servernonce");
  CHECK(!converse(wrong, {}));
  CHECK(wrong.keys().client_key == Sha256{});
}

TEST_CASE("scram: a password against a verifier → right only for its own") {
  const ScramVerifier verifier = make_scram_verifier("pencil", Bytes(16, std::byte{5}), 4096);
  CHECK(is_password_of(verifier, "pencil"));
  CHECK(!is_password_of(verifier, "pencil "));
  CHECK(!is_password_of(verifier, ""));
}
