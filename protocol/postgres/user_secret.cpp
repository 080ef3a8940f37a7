#include "protocol/postgres/user_secret.hpp"

#include "protocol/postgres/locked_memory.hpp"

#include <memory>

namespace protocol::postgres {

bool is_md5_verifier(std::string_view text) {
  constexpr std::string_view prefix = "md5";
  constexpr std::size_t digit_count = 32;
  return text.size() == prefix.size() + digit_count && text.starts_with(prefix) &&
         text.substr(prefix.size()).find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::string user_secret_query() {
  // Infinity less a number is infinity, where a date less a date would fail.
  return "SELECT usename, passwd, EXTRACT(EPOCH FROM valuntil) - EXTRACT(EPOCH FROM pg_catalog.now()) "
         "FROM pg_catalog.pg_shadow WHERE usename = $1";
}

Result<UserSecret> parse_user_secret(std::string_view text) {
  if (text.empty()) return failure(ErrorCode::configuration_invalid, Blame::operator_, "an empty password");
  if (is_md5_verifier(text)) return UserSecret(Md5Verifier{SecretText(text)});
  if (text.starts_with("SCRAM-SHA-256$")) {
    Result<ScramVerifier> verifier = parse_scram_verifier(text);
    if (!verifier) return verifier.error();
    return UserSecret(*std::move(verifier));
  }
  return UserSecret(ClearPassword{SecretText(text)});
}

LoginProofPointer make_login_proof(PostgresLoginProof::Shown shown) {
  return std::allocate_shared<PostgresLoginProof>(LockedAllocator<PostgresLoginProof>(), std::move(shown));
}

}  // namespace protocol::postgres
