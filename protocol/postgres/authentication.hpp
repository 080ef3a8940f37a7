#pragma once

#include "protocol/base/bytes.hpp"
#include "protocol/base/result.hpp"

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string_view>

/// The Authentication messages and the client's answers to them.
/// Source: PostgreSQL 15 manual, 55.7 "Message Formats", Authentication… and SASLInitialResponse.
namespace protocol::postgres {

/// The first field of an Authentication message.
enum class AuthenticationCode : std::uint32_t {
  ok = 0,
  kerberos_v5 = 2,
  cleartext_password = 3,
  md5_password = 5,
  scm_credential = 6,
  gss = 7,
  gss_continue = 8,
  sspi = 9,
  sasl = 10,
  sasl_continue = 11,
  sasl_final = 12,
};

/// The manual's name of a code, for logs; "unknown" for others.
[[nodiscard]] std::string_view name_of(AuthenticationCode code);

/// `Authentication…` with whatever follows the code.
void write_authentication(AuthenticationCode code, std::string_view body, Bytes& target);
/// AuthenticationSASL that offers these mechanisms, in the order of preference.
void write_authentication_sasl(std::initializer_list<std::string_view> mechanisms, Bytes& target);

/// Whether the list of mechanisms in an AuthenticationSASL holds `mechanism`.
/// nullopt: the list is not well-formed.
[[nodiscard]] std::optional<bool> offers_mechanism(ByteView list, std::string_view mechanism);

/// PasswordMessage: the password (or its MD5 form) with a zero behind it.
/// Errors: configuration_invalid (blame operator) for a password with a NUL inside.
[[nodiscard]] Status write_password(std::string_view password, Bytes& target);
void write_sasl_initial_response(std::string_view mechanism, std::string_view response, Bytes& target);
void write_sasl_response(std::string_view response, Bytes& target);

/// What the client puts into its SASLInitialResponse. Lifetime: loans of the payload.
struct SaslInitialResponse {
  std::string_view mechanism;
  std::optional<std::string_view> response;  ///< nullopt: the client waits for an empty challenge first
};
/// Errors: message_malformed (blame client).
[[nodiscard]] Result<SaslInitialResponse> decode_sasl_initial_response(ByteView payload);

/// The answer to AuthenticationMD5Password: "md5" and the hexadecimal MD5 of the MD5 of password and user,
/// and the salt. nullopt when MD5 is not available.
/// Source: PostgreSQL 15 manual, 55.2.1 "Start-up", AuthenticationMD5Password.
[[nodiscard]] std::optional<std::string> md5_password(std::string_view user, std::string_view password, ByteView salt);
inline constexpr std::size_t md5_salt_bytes = 4;
/// The same from a stored verifier ("md5" and 32 digits) instead of the password.
[[nodiscard]] std::optional<std::string> md5_password_of_verifier(std::string_view verifier, ByteView salt);

}  // namespace protocol::postgres
