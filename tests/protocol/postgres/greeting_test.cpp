#include "protocol/postgres/greeting.hpp"

#include "protocol/postgres/authentication.hpp"
#include "tests/support/dialogue_script.hpp"
#include "tests/support/fixed_nonce.hpp"
#include "tests/support/greeting_host.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <string>

// What the recorded conversations (tests/transcripts) do not show.
using namespace protocol;
using namespace protocol::postgres;
using namespace tests::support;

namespace {

CountingNonceSource nonces;

FakeGreetingHost host;

Admission users() {
  auto directory = std::make_shared<UserDirectory>(nonces);
  REQUIRE(directory->add_secret("scram", "pencil"));
  return admission(directory, AccessMethod::scram_sha_256, {"alice", std::string(63, 'x')});
}

struct Played {
  DialogueState state;
  std::string sent;
  Error error;
  Login login;
};

Played play(ByteView bytes) {
  PostgresGreeting greeting(users(), nonces, host);
  Bytes sent;
  const DialogueProgress progress = greeting.advance(bytes, sent);
  return {progress.state, std::string(as_text(sent)), greeting.error(), greeting.login()};
}

Played play(std::string_view lines) { return play(bytes_of(lines)); }

std::string text_of(std::string_view lines) { return std::string(as_text(bytes_of(lines))); }

}  // namespace

TEST_CASE("greeting: a startup message by trust → AuthenticationOk and the login as the client gave it") {
  const Played played = play("> StartupMessage major=3 minor=0 parameters=[\"user\"=\"alice\",\"application_name\"=\"psql\",\"DateStyle\"=\"ISO\"]");
  CHECK(played.state == DialogueState::finished);
  CHECK(played.sent == text_of("< AuthenticationOk"));
  CHECK(played.login.user == "alice");
  CHECK(played.login.database == "alice");
  CHECK(played.login.application_name == "psql");
  CHECK(!played.login.is_replication);
  CHECK(played.login.parameters.size() == 3);
}

TEST_CASE("greeting: replication → noted; without a database unless it is asked for") {
  CHECK(play("> StartupMessage major=3 minor=0 parameters=[\"user\"=\"alice\",\"replication\"=\"true\",\"database\"=\"shop\"]").login.database.empty());
  const Played logical = play("> StartupMessage major=3 minor=0 parameters=[\"user\"=\"alice\",\"replication\"=\"database\",\"database\"=\"shop\"]");
  CHECK(logical.login.is_replication);
  CHECK(logical.login.database == "shop");
  CHECK(!play("> StartupMessage major=3 minor=0 parameters=[\"user\"=\"alice\",\"replication\"=\"off\"]").login.is_replication);
}

TEST_CASE("greeting: a name longer than PostgreSQL's → cut as the server cuts it") {
  const std::string name(100, 'x');
  PostgresGreeting greeting(users(), nonces, host);
  Bytes sent;
  (void)greeting.advance(bytes_of("> StartupMessage major=3 minor=0 parameters=[\"user\"=\"" + name + "\"]"), sent);
  CHECK(greeting.login().user == std::string(63, 'x'));
}

TEST_CASE("greeting: bytes behind a request for encryption → refused, as after the server's no") {
  for (const char* request : {"> SSLRequest", "> GSSENCRequest"}) {
    const Played played = play(std::string(request) + "\n> StartupMessage major=3 minor=0 parameters=[\"user\"=\"alice\"]");
    CHECK(played.state == DialogueState::failed);
    CHECK(played.error.code == ErrorCode::message_unexpected);
    CHECK(played.sent.starts_with("NE"));
    CHECK(played.sent.find("08P01") != std::string::npos);
  }
}

TEST_CASE("greeting: a TLS handshake without a request → closed without a word") {
  const Bytes hello{std::byte{0x16}, std::byte{0x03}, std::byte{0x01}, std::byte{0x02}, std::byte{0x00}, std::byte{0x01}};
  const Played played = play(hello);
  CHECK(played.state == DialogueState::failed);
  CHECK(played.error.code == ErrorCode::frame_length_invalid);
  CHECK(played.sent.empty());
}

