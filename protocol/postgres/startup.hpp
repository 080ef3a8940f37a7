#pragma once

#include "protocol/base/bytes.hpp"
#include "protocol/base/result.hpp"
#include "protocol/dialogue.hpp"

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/// The messages that begin a connection: no tag, a length, a code that is a version or a special request.
/// Source: PostgreSQL 15 manual, 55.2.1 "Start-up", 55.2.8 "Canceling Requests in Progress", 55.7 "Message
/// Formats"; where the manual is silent the server's reading of the packet (ProcessStartupPacket) is the rule.
namespace protocol::postgres {

/// Bytes behind the length field that the server accepts at most (MAX_STARTUP_PACKET_LENGTH).
inline constexpr std::size_t startup_payload_bytes_max = 10'000;
/// The secret of a cancel key: 4 bytes in protocol 3.0, 4 to 256 from 3.2 on.
inline constexpr std::size_t cancel_secret_bytes_min = 4;
inline constexpr std::size_t cancel_secret_bytes_max = 256;
/// Names longer than this are cut by the server (NAMEDATALEN - 1).
inline constexpr std::size_t name_bytes_max = 63;

struct ProtocolVersion {
  std::uint16_t major = 3;
  std::uint16_t minor = 0;
  auto operator<=>(const ProtocolVersion&) const = default;
  [[nodiscard]] std::uint32_t code() const { return (std::uint32_t{major} << 16) | minor; }
};

/// The newest version that Crossfade speaks with clients. 3.2 is 3.0 with longer cancel keys, 3.1 was left out.
/// Source: PostgreSQL 18 manual, 54.1.4 "Protocol Versions" and 54.7, BackendKeyData.
inline constexpr ProtocolVersion protocol_version_latest{3, 2};
/// What backends are asked for: every server of version 7.4 and later speaks it.
inline constexpr ProtocolVersion protocol_version_to_backends{3, 0};
/// The secret of the cancel keys that we make: as the server does, for 3.0 and from 3.2 on.
inline constexpr std::size_t cancel_secret_bytes_short = 4;
inline constexpr std::size_t cancel_secret_bytes_long = 32;

struct SslRequest {
  bool operator==(const SslRequest&) const = default;
};
struct GssencRequest {
  bool operator==(const GssencRequest&) const = default;
};

/// Of a parameter that comes twice the last value counts, as in the server.
struct StartupMessage {
  ProtocolVersion version;
  std::map<std::string, std::string> parameters;  ///< without the `_pq_.` ones
  /// Names of the `_pq_.` options in the order sent. None is known here, so all of them are unrecognised.
  std::vector<std::string> protocol_options;
  bool operator==(const StartupMessage&) const = default;
};

/// A CancelKey is the content of a CancelRequest.
using StartupRequest = std::variant<SslRequest, GssencRequest, CancelKey, StartupMessage>;

/// The end of the sentence about a version that is not spoken.
[[nodiscard]] std::string supported_versions(ProtocolVersion newest);

/// Bytes of the whole packet at the front of `bytes`, length field included; nullopt while fewer than four
/// bytes are there. The packet itself may not have arrived yet.
/// Errors: frame_length_invalid (blame client) when the length is below 8 or above the maximum.
[[nodiscard]] Result<std::optional<std::size_t>> scan_startup_packet(ByteView bytes);

/// Decodes one whole packet; `newest` is named to those who speak another protocol altogether.
/// Errors, blame client: version_unsupported with the server's sentence as detail; message_malformed;
/// frame_length_invalid for a CancelRequest whose key is too short or too long.
[[nodiscard]] Result<StartupRequest> decode_startup_packet(ByteView packet,
                                                          ProtocolVersion newest = protocol_version_latest);

/// Appends the packet; leaves `target` as it was on failure. Errors: startup_parameter_invalid (blame operator) when it would be longer than the
/// server accepts, when a text holds a NUL or when a name is empty; message_malformed for a key of a wrong size.
[[nodiscard]] Status encode_startup_packet(const StartupRequest& request, Bytes& target);

/// Appends the answer to a client that asks for more than `newest` or for unknown options: what is spoken from here on,
/// and which of its options nobody knows.
/// Source: 55.7, NegotiateProtocolVersion. The server sends the full version code (196608 for 3.0) where the
/// manual says "minor version"; libpq relies on the former.
void write_negotiate_protocol_version(ProtocolVersion spoken, const std::vector<std::string>& unrecognised_options, Bytes& target);

/// What the `replication` parameter asks for.
enum class ReplicationMode : std::uint8_t { none, physical, database };
/// Reads it as the server does: `database`, or a boolean in any spelling that PostgreSQL accepts.
/// nullopt: not a valid value.
[[nodiscard]] std::optional<ReplicationMode> parse_replication_mode(std::string_view value);

}  // namespace protocol::postgres
