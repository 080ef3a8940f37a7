#include "protocol/postgres/backend_login.hpp"

#include "tests/support/dialogue_script.hpp"
#include "tests/support/fixed_nonce.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <string>

// What the recorded conversations (tests/transcripts) do not show.
using namespace protocol;
using namespace protocol::postgres;
using namespace tests::support;

namespace {

CountingNonceSource nonces;

struct Fixture {
  explicit Fixture(const std::string& password = "pencil", const std::string& user = "scram") {
    login.user = "alice";
    login.database = "shop";
    login.parameters = {{"user", "alice"}, {"database", "shop"}, {"DateStyle", "ISO"}};
    dialogue = std::make_unique<BackendLoginDialogue>(login, BackendCredentials{user, password}, nonces, cache);
    player = std::make_unique<DialoguePlayer>(*dialogue, Role::client);
    player->deliver({});
  }
  DialogueState deliver(std::string_view lines) { return player->deliver(bytes_of(lines)); }

  Login login;
  ScramKeyCache cache;
  std::unique_ptr<BackendLoginDialogue> dialogue;
  std::unique_ptr<DialoguePlayer> player;
};

/// A server's end of SCRAM for the password "pencil".
struct Server {
  ScramServer scram{make_scram_verifier("pencil", Bytes(16, std::byte{5}), 4096), ScramServer::Kind::real, "servernonce"};
  std::string first() { return *scram.accept_first("n,,n=,r=AAECAwQFBgcICQoLDA0ODxAR"); }
};

}  // namespace

TEST_CASE("backend login: the startup message → the client's parameters under the configured user") {
  Fixture fixture;
  CHECK(fixture.player->sent_bytes() ==
        bytes_of("> StartupMessage major=3 minor=0 parameters=[\"DateStyle\"=\"ISO\",\"database\"=\"shop\",\"user\"=\"scram\"]"));
  Fixture own("pencil", "");
  CHECK(own.player->sent_bytes() ==
        bytes_of("> StartupMessage major=3 minor=0 parameters=[\"DateStyle\"=\"ISO\",\"database\"=\"shop\",\"user\"=\"alice\"]"));
}

TEST_CASE("backend login: the client named no database → its own name, whatever the configured user") {
  Login login;
  login.user = login.database = "alice";
  login.parameters = {{"user", "alice"}};
  CHECK(make_backend_startup(login, "scram").parameters == std::map<std::string, std::string>{{"user", "scram"}, {"database", "alice"}});
  login.database.clear();
  login.parameters = {{"user", "alice"}, {"database", "shop"}, {"replication", "true"}};
  CHECK(make_backend_startup(login, "scram").parameters == std::map<std::string, std::string>{{"user", "scram"}, {"replication", "true"}});
}

