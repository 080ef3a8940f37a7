#include "protocol/postgres/client_authentication.hpp"

#include "protocol/postgres/authentication.hpp"
#include "protocol/postgres/digest.hpp"
#include "protocol/postgres/greeting.hpp"
#include "protocol/postgres/message.hpp"
#include "tests/support/dialogue_script.hpp"
#include "tests/support/fixed_nonce.hpp"
#include "tests/support/greeting_host.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <string>

using namespace protocol;
using namespace protocol::postgres;
using namespace tests::support;

namespace {

CountingNonceSource nonces;
const ScramVerifier stored = make_scram_verifier("pencil", Bytes(16, std::byte{5}), 4096);

std::shared_ptr<const UserDirectory> users() {
  auto directory = std::make_shared<UserDirectory>(nonces);
  REQUIRE(directory->add_secret("clear", "pencil"));
  REQUIRE(directory->add_secret("scram", to_text(stored)));
  REQUIRE(directory->add_secret("emdee", "md5" + *md5_hex({"pencil", "emdee"})));
  REQUIRE(directory->add_secret("second", "md5" + *md5_hex({"pencil", "second"})));
  return directory;
}

std::string startup(const std::string& user) {
  return "> StartupMessage major=3 minor=0 parameters=[\"user\"=\"" + user + "\",\"database\"=\"shop\"]";
}

/// A client who logs in as `user` where the rule says `method`.
struct Client {
  Client(const std::string& user, AccessMethod method) : Client(user, admission(users(), method)) {}
  Client(const std::string& user, Admission admitted, FakeGreetingHost around = {}, const std::optional<TlsFacts>& tls = {})
      : host(std::move(around)) {
    greeting = std::make_unique<PostgresGreeting>(std::move(admitted), nonces, host);
    if (tls) greeting->on_encrypted(*tls);
    player = std::make_unique<DialoguePlayer>(*greeting, Role::server);
    player->deliver(bytes_of(startup(user)));
  }
  DialogueState state() const { return player->state(); }
  DialogueState show(const std::string& password) {
    Bytes message;
    REQUIRE(write_password(password, message));
    return player->deliver(message);
  }
  DialogueState show_scram(const std::string& password, const ScramBinding& binding = {}) {
    ScramClient scram("", "clientnonce", binding);
    ScramKeyCache cache;
    const bool is_bound = binding.use == ScramBinding::Use::used;
    Bytes first;
    write_sasl_initial_response(is_bound ? scram_plus_mechanism : scram_mechanism, scram.first(), first);
    const std::size_t sent_before = player->sent_bytes().size();
    if (player->deliver(first) != DialogueState::reading) return state();
    const std::string challenge(as_text(player->sent_bytes()).substr(sent_before + frame_header_bytes + 4));
    const Result<std::string> response = scram.respond(challenge, password, cache);
    REQUIRE(response);
    Bytes final;
    write_sasl_response(*response, final);
    return player->deliver(final);
  }
  std::string said() const { return std::string(as_text(player->sent_bytes())); }
  bool has_said(std::string_view text) const { return said().find(text) != std::string::npos; }
  template <class Shown>
  const Shown* shown() const {
    const auto proof = std::dynamic_pointer_cast<const PostgresLoginProof>(greeting->login().proof);
    return proof ? std::get_if<Shown>(&proof->shown()) : nullptr;
  }

  FakeGreetingHost host;
  std::unique_ptr<PostgresGreeting> greeting;
  std::unique_ptr<DialoguePlayer> player;
};

std::string md5_answer(const std::string& user, const std::string& password) {
  constexpr std::byte salt[] = {std::byte{0}, std::byte{1}, std::byte{2}, std::byte{3}};
  return *md5_password(user, password, salt);
}

std::string message(std::string_view line) { return std::string(as_text(bytes_of(line))); }

}  // namespace

TEST_CASE("authentication: password, whatever form the secret has → right lets in and is kept; wrong is 28P01") {
  for (const char* user : {"clear", "scram", "emdee"}) {
    CAPTURE(std::string(user));
    Client right(user, AccessMethod::password);
    CHECK(right.said() == message("< AuthenticationCleartextPassword"));
    CHECK(right.show("pencil") == DialogueState::finished);
    REQUIRE(right.shown<ClearPassword>());
    CHECK(right.shown<ClearPassword>()->text.reveal() == "pencil");
    Client wrong(user, AccessMethod::password);
    CHECK(wrong.show("pencils") == DialogueState::failed);
    CHECK(wrong.greeting->error().code == ErrorCode::authentication_failed);
    CHECK(wrong.greeting->login().proof == nullptr);
    CHECK(wrong.said().ends_with(message(std::string("< ErrorResponse S=\"FATAL\" V=\"FATAL\" C=\"28P01\" M=\"password authentication failed for user \\\"") + user + "\\\"\"")));
  }
}

