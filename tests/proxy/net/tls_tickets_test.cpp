#include "proxy/net/tls_tickets.hpp"

#include <doctest/doctest.h>

#include <openssl/evp.h>

#include <array>
#include <chrono>
#include <memory>

using proxy::net::TlsTickets;
using namespace std::chrono_literals;

namespace {

/// OpenSSL's part of a ticket: a name, a vector, and what enciphers and signs.
class Ticket {
 public:
  int seal(TlsTickets& tickets) { return tickets.provide(name_.data(), vector_.data(), cipher_.get(), code_.get(), 1); }
  int open(TlsTickets& tickets) { return tickets.provide(name_.data(), vector_.data(), cipher_.get(), code_.get(), 0); }
  std::array<unsigned char, 16>& name() { return name_; }

 private:
  struct Free {
    void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
    void operator()(EVP_MAC* mac) const { EVP_MAC_free(mac); }
    void operator()(EVP_MAC_CTX* context) const { EVP_MAC_CTX_free(context); }
  };
  std::array<unsigned char, 16> name_{};
  std::array<unsigned char, EVP_MAX_IV_LENGTH> vector_{};
  std::unique_ptr<EVP_CIPHER_CTX, Free> cipher_{EVP_CIPHER_CTX_new()};
  std::unique_ptr<EVP_MAC, Free> mac_{EVP_MAC_fetch(nullptr, "HMAC", nullptr)};
  std::unique_ptr<EVP_MAC_CTX, Free> code_{EVP_MAC_CTX_new(mac_.get())};
};

}  // namespace

TEST_CASE("tls tickets: a key in use, one that was, one that is too old → taken and renewed, likewise, unknown") {
  std::chrono::steady_clock::time_point now{100h};
  TlsTickets tickets([&now] { return now; });
  Ticket first;
  CHECK(first.seal(tickets) == 1);
  CHECK(first.open(tickets) == 2);
  now += 59min;
  CHECK(first.open(tickets) == 2);
  CHECK(tickets.key_count() == 1);
  now += 2min;
  Ticket second;
  CHECK(second.seal(tickets) == 1);
  CHECK(second.name() != first.name());
  CHECK(first.open(tickets) == 2);
  now += 2h;
  CHECK(first.open(tickets) == 0);
  CHECK(second.open(tickets) == 2);
}

TEST_CASE("tls tickets: however long it runs → a handful of keys; tickets of elsewhere are unknown") {
  std::chrono::steady_clock::time_point now{100h};
  TlsTickets tickets([&now] { return now; });
  TlsTickets others;
  Ticket ticket;
  for (int i = 0; i < 100; ++i, now += 30min) CHECK(ticket.seal(tickets) == 1);
  CHECK(tickets.key_count() <= 4);
  CHECK(ticket.open(others) == 0);
}
