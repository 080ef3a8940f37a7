#include "protocol/postgres/backend_login.hpp"
#include "protocol/postgres/digest.hpp"
#include "protocol/postgres/greeting.hpp"
#include "protocol/postgres/message.hpp"
#include "tests/support/dialogue_script.hpp"
#include "tests/support/fixed_nonce.hpp"
#include "tests/support/greeting_host.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <utility>

// The recorded conversations played against our own ends: the greeting in the server's place, the login to a
// backend in the client's.
namespace {

using namespace protocol;
using namespace protocol::postgres;
using namespace tests::support;

std::vector<TranscriptLine> load(const std::string& name) {
  return load_transcript(CROSSFADE_TRANSCRIPTS "/postgres/" + name + ".trace");
}

/// Always the same bytes, those with which a server answered once.
class RecordedNonceSource final : public NonceSource {
 public:
  explicit RecordedNonceSource(Bytes bytes) : bytes_(std::move(bytes)) {}
  void fill(std::span<std::byte> target) override {
    for (std::size_t i = 0; i < target.size(); ++i) target[i] = bytes_[i % bytes_.size()];
  }

 private:
  Bytes bytes_;
};

/// What a recorded server put into its challenge: of SCRAM, or of MD5 (the nonce is its salt).
struct RecordedChallenge {
  Bytes nonce{std::byte{1}};
  Bytes salt{std::byte{1}};
};

RecordedChallenge challenge_of(const std::vector<TranscriptLine>& lines) {
  RecordedChallenge challenge;
  for (const TranscriptLine& line : lines) {
    constexpr std::size_t salt_begin = frame_header_bytes + sizeof(std::uint32_t);
    if (line.text.starts_with("< AuthenticationMD5Password")) challenge.nonce.assign(line.bytes.begin() + salt_begin, line.bytes.end());
    const std::size_t begin = line.text.find("challenge=~\"r=");
    if (begin == std::string::npos) continue;
    // "r=", 24 characters of the client's nonce, 24 of the server's, ",s=", the salt, ",i=4096".
    const std::string text = line.text.substr(begin + 14);
    challenge.nonce = *decode_base64(std::string_view(text).substr(24, 24));
    challenge.salt = *decode_base64(std::string_view(text).substr(51, 24));
  }
  return challenge;
}

/// A greeting in the place of the recorded server, with its users, salts and nonces.
MakeDialogue make_greeting(const std::vector<TranscriptLine>& lines) {
  const RecordedChallenge challenge = challenge_of(lines);
  const auto nonces = std::make_shared<RecordedNonceSource>(challenge.nonce);
  auto users = std::make_shared<UserDirectory>(*nonces);
  REQUIRE(users->add_secret("scram", to_text(make_scram_verifier("pencil", challenge.salt, scram_iterations_default))));
  REQUIRE(users->add_secret("digest", "md5" + *md5_hex({"pencil", "digest"})));
  REQUIRE(users->add_secret("plain", "pencil"));
  Admission admitted = admission(users, AccessMethod::scram_sha_256, {"trusted"});
  AccessRules rules = *admitted.rules;
  for (const auto& [user, method] : {std::pair("digest", AccessMethod::md5), std::pair("plain", AccessMethod::password)}) {
    AccessRule rule;
    rule.users = {user};
    rule.method = method;
    rules.insert(rules.begin(), rule);
  }
  admitted.rules = std::make_shared<const AccessRules>(std::move(rules));
  return [nonces, admitted = std::move(admitted)] {
    static FakeGreetingHost host;
    return std::make_unique<PostgresGreeting>(admitted, *nonces, host, protocol::postgres::ClientEncryption::refused,
                                              protocol::postgres::ProtocolVersion{3, 0});  // as the recorded server
  };
}

/// The client's startup message as the greeting would hand it on.
Login login_of(const std::vector<TranscriptLine>& lines) {
  Login login;
  for (const TranscriptLine& line : lines) {
    if (!line.text.starts_with("> StartupMessage")) continue;
    const Result<StartupRequest> request = decode_startup_packet(line.bytes);
    REQUIRE(request);
    login.parameters = std::get<StartupMessage>(*request).parameters;
    login.user = login.parameters["user"];
    login.database = login.parameters["database"];
  }
  return login;
}

std::unique_ptr<BackendLoginDialogue> make_login(const Login& login, const std::string& password = "pencil") {
  static CountingNonceSource nonces;
  static ScramKeyCache cache;
  return std::make_unique<BackendLoginDialogue>(login, BackendCredentials{login.user, password, nullptr}, nonces, cache);
}

/// The recorder named its parameters in another order than the alphabet's, and one recording asks for more than 3.0.
std::vector<ScriptStep> login_script(const std::vector<TranscriptLine>& lines, const Login& login) {
  std::vector<TranscriptLine> ours;
  for (const TranscriptLine& line : lines) {
    const bool is_before = line.text.find("EncryptionAnswer") != std::string::npos ||
                           line.text.find("Request(8)") != std::string::npos;
    if (is_before) continue;
    ours.push_back(line);
    if (!line.text.starts_with("> StartupMessage")) continue;
    Bytes packet;
    REQUIRE(encode_startup_packet(make_backend_startup(login, login.user), packet));
    TranscriptDecoder decoder;
    ours.back() = encode_line(decoder.feed(Direction::to_server, packet).at(0));
  }
  return make_script(ours, Role::client, "ReadyForQuery");
}

constexpr const char* greetings_that_finish[] = {"startup_trust", "startup_tls_refused", "startup_gss_refused",
                                                 "startup_negotiation", "login_scram", "login_md5", "login_cleartext"};
constexpr const char* greetings_that_fail[] = {"startup_tls_twice", "startup_without_user", "startup_invalid_replication",
                                               "login_scram_wrong_password", "login_scram_unknown_user",
                                               "login_scram_unknown_mechanism", "login_scram_binding_flag",
                                               "login_wrong_message"};
constexpr const char* logins[] = {"startup_trust", "login_cleartext", "login_md5", "login_scram", "startup_negotiation"};

}  // namespace