TEST_CASE("authentication: md5, with an MD5 verifier or a password → right lets in; wrong is 28P01") {
  for (const char* user : {"clear", "emdee"}) {
    CAPTURE(std::string(user));
    Client right(user, AccessMethod::md5);
    CHECK(right.said() == message("< AuthenticationMD5Password salt=\"\\x00\\x01\\x02\\x03\""));
    CHECK(right.show(md5_answer(user, "pencil")) == DialogueState::finished);
    CHECK((right.shown<ClearPassword>() != nullptr || right.shown<Md5Verifier>() != nullptr));
    for (const std::string& wrong : {md5_answer(user, "pen"), md5_answer("other", "pencil"), std::string("pencil"), *md5_hex({"pencil", user})}) {
      Client client(user, AccessMethod::md5);
      CHECK(client.show(wrong) == DialogueState::failed);
      CHECK(client.greeting->error().code == ErrorCode::authentication_failed);
    }
  }
}

TEST_CASE("authentication: md5, and only a SCRAM verifier is known → SCRAM, as from the server") {
  Client client("scram", AccessMethod::md5);
  CHECK(client.said() == message("< AuthenticationSASL mechanisms=[\"SCRAM-SHA-256\"]"));
  CHECK(client.show_scram("pencil") == DialogueState::finished);
}

TEST_CASE("authentication: scram → the client's key is recovered where only the verifier is known") {
  Client client("scram", AccessMethod::scram_sha_256);
  REQUIRE(client.show_scram("pencil") == DialogueState::finished);
  const auto* shown = client.shown<ScramProof>();
  REQUIRE(shown);
  CHECK(shown->salt == stored.salt);
  CHECK(shown->iterations == stored.iterations);
  CHECK(sha256(shown->keys.client_key) == stored.stored_key);
  CHECK(shown->keys.server_key == stored.server_key);
  Client known("clear", AccessMethod::scram_sha_256);
  REQUIRE(known.show_scram("pencil") == DialogueState::finished);
  CHECK(known.shown<ClearPassword>());
}

TEST_CASE("authentication: scram, and only an MD5 verifier is known → the exchange of an unknown user") {
  Client client("emdee", AccessMethod::scram_sha_256);
  CHECK(client.show_scram("pencil") == DialogueState::failed);
  CHECK(client.greeting->error().code == ErrorCode::authentication_failed);
}

TEST_CASE("authentication: an unknown user → what a known one with a wrong password hears, by every method") {
  for (const AccessMethod method : {AccessMethod::password, AccessMethod::md5, AccessMethod::scram_sha_256}) {
    Client known(method == AccessMethod::scram_sha_256 ? "scram" : "emdee", method);
    Client unknown("nobody", method);
    CHECK(unknown.said() == known.said());
    const auto fail = [&](Client& client) { return method == AccessMethod::scram_sha_256 ? client.show_scram("wrong") : client.show("wrong"); };
    CHECK(fail(known) == DialogueState::failed);
    CHECK(fail(unknown) == DialogueState::failed);
    CHECK(unknown.greeting->error().code == known.greeting->error().code);
    CHECK(unknown.has_said("password authentication failed for user \"nobody\""));
  }
}

TEST_CASE("authentication: a secret is known and trust lets in → what a backend could be shown goes along") {
  CHECK(Client("clear", AccessMethod::trust).shown<ClearPassword>());
  CHECK(Client("emdee", AccessMethod::trust).shown<Md5Verifier>());
  CHECK(Client("scram", AccessMethod::trust).greeting->login().proof == nullptr);
  CHECK(Client("nobody", AccessMethod::trust).state() == DialogueState::finished);
}

TEST_CASE("authentication: no rule matches, or one rejects → 28000 in the server's words, with the client's own address") {
  FakeGreetingHost remote;
  remote.address = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 10, 1, 2, 3};
  Client none("clear", Admission{std::make_shared<const AccessRules>(), users()}, remote);
  CHECK(none.state() == DialogueState::failed);
  CHECK(none.greeting->error().code == ErrorCode::access_denied);
  CHECK(none.said() == message("< ErrorResponse S=\"FATAL\" V=\"FATAL\" C=\"28000\" M=\"no pg_hba.conf entry for host \\\"10.1.2.3\\\", user \\\"clear\\\", database \\\"shop\\\", no encryption\""));
  remote.address = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  Client rejected("clear", admission(users(), AccessMethod::reject), remote, TlsFacts{});
  CHECK(rejected.said() == message("< ErrorResponse S=\"FATAL\" V=\"FATAL\" C=\"28000\" M=\"pg_hba.conf rejects connection for host \\\"2001:db8::1\\\", user \\\"clear\\\", database \\\"shop\\\", SSL encryption\""));
  CHECK(Client("clear", AccessMethod::reject).has_said("host \"[local]\""));
}

