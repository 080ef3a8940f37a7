#include "proxy/net/tls_facts.hpp"

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>

#include <array>
#include <memory>

namespace proxy::net {

namespace {

/// A certificate that names more than this many is cut; nobody matches against such a list.
constexpr int alternative_names_max = 100;

/// The bytes of a name, or nothing when it holds a zero byte: whoever compares such a text may stop there.
std::string text_of(const ASN1_STRING* source) {
  unsigned char* utf8 = nullptr;
  const int bytes = ASN1_STRING_to_UTF8(&utf8, source);
  if (bytes < 0) return {};
  std::string text(reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(bytes));
  OPENSSL_free(utf8);
  return text.find('\0') == std::string::npos ? text : std::string();
}

std::string address_text(const ASN1_OCTET_STRING* address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const int family = ASN1_STRING_length(address) == 4 ? AF_INET : AF_INET6;
  if (family == AF_INET6 && ASN1_STRING_length(address) != 16) return {};
  return inet_ntop(family, ASN1_STRING_get0_data(address), text.data(), text.size()) == nullptr ? "" : text.data();
}

std::vector<std::string> alternative_names_of(const X509* certificate) {
  std::vector<std::string> result;
  auto* names = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(names) && i < alternative_names_max; ++i) {
    int kind = 0;
    const auto* value = static_cast<const ASN1_STRING*>(GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &kind));
    std::string text;
    if (kind == GEN_DNS || kind == GEN_EMAIL || kind == GEN_URI) text = text_of(value);
    if (kind == GEN_IPADD) text = address_text(value);
    if (!text.empty()) result.push_back(std::move(text));
  }
  GENERAL_NAMES_free(names);
  return result;
}

std::string distinguished_name_of(const X509_NAME* name) {
  const std::unique_ptr<BIO, int (*)(BIO*)> memory(BIO_new(BIO_s_mem()), BIO_free);
  if (!memory || X509_NAME_print_ex(memory.get(), name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) < 0) return {};
  char* text = nullptr;
  const long bytes = BIO_get_mem_data(memory.get(), &text);
  return bytes <= 0 ? std::string() : std::string(text, static_cast<std::size_t>(bytes));
}

protocol::CertificateSubject subject_of(const X509* certificate) {
  protocol::CertificateSubject subject;
  const X509_NAME* name = X509_get_subject_name(certificate);
  subject.distinguished_name = distinguished_name_of(name);
  const int index = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
  if (index >= 0) subject.common_name = text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, index)));
  subject.alternative_names = alternative_names_of(certificate);
  return subject;
}

/// The certificate's hash by the hash of its own signature, MD5 and SHA-1 raised to SHA-256.
/// Source: RFC 5929, 4.1.
protocol::Bytes end_point_of(X509* certificate) {
  int hash = NID_undef;
  if (certificate == nullptr || X509_get_signature_info(certificate, &hash, nullptr, nullptr, nullptr) != 1) return {};
  if (hash == NID_md5 || hash == NID_sha1) hash = NID_sha256;
  const EVP_MD* digest = EVP_get_digestbynid(hash);
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned count = 0;
  if (digest == nullptr || X509_digest(certificate, digest, bytes.data(), &count) != 1) return {};
  const auto* begin = reinterpret_cast<const std::byte*>(bytes.data());
  return {begin, begin + count};
}

}  // namespace

protocol::TlsFacts read_tls_facts(const SSL* connection) {
  protocol::TlsFacts facts;
  facts.version = SSL_get_version(connection);
  facts.cipher = SSL_get_cipher_name(connection);
  const unsigned char* chosen = nullptr;
  unsigned bytes = 0;
  SSL_get0_alpn_selected(connection, &chosen, &bytes);
  if (bytes != 0) facts.application_protocol.assign(reinterpret_cast<const char*>(chosen), bytes);
  facts.is_resumed = SSL_session_reused(connection) == 1;
  X509* peer = SSL_get0_peer_certificate(connection);
  const bool is_server = SSL_is_server(connection) == 1;
  facts.server_end_point = end_point_of(is_server ? SSL_get_certificate(connection) : peer);
  const bool is_checked = SSL_get_verify_mode(connection) != SSL_VERIFY_NONE;
  if (peer != nullptr && is_checked && SSL_get_verify_result(connection) == X509_V_OK) facts.peer = subject_of(peer);
  return facts;
}

}  // namespace proxy::net
