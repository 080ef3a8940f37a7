#include "protocol/postgres/scram.hpp"
#include "tests/fuzz/require.hpp"

#include <cstdint>

using tests::fuzz::require;

/// Texts of an operator (a verifier) and of both ends of a SCRAM exchange.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace protocol;
  using namespace protocol::postgres;
  const std::string_view text = as_text(std::as_bytes(std::span(data, size)));
  if (const Result<ScramVerifier> verifier = parse_scram_verifier(text)) {
    const Result<ScramVerifier> again = parse_scram_verifier(to_text(*verifier));
    require(again.has_value() && *again == *verifier, "a verifier survives being written");
  }
  if (const std::optional<Bytes> bytes = decode_base64(text)) require(encode_base64(*bytes) == text, "base64 has one form");

  ScramServer server({1, Bytes(16), {}, {}}, ScramServer::Kind::doomed, "servernonce");
  const std::size_t half = text.find('\n');
  if (server.accept_first(text.substr(0, half)) && half != std::string_view::npos) {
    require(!server.accept_final(text.substr(half + 1)), "a doomed exchange never succeeds");
  }
  // A verifier of zeros has no known preimage, so no text may pass for the server's signature.
  const ScramClient client("", "clientnonce");
  const Status verified = client.verify(text);
  require(!verified || text.starts_with("v=AAAA"), "only the right signature is accepted");
  return 0;
}
