#include "protocol/postgres/authentication.hpp"

#include "protocol/postgres/digest.hpp"
#include "protocol/postgres/frame_writer.hpp"
#include "protocol/wire/byte_reader.hpp"

#include <string>

namespace protocol::postgres {

std::string_view name_of(AuthenticationCode code) {
  switch (code) {
    case AuthenticationCode::ok: return "AuthenticationOk";
    case AuthenticationCode::kerberos_v5: return "AuthenticationKerberosV5";
    case AuthenticationCode::cleartext_password: return "AuthenticationCleartextPassword";
    case AuthenticationCode::md5_password: return "AuthenticationMD5Password";
    case AuthenticationCode::scm_credential: return "AuthenticationSCMCredential";
    case AuthenticationCode::gss: return "AuthenticationGSS";
    case AuthenticationCode::gss_continue: return "AuthenticationGSSContinue";
    case AuthenticationCode::sspi: return "AuthenticationSSPI";
    case AuthenticationCode::sasl: return "AuthenticationSASL";
    case AuthenticationCode::sasl_continue: return "AuthenticationSASLContinue";
    case AuthenticationCode::sasl_final: return "AuthenticationSASLFinal";
  }
  return "unknown";
}

void write_authentication(AuthenticationCode code, std::string_view body, Bytes& target) {
  FrameWriter frame(target, BackendMessage::authentication);
  frame.fields().write_u32_be(static_cast<std::uint32_t>(code));
  frame.fields().write_text(body);
  frame.finish();
}

void write_authentication_sasl(std::initializer_list<std::string_view> mechanisms, Bytes& target) {
  std::string list;
  for (const std::string_view mechanism : mechanisms) list.append(mechanism).append(1, '\0');
  list.append(1, '\0');
  write_authentication(AuthenticationCode::sasl, list, target);
}

std::optional<bool> offers_mechanism(ByteView list, std::string_view mechanism) {
  ByteReader reader(list);
  bool is_offered = false;
  while (true) {
    const std::string_view name = reader.read_text_z();
    if (!reader.ok()) return std::nullopt;
    if (name.empty()) break;
    is_offered = is_offered || name == mechanism;
  }
  if (!reader.is_complete()) return std::nullopt;
  return is_offered;
}

Status write_password(std::string_view password, Bytes& target) {
  const std::size_t start = target.size();
  FrameWriter frame(target, FrontendMessage::password);
  frame.fields().write_text_z(password);
  if (frame.finish()) return {};
  target.resize(start);
  return failure(ErrorCode::configuration_invalid, Blame::operator_, "a backend password holds a NUL");
}

void write_sasl_initial_response(std::string_view mechanism, std::string_view response, Bytes& target) {
  FrameWriter frame(target, FrontendMessage::password);
  frame.fields().write_text_z(mechanism);
  frame.fields().write_u32_be(static_cast<std::uint32_t>(response.size()));
  frame.fields().write_text(response);
  frame.finish();
}

void write_sasl_response(std::string_view response, Bytes& target) {
  FrameWriter frame(target, FrontendMessage::password);
  frame.fields().write_text(response);
  frame.finish();
}

Result<SaslInitialResponse> decode_sasl_initial_response(ByteView payload) {
  ByteReader reader(payload);
  SaslInitialResponse initial;
  initial.mechanism = reader.read_text_z();
  const std::int32_t length = reader.read_i32_be();
  if (length >= 0) initial.response = as_text(reader.read_bytes(static_cast<std::size_t>(length)));
  if (length < -1 || !reader.is_complete()) {
    return failure(ErrorCode::message_malformed, Blame::client, "invalid SASLInitialResponse");
  }
  return initial;
}

std::optional<std::string> md5_password(std::string_view user, std::string_view password, ByteView salt) {
  std::optional<std::string> inner = md5_hex({password, user});
  if (!inner) return std::nullopt;
  std::optional<std::string> answer = md5_password_of_verifier("md5" + *inner, salt);
  wipe(*inner);
  return answer;
}

std::optional<std::string> md5_password_of_verifier(std::string_view verifier, ByteView salt) {
  const std::optional<std::string> outer = md5_hex({verifier.substr(3), as_text(salt)});
  if (!outer) return std::nullopt;
  return "md5" + *outer;
}

}  // namespace protocol::postgres
