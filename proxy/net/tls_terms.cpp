#include "proxy/net/tls_terms.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <array>
#include <cstring>
#include <utility>

namespace proxy::net {

using protocol::Blame;
using protocol::ErrorCode;
using protocol::Status;

namespace {

/// As PostgreSQL and PgBouncer begin with.
constexpr const char* usual_ciphers = "HIGH:!MD5:!RC4:!3DES:!aNULL";

protocol::Error unusable(const std::string& what) {
  std::string reason = take_tls_error();
  return protocol::failure(ErrorCode::configuration_invalid, Blame::operator_,
                           what + (reason.empty() ? "" : ": " + reason));
}

const TlsOptions& common_of(const TlsTerms::Options& options) {
  return std::visit([](const auto& each) -> const TlsOptions& { return each; }, options);
}

/// A name as ALPN has it on the wire.
std::string wire_form(const std::string& protocol_name) {
  return static_cast<char>(protocol_name.size()) + protocol_name;
}

bool is_address(const std::string& host) {
  ASN1_OCTET_STRING* address = a2i_IPADDRESS(host.c_str());
  const bool is_one = address != nullptr;
  ASN1_OCTET_STRING_free(address);
  ERR_clear_error();
  return is_one;
}

}  // namespace

std::string take_tls_error() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return {};
  const char* reason = ERR_reason_error_string(code);
  if (reason != nullptr) return reason;
  return ERR_SYSTEM_ERROR(code) ? std::strerror(static_cast<int>(ERR_GET_REASON(code)))
                                : "error " + std::to_string(ERR_GET_REASON(code));
}

void TlsTerms::Free::operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
void TlsTerms::Free::operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }

TlsTerms::TlsTerms(Options options) : options_(std::move(options)) {}
TlsTerms::~TlsTerms() = default;

protocol::Result<std::shared_ptr<const TlsTerms>> TlsTerms::load(const Options& options, const TlsTerms* previous) {
  ERR_clear_error();
  const std::shared_ptr<TlsTerms> terms(new TlsTerms(options));
  const Status status = terms->read(previous);
  if (!status) return status.error();
  return std::shared_ptr<const TlsTerms>(terms);
}

Status TlsTerms::read(const TlsTerms* previous) {
  const auto* server = std::get_if<TlsServerOptions>(&options_);
  context_.reset(SSL_CTX_new(server != nullptr ? TLS_server_method() : TLS_client_method()));
  if (!context_) return unusable("no TLS");
  const TlsOptions& common = common_of(options_);
  Status status = read_rules(common);
  if (status) status = read_files(common);
  if (!status) return status;
  return server != nullptr ? prepare_server(*server, previous) : prepare_client(std::get<TlsClientOptions>(options_));
}

Status TlsTerms::read_rules(const TlsOptions& options) {
  SSL_CTX* context = context_.get();
  // An idle connection keeps no buffers; a moved write buffer is how a stream works.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // The protocol has lengths of its own, so a peer that just closes cuts nothing off unnoticed.
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_SINGLE_ECDH_USE);
  SSL_CTX_set_min_proto_version(context, options.version_min == TlsVersion::tls_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
  const char* ciphers = options.ciphers.empty() ? usual_ciphers : options.ciphers.c_str();
  if (SSL_CTX_set_cipher_list(context, ciphers) != 1) return unusable("the list of ciphers cannot be used");
  if (!options.cipher_suites.empty() && SSL_CTX_set_ciphersuites(context, options.cipher_suites.c_str()) != 1) {
    return unusable("the list of cipher suites cannot be used");
  }
  return {};
}

Status TlsTerms::read_files(const TlsOptions& options) {
  SSL_CTX* context = context_.get();
  if (!options.certificate_file.empty() &&
      SSL_CTX_use_certificate_chain_file(context, options.certificate_file.c_str()) != 1) {
    return unusable("the certificate " + options.certificate_file + " cannot be used");
  }
  // Nobody is there to type a passphrase: a key that has one is an error, not a prompt on the terminal.
  SSL_CTX_set_default_passwd_cb(context, [](char*, int, int, void*) { return 0; });
  if (!options.key_file.empty() &&
      SSL_CTX_use_PrivateKey_file(context, options.key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    return unusable("the key " + options.key_file + " cannot be used");
  }
  if (!options.certificate_file.empty() && SSL_CTX_check_private_key(context) != 1) {
    return unusable("the key " + options.key_file + " does not belong to the certificate " + options.certificate_file);
  }
  if (options.ca_file == system_authorities) {
    if (SSL_CTX_set_default_verify_paths(context) != 1) return unusable("the system's authorities cannot be read");
  } else if (!options.ca_file.empty() && SSL_CTX_load_verify_file(context, options.ca_file.c_str()) != 1) {
    return unusable("the authorities in " + options.ca_file + " cannot be used");
  }
  if (!options.crl_file.empty()) {
    X509_STORE* store = SSL_CTX_get_cert_store(context);
    X509_LOOKUP* lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());
    if (lookup == nullptr || X509_load_crl_file(lookup, options.crl_file.c_str(), X509_FILETYPE_PEM) <= 0) {
      return unusable("the revocations in " + options.crl_file + " cannot be used");
    }
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
  }
  return {};
}

