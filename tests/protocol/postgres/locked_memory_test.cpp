#include "protocol/postgres/locked_memory.hpp"

#include "protocol/postgres/user_secret.hpp"

#include <openssl/crypto.h>

#include <doctest/doctest.h>

#include <memory>
#include <vector>

using namespace protocol;
using namespace protocol::postgres;

TEST_CASE("locked memory: keys that a login shows → lie in it; when it is used up, ordinary memory serves") {
  (void)reserve_locked_memory(4096);  // whether it may be locked is the system's business
  REQUIRE(CRYPTO_secure_malloc_initialized());
  std::vector<LoginProofPointer> proofs;
  std::size_t locked_count = 0;
  for (int i = 0; i < 100; ++i) {
    proofs.push_back(make_login_proof(ScramProof{Bytes(16, std::byte{1}), 4096, {}}));
    locked_count += CRYPTO_secure_allocated(proofs.back().get()) != 0 ? 1 : 0;
  }
  CHECK(locked_count > 0);
  CHECK(locked_count < proofs.size());
  proofs.clear();
  CHECK(CRYPTO_secure_used() == 0);
}