TEST_CASE("greeting: protocol 2 → 0A000 in the words that such a client can read") {
  const Played played = play("> StartupMessage major=2 minor=0 parameters=[]");
  CHECK(played.state == DialogueState::failed);
  CHECK(played.error.code == ErrorCode::version_unsupported);
  CHECK(played.sent == std::string("EFATAL:  unsupported frontend protocol 2.0: server supports 3.0 to 3.2\n\0", 72));
  CHECK(play("> StartupMessage major=4 minor=0 parameters=[]").sent ==
        text_of("< ErrorResponse S=\"FATAL\" V=\"FATAL\" C=\"0A000\" M=\"unsupported frontend protocol 4.0: server supports 3.0 to 3.2\""));
}

TEST_CASE("greeting: a startup message without its terminator → 08P01") {
  const Played played = play(as_bytes(std::string_view("\0\0\0\x0f\0\3\0\0user\0a\0", 15)));
  CHECK(played.state == DialogueState::failed);
  CHECK(played.error.code == ErrorCode::message_malformed);
  CHECK(played.sent.find("08P01") != std::string::npos);
}

TEST_CASE("greeting: SASL without a first message → an empty challenge, then the exchange goes on") {
  PostgresGreeting greeting(users(), nonces, host);
  DialoguePlayer player(greeting, Role::server);
  player.deliver(bytes_of("> StartupMessage major=3 minor=0 parameters=[\"user\"=\"scram\"]"));
  player.deliver(bytes_of("> SASLInitialResponse mechanism=\"SCRAM-SHA-256\" response=null"));
  ScramClient client("", "client");
  player.deliver(bytes_of("> SASLResponse response=\"" + client.first() + "\""));
  REQUIRE(player.state() == DialogueState::reading);
  CHECK(player.take_sent() == std::vector<std::string>{"< AuthenticationSASL(23) mechanisms=[\"SCRAM-SHA-256\"]",
                                                       "< AuthenticationSASLContinue challenge=", "< AuthenticationSASLContinue challenge="});
}

TEST_CASE("greeting: an authorisation identity → 0A000, as from the server") {
  const Played played = play("> StartupMessage major=3 minor=0 parameters=[\"user\"=\"scram\"]\n"
                             "> SASLInitialResponse mechanism=\"SCRAM-SHA-256\" response=\"n,a=bob,n=,r=abc\"");
  CHECK(played.error.code == ErrorCode::authentication_unsupported);
  CHECK(played.sent.ends_with(text_of(
      "< ErrorResponse S=\"FATAL\" V=\"FATAL\" C=\"0A000\" M=\"client uses authorization identity, but it is not supported\"")));
}

TEST_CASE("greeting: a malformed SASLInitialResponse → 08P01") {
  Bytes bytes = bytes_of("> StartupMessage major=3 minor=0 parameters=[\"user\"=\"scram\"]");
  append(bytes, bytes_of("> SASLResponse response=\"SCRAM-SHA-256\\x00\\x00\\x00\\x00\\x09short\""));
  const Played played = play(bytes);
  CHECK(played.state == DialogueState::failed);
  CHECK(played.error.code == ErrorCode::message_malformed);
  CHECK(played.sent.find("invalid message format") != std::string::npos);
}

TEST_CASE("greeting: a SASL message beyond the server's bound → refused from its header") {
  Bytes bytes = bytes_of("> StartupMessage major=3 minor=0 parameters=[\"user\"=\"scram\"]");
  const Bytes header{std::byte{'p'}, std::byte{0}, std::byte{0}, std::byte{4}, std::byte{5}};
  append(bytes, header);
  CHECK(play(bytes).error.code == ErrorCode::frame_length_invalid);
}
