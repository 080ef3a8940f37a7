#include "protocol/postgres/locked_memory.hpp"

#include <openssl/crypto.h>
#include <openssl/err.h>

namespace protocol::postgres {

void* allocate_locked(std::size_t bytes) {
  void* memory = OPENSSL_secure_malloc(bytes);
  if (memory == nullptr) {
    ERR_clear_error();  // it notes that the heap is used up, and the next user of TLS would find that
    memory = OPENSSL_malloc(bytes);
  }
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void free_locked(void* memory, std::size_t bytes) noexcept {
  if (CRYPTO_secure_allocated(memory) != 0) {
    OPENSSL_secure_clear_free(memory, bytes);
  } else {
    OPENSSL_clear_free(memory, bytes);
  }
}

bool reserve_locked_memory(std::size_t bytes) {
  constexpr std::size_t piece_bytes = 64;
  constexpr int is_locked = 1;
  return CRYPTO_secure_malloc_initialized() != 0 || CRYPTO_secure_malloc_init(bytes, piece_bytes) == is_locked;
}

}  // namespace protocol::postgres
