#pragma once

#include "protocol/base/result.hpp"
#include "protocol/base/secret_text.hpp"
#include "protocol/dialogue.hpp"
#include "protocol/postgres/scram.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <variant>

/// The forms in which a user's password is known, and what can be shown to a backend with each.
namespace protocol::postgres {

struct ClearPassword {
  SecretText text;
};
/// "md5" and 32 hexadecimal digits: the MD5 of password and user name. As good as the password where a server asks
/// for MD5, and worthless elsewhere.
/// Source: PostgreSQL 15 manual, 53.8 "pg_authid", rolpassword.
struct Md5Verifier {
  SecretText text;
};
using UserSecret = std::variant<ClearPassword, Md5Verifier, ScramVerifier>;

/// Reads a secret as it stands in a user list or in pg_authid; what has the form of neither verifier is a password,
/// as for the server.
/// Errors: configuration_invalid (blame operator) when it is empty, or begins like a SCRAM verifier and is none; the
/// detail never quotes it.
[[nodiscard]] Result<UserSecret> parse_user_secret(std::string_view text);

/// Whether it has the form of an MD5 verifier.
[[nodiscard]] bool is_md5_verifier(std::string_view text);

/// Asks a server for the secret of the user $1: a row of name, secret and, where a third column is there, the seconds
/// until it is no longer valid. For a session whose search_path is pg_catalog alone.
/// Source: PostgreSQL 15 manual, 54.24 "pg_shadow".
[[nodiscard]] std::string user_secret_query();

/// What a client's SCRAM exchange gave away: with ClientKey one can log in to any server that holds the same
/// verifier, that is the same salt, iterations and StoredKey.
/// Source: RFC 5802, 3 "SCRAM Algorithm Overview": ClientKey := ClientProof XOR ClientSignature; 9 "Security
/// Considerations" says what it is worth.
struct ScramProof {
  Bytes salt;
  std::uint32_t iterations = scram_iterations_default;
  ScramClientKeys keys;
};

/// PostgreSQL's LoginProof.
class PostgresLoginProof final : public LoginProof {
 public:
  using Shown = std::variant<ClearPassword, Md5Verifier, ScramProof>;
  explicit PostgresLoginProof(Shown shown) : shown_(std::move(shown)) {}
  [[nodiscard]] const Shown& shown() const { return shown_; }

 private:
  Shown shown_;
};
/// In locked memory: see locked_memory.hpp.
[[nodiscard]] LoginProofPointer make_login_proof(PostgresLoginProof::Shown shown);

}  // namespace protocol::postgres