TEST_CASE("greeting: recorded clients, whole and byte by byte → what the server said, up to AuthenticationOk") {
  const Bytes query = bytes_of("> Query text=\"SELECT 1\"");
  for (const char* name : greetings_that_finish) {
    CAPTURE(name);
    const auto lines = load(name);
    const MakeDialogue make = make_greeting(lines);
    const auto script = make_script(lines, Role::server, "AuthenticationOk");
    check_script(script, Role::server, make, DialogueState::finished);
    check_script(script, Role::server, make, DialogueState::finished, 1);
    check_script(script, Role::server, make, DialogueState::finished, SIZE_MAX, query);
    check_cuts(script, Role::server, make);
  }
}

TEST_CASE("greeting: recorded clients that are refused → the server's own words") {
  for (const char* name : greetings_that_fail) {
    CAPTURE(name);
    const auto lines = load(name);
    const MakeDialogue make = make_greeting(lines);
    const auto script = make_script(lines, Role::server, "ErrorResponse");
    check_script(script, Role::server, make, DialogueState::failed);
    check_script(script, Role::server, make, DialogueState::failed, 1);
  }
}

TEST_CASE("greeting: the recorded SCRAM, MD5 and password logins → byte for byte what the server sent") {
  for (const char* name : {"login_scram", "login_md5", "login_cleartext"}) {
    CAPTURE(name);
    const auto lines = load(name);
    const MakeDialogue make = make_greeting(lines);
    const auto dialogue = make();
    DialoguePlayer player(*dialogue, Role::server);
    Bytes from_server;
    for (const TranscriptLine& line : lines) {
      if (line.direction == Direction::to_server) {
        player.deliver(line.bytes);
      } else {
        append(from_server, line.bytes);
      }
      if (line.text.starts_with("< AuthenticationOk")) break;
    }
    CHECK(player.state() == DialogueState::finished);
    CHECK(player.sent_bytes() == from_server);
  }
}

TEST_CASE("greeting: nonsense at each step → an error of the client, told politely where it can be told") {
  const Bytes query = bytes_of("> Query text=\"SELECT 1\"");
  const Bytes absurd_length = {std::byte{0x7F}, std::byte{0xFF}, std::byte{0xFF}, std::byte{0xFF}};
  const Bytes huge_password = {std::byte{'p'}, std::byte{0x7F}, std::byte{0xFF}, std::byte{0xFF}, std::byte{0xFF}};
  for (const char* name : greetings_that_finish) {
    for (const Bytes& wrong : {query, absurd_length, huge_password}) {
      CAPTURE(name);
      const auto lines = load(name);
      check_wrong_at_each_step(make_script(lines, Role::server, "AuthenticationOk"), Role::server, make_greeting(lines),
                               wrong, {ErrorCode::frame_length_invalid, ErrorCode::message_unexpected},
                               [](Dialogue& dialogue, const Bytes&) { CHECK(dialogue.error().blame == Blame::client); });
    }
  }
}

TEST_CASE("greeting: a recorded cancel request → its key, and not a word") {
  const auto lines = load("cancel_request");
  const MakeDialogue make = make_greeting(lines);
  check_script(make_script(lines, Role::server, ""), Role::server, make, DialogueState::finished);
  const auto greeting = make();
  Bytes to_send;
  REQUIRE(greeting->advance(lines.at(0).bytes, to_send).state == DialogueState::finished);
  const auto& postgres_greeting = dynamic_cast<const PostgresGreeting&>(*greeting);
  CHECK(postgres_greeting.outcome() == Greeting::Outcome::cancel);
  CHECK(postgres_greeting.cancel_key().process_id == 4711);
  CHECK(postgres_greeting.cancel_key().secret.size() == 4);
  CHECK(to_send.empty());
}

