#pragma once

#include <openssl/ssl.h>

#include <array>
#include <chrono>
#include <functional>
#include <list>
#include <mutex>

namespace proxy::net {

/// The keys under which the state of TLS sessions goes out to clients as tickets, and comes back when they resume.
/// A key is used for an hour, and known until every ticket under it has expired; whoever steals one can read the
/// resumed sessions of that time and no others. Shared by all certificates that follow each other on one listener, so
/// that clients resume across a reload. Safe from any thread.
///
/// Source: RFC 5077, 5.5 "Ticket Protection Key Management"; OpenSSL 3.0, SSL_CTX_set_tlsext_ticket_key_evp_cb(3).
class TlsTickets {
 public:
  using Clock = std::function<std::chrono::steady_clock::time_point()>;
  static constexpr std::chrono::hours use_time{1};
  static constexpr std::chrono::hours ticket_lifetime{2};

  explicit TlsTickets(Clock clock = [] { return std::chrono::steady_clock::now(); }) : clock_(std::move(clock)) {}
  ~TlsTickets();
  TlsTickets(const TlsTickets&) = delete;
  TlsTickets& operator=(const TlsTickets&) = delete;

  /// What OpenSSL asks for: `is_encrypting` 1 for a new ticket, 0 for one that a client shows. Returns as OpenSSL wants
  /// it: below 0 an error, 0 no such key, 1 done, 2 done and the client is to get a fresh one.
  [[nodiscard]] int provide(unsigned char* name, unsigned char* vector, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* code,
                            int is_encrypting);
  [[nodiscard]] std::size_t key_count() const;

 private:
  static constexpr std::size_t name_bytes = 16;
  struct Key {
    std::array<unsigned char, name_bytes> name;
    std::array<unsigned char, 32> cipher_key;
    std::array<unsigned char, 32> code_key;
    std::chrono::steady_clock::time_point made;
  };
  [[nodiscard]] bool renew(std::chrono::steady_clock::time_point now);

  const Clock clock_;
  mutable std::mutex mutex_;
  std::list<Key> keys_;  ///< under mutex_; the newest first
};

}  // namespace proxy::net
