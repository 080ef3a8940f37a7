#include "protocol/postgres/startup.hpp"
#include "tests/fuzz/require.hpp"

#include <cstdint>

using tests::fuzz::require;

/// A startup packet: bounds, and decode → encode → decode is stable.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace protocol;
  using namespace protocol::postgres;
  const ByteView bytes = std::as_bytes(std::span(data, size));
  const Result<std::optional<std::size_t>> packet_bytes = scan_startup_packet(bytes);
  if (!packet_bytes || !packet_bytes->has_value()) return 0;
  require(**packet_bytes >= 8 && **packet_bytes <= startup_payload_bytes_max + 4, "a packet's length is within its bounds");
  if (bytes.size() < **packet_bytes) return 0;
  const Result<StartupRequest> request = decode_startup_packet(bytes.first(**packet_bytes));
  if (!request) {
    require(request.error().blame == Blame::client, "a bad packet is the client's fault");
    return 0;
  }
  if (const auto* message = std::get_if<StartupMessage>(&*request)) {
    const auto found = message->parameters.find("replication");
    if (found != message->parameters.end()) (void)parse_replication_mode(found->second);
  }
  Bytes encoded;
  require(encode_startup_packet(*request, encoded).has_value(), "what was decoded can be encoded");
  require(encoded.size() <= **packet_bytes, "encoding does not grow");
  const Result<StartupRequest> again = decode_startup_packet(encoded);
  require(again.has_value(), "what was encoded can be decoded");
  require(*again == *request, "decode, encode, decode is stable");
  return 0;
}