TEST_CASE("authentication: peer → the machine's user of that name over a local socket; its rule matches nobody who comes otherwise") {
  class Machine final : public SecretSource {
   public:
    std::shared_ptr<SecretQuestion> ask(const std::string& number, std::function<void()>) override {
      auto question = std::make_shared<SecretQuestion>();
      question->answer.emplace();
      if (number == "1000") question->answer = SecretAnswer{SecretAnswer::Kind::found, SecretText("clear")};
      return question;
    }
    void doubt(const std::string&) override {}
  } machine;
  const auto client = [&](const std::string& user, std::optional<std::uint32_t> number, PeerAddress address = {}) {
    FakeGreetingHost host;
    host.user_number = number;
    host.address = address;
    Admission admitted = admission(users(), AccessMethod::peer);
    admitted.local_users = &machine;
    return std::make_unique<Client>(user, std::move(admitted), host);
  };
  CHECK(client("clear", 1000)->state() == DialogueState::finished);
  CHECK(client("clear", 1000)->shown<ClearPassword>());
  for (const auto& [user, number] : {std::pair{"emdee", 1000U}, {"clear", 1001U}}) {
    CHECK(client(user, number)->has_said("Peer authentication failed for user \"" + std::string(user) + "\""));
  }
  CHECK(client("clear", std::nullopt)->state() == DialogueState::failed);
  CHECK(client("clear", 1000, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 10, 1, 2, 3})->has_said("no pg_hba.conf entry"));
}

TEST_CASE("authentication: too many failures before → refused before anything is asked, whether or not the user exists") {
  for (const char* user : {"clear", "nobody"}) {
    FakeGreetingHost host;
    host.barred_user = user;
    Client barred(user, admission(users(), AccessMethod::scram_sha_256), host);
    CHECK(barred.state() == DialogueState::failed);
    CHECK(barred.greeting->error().code == ErrorCode::access_denied);
    CHECK(!barred.has_said("SCRAM"));
  }
}

TEST_CASE("authentication: messages that are no password → 08P01; an empty password → 28P01") {
  Client query("clear", AccessMethod::password);
  CHECK(query.player->deliver(bytes_of("> Query text=\"SELECT 1\"")) == DialogueState::failed);
  CHECK(query.has_said("expected password response, got message type 81"));
  Client unterminated("clear", AccessMethod::password);
  CHECK(unterminated.player->deliver(bytes_of("> SASLResponse response=\"pencil\"")) == DialogueState::failed);
  CHECK(unterminated.has_said("invalid password packet size"));
  Client empty("clear", AccessMethod::password);
  CHECK(empty.show("") == DialogueState::failed);
  CHECK(empty.greeting->error().code == ErrorCode::authentication_failed);
  CHECK(empty.has_said("empty password returned by client"));
  Client huge("clear", AccessMethod::password);
  CHECK(huge.show(std::string(5000, 'x')) == DialogueState::failed);
  CHECK(huge.greeting->error().code == ErrorCode::frame_length_invalid);
}

TEST_CASE("authentication: a certificate → lets in whom it names, nobody else") {
  const auto come = [](const std::string& user, std::optional<std::string> name) {
    TlsFacts tls;
    if (name) tls.peer.emplace().common_name = *name;
    return Client(user, admission(users(), AccessMethod::certificate), {}, tls);
  };
  CHECK(come("clear", "clear").state() == DialogueState::finished);
  CHECK(come("clear", "scram").has_said("certificate authentication failed for user \"clear\""));
  CHECK(come("clear", "clear").said() == message("< AuthenticationOk"));
  CHECK(come("clear", std::nullopt).has_said("connection requires a valid client certificate"));
  CHECK(Client("clear", AccessMethod::certificate).has_said("connection requires a valid client certificate"));
}

