#include "protocol/postgres/backend_login.hpp"
#include "tests/fuzz/dialogue_feed.hpp"
#include "tests/support/fixed_nonce.hpp"

#include <cstdint>

using tests::fuzz::require;

/// A backend's bytes for the login. The first byte is the size of the pieces (0: all at once).
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace protocol;
  using namespace protocol::postgres;
  static tests::support::CountingNonceSource nonces;
  static ScramKeyCache cache;
  if (size == 0) return 0;
  const ByteView bytes = std::as_bytes(std::span(data + 1, size - 1));
  Login login;
  login.user = "client";
  login.database = "shop";
  login.parameters = {{"user", "client"}, {"database", "shop"}, {"DateStyle", "ISO"}};
  BackendLoginDialogue dialogue(login, {"scram", "pencil"}, nonces, cache);
  Bytes sent;
  switch (tests::fuzz::feed(dialogue, bytes, data[0] == 0 ? size : data[0], sent)) {
    case DialogueState::reading:
    case DialogueState::upgrading: break;
    case DialogueState::waiting: require(false, "there is nothing to wait for"); break;
    case DialogueState::failed:
      require(dialogue.error().blame != Blame::self, "a failed login is not our own fault");
      require(dialogue.error().detail.find("pencil") == std::string::npos, "an error does not hold the password");
      break;
    case DialogueState::finished: {
      const BackendIdentity identity = dialogue.take_identity();
      require(identity.parameters.size() <= BackendLoginDialogue::parameter_count_max, "parameters are bounded");
      require(!identity.key || identity.key->secret.size() <= cancel_secret_bytes_max, "the key is bounded");
      break;
    }
  }
  return 0;
}
