#pragma once

#include "protocol/base/bytes.hpp"
#include "proxy/net/stream.hpp"

#include <memory>

namespace proxy::net {

/// Turns plain streams into encrypted ones. One per worker; whoever has it needs to know nothing of TLS.
class TlsUpgrade {
 public:
  virtual ~TlsUpgrade() = default;
  /// From here on `plain` carries TLS. `received` was read from it already and is TLS too (a client that began
  /// without asking); `unsent` is plain text that goes out first (the answer to one that asked). The result
  /// is_connecting() while the handshake is under way; then is_broken() tells how it went. Never null.
  /// The listener of `plain` is forgotten; set one on the result.
  [[nodiscard]] virtual std::unique_ptr<Stream> encrypt(std::unique_ptr<Stream> plain, protocol::ByteView received,
                                                        protocol::Bytes unsent) = 0;
};

}  // namespace proxy::net
