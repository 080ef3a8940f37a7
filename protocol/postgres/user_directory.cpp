#include "protocol/postgres/user_directory.hpp"

#include <utility>

namespace protocol::postgres {

UserDirectory::UserDirectory(NonceSource& source) { source.fill(salt_secret_); }

UserDirectory::~UserDirectory() { wipe(salt_secret_); }

Bytes UserDirectory::salt_for(std::string_view user) const {
  const Sha256 digest = hmac_sha256(salt_secret_, {user});
  return {digest.begin(), digest.begin() + scram_salt_bytes};
}

Status UserDirectory::add_secret(std::string_view user, std::string_view secret) {
  if (user.empty()) return failure(ErrorCode::configuration_invalid, Blame::operator_, "a user without a name");
  if (users_.contains(user)) {
    return failure(ErrorCode::configuration_invalid, Blame::operator_,
                   "user \"" + std::string(user) + "\" is named twice");
  }
  Result<UserCredentials> credentials = make_credentials(user, secret);
  if (!credentials) {
    return failure(ErrorCode::configuration_invalid, Blame::operator_,
                   "user \"" + std::string(user) + "\": " + credentials.error().detail);
  }
  ++(credentials->md5 ? md5_count_ : scram_only_count_);
  users_.emplace(std::string(user), *std::move(credentials));
  return {};
}

Result<UserCredentials> UserDirectory::make_credentials(std::string_view user, std::string_view secret) const {
  Result<UserSecret> parsed = parse_user_secret(secret);
  if (!parsed) return parsed.error();
  UserCredentials credentials = doomed(user);
  credentials.kind = ScramServer::Kind::real;
  credentials.md5.reset();
  if (auto* verifier = std::get_if<ScramVerifier>(&*parsed)) {
    credentials.scram = std::move(*verifier);
    credentials.has_scram = true;
  } else if (auto* md5 = std::get_if<Md5Verifier>(&*parsed)) {
    credentials.md5 = std::move(*md5);
  } else {
    auto& clear = std::get<ClearPassword>(*parsed);
    credentials.scram = make_scram_verifier(clear.text.reveal(), salt_for(user), scram_iterations_default);
    credentials.has_scram = true;
    std::optional<std::string> digest = md5_hex({clear.text.reveal(), user});
    if (digest) {
      credentials.md5 = Md5Verifier{SecretText("md5" + *digest)};
      wipe(*digest);
    }
    credentials.clear = std::move(clear);
  }
  return credentials;
}

const UserCredentials* UserDirectory::find(std::string_view user) const {
  const auto found = users_.find(user);
  return found == users_.end() ? nullptr : &found->second;
}

UserCredentials UserDirectory::doomed(std::string_view user) const {
  UserCredentials credentials;
  credentials.scram.salt = salt_for(user);
  if (md5_count_ > scram_only_count_) credentials.md5 = Md5Verifier{SecretText("md5" + std::string(32, '0'))};
  return credentials;
}

}  // namespace protocol::postgres
