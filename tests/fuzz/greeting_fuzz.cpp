#include "protocol/postgres/greeting.hpp"
#include "tests/fuzz/dialogue_feed.hpp"
#include "tests/support/fixed_nonce.hpp"

#include <cstdint>
#include <memory>

using tests::fuzz::require;

/// A client's bytes for the greeting. The first byte is the size of the pieces (0: all at once). With nonces and
/// salts that never change the corpus can hold a whole SCRAM login of the user "scram", password "pencil".
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace protocol;
  using namespace protocol::postgres;
  static tests::support::CountingNonceSource nonces;
  static const std::shared_ptr<const UserDirectory> users = [] {
    auto directory = std::make_shared<UserDirectory>(nonces);
    require(directory->add_secret("scram", "pencil").has_value() && directory->add_trusted("trusted").has_value(), "users");
    return directory;
  }();
  if (size == 0) return 0;
  const ByteView bytes = std::as_bytes(std::span(data + 1, size - 1));
  PostgresGreeting greeting(users, nonces);
  Bytes sent;
  switch (tests::fuzz::feed(greeting, bytes, data[0] == 0 ? size : data[0], sent)) {
    case DialogueState::reading:
    case DialogueState::upgrading: break;
    case DialogueState::failed: require(greeting.error().blame == Blame::client, "a failed greeting is the client's fault"); break;
    case DialogueState::finished:
      if (greeting.outcome() == Greeting::Outcome::cancel) {
        require(greeting.cancel_key().secret.size() >= cancel_secret_bytes_min, "a cancel key has a secret");
        break;
      }
      require(greeting.login().user == "scram" || greeting.login().user == "trusted", "nobody else gets in");
      require(sent.size() >= 9, "AuthenticationOk was written");
      break;
  }
  return 0;
}
