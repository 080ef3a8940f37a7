#include "protocol/postgres/encryption.hpp"

#include "protocol/postgres/backend_login.hpp"
#include "protocol/postgres/greeting.hpp"
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

FakeGreetingHost host;

Admission users() { return admission(std::make_shared<UserDirectory>(nonces), AccessMethod::scram_sha_256, {"alice"}); }

constexpr const char* alice_starts = "> StartupMessage major=3 minor=0 parameters=[\"user\"=\"alice\"]";

TlsFacts facts_of(const std::string& common_name = "", const std::string& application_protocol = "") {
  TlsFacts facts;
  facts.application_protocol = application_protocol;
  if (!common_name.empty()) facts.peer = CertificateSubject{"CN=" + common_name, common_name, {}};
  return facts;
}

/// A greeting and what it has said so far.
struct Greeted {
  explicit Greeted(ClientEncryption encryption) : greeting(users(), nonces, host, encryption) {}
  DialogueState deliver(std::string_view lines) { return deliver(bytes_of(lines)); }
  DialogueState deliver(ByteView bytes) {
    Bytes answer;
    const DialogueProgress progress = greeting.advance(bytes, answer);
    consumed = progress.consumed;
    sent = std::string(as_text(answer));
    return progress.state;
  }
  [[nodiscard]] bool has_said(std::string_view words) const { return sent.find(words) != std::string::npos; }

  PostgresGreeting greeting;
  std::string sent;
  std::size_t consumed = 0;
};

}  // namespace

TEST_CASE("greeting: an SSLRequest where TLS is offered → S, TLS begins, and the login goes on inside") {
  for (const ClientEncryption encryption : {ClientEncryption::offered, ClientEncryption::required}) {
    Greeted greeted(encryption);
    CHECK(greeted.deliver("> SSLRequest") == DialogueState::upgrading);
    CHECK(greeted.sent == "S");
    CHECK(greeted.consumed == 8);
    greeted.greeting.on_encrypted(facts_of());
    CHECK(greeted.deliver(ByteView()) == DialogueState::reading);
    CHECK(greeted.deliver(alice_starts) == DialogueState::finished);
  }
}

TEST_CASE("greeting: GSSENCRequest and SSLRequest, once each in either order → N and S; again, or inside TLS → 0A000") {
  Greeted greeted(ClientEncryption::offered);
  CHECK(greeted.deliver("> GSSENCRequest") == DialogueState::reading);
  CHECK(greeted.sent == "N");
  CHECK(greeted.deliver("> SSLRequest") == DialogueState::upgrading);
  greeted.greeting.on_encrypted(facts_of());
  for (const char* again : {"> SSLRequest", "> GSSENCRequest"}) {
    Greeted other(ClientEncryption::offered);
    CHECK(other.deliver("> SSLRequest") == DialogueState::upgrading);
    other.greeting.on_encrypted(facts_of());
    CHECK(other.deliver(again) == DialogueState::failed);
    CHECK(other.has_said("0A000"));
  }
}

TEST_CASE("greeting: bytes behind an SSLRequest that would be granted → 08P01 in plain text, no S, no TLS") {
  Greeted greeted(ClientEncryption::offered);
  Bytes bytes = bytes_of("> SSLRequest");
  append(bytes, bytes_of(alice_starts));
  CHECK(greeted.deliver(bytes) == DialogueState::failed);
  CHECK(greeted.sent.starts_with("E"));
  CHECK(greeted.has_said("08P01"));
  CHECK(greeted.has_said("received unencrypted data after SSL request"));
}

TEST_CASE("greeting: TLS without asking → begins with all its bytes; ALPN must have named the protocol") {
  const std::string_view hello = "\x16\x03\x01\x02\x00\x01";
  Greeted greeted(ClientEncryption::offered);
  CHECK(greeted.deliver(as_bytes(hello)) == DialogueState::upgrading);
  CHECK(greeted.consumed == 0);
  CHECK(greeted.sent.empty());
  greeted.greeting.on_encrypted(facts_of("", "postgresql"));
  CHECK(greeted.deliver(as_bytes(hello)) == DialogueState::failed);  // not twice

  Greeted unnamed(ClientEncryption::offered);
  CHECK(unnamed.deliver(as_bytes(hello)) == DialogueState::upgrading);
  unnamed.greeting.on_encrypted(facts_of());
  CHECK(unnamed.deliver(ByteView()) == DialogueState::failed);
  CHECK(unnamed.sent.empty());

  Greeted late(ClientEncryption::offered);
  CHECK(late.deliver("> GSSENCRequest") == DialogueState::reading);
  CHECK(late.deliver(as_bytes(hello)) == DialogueState::failed);
}

