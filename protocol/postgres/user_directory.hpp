#pragma once

#include "protocol/base/result.hpp"
#include "protocol/postgres/nonce_source.hpp"
#include "protocol/postgres/scram.hpp"
#include "protocol/postgres/user_secret.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace protocol::postgres {

/// A user's secret in every form that can be made of what is known.
struct UserCredentials {
  /// Whether any proof can be right: users who do not exist go through the same motions.
  ScramServer::Kind kind = ScramServer::Kind::doomed;
  ScramVerifier scram;              ///< of a user without one: doomed by itself, with a salt that stays
  bool has_scram = false;           ///< false also for users of whom only an MD5 verifier is known
  std::optional<Md5Verifier> md5;   ///< nothing: only SCRAM can be asked of the user
  std::optional<ClearPassword> clear;
};

/// The users whose secrets are known from the start. Filled at start-up, where each clear password costs one PBKDF2
/// run; then an immutable snapshot that all workers share.
class UserDirectory {
 public:
  /// `source` gives the secret from which salts are made; used in the constructor only.
  explicit UserDirectory(NonceSource& source);
  ~UserDirectory();
  UserDirectory(const UserDirectory&) = delete;
  UserDirectory& operator=(const UserDirectory&) = delete;

  /// `secret` in any form that parse_user_secret() reads.
  /// Errors: configuration_invalid (blame operator) for an empty name, one that is there already, and as there.
  [[nodiscard]] Status add_secret(std::string_view user, std::string_view secret);

  /// Null when the user is not here. Lifetime: the directory's.
  [[nodiscard]] const UserCredentials* find(std::string_view user) const;
  /// For a user whom nobody knows: an exchange that looks like any other and cannot succeed. The salt is the same
  /// each time, so that nobody can find out which users exist. There is an MD5 verifier if that is what most have.
  [[nodiscard]] UserCredentials doomed(std::string_view user) const;
  /// What can be made of a secret that came from elsewhere. A clear password costs a PBKDF2 run.
  /// Errors: as parse_user_secret().
  [[nodiscard]] Result<UserCredentials> make_credentials(std::string_view user, std::string_view secret) const;
  [[nodiscard]] std::size_t user_count() const { return users_.size(); }

 private:
  [[nodiscard]] Bytes salt_for(std::string_view user) const;

  Sha256 salt_secret_{};
  std::map<std::string, UserCredentials, std::less<>> users_;
  std::size_t md5_count_ = 0;         ///< users who can be asked for MD5
  std::size_t scram_only_count_ = 0;
};

}  // namespace protocol::postgres
