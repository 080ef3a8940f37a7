#pragma once

#include "protocol/base/bytes.hpp"

#include <optional>
#include <string>
#include <vector>

namespace protocol {

/// Whom a verified certificate names.
struct CertificateSubject {
  std::string distinguished_name;  ///< as RFC 2253 writes it: "CN=app,O=Shop"
  std::string common_name;         ///< empty: it has none, or one with a zero byte in it
  std::vector<std::string> alternative_names;  ///< DNS names, mail addresses and IP addresses, as text
};

/// What is known of an encrypted connection once its handshake is over.
struct TlsFacts {
  std::string version;               ///< "TLSv1.3"
  std::string cipher;                ///< OpenSSL's name of it
  std::string application_protocol;  ///< what ALPN agreed on; empty: it was not used
  bool is_resumed = false;
  /// The channel binding `tls-server-end-point`: the server certificate's hash, whichever end of the connection
  /// is ours. Empty: its signature has no hash of its own (Ed25519), so there is no such binding.
  /// Source: RFC 5929, 4.1.
  Bytes server_end_point;
  /// Whose certificate the peer has shown, verified; nothing: none, or nobody asked.
  std::optional<CertificateSubject> peer;
};

}  // namespace protocol
