#include "protocol/postgres/user_directory.hpp"

#include <utility>

namespace protocol::postgres {

UserDirectory::UserDirectory(NonceSource& source) : source_(source) { source_.fill(mock_secret_); }

UserDirectory::~UserDirectory() { wipe(mock_secret_); }

Status UserDirectory::add_trusted(std::string_view user) {
  return add(user, ClientAuthentication{ClientAuthentication::Method::trust, {}, ScramServer::Kind::real});
}

Status UserDirectory::add_secret(std::string_view user, std::string_view secret) {
  if (user == everybody) {
    return failure(ErrorCode::configuration_invalid, Blame::operator_, "\"*\" stands for everybody and can only be trusted");
  }
  if (secret.empty()) {
    return failure(ErrorCode::configuration_invalid, Blame::operator_,
                   "user \"" + std::string(user) + "\" has an empty password");
  }
  ClientAuthentication authentication;
  if (secret.starts_with("SCRAM-SHA-256$")) {
    Result<ScramVerifier> verifier = parse_scram_verifier(secret);
    if (!verifier) return verifier.error();
    authentication.verifier = *std::move(verifier);
  } else {
    Bytes salt(scram_salt_bytes);
    source_.fill(salt);
    authentication.verifier = make_scram_verifier(secret, std::move(salt), scram_iterations_default);
  }
  return add(user, std::move(authentication));
}

ClientAuthentication UserDirectory::find(std::string_view user) const {
  auto found = users_.find(user);
  // A client cannot become everybody by calling itself "*": the entry is for those who are not named.
  if (found == users_.end()) found = users_.find(everybody);
  if (found != users_.end()) return found->second;
  ClientAuthentication doomed;
  doomed.kind = ScramServer::Kind::doomed;
  const Sha256 salt = hmac_sha256(mock_secret_, {user});
  doomed.verifier.salt.assign(salt.begin(), salt.begin() + scram_salt_bytes);
  return doomed;
}

Status UserDirectory::add(std::string_view user, ClientAuthentication authentication) {
  if (user.empty()) return failure(ErrorCode::configuration_invalid, Blame::operator_, "a user without a name");
  if (!users_.emplace(std::string(user), std::move(authentication)).second) {
    return failure(ErrorCode::configuration_invalid, Blame::operator_,
                   "user \"" + std::string(user) + "\" is named twice");
  }
  return {};
}

}  // namespace protocol::postgres