TEST_CASE("backend login: recorded servers, whole and byte by byte → the recorded answers and the server's identity") {
  const Bytes notice = bytes_of("< NoticeResponse S=\"WARNING\" V=\"WARNING\" C=\"01000\" M=\"behind\"");
  for (const char* name : logins) {
    CAPTURE(name);
    const auto lines = load(name);
    const Login login = login_of(lines);
    const auto script = login_script(lines, login);
    const MakeDialogue make = [&] { return make_login(login); };
    check_script(script, Role::client, make, DialogueState::finished);
    check_script(script, Role::client, make, DialogueState::finished, 1);
    check_script(script, Role::client, make, DialogueState::finished, SIZE_MAX, notice);
    check_cuts(script, Role::client, make);

    const auto dialogue = make_login(login);
    DialoguePlayer player(*dialogue, Role::client);
    player.deliver({});
    for (const ScriptStep& step : script) player.deliver(step.delivered);
    const BackendIdentity identity = dialogue->take_identity();
    CHECK(identity.parameters.at("server_encoding") == "UTF8");
    CHECK(identity.parameters.at("session_authorization") == login.user);
    REQUIRE(identity.key);
    CHECK(identity.key->secret.size() == 4);
  }
}

TEST_CASE("backend login: a server that starts up, at each step → backend_not_ready, the error in the server's form") {
  const Bytes starting = bytes_of("< ErrorResponse S=\"FATAL\" V=\"FATAL\" C=\"57P03\" M=\"the database system is starting up\"");
  for (const char* name : logins) {
    CAPTURE(name);
    const Login login = login_of(load(name));
    check_wrong_at_each_step(login_script(load(name), login), Role::client, [&] { return make_login(login); }, starting,
                             {ErrorCode::backend_not_ready}, [&](Dialogue& dialogue, const Bytes&) {
                               CHECK(dialogue.error().blame == Blame::backend);
                               const ByteView refusal = dynamic_cast<BackendLoginDialogue&>(dialogue).refusal();
                               CHECK(std::equal(refusal.begin(), refusal.end(), starting.begin(), starting.end()));
                             });
  }
}

TEST_CASE("backend login: nonsense at each step → backend_misbehaved") {
  const Bytes data_row = bytes_of("< DataRow values=[\"1\"]");
  const Bytes negative_length = {std::byte{'R'}, std::byte{0xFF}, std::byte{0xFF}, std::byte{0xFF}, std::byte{0xFF}};
  const Bytes short_length = {std::byte{'R'}, std::byte{0}, std::byte{0}, std::byte{0}, std::byte{3}};
  for (const char* name : logins) {
    for (const Bytes& wrong : {data_row, negative_length, short_length}) {
      CAPTURE(name);
      const Login login = login_of(load(name));
      check_wrong_at_each_step(login_script(load(name), login), Role::client, [&] { return make_login(login); }, wrong,
                               {ErrorCode::backend_misbehaved}, [&](Dialogue& dialogue, const Bytes&) {
                                 CHECK(dialogue.error().blame == Blame::backend);
                                 CHECK(dynamic_cast<BackendLoginDialogue&>(dialogue).refusal().empty());
                               });
    }
  }
}

TEST_CASE("backend login: the recorded refusals → told to the client as they came") {
  for (const char* name : {"startup_unknown_database", "startup_invalid_setting"}) {
    CAPTURE(name);
    const auto lines = load(name);
    const Login login = login_of(lines);
    const auto dialogue = make_login(login);
    DialoguePlayer player(*dialogue, Role::client);
    player.deliver({});
    Bytes error;
    for (const TranscriptLine& line : lines) {
      if (line.direction != Direction::to_client || line.is_close()) continue;
      player.deliver(line.bytes);
      error = line.bytes;
    }
    CHECK(player.state() == DialogueState::failed);
    CHECK(dialogue->error().code == ErrorCode::backend_refused);
    CHECK(dialogue->error().blame == Blame::client);
    CHECK(std::equal(dialogue->refusal().begin(), dialogue->refusal().end(), error.begin(), error.end()));
  }
}

TEST_CASE("backend login: the recorded refusal of our password → the operator's blame, and nothing for the client") {
  const auto lines = load("login_scram_wrong_password");
  const Login login = login_of(lines);
  const auto dialogue = make_login(login, "pen");
  DialoguePlayer player(*dialogue, Role::client);
  player.deliver({});
  for (const TranscriptLine& line : lines) {
    if (line.direction == Direction::to_client && !line.is_close()) player.deliver(line.bytes);
  }
  CHECK(player.state() == DialogueState::failed);
  CHECK(dialogue->error().code == ErrorCode::backend_refused);
  CHECK(dialogue->error().blame == Blame::operator_);
  CHECK(dialogue->refusal().empty());
  CHECK(dialogue->refusal_code() == "28P01");
}
