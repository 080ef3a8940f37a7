#pragma once

#include "protocol/base/bytes.hpp"
#include "protocol/base/result.hpp"
#include "protocol/postgres/digest.hpp"
#include "protocol/postgres/nonce_source.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

/// SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, both ends, as texts in and texts out.
/// Source: RFC 5802, RFC 7677; PostgreSQL 15 manual, 55.3.1 "SCRAM-SHA-256 Authentication"; channel binding by
/// tls-server-end-point, RFC 5929, the one type that PostgreSQL speaks.
///
/// Passwords are prepared by SASLprep where keys are derived from them: see prepare_password().
namespace protocol::postgres {

inline constexpr std::string_view scram_mechanism = "SCRAM-SHA-256";
inline constexpr std::string_view scram_plus_mechanism = "SCRAM-SHA-256-PLUS";
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
/// Whether the verifier was made of this password. Costs a PBKDF2 run; takes the same time for a right and a wrong one.
[[nodiscard]] bool is_password_of(const ScramVerifier& verifier, std::string_view password);

/// What one end knows of channel binding before the exchange.
struct ScramBinding {
  enum class Use : std::uint8_t {
    impossible,  ///< no TLS, or no hash of a certificate
    possible,    ///< could be used and is not: the server says whether it offered it, the client whether it was offered
    used,        ///< the mechanism is SCRAM-SHA-256-PLUS
  };
  Use use = Use::impossible;
  Bytes server_end_point;  ///< when used
};

/// The server's end of one exchange.
class ScramServer {
 public:
  /// Whether a right proof can exist at all: an unknown user goes through the same motions.
  enum class Kind : std::uint8_t { real, doomed };
  ScramServer(ScramVerifier verifier, Kind kind, std::string nonce);

  /// Before accept_first(), once the client has chosen a mechanism.
  void set_binding(ScramBinding binding) { binding_ = std::move(binding); }

  /// Takes the client-first-message, gives the server-first-message.
  /// Errors, blame client: message_malformed with a sentence of detail; authentication_unsupported for what the
  /// RFC allows and PostgreSQL does not; channel_binding_failed when the client thinks that no channel binding was
  /// offered: somebody in the middle has taken the offer away.
  [[nodiscard]] Result<std::string> accept_first(std::string_view client_first);
  /// Takes the client-final-message, gives the server-final-message.
  /// Errors, blame client: message_malformed; channel_binding_failed when the client sees another certificate than
  /// ours; authentication_failed for a wrong proof or a doomed exchange.
  [[nodiscard]] Result<std::string> accept_final(std::string_view client_final);

  /// After accept_final() succeeded: the keys that the client must have derived, recovered from its proof.
  [[nodiscard]] const ScramClientKeys& keys() const { return keys_; }
  [[nodiscard]] const ScramVerifier& verifier() const { return verifier_; }

 private:
  [[nodiscard]] Status accept_binding_flag(std::string_view client_first, std::size_t& header_bytes) const;
  [[nodiscard]] Status check_binding(std::string_view attribute) const;

  ScramVerifier verifier_;
  Kind kind_;
  std::string server_nonce_;
  ScramBinding binding_;
  std::string nonce_;  ///< both halves, once the client's is known
  std::string gs2_header_;
  std::string client_first_bare_;
  std::string server_first_;
  ScramClientKeys keys_;
};

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
  ScramClient(std::string name, std::string nonce, ScramBinding binding = {});

  [[nodiscard]] std::string first() const;

  /// What the server wants to have shown.
  struct Challenge {
    std::string nonce;  ///< both halves
    Bytes salt;
    std::uint32_t iterations = 0;
  };
  /// Takes the server-first-message. Errors: backend_misbehaved (blame backend).
  [[nodiscard]] Result<Challenge> read_challenge(std::string_view server_first) const;
  /// Gives the client-final-message. `keys` belong to the challenge's salt and iterations.
  [[nodiscard]] std::string answer(std::string_view server_first, const Challenge& challenge,
                                   const ScramClientKeys& keys);
  /// Both at once, from a password.
  [[nodiscard]] Result<std::string> respond(std::string_view server_first, std::string_view password,
                                            ScramKeyCache& cache);
  /// Takes the server-final-message; success proves that the server knows the password's verifier.
  /// Errors: backend_misbehaved (blame backend).
  [[nodiscard]] Status verify(std::string_view server_final) const;

 private:
  [[nodiscard]] std::string gs2_header() const;

  std::string nonce_;
  ScramBinding binding_;
  std::string first_bare_;
  Sha256 server_signature_{};
};

}  // namespace protocol::postgres
