#include "protocol/postgres/backend_login.hpp"

#include "protocol/postgres/digest.hpp"
#include "protocol/postgres/sqlstate.hpp"
#include "protocol/wire/byte_reader.hpp"

#include <utility>

namespace protocol::postgres {
namespace {

/// How much of a server's words goes to the log.
constexpr std::size_t detail_bytes_max = 300;

/// Whose fault an ErrorResponse during the login is.
Blame blame_of_refusal(std::string_view code) {
  if (code.starts_with("28") || code.starts_with("08")) return Blame::operator_;
  if (code == sqlstate::invalid_catalog_name || code == sqlstate::insufficient_privilege || code.starts_with("22") ||
      code.starts_with("42")) {
    return Blame::client;
  }
  return Blame::backend;
}

}  // namespace

StartupMessage make_backend_startup(const Login& login, std::string_view user) {
  StartupMessage startup;
  startup.version = protocol_version_latest;
  startup.parameters = login.parameters;
  startup.parameters.insert_or_assign("user", std::string(user));
  if (login.database.empty()) {
    startup.parameters.erase("database");
  } else {
    startup.parameters.insert_or_assign("database", login.database);
  }
  return startup;
}

BackendLoginDialogue::BackendLoginDialogue(const Login& login, const BackendCredentials& credentials,
                                           NonceSource& nonces, ScramKeyCache& cache, EncryptionWish wish)
    : startup_(make_backend_startup(login, credentials.user.empty() ? login.user : credentials.user)),
      user_(credentials.user.empty() ? login.user : credentials.user),
      password_(credentials.password),
      nonces_(nonces),
      cache_(cache),
      encryption_(wish) {}

BackendLoginDialogue::~BackendLoginDialogue() { wipe(password_); }

DialogueProgress BackendLoginDialogue::advance(ByteView received, Bytes& to_send) {
  std::size_t consumed = 0;
  if (const std::optional<DialogueProgress> progress = begin(received, consumed, to_send)) return *progress;
  while (step_ != Step::done) {
    const ByteView unread = received.subspan(consumed);
    const std::optional<FrameHeader> header = scan_frame_header(unread);
    if (!header) return {DialogueState::reading, consumed};
    if (header->length < frame_length_min || header->payload_bytes() > payload_bytes_max) {
      misbehaved("a message of an impossible length during the login");
      return {DialogueState::failed, consumed};
    }
    if (unread.size() < header->frame_bytes()) return {DialogueState::reading, consumed};
    consumed += header->frame_bytes();
    if (!accept(static_cast<BackendMessage>(header->tag), unread.first(header->frame_bytes()), to_send)) {
      return {DialogueState::failed, consumed};
    }
  }
  wipe(password_);
  return {DialogueState::finished, consumed};
}

std::optional<DialogueProgress> BackendLoginDialogue::begin(ByteView received, std::size_t& consumed, Bytes& to_send) {
  if (step_ == Step::starting && encryption_.is_wanted()) {
    encryption_.begin(to_send);
    step_ = Step::asking_for_encryption;
  }
  if (step_ == Step::asking_for_encryption && !tls_) {
    switch (encryption_.judge(received)) {
      case EncryptionRequest::Answer::awaited: return DialogueProgress{DialogueState::reading, 0};
      case EncryptionRequest::Answer::accepted: return DialogueProgress{DialogueState::upgrading, 1};
      case EncryptionRequest::Answer::failed:
        fail(encryption_.error());
        return DialogueProgress{DialogueState::failed, 0};
      case EncryptionRequest::Answer::declined: consumed = 1; break;
    }
  }
  if (step_ != Step::starting && step_ != Step::asking_for_encryption) return std::nullopt;
  if (!write_startup(to_send)) return DialogueProgress{DialogueState::failed, consumed};
  return std::nullopt;
}

bool BackendLoginDialogue::write_startup(Bytes& to_send) {
  const Status encoded = encode_startup_packet(std::move(startup_), to_send);
  if (!encoded) return fail(encoded.error());
  step_ = Step::authenticating;
  return true;
}

bool BackendLoginDialogue::accept(BackendMessage tag, ByteView frame, Bytes& to_send) {
  const ByteView payload = frame.subspan(frame_header_bytes);
  if (tag == BackendMessage::error_response) return accept_refusal(frame);
  if (tag == BackendMessage::notice_response) return true;
  if (step_ == Step::collecting) {
    if (tag == BackendMessage::parameter_status) return accept_parameter_status(payload);
    if (tag == BackendMessage::backend_key_data) return accept_key(payload);
    if (tag == BackendMessage::ready_for_query) return accept_ready(payload);
  } else {
    if (tag == BackendMessage::authentication) return accept_authentication(payload, to_send);
    // We ask for 3.0 and no options, so there is nothing to negotiate; a server may say so all the same.
    if (tag == BackendMessage::negotiate_protocol_version && step_ == Step::authenticating) return true;
  }
  return misbehaved("a message out of turn during the login, type " +
                    std::to_string(static_cast<unsigned char>(tag)));
}

bool BackendLoginDialogue::accept_authentication(ByteView payload, Bytes& to_send) {
  ByteReader reader(payload);
  const auto code = static_cast<AuthenticationCode>(reader.read_u32_be());
  const ByteView body = reader.read_bytes(reader.remaining());
  if (!reader.ok()) return misbehaved("an Authentication message without a code");

  if (step_ == Step::awaiting_challenge) {
    if (code == AuthenticationCode::sasl_continue) return answer_challenge(body, to_send);
  } else if (step_ == Step::awaiting_signature) {
    if (code == AuthenticationCode::sasl_final) {
      const Status verified = scram_->verify(as_text(body));
      if (!verified) return fail(verified.error());
      step_ = Step::awaiting_ok;
      return true;
    }
  } else if (code == AuthenticationCode::ok) {
    if (!body.empty()) return misbehaved("AuthenticationOk with bytes behind it");
    step_ = Step::collecting;
    return true;
  } else if (step_ == Step::authenticating) {
    return answer_password_request(code, body, to_send);
  }
  // An AuthenticationOk before the server's signature lands here: an impostor would like to skip that step.
  return misbehaved("an Authentication message out of turn: " + std::string(name_of(code)));
}

bool BackendLoginDialogue::answer_password_request(AuthenticationCode code, ByteView body, Bytes& to_send) {
  const bool is_known = code == AuthenticationCode::cleartext_password || code == AuthenticationCode::md5_password ||
                        code == AuthenticationCode::sasl;
  if (!is_known) {
    return fail(failure(ErrorCode::authentication_unsupported, Blame::operator_,
                        "the backend asks for " + std::string(name_of(code))));
  }
  if (password_.empty()) {
    return fail(failure(ErrorCode::backend_refused, Blame::operator_,
                        "the backend asks for a password and none is configured"));
  }
  if (code == AuthenticationCode::sasl) return begin_sasl(body, to_send);

  step_ = Step::awaiting_ok;
  std::string answer = password_;
  if (code == AuthenticationCode::md5_password) {
    if (body.size() != md5_salt_bytes) return misbehaved("AuthenticationMD5Password without a salt of four bytes");
    const std::optional<std::string> digest = md5_password(user_, password_, body);
    if (!digest) {
      return fail(failure(ErrorCode::authentication_unsupported, Blame::operator_,
                          "the backend asks for MD5, which this system's OpenSSL refuses"));
    }
    answer = *digest;
  } else if (!body.empty()) {
    return misbehaved("AuthenticationCleartextPassword with bytes behind it");
  }
  const Status written = write_password(answer, to_send);
  wipe(answer);
  if (!written) return fail(written.error());
  return true;
}

bool BackendLoginDialogue::begin_sasl(ByteView mechanisms, Bytes& to_send) {
  const std::optional<bool> is_offered = offers_mechanism(mechanisms, scram_mechanism);
  if (!is_offered) return misbehaved("a malformed list of SASL mechanisms");
  if (!*is_offered) {
    return fail(failure(ErrorCode::authentication_unsupported, Blame::operator_,
                        "none of the backend's SASL mechanisms is SCRAM-SHA-256"));
  }
  // Channel binding needs TLS to the backend; without it SCRAM-SHA-256-PLUS is not offered by a sane server.
  scram_.emplace(std::string(), make_scram_nonce(nonces_));
  write_sasl_initial_response(scram_mechanism, scram_->first(), to_send);
  step_ = Step::awaiting_challenge;
  return true;
}

bool BackendLoginDialogue::answer_challenge(ByteView body, Bytes& to_send) {
  const Result<std::string> response = scram_->respond(as_text(body), password_, cache_);
  if (!response) return fail(response.error());
  write_sasl_response(*response, to_send);
  step_ = Step::awaiting_signature;
  return true;
}

bool BackendLoginDialogue::accept_parameter_status(ByteView payload) {
  ByteReader reader(payload);
  const std::string_view name = reader.read_text_z();
  const std::string_view value = reader.read_text_z();
  if (!reader.is_complete()) return misbehaved("a malformed ParameterStatus");
  identity_.parameters.insert_or_assign(std::string(name), std::string(value));
  if (identity_.parameters.size() > parameter_count_max) return misbehaved("too many parameters");
  return true;
}

bool BackendLoginDialogue::accept_key(ByteView payload) {
  ByteReader reader(payload);
  CancelKey key;
  key.process_id = reader.read_u32_be();
  const ByteView secret = reader.read_bytes(reader.remaining());
  if (!reader.ok() || secret.size() < cancel_secret_bytes_min || secret.size() > cancel_secret_bytes_max) {
    return misbehaved("a BackendKeyData of a wrong size");
  }
  key.secret.assign(secret.begin(), secret.end());
  identity_.key = std::move(key);
  return true;
}

bool BackendLoginDialogue::accept_ready(ByteView payload) {
  // A session cannot be inside a transaction before its first statement.
  if (as_text(payload) != "I") return misbehaved("the first ReadyForQuery does not say idle");
  step_ = Step::done;
  return true;
}

bool BackendLoginDialogue::accept_refusal(ByteView frame) {
  const Result<ErrorReport> report = decode_error_report(frame.subspan(frame_header_bytes));
  if (!report) return misbehaved("a malformed ErrorResponse during the login");
  refusal_code_ = report->code;
  const Blame blame = blame_of_refusal(report->code);
  if (blame != Blame::operator_) refusal_.assign(frame.begin(), frame.end());
  std::string detail = refusal_code_ + ": " + std::string(report->message.substr(0, detail_bytes_max));
  // A server that was sent the password in the clear could have it logged by repeating it.
  if (!password_.empty() && detail.find(password_) != std::string::npos) detail = refusal_code_;
  return fail(failure(ErrorCode::backend_refused, blame, std::move(detail)));
}

bool BackendLoginDialogue::fail(Error error) {
  error_ = std::move(error);
  wipe(password_);
  return false;
}

bool BackendLoginDialogue::misbehaved(std::string detail) {
  return fail(failure(ErrorCode::backend_misbehaved, Blame::backend, std::move(detail)));
}

}  // namespace protocol::postgres
