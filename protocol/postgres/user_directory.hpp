#pragma once

#include "protocol/base/result.hpp"
#include "protocol/postgres/nonce_source.hpp"
#include "protocol/postgres/scram.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace protocol::postgres {

/// How a client proves who it is.
struct ClientAuthentication {
  enum class Method : std::uint8_t { trust, scram_sha_256 };
  Method method = Method::scram_sha_256;
  ScramVerifier verifier;  ///< for scram_sha_256
  ScramServer::Kind kind = ScramServer::Kind::real;
};

/// The users that clients may log in as. Filled at start-up, where each password costs one PBKDF2 run; then an
/// immutable snapshot that all workers share.
class UserDirectory {
 public:
  /// The name under which every user not named otherwise is trusted.
  static constexpr std::string_view everybody = "*";

  /// `source` gives the salts of passwords, and the secret from which salts for unknown users are made.
  explicit UserDirectory(NonceSource& source);
  ~UserDirectory();
  UserDirectory(const UserDirectory&) = delete;
  UserDirectory& operator=(const UserDirectory&) = delete;

  /// Errors: configuration_invalid (blame operator) for an empty name or one that is there already.
  [[nodiscard]] Status add_trusted(std::string_view user);
  /// `secret` is a password or a verifier as in pg_authid.
  /// Errors: as above; also for `*`, an empty secret, and a verifier that cannot be read.
  [[nodiscard]] Status add_secret(std::string_view user, std::string_view secret);

  /// What is asked of `user`. An unknown one gets a doomed exchange with a salt that is the same each time, so
  /// that nobody can find out which users exist.
  [[nodiscard]] ClientAuthentication find(std::string_view user) const;
  [[nodiscard]] std::size_t user_count() const { return users_.size(); }

 private:
  [[nodiscard]] Status add(std::string_view user, ClientAuthentication authentication);

  NonceSource& source_;  ///< used while filling only
  Sha256 mock_secret_{};
  std::map<std::string, ClientAuthentication, std::less<>> users_;
};

}  // namespace protocol::postgres
