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

/// The server would refuse anybody now: it starts, recovers, crashed or stops.
/// Source: PostgreSQL 15 manual, appendix A, class 57.
bool is_not_ready(std::string_view code) {
  return code == sqlstate::cannot_connect_now || code == sqlstate::admin_shutdown || code == sqlstate::crash_shutdown;
}

}  // namespace

StartupMessage make_backend_startup(const Login& login, std::string_view user) {
  StartupMessage startup;
  startup.version = protocol_version_to_backends;
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
      is_clients_name_(user_ == login.user),
      password_(credentials.password),
      proof_(std::dynamic_pointer_cast<const PostgresLoginProof>(credentials.proof)),
      nonces_(nonces),
      cache_(cache),
      encryption_(wish) {}

BackendLoginDialogue::~BackendLoginDialogue() = default;

template <class Shown>
const Shown* BackendLoginDialogue::shown() const {
  return proof_ ? std::get_if<Shown>(&proof_->shown()) : nullptr;
}

std::string_view BackendLoginDialogue::password() const {
  if (!password_.is_empty()) return password_.reveal();
  const auto* clear = shown<ClearPassword>();
  return clear == nullptr ? std::string_view() : std::string_view(clear->text.reveal());
}

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
  password_ = {};
  proof_.reset();
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
  if (password().empty() && proof_ == nullptr) {
    return lacks_secret("the backend asks for a password of user \"" + user_ +
                        "\", and none is configured or was shown by the client");
  }
  if (code == AuthenticationCode::sasl) return begin_sasl(body, to_send);
  step_ = Step::awaiting_ok;
  if (code == AuthenticationCode::md5_password) return answer_md5(body, to_send);
  if (!body.empty()) return misbehaved("AuthenticationCleartextPassword with bytes behind it");
  return answer_cleartext(to_send);
}

bool BackendLoginDialogue::answer_cleartext(Bytes& to_send) {
  if (password().empty()) {
    return lacks_secret("the backend asks for the clear password of user \"" + user_ +
                        "\", of whom only a verifier is known");
  }
  return send_password(password(), to_send);
}

bool BackendLoginDialogue::answer_md5(ByteView salt, Bytes& to_send) {
  if (salt.size() != md5_salt_bytes) return misbehaved("AuthenticationMD5Password without a salt of four bytes");
  const auto* verifier = shown<Md5Verifier>();
  std::optional<std::string> answer;
  if (is_md5_verifier(password())) {
    answer = md5_password_of_verifier(password(), salt);
  } else if (!password().empty()) {
    answer = md5_password(user_, password(), salt);
  } else if (verifier != nullptr) {
    answer = md5_password_of_verifier(verifier->text.reveal(), salt);
  } else {
    return lacks_secret("the backend asks user \"" + user_ + "\" for MD5, but the client has shown SCRAM: this side holds " +
                        "another verifier than the one that the client was asked for");
  }
  if (!answer) {
    return fail(failure(ErrorCode::authentication_unsupported, Blame::operator_,
                        "the backend asks for MD5, which this system's OpenSSL refuses"));
  }
  return send_password(*answer, to_send);
}

bool BackendLoginDialogue::send_password(std::string_view answer, Bytes& to_send) {
  const Status written = write_password(answer, to_send);
  if (!written) return fail(written.error());
  return true;
}

bool BackendLoginDialogue::begin_sasl(ByteView mechanisms, Bytes& to_send) {
  const std::optional<bool> is_offered = offers_mechanism(mechanisms, scram_mechanism);
  const std::optional<bool> is_plus_offered = offers_mechanism(mechanisms, scram_plus_mechanism);
  if (!is_offered || !is_plus_offered) return misbehaved("a malformed list of SASL mechanisms");
  ScramBinding binding;
  if (tls_ && !tls_->server_end_point.empty()) {
    binding.use = *is_plus_offered ? ScramBinding::Use::used : ScramBinding::Use::possible;
    binding.server_end_point = tls_->server_end_point;
  }
  const bool is_bound = binding.use == ScramBinding::Use::used;
  if (!*is_offered && !is_bound) {
    return fail(failure(ErrorCode::authentication_unsupported, Blame::operator_,
                        "none of the backend's SASL mechanisms is SCRAM-SHA-256"));
  }
  if (shown<Md5Verifier>() != nullptr || (shown<ScramProof>() == nullptr && is_md5_verifier(password()))) {
    return lacks_secret("the backend asks user \"" + user_ + "\" for SCRAM, and only an MD5 verifier is known");
  }
  scram_.emplace(std::string(), make_scram_nonce(nonces_), std::move(binding));
  write_sasl_initial_response(is_bound ? scram_plus_mechanism : scram_mechanism, scram_->first(), to_send);
  step_ = Step::awaiting_challenge;
  return true;
}

bool BackendLoginDialogue::answer_challenge(ByteView body, Bytes& to_send) {
  const std::string_view text = as_text(body);
  const Result<ScramClient::Challenge> challenge = scram_->read_challenge(text);
  if (!challenge) return fail(challenge.error());
  const auto* proof = shown<ScramProof>();
  const bool has_password = !password().empty();
  if (!has_password && (proof->salt != challenge->salt || proof->iterations != challenge->iterations)) {
    return lacks_secret("the SCRAM verifier that the backend holds of user \"" + user_ + "\" has another " +
                        (proof->salt != challenge->salt ? "salt" : "number of iterations") +
                        " than the one that the client was asked for: this side was given the password separately");
  }
  const ScramClientKeys keys =
      has_password ? cache_.keys_for(password(), challenge->salt, challenge->iterations) : proof->keys;
  write_sasl_response(scram_->answer(text, *challenge, keys), to_send);
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
  // Behind AuthenticationOk it speaks of the role: that it does not exist, or may not log in.
  const bool is_of_clients_role = step_ == Step::collecting && is_clients_name_;
  const bool is_authorization = std::string_view(report->code).starts_with("28");
  const Blame blame = is_of_clients_role && is_authorization ? Blame::client : blame_of_refusal(report->code);
  if (blame != Blame::operator_) refusal_.assign(frame.begin(), frame.end());
  std::string detail = refusal_code_ + ": " + std::string(report->message.substr(0, detail_bytes_max));
  // A server that was sent the password in the clear could have it logged by repeating it.
  if (!password().empty() && detail.find(password()) != std::string::npos) detail = refusal_code_;
  if (report->code == sqlstate::invalid_password && step_ == Step::awaiting_signature && shown<ScramProof>() != nullptr) {
    return lacks_secret("the backend refused what the client has shown of user \"" + user_ +
                        "\": it holds another SCRAM verifier, or the role's VALID UNTIL has passed there");
  }
  const ErrorCode code = is_not_ready(refusal_code_) ? ErrorCode::backend_not_ready : ErrorCode::backend_refused;
  return fail(failure(code, blame, std::move(detail)));
}

bool BackendLoginDialogue::fail(Error error) {
  error_ = std::move(error);
  password_ = {};
  proof_.reset();
  return false;
}

bool BackendLoginDialogue::lacks_secret(std::string detail) {
  return fail(failure(ErrorCode::backend_secret_missing, Blame::operator_, std::move(detail)));
}

bool BackendLoginDialogue::misbehaved(std::string detail) {
  return fail(failure(ErrorCode::backend_misbehaved, Blame::backend, std::move(detail)));
}

}  // namespace protocol::postgres
