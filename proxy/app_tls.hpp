#pragma once

#include "config/settings.hpp"
#include "protocol/postgres/encryption.hpp"
#include "proxy/session/environment.hpp"

/// Part of the composition root: what the configured modes of TLS mean to those who carry them out.
namespace proxy {

[[nodiscard]] protocol::postgres::ClientEncryption client_encryption_from(config::TlsMode mode);
[[nodiscard]] session::BackendEncryption backend_encryption_from(config::TlsMode mode);

}  // namespace proxy
