#include "protocol/postgres/secret_agreement.hpp"

#include "protocol/postgres/digest.hpp"

namespace protocol::postgres {
namespace {

using Complaint = std::optional<std::string>;

bool is_same_md5(std::string_view left, std::string_view right) {
  return equal_in_constant_time(as_bytes(left), as_bytes(right));
}

Complaint judge_password(std::string_view user, std::string_view password, const UserSecret& held) {
  bool fits = false;
  if (const auto* scram = std::get_if<ScramVerifier>(&held)) {
    fits = is_password_of(*scram, password);
  } else if (const auto* md5 = std::get_if<Md5Verifier>(&held)) {
    const std::optional<std::string> digest = md5_hex({password, user});
    fits = digest && is_same_md5("md5" + *digest, md5->text.reveal());
  } else {
    fits = is_same_md5(password, std::get<ClearPassword>(held).text.reveal());
  }
  return fits ? Complaint() : Complaint("holds another password");
}

Complaint judge_scram(const ScramVerifier& known, const UserSecret& held) {
  const auto* scram = std::get_if<ScramVerifier>(&held);
  if (scram == nullptr) return "holds no SCRAM verifier, which is all that is known here";
  if (scram->salt != known.salt) return "holds a SCRAM verifier with another salt: the password was set there separately";
  if (scram->iterations != known.iterations) return "holds a SCRAM verifier with another number of iterations";
  if (!equal_in_constant_time(scram->stored_key, known.stored_key)) return "holds a SCRAM verifier of another password";
  return std::nullopt;
}

Complaint judge_md5(const Md5Verifier& known, const UserSecret& held) {
  const auto* md5 = std::get_if<Md5Verifier>(&held);
  if (md5 == nullptr) return "holds no MD5 verifier, which is all that is known here";
  if (!is_same_md5(md5->text.reveal(), known.text.reveal())) return "holds an MD5 verifier of another password";
  return std::nullopt;
}

}  // namespace

std::optional<std::string> disagreement(std::string_view user, const UserSecret& known, std::string_view held) {
  if (held.empty()) return "knows no such user, or no password of it that is still valid";
  const Result<UserSecret> parsed = parse_user_secret(held);
  if (!parsed) return "holds a verifier that is malformed";
  if (const auto* scram = std::get_if<ScramVerifier>(&known)) return judge_scram(*scram, *parsed);
  if (const auto* md5 = std::get_if<Md5Verifier>(&known)) return judge_md5(*md5, *parsed);
  return judge_password(user, std::get<ClearPassword>(known).text.reveal(), *parsed);
}

}  // namespace protocol::postgres
