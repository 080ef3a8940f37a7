#pragma once

#include "protocol/base/result.hpp"
#include "proxy/net/tls_options.hpp"
#include "proxy/net/tls_tickets.hpp"

#include <openssl/ssl.h>

#include <memory>
#include <mutex>
#include <string>
#include <variant>
#include <vector>

namespace proxy::net {

/// Certificates, keys and rules as they were read from their files: OpenSSL's SSL_CTX, complete and never changed
/// again. May be used by all threads; connections keep the one that they began with.
class TlsTerms {
 public:
  using Options = std::variant<TlsServerOptions, TlsClientOptions>;

  /// Reads the files; blocks as long as the disk does. `previous` hands on the keys of session tickets, so that
  /// clients can resume across a reload. Fails with configuration_invalid, blaming the operator; the detail names
  /// the file and OpenSSL's reason.
  [[nodiscard]] static protocol::Result<std::shared_ptr<const TlsTerms>> load(const Options& options,
                                                                                const TlsTerms* previous = nullptr);
  ~TlsTerms();
  TlsTerms(const TlsTerms&) = delete;
  TlsTerms& operator=(const TlsTerms&) = delete;

  [[nodiscard]] const Options& options() const { return options_; }
  /// A connection's object, of the right role, with name and session set. Null when memory has run out.
  [[nodiscard]] SSL* make_connection() const;

 private:
  explicit TlsTerms(Options options);
  [[nodiscard]] protocol::Status read(const TlsTerms* previous);
  [[nodiscard]] protocol::Status read_rules(const TlsOptions& options);
  [[nodiscard]] protocol::Status read_files(const TlsOptions& options);
  [[nodiscard]] protocol::Status prepare_server(const TlsServerOptions& options, const TlsTerms* previous);
  [[nodiscard]] protocol::Status prepare_client(const TlsClientOptions& options);
  static int choose_protocol(SSL* connection, const unsigned char** chosen, unsigned char* chosen_bytes,
                             const unsigned char* offered, unsigned offered_bytes, void* options);
  static int seal_ticket(SSL* connection, unsigned char* name, unsigned char* vector, EVP_CIPHER_CTX* cipher,
                         EVP_MAC_CTX* code, int is_encrypting);
  static int keep_session(SSL* connection, SSL_SESSION* session);

  struct Free {
    void operator()(SSL_CTX* context) const;
    void operator()(SSL_SESSION* session) const;
  };

  const Options options_;
  std::shared_ptr<TlsTickets> tickets_;  ///< of a server; outlives the context
  std::unique_ptr<SSL_CTX, Free> context_;
  mutable std::mutex mutex_;
  mutable std::unique_ptr<SSL_SESSION, Free> session_;  ///< under mutex_; of a client: the last one that can be resumed
};

/// The terms in force, exchanged as a whole when its files have changed. Every function may be called from any
/// thread.
class TlsSource {
 public:
  [[nodiscard]] static protocol::Result<std::unique_ptr<TlsSource>> open(const TlsTerms::Options& options);

  /// Nothing in force yet: nobody may encrypt before put_in_force().
  TlsSource() = default;

  [[nodiscard]] std::shared_ptr<const TlsTerms> current() const;
  /// For connections made from now on.
  void put_in_force(std::shared_ptr<const TlsTerms> terms);
  /// Reads the files again; not for a loop. What is in force stays so when they cannot be used.
  [[nodiscard]] protocol::Status reload();

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const TlsTerms> current_;  ///< under mutex_
};

/// What OpenSSL has to say about the last failure of this thread, without addresses; its queue is empty after.
[[nodiscard]] std::string take_tls_error();

}  // namespace proxy::net
