#pragma once

#include "config/settings.hpp"
#include "protocol/postgres/encryption.hpp"
#include "proxy/backend/surroundings.hpp"

#include <string>
#include <string_view>

/// Part of the composition root: what the configured modes of TLS mean to those who carry them out.
namespace proxy {

[[nodiscard]] protocol::postgres::ClientEncryption client_encryption_from(config::TlsMode mode);
[[nodiscard]] backend::BackendEncryption backend_encryption_from(config::TlsMode mode);
/// The same towards a server, in libpq's words: sslmode and sslrootcert.
[[nodiscard]] std::string_view libpq_name_of(config::TlsMode mode);
[[nodiscard]] std::string libpq_authorities_of(const config::BackendTls& tls);

}  // namespace proxy
