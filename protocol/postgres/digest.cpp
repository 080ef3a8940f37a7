#include "protocol/postgres/digest.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include <algorithm>
#include <cstdlib>

namespace protocol::postgres {
namespace {

constexpr std::string_view base64_alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

unsigned char* as_unsigned(std::byte* bytes) { return reinterpret_cast<unsigned char*>(bytes); }
const unsigned char* as_unsigned(const std::byte* bytes) { return reinterpret_cast<const unsigned char*>(bytes); }

/// A digest that cannot be computed (no memory, broken library) must not turn into a wrong answer.
void require(bool has_succeeded) {
  if (!has_succeeded) std::abort();
}

}  // namespace

Sha256 sha256(ByteView bytes) {
  Sha256 digest;
  require(SHA256(as_unsigned(bytes.data()), bytes.size(), as_unsigned(digest.data())) != nullptr);
  return digest;
}

Sha256 hmac_sha256(ByteView key, std::initializer_list<std::string_view> pieces) {
  std::string text;
  for (const std::string_view piece : pieces) text.append(piece);
  Sha256 digest;
  unsigned int digest_bytes = 0;
  require(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), as_unsigned(as_bytes(text).data()), text.size(),
               as_unsigned(digest.data()), &digest_bytes) != nullptr);
  require(digest_bytes == digest.size());
  wipe(text);
  return digest;
}

Sha256 pbkdf2_sha256(std::string_view password, ByteView salt, std::uint32_t iterations) {
  Sha256 digest;
  require(PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), as_unsigned(salt.data()),
                            static_cast<int>(salt.size()), static_cast<int>(iterations), EVP_sha256(),
                            static_cast<int>(digest.size()), as_unsigned(digest.data())) == 1);
  return digest;
}

std::optional<std::string> md5_hex(std::initializer_list<std::string_view> pieces) {
  std::string text;
  for (const std::string_view piece : pieces) text.append(piece);
  std::array<std::byte, 16> digest{};
  std::size_t digest_bytes = 0;
  const int result =
      EVP_Q_digest(nullptr, "MD5", nullptr, text.data(), text.size(), as_unsigned(digest.data()), &digest_bytes);
  wipe(text);
  if (result != 1 || digest_bytes != digest.size()) return std::nullopt;
  static constexpr std::string_view digits = "0123456789abcdef";
  std::string hex;
  for (const std::byte byte : digest) {
    hex.push_back(digits[std::to_integer<std::size_t>(byte >> 4)]);
    hex.push_back(digits[std::to_integer<std::size_t>(byte & std::byte{0x0F})]);
  }
  return hex;
}

bool equal_in_constant_time(ByteView left, ByteView right) {
  return left.size() == right.size() && CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

void wipe(std::span<std::byte> secret) { OPENSSL_cleanse(secret.data(), secret.size()); }
void wipe(std::string& secret) {
  OPENSSL_cleanse(secret.data(), secret.size());
  secret.clear();
}

std::string encode_base64(ByteView bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j) group = (group << 8) | (j < count ? std::to_integer<std::uint32_t>(bytes[i + j]) : 0);
    for (std::size_t j = 0; j < 4; ++j) text.push_back(j <= count ? base64_alphabet[(group >> (18 - 6 * j)) & 63] : '=');
  }
  return text;
}

std::optional<Bytes> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  Bytes bytes;
  bytes.reserve(text.size() / 4 * 3);
  std::uint32_t group = 0;
  std::size_t group_chars = 0;
  for (const char character : text.substr(0, text.size() - padding)) {
    const std::size_t value = base64_alphabet.find(character);
    if (value == std::string_view::npos) return std::nullopt;
    group = (group << 6) | static_cast<std::uint32_t>(value);
    if (++group_chars < 4) continue;
    for (int shift = 16; shift >= 0; shift -= 8) bytes.push_back(static_cast<std::byte>((group >> shift) & 0xFF));
    group = 0;
    group_chars = 0;
  }
  if (padding == 0) return bytes;
  // 12 bits hold one byte, 18 bits two; what is left over must be zero or two texts would mean the same bytes.
  const std::size_t spare_bits = padding * 2;
  if ((group & ((1U << spare_bits) - 1)) != 0) return std::nullopt;
  group >>= spare_bits;
  for (std::size_t i = 3 - padding; i > 0; --i) bytes.push_back(static_cast<std::byte>((group >> (8 * (i - 1))) & 0xFF));
  return bytes;
}

}  // namespace protocol::postgres
