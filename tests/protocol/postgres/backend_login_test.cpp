#include "protocol/postgres/backend_login.hpp"

#include "protocol/postgres/digest.hpp"
#include "tests/support/dialogue_script.hpp"
#include "tests/support/fixed_nonce.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

// What the recorded conversations (tests/transcripts) do not show.
using namespace protocol;
using namespace protocol::postgres;
using namespace tests::support;

namespace {

CountingNonceSource nonces;

struct Fixture {
  explicit Fixture(const std::string& password = "pencil", const std::string& user = "scram", LoginProofPointer proof = nullptr,
                   std::optional<TlsFacts> tls = std::nullopt) {
    login.user = "alice";
    login.database = "shop";
    login.parameters = {{"user", "alice"}, {"database", "shop"}, {"DateStyle", "ISO"}};
    dialogue = std::make_unique<BackendLoginDialogue>(login, BackendCredentials{user, password, std::move(proof)}, nonces, cache);
    if (tls) dialogue->on_encrypted(*tls);
    player = std::make_unique<DialoguePlayer>(*dialogue, Role::client);
    player->deliver({});
  }
  DialogueState deliver(std::string_view lines) {
    sent_before = player->sent_bytes().size();
    return player->deliver(bytes_of(lines));
  }
  /// The payload of the message that the last delivery brought about.
  [[nodiscard]] std::string last_response() const {
    return std::string(as_text(player->sent_bytes()).substr(sent_before + frame_header_bytes));
  }

