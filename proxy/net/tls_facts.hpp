#pragma once

#include "protocol/base/tls_facts.hpp"

#include <openssl/types.h>

namespace proxy::net {

/// What a finished handshake has agreed on, and whom the peer's certificate names if it was verified.
[[nodiscard]] protocol::TlsFacts read_tls_facts(const SSL* connection);

}  // namespace proxy::net
