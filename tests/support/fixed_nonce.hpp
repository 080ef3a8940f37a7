#pragma once

#include "protocol/postgres/nonce_source.hpp"

#include <algorithm>

namespace tests::support {

/// 0, 1, 2 … each time: the nonce with which the transcripts were recorded.
class CountingNonceSource final : public protocol::postgres::NonceSource {
 public:
  void fill(std::span<std::byte> target) override {
    for (std::size_t i = 0; i < target.size(); ++i) target[i] = static_cast<std::byte>(i);
  }
};

}  // namespace tests::support