Status TlsTerms::prepare_server(const TlsServerOptions& options, const TlsTerms* previous) {
  SSL_CTX* context = context_.get();
  if (options.certificate_file.empty()) return unusable("a server needs a certificate");
  // Tickets hold the sessions, so nothing is kept for clients that never come back; and one per login is enough.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 1);
  static constexpr std::array<unsigned char, 10> session_context{'c', 'r', 'o', 's', 's', 'f', 'a', 'd', 'e', '1'};
  SSL_CTX_set_session_id_context(context, session_context.data(), session_context.size());
  // A resumed session is not checked again: where certificates of clients count, a reload ends all tickets, for it
  // may have brought a revocation.
  const bool are_tickets_good = previous != nullptr && options.ca_file.empty() && previous->tickets_ != nullptr;
  tickets_ = are_tickets_good ? previous->tickets_ : std::make_shared<TlsTickets>();
  SSL_CTX_set_timeout(context, std::chrono::seconds(TlsTickets::ticket_lifetime).count());
  SSL_CTX_set_app_data(context, this);
  SSL_CTX_set_tlsext_ticket_key_evp_cb(context, &TlsTerms::seal_ticket);
  if (!options.ca_file.empty()) {
    // Whether a client must show a certificate is decided by who it says it is: the greeting's business.
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE, nullptr);
    if (options.ca_file != system_authorities) {
      STACK_OF(X509_NAME)* names = SSL_load_client_CA_file(options.ca_file.c_str());
      if (names == nullptr) return unusable("the authorities in " + options.ca_file + " cannot be used");
      SSL_CTX_set_client_CA_list(context, names);
    }
  }
  SSL_CTX_set_alpn_select_cb(context, &TlsTerms::choose_protocol, const_cast<TlsServerOptions*>(&options));
  return {};
}

Status TlsTerms::prepare_client(const TlsClientOptions& options) {
  SSL_CTX* context = context_.get();
  const bool is_checking = options.check != ServerCheck::nothing;
  if (is_checking && options.ca_file.empty()) return unusable("no authorities to check a server's certificate with");
  SSL_CTX_set_verify(context, is_checking ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  if (!options.application_protocol.empty()) {
    const std::string list = wire_form(options.application_protocol);
    SSL_CTX_set_alpn_protos(context, reinterpret_cast<const unsigned char*>(list.data()),
                            static_cast<unsigned>(list.size()));
  }
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_set_app_data(context, this);
  SSL_CTX_sess_set_new_cb(context, &TlsTerms::keep_session);
  return {};
}

/// The client's offers must hold ours, or the handshake ends with an alert. A client that offers nothing is not
/// asked here; whether it may is the greeting's business.
int TlsTerms::choose_protocol(SSL* /*connection*/, const unsigned char** chosen, unsigned char* chosen_bytes,
                                const unsigned char* offered, unsigned offered_bytes, void* options) {
  const std::string& ours = static_cast<const TlsServerOptions*>(options)->application_protocol;
  for (unsigned at = 0; at < offered_bytes; at += offered[at] + 1U) {
    const unsigned bytes = offered[at];
    if (at + 1 + bytes > offered_bytes) break;
    if (bytes == ours.size() && std::memcmp(offered + at + 1, ours.data(), bytes) == 0) {
      *chosen = offered + at + 1;
      *chosen_bytes = static_cast<unsigned char>(bytes);
      return SSL_TLSEXT_ERR_OK;
    }
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

int TlsTerms::seal_ticket(SSL* connection, unsigned char* name, unsigned char* vector, EVP_CIPHER_CTX* cipher,
                          EVP_MAC_CTX* code, int is_encrypting) {
  const auto* self = static_cast<const TlsTerms*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(connection)));
  return self->tickets_->provide(name, vector, cipher, code, is_encrypting);
}

/// Returns 1 to keep the reference that comes with the call.
int TlsTerms::keep_session(SSL* connection, SSL_SESSION* session) {
  const auto* self = static_cast<const TlsTerms*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(connection)));
  const std::lock_guard lock(self->mutex_);
  self->session_.reset(session);
  return 1;
}

SSL* TlsTerms::make_connection() const {
  SSL* connection = SSL_new(context_.get());
  if (connection == nullptr) return nullptr;
  const auto* client = std::get_if<TlsClientOptions>(&options_);
  if (client == nullptr) {
    SSL_set_accept_state(connection);
    return connection;
  }
  SSL_set_connect_state(connection);
  if (!client->server_name.empty()) {
    if (!is_address(client->server_name)) SSL_set_tlsext_host_name(connection, client->server_name.c_str());
    if (client->check == ServerCheck::chain_and_name) {
      SSL_set_hostflags(connection, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
      SSL_set1_host(connection, client->server_name.c_str());
    }
  }
  const std::lock_guard lock(mutex_);
  if (session_ && SSL_SESSION_is_resumable(session_.get())) SSL_set_session(connection, session_.get());
  return connection;
}

protocol::Result<std::unique_ptr<TlsSource>> TlsSource::open(const TlsTerms::Options& options) {
  protocol::Result<std::shared_ptr<const TlsTerms>> terms = TlsTerms::load(options);
  if (!terms) return terms.error();
  auto source = std::make_unique<TlsSource>();
  source->put_in_force(std::move(*terms));
  return source;
}

std::shared_ptr<const TlsTerms> TlsSource::current() const {
  const std::lock_guard lock(mutex_);
  return current_;
}

void TlsSource::put_in_force(std::shared_ptr<const TlsTerms> terms) {
  const std::lock_guard lock(mutex_);
  current_ = std::move(terms);
}

Status TlsSource::reload() {
  const std::shared_ptr<const TlsTerms> previous = current();
  protocol::Result<std::shared_ptr<const TlsTerms>> terms = TlsTerms::load(previous->options(), previous.get());
  if (!terms) return terms.error();
  put_in_force(std::move(*terms));
  return {};
}

}  // namespace proxy::net