  Login login;
  ScramKeyCache cache;
  std::unique_ptr<BackendLoginDialogue> dialogue;
  std::unique_ptr<DialoguePlayer> player;
  std::size_t sent_before = 0;
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
  BackendLoginDialogue dialogue(login, {std::string(60, 'u'), "", nullptr}, nonces, cache);
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

TEST_CASE("backend login: a password is wanted and none is known → backend_secret_missing, the operator's blame") {
  for (const char* line : {"< AuthenticationCleartextPassword", "< AuthenticationMD5Password salt=\"abcd\"",
                           "< AuthenticationSASL mechanisms=[\"SCRAM-SHA-256\"]"}) {
    Fixture fixture("");
    CHECK(fixture.deliver(line) == DialogueState::failed);
    CHECK(fixture.dialogue->error().code == ErrorCode::backend_secret_missing);
    CHECK(fixture.dialogue->error().blame == Blame::operator_);
    CHECK(fixture.dialogue->refusal().empty());
  }
}

TEST_CASE("backend login: what the client has shown → the same verifier is answered without any password") {
  Server server;
  const ScramVerifier& verifier = server.scram.verifier();
  ScramProof shown{verifier.salt, verifier.iterations, derive_scram_client_keys("pencil", verifier.salt, verifier.iterations)};
  Fixture fixture("", "scram", std::make_shared<const PostgresLoginProof>(shown));
  fixture.deliver("< AuthenticationSASL mechanisms=[\"SCRAM-SHA-256\"]");
  REQUIRE(fixture.deliver("< AuthenticationSASLContinue challenge=\"" + server.first() + "\"") == DialogueState::reading);
  CHECK(server.scram.accept_final(fixture.last_response()));
  CHECK(fixture.cache.derivation_count() == 0);
}

TEST_CASE("backend login: the backend's verifier has another salt or other iterations → said so, and nothing is shown") {
  for (const std::uint32_t iterations : {4096U, 5000U}) {
    Server server;
    const Bytes salt = iterations == 4096 ? Bytes(16, std::byte{6}) : Bytes(16, std::byte{5});
    const ScramProof shown{salt, iterations, derive_scram_client_keys("pencil", salt, iterations)};
    Fixture fixture("", "scram", std::make_shared<const PostgresLoginProof>(shown));
    fixture.deliver("< AuthenticationSASL mechanisms=[\"SCRAM-SHA-256\"]");
    const std::size_t sent_before = fixture.player->sent_bytes().size();
    CHECK(fixture.deliver("< AuthenticationSASLContinue challenge=\"" + server.first() + "\"") == DialogueState::failed);
    CHECK(fixture.dialogue->error().code == ErrorCode::backend_secret_missing);
    CHECK(fixture.dialogue->error().detail.find(iterations == 4096 ? "another salt" : "another number of iterations") != std::string::npos);
    CHECK(fixture.player->sent_bytes().size() == sent_before);
  }
}

TEST_CASE("backend login: salt and iterations agree and the backend refuses → another verifier, the operator's blame") {
  Server server;
  const ScramVerifier& verifier = server.scram.verifier();
  const ScramProof shown{verifier.salt, verifier.iterations, derive_scram_client_keys("pen", verifier.salt, verifier.iterations)};
  Fixture fixture("", "scram", std::make_shared<const PostgresLoginProof>(shown));
  fixture.deliver("< AuthenticationSASL mechanisms=[\"SCRAM-SHA-256\"]");
  fixture.deliver("< AuthenticationSASLContinue challenge=\"" + server.first() + "\"");
  CHECK(fixture.deliver("< ErrorResponse S=\"FATAL\" V=\"FATAL\" C=\"28P01\" M=\"password authentication failed for user scram\"") ==
        DialogueState::failed);
  CHECK(fixture.dialogue->error().code == ErrorCode::backend_secret_missing);
  CHECK(fixture.dialogue->refusal().empty());
}

TEST_CASE("backend login: an MD5 verifier → answers MD5, from the configuration or from the client; nothing else") {
  const std::string verifier = "md5" + *md5_hex({"pencil", "scram"});
  for (const bool is_shown : {false, true}) {
    CAPTURE(is_shown);
    const auto make = [&] {
      auto shown = is_shown ? std::make_shared<const PostgresLoginProof>(Md5Verifier{SecretText(verifier)}) : nullptr;
      return Fixture(is_shown ? "" : verifier, "scram", shown);
    };
    Fixture fixture = make();
    REQUIRE(fixture.deliver("< AuthenticationMD5Password salt=\"abcd\"") == DialogueState::reading);
    CHECK(fixture.last_response() == *md5_password("scram", "pencil", as_bytes("abcd")) + std::string(1, '\0'));
    Fixture scram = make();
    CHECK(scram.deliver("< AuthenticationSASL mechanisms=[\"SCRAM-SHA-256\"]") == DialogueState::failed);
    CHECK(scram.dialogue->error().code == ErrorCode::backend_secret_missing);
  }
}

TEST_CASE("backend login: the client has shown its password → answers whatever is asked") {
  const auto shown = std::make_shared<const PostgresLoginProof>(ClearPassword{SecretText("pencil")});
  Fixture clear("", "scram", shown);
  REQUIRE(clear.deliver("< AuthenticationCleartextPassword") == DialogueState::reading);
  CHECK(clear.last_response() == std::string("pencil") + std::string(1, '\0'));
  Fixture md5("", "scram", shown);
  REQUIRE(md5.deliver("< AuthenticationMD5Password salt=\"abcd\"") == DialogueState::reading);
  CHECK(md5.last_response() == *md5_password("scram", "pencil", as_bytes("abcd")) + std::string(1, '\0'));
}

TEST_CASE("backend login: a recovered key → worthless where a clear password or MD5 is asked for, and said so") {
  const ScramProof shown{Bytes(16, std::byte{5}), 4096, {}};
  for (const char* line : {"< AuthenticationCleartextPassword", "< AuthenticationMD5Password salt=\"abcd\""}) {
    Fixture fixture("", "scram", std::make_shared<const PostgresLoginProof>(shown));
    CHECK(fixture.deliver(line) == DialogueState::failed);
    CHECK(fixture.dialogue->error().code == ErrorCode::backend_secret_missing);
  }
}

TEST_CASE("backend login: SCRAM-SHA-256-PLUS is offered over TLS → used, bound to the backend's certificate") {
  TlsFacts tls;
  tls.server_end_point = Bytes(32, std::byte{7});
  Fixture fixture("pencil", "scram", nullptr, tls);
  fixture.deliver("< AuthenticationSASL mechanisms=[\"SCRAM-SHA-256-PLUS\",\"SCRAM-SHA-256\"]");
  ScramServer server = Server().scram;
  server.set_binding({ScramBinding::Use::used, tls.server_end_point});
  const Result<std::string> challenge = server.accept_first("p=tls-server-end-point,,n=,r=AAECAwQFBgcICQoLDA0ODxAR");
  REQUIRE(challenge);
  REQUIRE(fixture.deliver("< AuthenticationSASLContinue challenge=\"" + *challenge + "\"") == DialogueState::reading);
  CHECK(server.accept_final(fixture.last_response()));
}

TEST_CASE("backend login: no PLUS over TLS → the server hears that it could have been bound") {
  TlsFacts tls;
  tls.server_end_point = Bytes(32, std::byte{7});
  Fixture fixture("pencil", "scram", nullptr, tls);
  fixture.deliver("< AuthenticationSASL mechanisms=[\"SCRAM-SHA-256\"]");
  CHECK(as_text(fixture.player->sent_bytes()).find("y,,n=,r=") != std::string_view::npos);
}

TEST_CASE("backend login: pg_hba.conf refuses us by address → nothing of it reaches the client") {
  Fixture fixture;
  CHECK(fixture.deliver("< ErrorResponse S=\"FATAL\" V=\"FATAL\" C=\"28000\" M=\"no pg_hba.conf entry for host 10.0.0.7\"") == DialogueState::failed);
  CHECK(fixture.dialogue->refusal().empty());
  CHECK(fixture.dialogue->refusal_code() == "28000");
  CHECK(fixture.dialogue->error().blame == Blame::operator_);
}

TEST_CASE("backend login: no such role behind AuthenticationOk → the client's own words, unless it is called otherwise there") {
  constexpr const char* refusal = "< ErrorResponse S=\"FATAL\" V=\"FATAL\" C=\"28000\" M=\"role does not exist\"";
  for (const char* user : {"", "scram"}) {
    Fixture fixture("pencil", user);
    fixture.deliver("< AuthenticationOk");
    CHECK(fixture.deliver(refusal) == DialogueState::failed);
    CHECK(fixture.dialogue->refusal().empty() == (user[0] != 0));
    CHECK(fixture.dialogue->error().blame == (user[0] != 0 ? Blame::operator_ : Blame::client));
  }
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