TEST_CASE("authentication: TLS with a certificate of ours → PLUS is offered first, and its end is checked") {
  TlsFacts tls;
  tls.server_end_point = Bytes(32, std::byte{7});
  const Admission admitted = admission(users(), AccessMethod::scram_sha_256);
  Client bound("scram", admitted, {}, tls);
  CHECK(bound.said() == message("< AuthenticationSASL mechanisms=[\"SCRAM-SHA-256-PLUS\",\"SCRAM-SHA-256\"]"));
  CHECK(bound.show_scram("pencil", {ScramBinding::Use::used, Bytes(32, std::byte{7})}) == DialogueState::finished);
  Client unbound("scram", admitted, {}, tls);
  CHECK(unbound.show_scram("pencil") == DialogueState::finished);
  Client intercepted("scram", admitted, {}, tls);
  CHECK(intercepted.show_scram("pencil", {ScramBinding::Use::used, Bytes(32, std::byte{8})}) == DialogueState::failed);
  CHECK(intercepted.has_said("SCRAM channel binding check failed"));
  Client downgraded("scram", admitted, {}, tls);
  CHECK(downgraded.show_scram("pencil", {ScramBinding::Use::possible, {}}) == DialogueState::failed);
  CHECK(downgraded.has_said("SCRAM channel binding negotiation error"));
  CHECK(downgraded.has_said("28000"));
  Client without("scram", AccessMethod::scram_sha_256);
  CHECK(without.show_scram("pencil", {ScramBinding::Use::used, Bytes(32, std::byte{7})}) == DialogueState::failed);
}

namespace {

/// Answers when the test says so.
class ScriptedSource final : public SecretSource {
 public:
  std::shared_ptr<SecretQuestion> ask(const std::string& user, std::function<void()> on_answer) override {
    asked.push_back(user);
    auto made = std::make_shared<SecretQuestion>();
    made->on_answer = std::move(on_answer);
    made->answer = at_once;
    question = made;
    return made;
  }
  void doubt(const std::string& user) override { doubted.push_back(user); }
  void answer(SecretAnswer::Kind kind, std::string_view secret = {}) {
    const std::shared_ptr<SecretQuestion> waiting = question.lock();
    REQUIRE(waiting);
    waiting->answer = SecretAnswer{kind, SecretText(secret)};
    waiting->on_answer();
  }

  std::vector<std::string> asked;
  std::vector<std::string> doubted;
  std::optional<SecretAnswer> at_once;
  std::weak_ptr<SecretQuestion> question;
};

struct Asked {
  ScriptedSource source;
  Admission admitted = [this] {
    Admission made = admission(users(), AccessMethod::scram_sha_256);
    made.secrets = &source;
    return made;
  }();
};

}  // namespace

TEST_CASE("authentication: a user who is not configured → the source is asked, and the greeting waits without a word") {
  Asked asked;
  Client client("stored", asked.admitted);
  CHECK(client.state() == DialogueState::waiting);
  CHECK(client.said().empty());
  CHECK(asked.source.asked == std::vector<std::string>{"stored"});
  asked.source.answer(SecretAnswer::Kind::found, to_text(stored));
  CHECK(client.host.wake_count == 1);
  CHECK(client.player->deliver({}) == DialogueState::reading);
  CHECK(client.show_scram("pencil") == DialogueState::finished);
  CHECK(client.shown<ScramProof>());
  CHECK(asked.source.doubted.empty());
}

TEST_CASE("authentication: the source knows at once → no waiting; a configured user is not asked for") {
  Asked asked;
  asked.source.at_once = SecretAnswer{SecretAnswer::Kind::found, SecretText(to_text(stored))};
  CHECK(Client("stored", asked.admitted).state() == DialogueState::reading);
  CHECK(Client("clear", asked.admitted).state() == DialogueState::reading);
  CHECK(asked.source.asked.size() == 1);
}

TEST_CASE("authentication: the source knows no such user → the usual exchange, the usual words; a wrong password → doubted") {
  Asked asked;
  asked.source.at_once = SecretAnswer{SecretAnswer::Kind::unknown, {}};
  Client unknown("nobody", asked.admitted);
  CHECK(unknown.said() == message("< AuthenticationSASL mechanisms=[\"SCRAM-SHA-256\"]"));
  CHECK(unknown.show_scram("pencil") == DialogueState::failed);
  CHECK(unknown.has_said("password authentication failed for user \"nobody\""));
  CHECK(asked.source.doubted == std::vector<std::string>{"nobody"});
}

TEST_CASE("authentication: the source cannot be asked → 08006, the operator's blame; a broken secret → as a wrong password") {
  Asked asked;
  asked.source.at_once = SecretAnswer{SecretAnswer::Kind::unavailable, {}};
  Client unavailable("stored", asked.admitted);
  CHECK(unavailable.state() == DialogueState::failed);
  CHECK(unavailable.has_said("08006"));
  CHECK(unavailable.greeting->error().blame == Blame::operator_);
  asked.source.at_once = SecretAnswer{SecretAnswer::Kind::found, SecretText("SCRAM-SHA-256$broken")};
  Client broken("stored", asked.admitted);
  CHECK(broken.show_scram("pencil") == DialogueState::failed);
  CHECK(broken.greeting->error().code == ErrorCode::authentication_failed);
}

TEST_CASE("authentication: the client goes while its secret is asked for → nobody is woken") {
  Asked asked;
  { const Client client("stored", asked.admitted); }
  CHECK(asked.source.question.expired());
}