TEST_CASE("backend login: parameters too long once the user is exchanged → startup_parameter_invalid, nothing sent") {
  Login login;
  login.parameters = {{"options", std::string(9'980, 'x')}};
  ScramKeyCache cache;
  BackendLoginDialogue dialogue(login, {std::string(60, 'u'), ""}, nonces, cache);
  Bytes sent;
  CHECK(dialogue.advance({}, sent).state == DialogueState::failed);
  CHECK(dialogue.error().code == ErrorCode::startup_parameter_invalid);
  CHECK(sent.empty());
}

TEST_CASE("backend login: no key, a key of 256 bytes → both fine; a key of 3 or 257 → misbehaved") {
  const std::string begin = "< AuthenticationOk\n< ParameterStatus name=\"a\" value=\"1\"\n< ParameterStatus name=\"a\" value=\"2\"\n";
  Fixture without;
  REQUIRE(without.deliver(begin + "< ReadyForQuery status=I") == DialogueState::finished);
  const BackendIdentity identity = without.dialogue->take_identity();
  CHECK(!identity.key);
  CHECK(identity.parameters == std::map<std::string, std::string>{{"a", "2"}});
  for (const std::size_t secret_bytes : {std::size_t{3}, std::size_t{256}, std::size_t{257}}) {
    Fixture fixture;
    const std::string key = "< BackendKeyData process_id=7 secret=\"" + std::string(secret_bytes, 'k') + "\"\n";
    const DialogueState state = fixture.deliver(begin + key + "< ReadyForQuery status=I");
    CHECK(state == (secret_bytes == 256 ? DialogueState::finished : DialogueState::failed));
  }
}

TEST_CASE("backend login: AuthenticationOk before the server has proven itself → misbehaved") {
  for (const int steps : {1, 2}) {
    Fixture fixture;
    Server server;
    fixture.deliver("< AuthenticationSASL mechanisms=[\"SCRAM-SHA-256\"]");
    if (steps == 2) REQUIRE(fixture.deliver("< AuthenticationSASLContinue challenge=\"" + server.first() + "\"") == DialogueState::reading);
    CHECK(fixture.deliver("< AuthenticationOk") == DialogueState::failed);
    CHECK(fixture.dialogue->error().code == ErrorCode::backend_misbehaved);
  }
}

TEST_CASE("backend login: a server that does not know the password → its signature is refused") {
  Fixture fixture;
  Server server;
  fixture.deliver("< AuthenticationSASL mechanisms=[\"SCRAM-SHA-256-PLUS\",\"SCRAM-SHA-256\"]");
  fixture.deliver("< AuthenticationSASLContinue challenge=\"" + server.first() + "\"");
  CHECK(fixture.deliver("< AuthenticationSASLFinal outcome=\"v=" + encode_base64(sha256({})) + "\"") == DialogueState::failed);
  CHECK(fixture.dialogue->error().code == ErrorCode::backend_misbehaved);
}

TEST_CASE("backend login: methods that are not ours → authentication_unsupported, the operator's blame") {
  for (const char* line : {"< AuthenticationGSS", "< AuthenticationSSPI", "< AuthenticationKerberosV5",
                           "< AuthenticationSASL mechanisms=[\"OAUTHBEARER\",\"SCRAM-SHA-256-PLUS\"]"}) {
    CAPTURE(std::string(line));
    Fixture fixture;
    CHECK(fixture.deliver(line) == DialogueState::failed);
    CHECK(fixture.dialogue->error().code == ErrorCode::authentication_unsupported);
    CHECK(fixture.dialogue->error().blame == Blame::operator_);
  }
}

TEST_CASE("backend login: a password is wanted and none is configured → refused, the operator's blame") {
  for (const char* line : {"< AuthenticationCleartextPassword", "< AuthenticationMD5Password salt=\"abcd\"",
                           "< AuthenticationSASL mechanisms=[\"SCRAM-SHA-256\"]"}) {
    Fixture fixture("");
    CHECK(fixture.deliver(line) == DialogueState::failed);
    CHECK(fixture.dialogue->error().code == ErrorCode::backend_refused);
    CHECK(fixture.dialogue->error().blame == Blame::operator_);
    CHECK(fixture.dialogue->refusal().empty());
  }
}

TEST_CASE("backend login: pg_hba.conf refuses us by address → nothing of it reaches the client") {
  Fixture fixture;
  CHECK(fixture.deliver("< ErrorResponse S=\"FATAL\" V=\"FATAL\" C=\"28000\" M=\"no pg_hba.conf entry for host 10.0.0.7\"") == DialogueState::failed);
  CHECK(fixture.dialogue->refusal().empty());
  CHECK(fixture.dialogue->refusal_code() == "28000");
  CHECK(fixture.dialogue->error().blame == Blame::operator_);
}

TEST_CASE("backend login: a server repeats our password in its error → not in ours") {
  Fixture fixture;
  fixture.deliver("< AuthenticationCleartextPassword");
  CHECK(fixture.deliver("< ErrorResponse S=\"FATAL\" V=\"FATAL\" C=\"28P01\" M=\"pencil is wrong\"") == DialogueState::failed);
  CHECK(fixture.dialogue->error().detail == "28P01");
}

TEST_CASE("backend login: notices at any time → dropped") {
  const std::string notice = "< NoticeResponse S=\"WARNING\" V=\"WARNING\" C=\"01000\" M=\"collation\"\n";
  Fixture fixture;
  CHECK(fixture.deliver(notice + "< AuthenticationOk\n" + notice + "< ReadyForQuery status=I") == DialogueState::finished);
}

TEST_CASE("backend login: more parameters than any server has → misbehaved, memory stays bounded") {
  Fixture fixture;
  std::string lines = "< AuthenticationOk\n";
  for (int i = 0; i <= static_cast<int>(BackendLoginDialogue::parameter_count_max); ++i) {
    lines += "< ParameterStatus name=\"p" + std::to_string(i) + "\" value=\"\"\n";
  }
  CHECK(fixture.deliver(lines) == DialogueState::failed);
  CHECK(fixture.dialogue->error().code == ErrorCode::backend_misbehaved);
}

TEST_CASE("backend login: ready inside a transaction → misbehaved") {
  Fixture fixture;
  CHECK(fixture.deliver("< AuthenticationOk\n< ReadyForQuery status=T") == DialogueState::failed);
  CHECK(fixture.dialogue->error().code == ErrorCode::backend_misbehaved);
}
