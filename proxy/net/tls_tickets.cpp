#include "proxy/net/tls_tickets.hpp"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <utility>

namespace proxy::net {

TlsTickets::~TlsTickets() {
  for (Key& key : keys_) OPENSSL_cleanse(&key, sizeof key);
}

/// A new key when the newest has been used for long enough; those under which nothing can be valid any more go.
bool TlsTickets::renew(std::chrono::steady_clock::time_point now) {
  while (!keys_.empty() && now - keys_.back().made > use_time + ticket_lifetime) {
    OPENSSL_cleanse(&keys_.back(), sizeof(Key));
    keys_.pop_back();
  }
  if (!keys_.empty() && now - keys_.front().made < use_time) return true;
  Key key{};
  key.made = now;
  const bool is_made = RAND_bytes(key.name.data(), static_cast<int>(key.name.size())) == 1 &&
                       RAND_priv_bytes(key.cipher_key.data(), static_cast<int>(key.cipher_key.size())) == 1 &&
                       RAND_priv_bytes(key.code_key.data(), static_cast<int>(key.code_key.size())) == 1;
  if (is_made) keys_.push_front(key);
  OPENSSL_cleanse(&key, sizeof key);
  return is_made;
}

int TlsTickets::provide(unsigned char* name, unsigned char* vector, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* code,
                        int is_encrypting) {
  const std::lock_guard lock(mutex_);
  if (!renew(clock_())) return -1;
  Key* key = &keys_.front();
  if (is_encrypting == 0) {
    const auto place = std::find_if(keys_.begin(), keys_.end(),
                                    [name](const Key& each) { return std::equal(each.name.begin(), each.name.end(), name); });
    if (place == keys_.end()) return 0;
    key = &*place;
  } else {
    std::copy(key->name.begin(), key->name.end(), name);
    if (RAND_bytes(vector, EVP_MAX_IV_LENGTH) != 1) return -1;
  }
  std::array<char, 7> digest{'S', 'H', 'A', '2', '5', '6', '\0'};
  const std::array<OSSL_PARAM, 3> parameters{
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->code_key.data(), key->code_key.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), 0), OSSL_PARAM_construct_end()};
  if (EVP_MAC_CTX_set_params(code, parameters.data()) != 1) return -1;
  if (EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key->cipher_key.data(), vector, is_encrypting) != 1) return -1;
  // A client of TLS 1.3 shows a ticket once only and needs another each time. Source: RFC 8446, C.4.
  return is_encrypting == 0 ? 2 : 1;
}

std::size_t TlsTickets::key_count() const {
  const std::lock_guard lock(mutex_);
  return keys_.size();
}

}  // namespace proxy::net
