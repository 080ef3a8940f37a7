#include "protocol/postgres/nonce_source.hpp"

#include <openssl/rand.h>

#include <cstdlib>

namespace protocol::postgres {

void SystemNonceSource::fill(std::span<std::byte> target) {
  // A machine without randomness cannot authenticate anybody safely.
  if (RAND_bytes(reinterpret_cast<unsigned char*>(target.data()), static_cast<int>(target.size())) != 1) std::abort();
}

}  // namespace protocol::postgres
