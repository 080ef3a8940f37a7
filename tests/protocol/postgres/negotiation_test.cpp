#include "protocol/postgres/backend_login.hpp"
#include "protocol/postgres/client_half.hpp"
#include "protocol/postgres/dialect.hpp"
#include "protocol/postgres/greeting.hpp"
#include "tests/support/dialogue_script.hpp"
#include "tests/support/fixed_nonce.hpp"
#include "tests/support/greeting_host.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

// Protocol 3.2 and grease, byte by byte. There is no server of version 18 here to record.
// Source: PostgreSQL 18 manual, 54.1.4 "Protocol Versions", 54.2.1 "Start-up", 54.2.9 "Canceling Requests in Progress",
// 54.7 "Message Formats": BackendKeyData, CancelRequest, NegotiateProtocolVersion, StartupMessage. That the version is
// sent whole, and what a client refuses of an answer, is libpq's pqGetNegotiateProtocolVersion3.
using namespace protocol;
using namespace protocol::postgres;
using namespace tests::support;
using namespace std::string_literals;

namespace {

CountingNonceSource nonces;
FakeGreetingHost host;

std::string be32(std::uint32_t value) {
  std::string text;
  for (const int shift : {24, 16, 8, 0}) text += static_cast<char>(value >> shift);
  return text;
}

std::string startup(std::uint16_t minor, const std::string& options) {
  const std::string body = be32((3U << 16) | minor) + "user\0alice\0"s + options + "\0"s;
  return be32(static_cast<std::uint32_t>(body.size() + 4)) + body;
}

std::string negotiation(std::uint16_t minor, const std::vector<std::string>& unknown) {
  std::string body = be32((3U << 16) | minor) + be32(static_cast<std::uint32_t>(unknown.size()));
  for (const std::string& option : unknown) body += option + "\0"s;
  return "v" + be32(static_cast<std::uint32_t>(body.size() + 4)) + body;
}

const std::string authentication_ok = "R\0\0\0\x08\0\0\0\0"s;

struct Greeted {
  DialogueState state;
  std::string sent;
  Login login;
};

Greeted greet(const std::string& bytes) {
  auto directory = std::make_shared<UserDirectory>(nonces);
  PostgresGreeting greeting(admission(directory, AccessMethod::scram_sha_256, {"alice"}), nonces, host);
  Bytes sent;
  const DialogueProgress progress = greeting.advance(as_bytes(bytes), sent);
  return {progress.state, std::string(as_text(sent)), greeting.login()};
}

/// AuthenticationOk, what comes between, and the first ReadyForQuery, said to a login of ours.
BackendIdentity identity_after(const std::string& between) {
  ScramKeyCache cache;
  Login login;
  login.user = "alice";
  BackendLoginDialogue dialogue(login, {}, nonces, cache);
  Bytes sent;
  (void)dialogue.advance({}, sent);
  const std::string words = authentication_ok + between + "Z\0\0\0\5I"s;
  REQUIRE(dialogue.advance(as_bytes(words), sent).state == DialogueState::finished);
  return dialogue.take_identity();
}

std::string key_data(std::uint32_t process_id, const std::string& secret) {
  return "K" + be32(static_cast<std::uint32_t>(8 + secret.size())) + be32(process_id) + secret;
}

}  // namespace

TEST_CASE("negotiation: 3.0 and 3.2 without options → nothing is negotiated, the key has 4 and 32 bytes") {
  for (const auto& [minor, secret_bytes] : {std::pair<std::uint16_t, std::size_t>{0, 4}, {1, 4}, {2, 32}}) {
    const Greeted greeted = greet(startup(minor, ""));
    CHECK(greeted.state == DialogueState::finished);
    CHECK(greeted.sent == authentication_ok);
    CHECK(greeted.login.cancel_secret_bytes == secret_bytes);
  }
}

TEST_CASE("negotiation: a newer minor → told 3.2 and no options, spoken to in 3.2") {
  for (const std::uint16_t minor : {std::uint16_t{3}, std::uint16_t{9999}, std::uint16_t{65535}}) {
    const Greeted greeted = greet(startup(minor, ""));
    CHECK(greeted.sent == negotiation(2, {}) + authentication_ok);
    CHECK(greeted.login.cancel_secret_bytes == 32);
  }
}

