#include "protocol/postgres/greeting.hpp"
#include "tests/fuzz/dialogue_feed.hpp"
#include "tests/support/fixed_nonce.hpp"
#include "tests/support/greeting_host.hpp"

#include <cstdint>
#include <memory>

using tests::fuzz::require;

/// A client's bytes for the greeting. The first byte is the size of the pieces (0: all at once); its top bit turns TLS on. With nonces and
/// salts that never change the corpus can hold a whole SCRAM login of the user "scram", password "pencil".
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace protocol;
  using namespace protocol::postgres;
  static tests::support::CountingNonceSource nonces;
  static const Admission admitted = [] {
    auto directory = std::make_shared<UserDirectory>(nonces);
    require(directory->add_secret("scram", "pencil").has_value() && directory->add_secret("md5", "pencil").has_value() &&
                directory->add_secret("clear", "pencil").has_value(), "users");
    AccessRules rules(4);
    rules[0].users = {"trusted"};
    rules[0].method = AccessMethod::trust;
    rules[1].users = {"md5"};
    rules[1].method = AccessMethod::md5;
    rules[2].users = {"clear"};
    rules[2].method = AccessMethod::password;
    rules[3].method = AccessMethod::scram_sha_256;
    return Admission{std::make_shared<const AccessRules>(rules), directory};
  }();
  static tests::support::FakeGreetingHost host;
  if (size == 0) return 0;
  const ByteView bytes = std::as_bytes(std::span(data + 1, size - 1));
  PostgresGreeting greeting(admitted, nonces, host);
  if ((data[0] & 0x80) != 0) {
    TlsFacts tls;
    tls.server_end_point = Bytes(32, std::byte{7});
    greeting.on_encrypted(tls);
  }
  Bytes sent;
  switch (tests::fuzz::feed(greeting, bytes, (data[0] & 0x7F) == 0 ? size : data[0] & 0x7FU, sent)) {
    case DialogueState::reading:
    case DialogueState::upgrading: break;
    case DialogueState::waiting: require(false, "there is nothing to wait for"); break;
    case DialogueState::failed: require(greeting.error().blame == Blame::client, "a failed greeting is the client's fault"); break;
    case DialogueState::finished:
      if (greeting.outcome() == Greeting::Outcome::cancel) {
        require(greeting.cancel_key().secret.size() >= cancel_secret_bytes_min, "a cancel key has a secret");
        break;
      }
      require(greeting.login().user == "trusted" || greeting.login().proof != nullptr, "nobody gets in without a proof");
      require(sent.size() >= 9, "AuthenticationOk was written");
      break;
  }
  return 0;
}
