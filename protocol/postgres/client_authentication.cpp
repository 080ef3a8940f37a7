#include "protocol/postgres/client_authentication.hpp"

#include "protocol/postgres/authentication.hpp"
#include "protocol/postgres/message.hpp"
#include "protocol/postgres/sqlstate.hpp"
#include "protocol/wire/byte_reader.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <utility>

namespace protocol::postgres {
namespace {

ErrorFields fatal(std::string_view code, std::string message, std::string detail = {}) {
  return {.severity = "FATAL",
          .code = std::string(code),
          .message = std::move(message),
          .detail = std::move(detail),
          .hint = {}};
}

/// As the server names a peer: "[local]" for a local socket.
std::string format(const PeerAddress& address) {
  constexpr std::array<std::uint8_t, 12> mapped_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  if (address == PeerAddress{}) return "[local]";
  const bool is_ipv4 = std::equal(mapped_prefix.begin(), mapped_prefix.end(), address.begin());
  std::array<char, INET6_ADDRSTRLEN> text{};
  const void* bytes = address.data() + (is_ipv4 ? mapped_prefix.size() : 0);
  return inet_ntop(is_ipv4 ? AF_INET : AF_INET6, bytes, text.data(), text.size()) == nullptr ? "???" : text.data();
}

/// What the secret itself would let us show to a backend; null for a SCRAM verifier, which opens nothing by itself.
LoginProofPointer proof_of(const UserCredentials& credentials) {
  if (credentials.clear) return make_login_proof(*credentials.clear);
  if (credentials.kind == ScramServer::Kind::real && credentials.md5) {
    return make_login_proof(*credentials.md5);
  }
  return nullptr;
}

}  // namespace

ClientAuthentication::ClientAuthentication(const Admission& admission, NonceSource& nonces, GreetingHost& host)
    : admission_(admission), nonces_(nonces), host_(host) {}

ClientAuthentication::~ClientAuthentication() = default;

DialogueState ClientAuthentication::begin(const Login& login, const std::optional<TlsFacts>& tls, Bytes& to_send) {
  login_ = &login;
  if (tls) tls_ = &*tls;
  const AccessRule* rule =
      find_access_rule(*admission_.rules, {login.user, login.database, host_.client_address(), tls.has_value()});
  const bool is_going_on = rule != nullptr ? apply(*rule, to_send)
                                           : deny("no pg_hba.conf entry for " + describe_connection(), to_send);
  if (!is_going_on) return DialogueState::failed;
  if (step_ == Step::over) return DialogueState::finished;
  return step_ == Step::awaiting_secret ? DialogueState::waiting : DialogueState::reading;
}

std::string ClientAuthentication::describe_connection() const {
  std::string text = login_->is_replication && login_->database.empty() ? "replication connection from host \"" : "host \"";
  text += format(host_.client_address()) + "\", user \"" + login_->user + "\", ";
  if (!login_->database.empty()) text += "database \"" + login_->database + "\", ";
  return text + (tls_ != nullptr ? "SSL encryption" : "no encryption");
}

bool ClientAuthentication::apply(const AccessRule& rule, Bytes& to_send) {
  method_ = rule.method;
  switch (rule.method) {
    case AccessMethod::reject: return deny("pg_hba.conf rejects connection for " + describe_connection(), to_send);
    case AccessMethod::certificate: return accept_certificate(to_send);
    case AccessMethod::peer: return ask_for_peer(to_send);
    case AccessMethod::trust:
      if (const UserCredentials* known = admission_.users->find(login_->user)) proof_ = proof_of(*known);
      return succeed(to_send);
    case AccessMethod::password:
    case AccessMethod::md5:
    case AccessMethod::scram_sha_256: break;
  }
  if (host_.is_barred(login_->user)) {
    return deny("too many failed logins for user \"" + login_->user + "\", try again later", to_send);
  }
  if (const UserCredentials* known = admission_.users->find(login_->user)) return begin_exchange(*known, to_send);
  if (admission_.secrets != nullptr) return ask_for_secret(to_send);
  return begin_exchange(admission_.users->doomed(login_->user), to_send);
}

/// Source: PostgreSQL 15 manual, 21.12 "Certificate Authentication".
bool ClientAuthentication::accept_certificate(Bytes& to_send) {
  if (tls_ == nullptr || !tls_->peer) return deny("connection requires a valid client certificate", to_send);
  if (tls_->peer->common_name != login_->user) {
    return deny("certificate authentication failed for user \"" + login_->user + "\"", to_send);
  }
  if (const UserCredentials* known = admission_.users->find(login_->user)) proof_ = proof_of(*known);
  return succeed(to_send);
}

/// Source: PostgreSQL 15 manual, 21.9 "Peer Authentication".
bool ClientAuthentication::ask_for_peer(Bytes& to_send) {
  const std::optional<std::uint32_t> number = host_.local_user_number();
  if (!number || admission_.local_users == nullptr) return accept_peer({}, to_send);
  step_ = Step::awaiting_secret;
  question_ = admission_.local_users->ask(std::to_string(*number), [this] { host_.wake(); });
  return question_->answer ? accept_answer(to_send) : true;
}

bool ClientAuthentication::accept_peer(const SecretAnswer& answer, Bytes& to_send) {
  const bool is_its_user = answer.kind == SecretAnswer::Kind::found && answer.secret.reveal() == login_->user;
  if (!is_its_user) return deny("Peer authentication failed for user \"" + login_->user + "\"", to_send);
  if (const UserCredentials* known = admission_.users->find(login_->user)) proof_ = proof_of(*known);
  return succeed(to_send);
}

bool ClientAuthentication::ask_for_secret(Bytes& to_send) {
  step_ = Step::awaiting_secret;
  is_secret_from_source_ = true;
  question_ = admission_.secrets->ask(login_->user, [this] { host_.wake(); });
  return question_->answer ? accept_answer(to_send) : true;
}

bool ClientAuthentication::accept_answer(Bytes& to_send) {
  const SecretAnswer answer = *std::move(question_->answer);
  question_.reset();
  if (method_ == AccessMethod::peer) return accept_peer(answer, to_send);
  switch (answer.kind) {
    case SecretAnswer::Kind::found: {
      Result<UserCredentials> credentials = admission_.users->make_credentials(login_->user, answer.secret.reveal());
      // A secret that cannot be used is like none: the operator's log says more than the client may hear.
      return begin_exchange(credentials ? *std::move(credentials) : admission_.users->doomed(login_->user), to_send);
    }
    case SecretAnswer::Kind::unknown: return begin_exchange(admission_.users->doomed(login_->user), to_send);
    case SecretAnswer::Kind::unavailable: break;
  }
  const Error error = failure(ErrorCode::backend_unreachable, Blame::operator_, "the user's secret could not be asked for");
  return fail(error, describe(error, SessionStage::greeting), to_send);
}

bool ClientAuthentication::begin_exchange(UserCredentials credentials, Bytes& to_send) {
  credentials_ = std::move(credentials);
  if (method_ == AccessMethod::password) {
    write_authentication(AuthenticationCode::cleartext_password, {}, to_send);
    step_ = Step::reading_password;
  } else if (method_ == AccessMethod::md5 && credentials_.md5) {
    nonces_.fill(md5_salt_);
    write_authentication(AuthenticationCode::md5_password, as_text(md5_salt_), to_send);
    step_ = Step::reading_md5;
  } else {
    begin_scram(to_send);
  }
  return true;
}

void ClientAuthentication::begin_scram(Bytes& to_send) {
  const auto kind = credentials_.has_scram ? credentials_.kind : ScramServer::Kind::doomed;
  scram_.emplace(credentials_.scram, kind, make_scram_nonce(nonces_));
  if (tls_ != nullptr && !tls_->server_end_point.empty()) {
    offered_binding_ = {ScramBinding::Use::possible, tls_->server_end_point};
    write_authentication_sasl({scram_plus_mechanism, scram_mechanism}, to_send);
  } else {
    write_authentication_sasl({scram_mechanism}, to_send);
  }
  step_ = Step::reading_initial_response;
}

DialogueProgress ClientAuthentication::advance(ByteView received, Bytes& to_send) {
  std::size_t consumed = 0;
  if (step_ == Step::awaiting_secret) {
    if (!question_->answer) return {DialogueState::waiting, 0};
    if (!accept_answer(to_send)) return {DialogueState::failed, 0};
  }
  while (step_ != Step::over) {
    bool has_failed = false;
    const std::size_t taken = take_message(received.subspan(consumed), has_failed, to_send);
    consumed += taken;
    if (has_failed) return {DialogueState::failed, consumed};
    if (taken == 0) return {DialogueState::reading, consumed};
  }
  return {DialogueState::finished, consumed};
}

std::size_t ClientAuthentication::take_message(ByteView unread, bool& has_failed, Bytes& to_send) {
  if (unread.empty()) return 0;
  const auto refuse = [&](ErrorCode code, std::string message) {
    has_failed = !fail(failure(code, Blame::client, message), fatal(sqlstate::protocol_violation, message), to_send);
    return std::size_t{0};
  };
  // The server judges the type before it waits for the rest.
  const auto tag = std::to_integer<unsigned>(unread[0]);
  if (tag != static_cast<unsigned char>(FrontendMessage::password)) {
    return refuse(ErrorCode::message_unexpected, std::string(is_reading_sasl() ? "expected SASL" : "expected password") +
                                                     " response, got message type " + std::to_string(tag));
  }
  const std::optional<FrameHeader> header = scan_frame_header(unread);
  if (!header) return 0;
  const std::size_t payload_bytes_max = is_reading_sasl() ? sasl_payload_bytes_max : password_payload_bytes_max;
  if (header->length < frame_length_min || header->payload_bytes() > payload_bytes_max) {
    return refuse(ErrorCode::frame_length_invalid, "invalid message length");
  }
  if (unread.size() < header->frame_bytes()) return 0;
  has_failed = !accept_message(unread.subspan(frame_header_bytes, header->payload_bytes()), to_send);
  return header->frame_bytes();
}

bool ClientAuthentication::accept_message(ByteView payload, Bytes& to_send) {
  switch (step_) {
    case Step::reading_password:
    case Step::reading_md5: return accept_password(payload, to_send);
    case Step::reading_initial_response: return accept_initial_response(payload, to_send);
    case Step::reading_first: return accept_client_first(as_text(payload), to_send);
    case Step::reading_final: return accept_client_final(as_text(payload), to_send);
    case Step::awaiting_secret:
    case Step::over: break;
  }
  return false;
}

bool ClientAuthentication::accept_password(ByteView payload, Bytes& to_send) {
  ByteReader reader(payload);
  const std::string_view shown = reader.read_text_z();
  if (!reader.is_complete()) {
    return fail(failure(ErrorCode::message_malformed, Blame::client, "a malformed PasswordMessage"),
                fatal(sqlstate::protocol_violation, "invalid password packet size"), to_send);
  }
  if (shown.empty()) {
    const std::string message = "empty password returned by client";
    return fail(failure(ErrorCode::authentication_failed, Blame::client, message),
                fatal(sqlstate::invalid_password, message), to_send);
  }
  if (!is_right_password(shown)) return fail_login("the password is wrong", to_send);
  proof_ = step_ == Step::reading_md5
               ? proof_of(credentials_)
               : make_login_proof(ClearPassword{SecretText(shown)});
  return succeed(to_send);
}

/// Whoever is asked, it costs the same: of a password in clear, one PBKDF2 run, also for users who do not exist or have
/// no SCRAM verifier.
bool ClientAuthentication::is_right_password(std::string_view shown) const {
  const bool is_real = credentials_.kind == ScramServer::Kind::real;
  if (step_ == Step::reading_md5) {
    const std::optional<std::string> expected = md5_password_of_verifier(credentials_.md5->text.reveal(), md5_salt_);
    return expected && equal_in_constant_time(as_bytes(shown), as_bytes(*expected)) && is_real;
  }
  const bool fits_scram = is_password_of(credentials_.scram, shown);
  if (credentials_.has_scram || !credentials_.md5) return fits_scram && is_real;
  const std::optional<std::string> digest = md5_hex({shown, login_->user});
  const std::string_view stored = std::string_view(credentials_.md5->text.reveal()).substr(3);
  return digest && equal_in_constant_time(as_bytes(*digest), as_bytes(stored)) && is_real;
}

bool ClientAuthentication::accept_initial_response(ByteView payload, Bytes& to_send) {
  const Result<SaslInitialResponse> initial = decode_sasl_initial_response(payload);
  if (!initial) return fail(initial.error(), fatal(sqlstate::protocol_violation, "invalid message format"), to_send);
  const bool is_plus_offered = offered_binding_.use == ScramBinding::Use::possible;
  const bool is_plus = is_plus_offered && initial->mechanism == scram_plus_mechanism;
  if (!is_plus && initial->mechanism != scram_mechanism) {
    const std::string message = "client selected an invalid SASL authentication mechanism";
    return fail(failure(ErrorCode::authentication_unsupported, Blame::client, message),
                fatal(sqlstate::protocol_violation, message), to_send);
  }
  if (is_plus) offered_binding_.use = ScramBinding::Use::used;
  scram_->set_binding(offered_binding_);
  if (initial->response) return accept_client_first(*initial->response, to_send);
  write_authentication(AuthenticationCode::sasl_continue, {}, to_send);
  step_ = Step::reading_first;
  return true;
}

bool ClientAuthentication::accept_client_first(std::string_view text, Bytes& to_send) {
  const Result<std::string> challenge = scram_->accept_first(text);
  if (!challenge) return fail_scram(challenge.error(), to_send);
  write_authentication(AuthenticationCode::sasl_continue, *challenge, to_send);
  step_ = Step::reading_final;
  return true;
}

bool ClientAuthentication::accept_client_final(std::string_view text, Bytes& to_send) {
  const Result<std::string> outcome = scram_->accept_final(text);
  if (!outcome) return fail_scram(outcome.error(), to_send);
  write_authentication(AuthenticationCode::sasl_final, *outcome, to_send);
  if (credentials_.clear) {
    proof_ = proof_of(credentials_);
  } else {
    proof_ = make_login_proof(
        ScramProof{scram_->verifier().salt, scram_->verifier().iterations, scram_->keys()});
  }
  scram_.reset();
  return succeed(to_send);
}

bool ClientAuthentication::succeed(Bytes& to_send) {
  write_authentication(AuthenticationCode::ok, {}, to_send);
  credentials_ = {};
  step_ = Step::over;
  return true;
}

bool ClientAuthentication::deny(std::string message, Bytes& to_send) {
  return fail(failure(ErrorCode::access_denied, Blame::client, message),
              fatal(sqlstate::invalid_authorization, message), to_send);
}

bool ClientAuthentication::fail_login(std::string detail, Bytes& to_send) {
  if (is_secret_from_source_) admission_.secrets->doubt(login_->user);
  return fail(failure(ErrorCode::authentication_failed, Blame::client, std::move(detail)),
              fatal(sqlstate::invalid_password, "password authentication failed for user \"" + login_->user + "\""),
              to_send);
}

bool ClientAuthentication::fail_scram(const Error& error, Bytes& to_send) {
  switch (error.code) {
    case ErrorCode::authentication_failed: return fail_login(error.detail, to_send);
    case ErrorCode::authentication_unsupported:
      return fail(error, fatal(sqlstate::feature_not_supported, error.detail), to_send);
    case ErrorCode::channel_binding_failed:
      // The server's two sentences: one for a downgrade, one for another certificate.
      return fail(error,
                  scram_ && offered_binding_.use == ScramBinding::Use::used
                      ? fatal(sqlstate::invalid_authorization, "SCRAM channel binding check failed")
                      : fatal(sqlstate::invalid_authorization, "SCRAM channel binding negotiation error", error.detail),
                  to_send);
    default: return fail(error, fatal(sqlstate::protocol_violation, "malformed SCRAM message", error.detail), to_send);
  }
}

bool ClientAuthentication::fail(Error error, ErrorFields told, Bytes& to_send) {
  write_error_response(told, to_send);
  error_ = std::move(error);
  credentials_ = {};
  return false;
}

}  // namespace protocol::postgres
