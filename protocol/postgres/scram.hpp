#pragma once

#include "protocol/base/bytes.hpp"
#include "protocol/base/result.hpp"
#include "protocol/postgres/digest.hpp"
#include "protocol/postgres/nonce_source.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

/// SCRAM-SHA-256 without channel binding, both ends, as texts in and texts out.
/// Source: RFC 5802, RFC 7677; PostgreSQL 15 manual, 55.3.1 "SCRAM-SHA-256 Authentication".
///
/// Passwords are used as the bytes that were given. SASLprep leaves ASCII unchanged, and the server falls back
/// to the raw bytes where it fails; passwords with characters that SASLprep would change (compatibility forms,
/// decomposed letters, exotic blanks) must be written in their prepared form.
namespace protocol::postgres {

inline constexpr std::string_view scram_mechanism = "SCRAM-SHA-256";
inline constexpr std::uint32_t scram_iterations_default = 4096;
/// More iterations would stall a worker for over half a second; a backend that asks for them is refused.
inline constexpr std::uint32_t scram_iterations_max = 1'000'000;
/// Salts are 16 bytes in practice; this bounds what a peer can make us hold.
inline constexpr std::size_t scram_salt_bytes_max = 1024;
inline constexpr std::size_t scram_salt_bytes = 16;
/// Base64 of as many random bytes as the server itself uses.
inline constexpr std::size_t scram_nonce_bytes = 18;

/// What a server stores instead of a password.
struct ScramVerifier {
  std::uint32_t iterations = scram_iterations_default;
  Bytes salt;
  Sha256 stored_key{};
  Sha256 server_key{};
  bool operator==(const ScramVerifier&) const = default;
};

/// The form in pg_authid: `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`.
/// Errors: configuration_invalid (blame operator).
/// Source: PostgreSQL 15 manual, 53.8 "pg_authid".
[[nodiscard]] Result<ScramVerifier> parse_scram_verifier(std::string_view text);
[[nodiscard]] std::string to_text(const ScramVerifier& verifier);
/// Costs a PBKDF2 run: at start-up only.
[[nodiscard]] ScramVerifier make_scram_verifier(std::string_view password, Bytes salt, std::uint32_t iterations);

[[nodiscard]] std::string make_scram_nonce(NonceSource& source);

/// The server's end of one exchange.
class ScramServer {
 public:
  /// Whether a right proof can exist at all: an unknown user goes through the same motions.
  enum class Kind : std::uint8_t { real, doomed };
  ScramServer(ScramVerifier verifier, Kind kind, std::string nonce);

  /// Takes the client-first-message, gives the server-first-message.
  /// Errors, blame client: message_malformed with a sentence of detail; authentication_unsupported for what the
  /// RFC allows and PostgreSQL does not.
  [[nodiscard]] Result<std::string> accept_first(std::string_view client_first);
  /// Takes the client-final-message, gives the server-final-message.
  /// Errors, blame client: message_malformed; authentication_failed for a wrong proof or a doomed exchange.
  [[nodiscard]] Result<std::string> accept_final(std::string_view client_final);

 private:
  ScramVerifier verifier_;
  Kind kind_;
  std::string server_nonce_;
  std::string nonce_;  ///< both halves, once the client's is known
  std::string gs2_header_;
  std::string client_first_bare_;
  std::string server_first_;
};

/// What a client derives from a password; as good as the password, so it is wiped.
struct ScramClientKeys {
  Sha256 client_key{};
  Sha256 server_key{};
  ScramClientKeys() = default;
  ScramClientKeys(const ScramClientKeys&) = default;
  ScramClientKeys& operator=(const ScramClientKeys&) = default;
  ~ScramClientKeys() {
    wipe(client_key);
    wipe(server_key);
  }
};
[[nodiscard]] ScramClientKeys derive_scram_client_keys(std::string_view password, ByteView salt, std::uint32_t iterations);

/// Remembers derived keys, so that thousands of logins to one server pay for PBKDF2 once. One per worker; not
/// for use by several threads. Holds no passwords. Bounded; the entry used longest ago is dropped.
class ScramKeyCache {
 public:
  static constexpr std::size_t entry_count_max = 256;
  /// Lifetime of the result: until the next call.
  [[nodiscard]] const ScramClientKeys& keys_for(std::string_view password, ByteView salt, std::uint32_t iterations);
  [[nodiscard]] std::uint64_t derivation_count() const { return derivation_count_; }

 private:
  struct Entry {
    ScramClientKeys keys;
    std::uint64_t last_use = 0;
  };
  std::map<Sha256, Entry> entries_;
  std::uint64_t use_count_ = 0;
  std::uint64_t derivation_count_ = 0;
};

/// The client's end of one exchange. PostgreSQL takes the user from the startup message and ignores the name
/// in the exchange, which libpq therefore leaves empty.
class ScramClient {
 public:
  ScramClient(std::string name, std::string nonce);

  [[nodiscard]] std::string first() const;
  /// Takes the server-first-message, gives the client-final-message.
  /// Errors: backend_misbehaved (blame backend).
  [[nodiscard]] Result<std::string> respond(std::string_view server_first, std::string_view password,
                                            ScramKeyCache& cache);
  /// Takes the server-final-message; success proves that the server knows the password's verifier.
  /// Errors: backend_misbehaved (blame backend).
  [[nodiscard]] Status verify(std::string_view server_final) const;

 private:
  std::string nonce_;
  std::string first_bare_;
  Sha256 server_signature_{};
};

}  // namespace protocol::postgres
