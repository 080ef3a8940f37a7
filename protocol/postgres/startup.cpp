#include "protocol/postgres/startup.hpp"

#include "protocol/postgres/frame_writer.hpp"
#include "protocol/wire/byte_reader.hpp"
#include "protocol/wire/byte_writer.hpp"

#include <algorithm>
#include <array>
#include <cctype>

namespace protocol::postgres {
namespace {

constexpr std::size_t length_bytes = 4;
constexpr std::size_t code_bytes = 4;
// Special requests use a major version that no real protocol will ever have.
constexpr std::uint32_t special_major = 1234;
constexpr std::uint32_t cancel_request_code = (special_major << 16) | 5678;
constexpr std::uint32_t ssl_request_code = (special_major << 16) | 5679;
constexpr std::uint32_t gssenc_request_code = (special_major << 16) | 5680;
constexpr std::string_view protocol_option_prefix = "_pq_.";

Error malformed(std::string why) {
  return failure(ErrorCode::message_malformed, Blame::client, std::move(why));
}

Result<StartupRequest> decode_cancel(ByteView body) {
  ByteReader reader(body);
  CancelKey key;
  key.process_id = reader.read_u32_be();
  const ByteView secret = reader.read_bytes(reader.remaining());
  if (!reader.is_complete() || secret.size() < cancel_secret_bytes_min || secret.size() > cancel_secret_bytes_max) {
    return failure(ErrorCode::frame_length_invalid, Blame::client, "invalid length of cancel request");
  }
  key.secret.assign(secret.begin(), secret.end());
  return StartupRequest(std::move(key));
}

Result<StartupRequest> decode_parameters(ProtocolVersion version, ByteView body) {
  StartupMessage message;
  message.version = version;
  ByteReader reader(body);
  while (true) {
    const std::string_view name = reader.read_text_z();
    if (!reader.ok()) break;
    if (name.empty()) {
      if (!reader.is_complete()) break;
      return StartupRequest(std::move(message));
    }
    const std::string_view value = reader.read_text_z();
    if (!reader.ok()) break;
    if (name.starts_with(protocol_option_prefix)) {
      message.protocol_options.emplace_back(name);
    } else {
      message.parameters.insert_or_assign(std::string(name), std::string(value));
    }
  }
  return malformed("invalid startup packet layout: expected terminator as last byte");
}

Status encode_startup_message(const StartupMessage& message, ByteWriter& writer) {
  writer.write_u32_be(message.version.code());
  bool has_empty_name = false;
  for (const auto& [name, value] : message.parameters) {
    has_empty_name = has_empty_name || name.empty();
    writer.write_text_z(name);
    writer.write_text_z(value);
  }
  for (const std::string& name : message.protocol_options) {
    has_empty_name = has_empty_name || name.empty();
    writer.write_text_z(name);
    writer.write_text_z("");
  }
  writer.write_u8(0);
  if (has_empty_name) {
    return failure(ErrorCode::startup_parameter_invalid, Blame::operator_, "a startup parameter without a name");
  }
  return {};
}

/// Any prefix of `word` that is at least `chars_min` long, in any case.
bool is_abbreviation(std::string_view text, std::string_view word, std::size_t chars_min) {
  if (text.size() < chars_min || text.size() > word.size()) return false;
  return std::equal(text.begin(), text.end(), word.begin(), [](char left, char right) {
    return std::tolower(static_cast<unsigned char>(left)) == right;
  });
}

}  // namespace

std::string supported_versions(ProtocolVersion newest) {
  return ": server supports 3.0 to " + std::to_string(newest.major) + "." + std::to_string(newest.minor);
}

Result<std::optional<std::size_t>> scan_startup_packet(ByteView bytes) {
  if (bytes.size() < length_bytes) return std::optional<std::size_t>();
  const std::uint32_t length = ByteReader(bytes).read_u32_be();
  if (length < length_bytes + code_bytes || length - length_bytes > startup_payload_bytes_max) {
    return failure(ErrorCode::frame_length_invalid, Blame::client, "invalid length of startup packet");
  }
  return std::optional<std::size_t>(length);
}

Result<StartupRequest> decode_startup_packet(ByteView packet, ProtocolVersion newest) {
  ByteReader reader(packet);
  const std::uint32_t length = reader.read_u32_be();
  const std::uint32_t code = reader.read_u32_be();
  if (!reader.ok() || length != packet.size()) return malformed("startup packet of a wrong size");
  const ByteView body = reader.read_bytes(reader.remaining());
  if (code == cancel_request_code) return decode_cancel(body);
  // The server does not look behind the code of these two.
  if (code == ssl_request_code) return StartupRequest(SslRequest{});
  if (code == gssenc_request_code) return StartupRequest(GssencRequest{});
  const ProtocolVersion version{static_cast<std::uint16_t>(code >> 16), static_cast<std::uint16_t>(code & 0xFFFF)};
  if (version.major != newest.major) {
    return failure(ErrorCode::version_unsupported, Blame::client,
                   "unsupported frontend protocol " + std::to_string(version.major) + "." +
                       std::to_string(version.minor) + supported_versions(newest));
  }
  return decode_parameters(version, body);
}

Status encode_startup_packet(const StartupRequest& request, Bytes& target) {
  ByteWriter writer(target);
  const std::size_t start = writer.position();
  writer.write_u32_be(0);
  if (const auto* message = std::get_if<StartupMessage>(&request)) {
    const Status encoded = encode_startup_message(*message, writer);
    if (!encoded) {
      target.resize(start);
      return encoded.error();
    }
  } else if (const auto* key = std::get_if<CancelKey>(&request)) {
    if (key->secret.size() < cancel_secret_bytes_min || key->secret.size() > cancel_secret_bytes_max) {
      target.resize(start);
      return failure(ErrorCode::message_malformed, Blame::self, "cancel key of a wrong size");
    }
    writer.write_u32_be(cancel_request_code);
    writer.write_u32_be(key->process_id);
    writer.write_bytes(key->secret);
  } else {
    writer.write_u32_be(std::holds_alternative<SslRequest>(request) ? ssl_request_code : gssenc_request_code);
  }
  writer.patch_length_u32_be(start);
  if (!writer.ok() || writer.position() - start - length_bytes > startup_payload_bytes_max) {
    target.resize(start);
    return failure(ErrorCode::startup_parameter_invalid, Blame::operator_,
                   "startup parameters hold a NUL or are longer than a server accepts");
  }
  return {};
}

void write_negotiate_protocol_version(ProtocolVersion spoken, const std::vector<std::string>& unrecognised_options, Bytes& target) {
  FrameWriter frame(target, BackendMessage::negotiate_protocol_version);
  frame.fields().write_u32_be(spoken.code());
  frame.fields().write_u32_be(static_cast<std::uint32_t>(unrecognised_options.size()));
  for (const std::string& option : unrecognised_options) frame.fields().write_text_z(option);
  frame.finish();
}

std::optional<ReplicationMode> parse_replication_mode(std::string_view value) {
  if (value == "database") return ReplicationMode::database;
  struct Spelling {
    std::string_view word;
    std::size_t chars_min;
    ReplicationMode mode;
  };
  // "o" alone could be on or off; every other abbreviation is unique.
  static constexpr std::array<Spelling, 8> spellings{{{"true", 1, ReplicationMode::physical},
                                                      {"yes", 1, ReplicationMode::physical},
                                                      {"on", 2, ReplicationMode::physical},
                                                      {"1", 1, ReplicationMode::physical},
                                                      {"false", 1, ReplicationMode::none},
                                                      {"no", 1, ReplicationMode::none},
                                                      {"off", 2, ReplicationMode::none},
                                                      {"0", 1, ReplicationMode::none}}};
  for (const Spelling& spelling : spellings) {
    if (is_abbreviation(value, spelling.word, spelling.chars_min)) return spelling.mode;
  }
  return std::nullopt;
}

}  // namespace protocol::postgres