TEST_CASE("greeting: what a listener demands of TLS → who has less is refused with 28000, a cancel request is not") {
  struct Row {
    ClientEncryption encryption;
    bool is_encrypted;
    const char* certificate;
    const char* words;  ///< empty: let in
  };
  const Row rows[] = {
      {ClientEncryption::offered, false, "", ""},
      {ClientEncryption::required, false, "", "connection is not encrypted"},
      {ClientEncryption::required, true, "", ""},
      {ClientEncryption::certificate_required, false, "", "connection is not encrypted"},
      {ClientEncryption::certificate_required, true, "", "connection requires a valid client certificate"},
      {ClientEncryption::certificate_required, true, "bob", ""},
      {ClientEncryption::user_certificate_required, true, "", "connection requires a valid client certificate"},
      {ClientEncryption::user_certificate_required, true, "bob", "certificate authentication failed for user \"alice\""},
      {ClientEncryption::user_certificate_required, true, "alice", ""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.words);
    Greeted greeted(row.encryption);
    if (row.is_encrypted) {
      REQUIRE(greeted.deliver("> SSLRequest") == DialogueState::upgrading);
      greeted.greeting.on_encrypted(facts_of(row.certificate));
    }
    const DialogueState state = greeted.deliver(alice_starts);
    if (std::string_view(row.words).empty()) {
      CHECK(state == DialogueState::finished);
      continue;
    }
    CHECK(state == DialogueState::failed);
    CHECK(greeted.has_said("28000"));
    CHECK(greeted.has_said(row.words));
    CHECK(greeted.greeting.error().blame == Blame::client);
    Greeted cancelling(row.encryption);
    CHECK(cancelling.deliver("> CancelRequest process_id=7 secret=\"abcd\"") == DialogueState::finished);
  }
}

TEST_CASE("backend login: TLS wished for → SSLRequest first; S, N and everything else are judged by the wish") {
  struct Row {
    EncryptionWish wish;
    std::string_view answer;
    DialogueState state;
    ErrorCode code;  ///< after failed
  };
  using enum EncryptionWish;
  const Row rows[] = {
      {preferred, "S", DialogueState::upgrading, {}},
      {required, "S", DialogueState::upgrading, {}},
      {preferred, "N", DialogueState::reading, {}},
      {required, "N", DialogueState::failed, ErrorCode::encryption_failed},
      {required, "E", DialogueState::failed, ErrorCode::encryption_failed},
      {preferred, "X", DialogueState::failed, ErrorCode::backend_misbehaved},
      {required, "SR", DialogueState::failed, ErrorCode::backend_misbehaved},
  };
  for (const Row& row : rows) {
    CAPTURE(row.answer);
    Login login;
    login.user = login.database = "alice";
    ScramKeyCache cache;
    BackendLoginDialogue dialogue(login, {}, nonces, cache, row.wish);
    Bytes sent;
    CHECK(dialogue.advance({}, sent).state == DialogueState::reading);
    CHECK(sent == bytes_of("> SSLRequest"));
    sent.clear();
    const DialogueProgress progress = dialogue.advance(as_bytes(row.answer), sent);
    CHECK(progress.state == row.state);
    if (row.state == DialogueState::failed) CHECK(dialogue.error().code == row.code);
    if (row.state != DialogueState::upgrading) CHECK(sent.empty() == (row.state == DialogueState::failed));
    if (row.state == DialogueState::failed) continue;
    CHECK(progress.consumed == 1);
    if (row.state == DialogueState::upgrading) {
      CHECK(sent.empty());
      dialogue.on_encrypted({});
      CHECK(dialogue.advance({}, sent).state == DialogueState::reading);
    }
    CHECK(sent == bytes_of("> StartupMessage major=3 minor=0 parameters=[\"database\"=\"alice\",\"user\"=\"alice\"]"));
  }
}

TEST_CASE("cancellation: plain, encrypted, declined → the request goes out once, never where it may not") {
  const Bytes request = bytes_of("> CancelRequest process_id=7 secret=\"abcd\"");
  Bytes sent;
  CHECK(Cancellation(request, EncryptionWish::none).advance({}, sent).state == DialogueState::finished);
  CHECK(sent == request);

  Cancellation encrypted(request, EncryptionWish::required);
  sent.clear();
  CHECK(encrypted.advance({}, sent).state == DialogueState::reading);
  CHECK(sent == bytes_of("> SSLRequest"));
  sent.clear();
  CHECK(encrypted.advance(as_bytes(std::string_view("S")), sent).state == DialogueState::upgrading);
  CHECK(sent.empty());
  encrypted.on_encrypted({});
  CHECK(encrypted.advance({}, sent).state == DialogueState::finished);
  CHECK(sent == request);

  for (const EncryptionWish wish : {EncryptionWish::preferred, EncryptionWish::required}) {
    Cancellation declined(request, wish);
    sent.clear();
    (void)declined.advance({}, sent);
    sent.clear();
    const bool is_allowed = wish == EncryptionWish::preferred;
    CHECK(declined.advance(as_bytes(std::string_view("N")), sent).state ==
          (is_allowed ? DialogueState::finished : DialogueState::failed));
    CHECK(sent == (is_allowed ? request : Bytes()));
  }
}
