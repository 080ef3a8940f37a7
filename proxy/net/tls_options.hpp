#pragma once

#include <cstdint>
#include <string>

namespace proxy::net {

enum class TlsVersion : std::uint8_t { tls_1_2, tls_1_3 };

/// How much of a server's certificate must be right.
enum class ServerCheck : std::uint8_t {
  nothing,
  chain,           ///< signed by an authority of `ca_file`
  chain_and_name,  ///< and made out to the host's name
};

/// Instead of a file: the authorities that the system trusts.
inline constexpr const char* system_authorities = "system";

/// One end's share of TLS. Files are PEM; paths are absolute or relative to the process's folder.
struct TlsOptions {
  std::string certificate_file;  ///< with the chain behind it; needed by a server
  std::string key_file;
  std::string ca_file;   ///< whom to believe; a server that has one asks its clients for a certificate
  std::string crl_file;  ///< certificates taken back
  TlsVersion version_min = TlsVersion::tls_1_2;
  std::string ciphers;         ///< of TLS 1.2, as OpenSSL lists them; empty: HIGH without MD5, RC4, 3DES and anonymous
  std::string cipher_suites;   ///< of TLS 1.3; empty: OpenSSL's
  bool operator==(const TlsOptions&) const = default;
};

/// Towards clients.
struct TlsServerOptions : TlsOptions {
  std::string application_protocol;  ///< the only one that ALPN may agree on
  bool operator==(const TlsServerOptions&) const = default;
};

/// Towards a server.
struct TlsClientOptions : TlsOptions {
  ServerCheck check = ServerCheck::nothing;
  std::string server_name;           ///< to be announced (SNI) and found in the certificate; an address is not announced
  std::string application_protocol;  ///< to be offered by ALPN
  bool operator==(const TlsClientOptions&) const = default;
};

}  // namespace proxy::net
