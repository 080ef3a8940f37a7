#pragma once

#include "protocol/base/bytes.hpp"

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

/// The few cryptographic primitives that PostgreSQL's logins need, over OpenSSL, and base64.
namespace protocol::postgres {

inline constexpr std::size_t sha256_bytes = 32;
using Sha256 = std::array<std::byte, sha256_bytes>;

[[nodiscard]] Sha256 sha256(ByteView bytes);
/// HMAC over the pieces as if they were one text.
[[nodiscard]] Sha256 hmac_sha256(ByteView key, std::initializer_list<std::string_view> pieces);
/// PBKDF2 with HMAC-SHA-256, called Hi() in RFC 5802. Takes about a millisecond for 4096 iterations: never
/// call it for each login. Precondition: iterations > 0.
[[nodiscard]] Sha256 pbkdf2_sha256(std::string_view password, ByteView salt, std::uint32_t iterations);
/// 32 lower-case hexadecimal digits; nullopt when OpenSSL refuses MD5 (a FIPS build).
[[nodiscard]] std::optional<std::string> md5_hex(std::initializer_list<std::string_view> pieces);

/// Equality whose duration does not depend on where the difference is.
[[nodiscard]] bool equal_in_constant_time(ByteView left, ByteView right);
/// Overwrites a secret so that the compiler cannot leave it out.
void wipe(std::span<std::byte> secret);
void wipe(std::string& secret);

/// Standard alphabet with padding.
[[nodiscard]] std::string encode_base64(ByteView bytes);
/// Strict: no blanks, complete padding, unused bits zero. nullopt otherwise.
[[nodiscard]] std::optional<Bytes> decode_base64(std::string_view text);

}  // namespace protocol::postgres
