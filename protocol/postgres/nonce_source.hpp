#pragma once

#include <cstddef>
#include <span>

namespace protocol::postgres {

/// Where unpredictable bytes come from. Passed in, so that tests can replay published exchanges.
class NonceSource {
 public:
  virtual ~NonceSource() = default;
  /// Fills all of `target`. Ends the process rather than return predictable bytes.
  virtual void fill(std::span<std::byte> target) = 0;
};

/// OpenSSL's generator. Safe from any thread.
class SystemNonceSource final : public NonceSource {
 public:
  void fill(std::span<std::byte> target) override;
};

}  // namespace protocol::postgres