TEST_CASE("negotiation: libpq's grease → exactly its unknown options in its order, and the session goes on") {
  const Greeted greeted = greet(startup(9999, "_pq_.test_protocol_negotiation\0\0_pq_.b\0x\0application_name\0psql\0_pq_.a\0\0"s));
  CHECK(greeted.state == DialogueState::finished);
  CHECK(greeted.sent == negotiation(2, {"_pq_.test_protocol_negotiation", "_pq_.b", "_pq_.a"}) + authentication_ok);
  CHECK(greeted.login.parameters.size() == 2);
  CHECK(greeted.login.application_name == "psql");
}

TEST_CASE("negotiation: an unknown option with a version that is spoken → that version stays") {
  CHECK(greet(startup(0, "_pq_.x\0y\0"s)).sent == negotiation(0, {"_pq_.x"}) + authentication_ok);
  CHECK(greet(startup(2, "_pq_.x\0y\0"s)).sent == negotiation(2, {"_pq_.x"}) + authentication_ok);
  CHECK(greet(startup(0, "_pq_.x\0y\0"s)).login.cancel_secret_bytes == 4);
}

TEST_CASE("negotiation: the key of a client → in BackendKeyData with the length that its secret has") {
  PostgresDialect dialect({}, {}, nonces, {});
  for (const std::size_t secret_bytes : {std::size_t{4}, std::size_t{32}}) {
    const std::unique_ptr<ClientHalf> half = dialect.make_client_half({}, Tenure::own);
    const PostgresBackendHalf backend(std::make_shared<ParameterMap>(), std::nullopt);
    Bytes words;
    half->write_welcome(backend, CancelKey{0x01020304, Bytes(secret_bytes, std::byte{'s'})}, words);
    CHECK(as_text(words) == key_data(0x01020304, std::string(secret_bytes, 's')) + "Z\0\0\0\5I"s);
  }
}

TEST_CASE("negotiation: backends are asked for 3.0, without the client's options") {
  Login login;
  login.parameters = {{"user", "alice"}, {"database", "shop"}};
  login.database = "shop";
  const StartupMessage message = make_backend_startup(login, "alice");
  CHECK(message.version == ProtocolVersion{3, 0});
  CHECK(message.protocol_options.empty());
}

TEST_CASE("negotiation: a backend's key of 4, 32 and 256 bytes, or none → kept, and sent back as it came to cancel") {
  PostgresDialect dialect({}, {}, nonces, {});
  for (const std::size_t secret_bytes : {std::size_t{4}, std::size_t{32}, std::size_t{256}}) {
    const std::string secret(secret_bytes, 'k');
    BackendIdentity identity = identity_after(key_data(77, secret));
    REQUIRE(identity.key);
    CHECK(as_text(identity.key->secret) == secret);
    const PostgresBackendHalf half(std::make_shared<ParameterMap>(), std::move(identity.key));
    CHECK(as_text(dialect.write_cancel(half)) == be32(static_cast<std::uint32_t>(12 + secret_bytes)) + be32(80877102) + be32(77) + secret);
  }
  BackendIdentity without = identity_after("");
  CHECK_FALSE(without.key);
  CHECK(dialect.write_cancel(PostgresBackendHalf(std::make_shared<ParameterMap>(), std::move(without.key))).empty());
}

TEST_CASE("negotiation: a backend that negotiates before it authenticates → listened to, and the login goes on") {
  ScramKeyCache cache;
  Login login;
  login.user = "alice";
  BackendLoginDialogue dialogue(login, {}, nonces, cache);
  Bytes sent;
  (void)dialogue.advance({}, sent);
  const std::string words = negotiation(0, {}) + authentication_ok + "Z\0\0\0\5I"s;
  CHECK(dialogue.advance(as_bytes(words), sent).state == DialogueState::finished);
}

TEST_CASE("negotiation: a cancel request → taken with a secret of 4 to 256 bytes, closed without a word beyond") {
  for (const std::size_t secret_bytes : {std::size_t{3}, std::size_t{4}, std::size_t{32}, std::size_t{256}, std::size_t{257}}) {
    const std::string request = be32(static_cast<std::uint32_t>(12 + secret_bytes)) + be32(80877102) + be32(5) + std::string(secret_bytes, 'z');
    PostgresGreeting greeting({}, nonces, host);
    Bytes sent;
    const DialogueProgress progress = greeting.advance(as_bytes(request), sent);
    const bool is_fine = secret_bytes >= 4 && secret_bytes <= 256;
    CHECK(progress.state == (is_fine ? DialogueState::finished : DialogueState::failed));
    CHECK(sent.empty());
    if (!is_fine) continue;
    CHECK(greeting.outcome() == Greeting::Outcome::cancel);
    CHECK(greeting.cancel_key() == CancelKey{5, Bytes(secret_bytes, std::byte{'z'})});
  }
}
