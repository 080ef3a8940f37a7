#include "proxy/app_tls.hpp"

#include "proxy/app_pair.hpp"

#include <optional>
#include <utility>

namespace proxy {

using routing::Side;

std::string_view libpq_name_of(config::TlsMode mode) {
  switch (mode) {
    case config::TlsMode::disable: return "disable";
    case config::TlsMode::allow: return "allow";
    case config::TlsMode::prefer: return "prefer";
    case config::TlsMode::require: return "require";
    case config::TlsMode::verify_ca: return "verify-ca";
    case config::TlsMode::verify_full: return "verify-full";
  }
  return "";
}

std::string libpq_authorities_of(const config::BackendTls& tls) {
  // libpq of Debian 12 has no word for the authorities that the system trusts.
  const bool is_system = tls.options.ca_file == net::system_authorities;
  return is_system ? "/etc/ssl/certs/ca-certificates.crt" : tls.options.ca_file;
}

protocol::postgres::ClientEncryption client_encryption_from(config::TlsMode mode) {
  using protocol::postgres::ClientEncryption;
  switch (mode) {
    case config::TlsMode::disable: return ClientEncryption::refused;
    case config::TlsMode::allow:
    case config::TlsMode::prefer: return ClientEncryption::offered;
    case config::TlsMode::require: return ClientEncryption::required;
    case config::TlsMode::verify_ca: return ClientEncryption::certificate_required;
    case config::TlsMode::verify_full: return ClientEncryption::user_certificate_required;
  }
  return ClientEncryption::refused;
}

backend::BackendEncryption backend_encryption_from(config::TlsMode mode) {
  using backend::BackendEncryption;
  switch (mode) {
    case config::TlsMode::disable: return BackendEncryption::never;
    case config::TlsMode::allow: return BackendEncryption::if_refused_plain;
    case config::TlsMode::prefer: return BackendEncryption::if_offered;
    case config::TlsMode::require:
    case config::TlsMode::verify_ca:
    case config::TlsMode::verify_full: return BackendEncryption::always;
  }
  return BackendEncryption::never;
}

backend::Encryption AppPair::encryption_of(Part& part) const {
  const std::shared_ptr<const config::Pair> pair = settings().pair;
  backend::Encryption encryption;
  encryption.to_clients = &part.client_tls;
  for (const Side side : routing::both_sides) {
    encryption.to_backends[side] = {part.backend_tls[side].get(), backend_encryption_from(pair->backend_tls[side].mode)};
  }
  return encryption;
}

protocol::Status AppPair::prepare_tls(Prepared& prepared) const {
  const auto prepare_one = [](const net::TlsSource& in_force, config::TlsMode mode, auto options,
                              std::shared_ptr<const net::TlsTerms>& target) {
    if (mode == config::TlsMode::disable) return protocol::Status{};
    options.application_protocol = protocol::postgres::alpn_protocol;
    const std::shared_ptr<const net::TlsTerms> before = in_force.current();
    protocol::Result<std::shared_ptr<const net::TlsTerms>> loaded = net::TlsTerms::load(options, before.get());
    if (!loaded) return protocol::Status(loaded.error());
    target = *std::move(loaded);
    return protocol::Status{};
  };
  const config::Pair& pair = *prepared.settings.pair;
  protocol::Status status = prepare_one(client_tls_, pair.tls.mode, pair.tls.options, prepared.client_terms);
  for (const Side side : routing::both_sides) {
    const config::BackendTls& tls = pair.backend_tls[side];
    if (status) status = prepare_one(backend_tls_[side], tls.mode, tls.options, prepared.backend_terms[side]);
  }
  return status;
}

protocol::Status AppPair::check_certificates(const config::Pair& settings) {
  const auto check_one = [](config::TlsMode mode, const auto& options) -> protocol::Status {
    if (mode == config::TlsMode::disable) return {};
    const auto terms = net::TlsTerms::load(options);
    if (!terms) return terms.error();
    return {};
  };
  protocol::Status status = check_one(settings.tls.mode, settings.tls.options);
  for (const Side side : routing::both_sides) {
    const config::BackendTls& tls = settings.backend_tls[side];
    if (status) status = check_one(tls.mode, tls.options);
  }
  return status;
}

/// Whoever reads the catalogue connects as sessions do: it is told the same, in libpq's words.
void AppPair::encrypt_catalogue(const config::Pair& pair, Side side, catalogue::CatalogueSource& source) const {
  const config::BackendTls& tls = pair.backend_tls[side];
  source.tls.mode = libpq_name_of(tls.mode);
  source.tls.ca_file = libpq_authorities_of(tls);
  source.tls.crl_file = tls.options.crl_file;
  source.tls.certificate_file = tls.options.certificate_file;
  source.tls.key_file = tls.options.key_file;
  source.tls.version_min = tls.options.version_min == net::TlsVersion::tls_1_3 ? "TLSv1.3" : "TLSv1.2";
  if (tls.mode == config::TlsMode::disable || tls.options.server_name == source.host) return;
  const std::optional<net::Address> literal = net::Address::parse(source.host, source.port);
  const net::NameTable::Addresses known = literal ? nullptr : surroundings_.names.find(source.host);
  if (literal) source.address = literal->host_text();
  if (known != nullptr && !known->empty()) source.address = known->front().host_text();
  if (!source.address.empty()) source.host = tls.options.server_name;
}

}  // namespace proxy
