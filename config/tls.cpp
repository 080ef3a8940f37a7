#include "config/readers.hpp"

namespace config {

namespace {

using proxy::net::ServerCheck;
using proxy::net::system_authorities;
using proxy::net::TlsOptions;
using proxy::net::TlsVersion;

const std::vector<std::pair<std::string_view, TlsMode>> mode_choices{
    {"disable", TlsMode::disable}, {"allow", TlsMode::allow},         {"prefer", TlsMode::prefer},
    {"require", TlsMode::require}, {"verify-ca", TlsMode::verify_ca}, {"verify-full", TlsMode::verify_full}};

const std::vector<std::pair<std::string_view, TlsVersion>> version_choices{{"1.2", TlsVersion::tls_1_2},
                                                                           {"1.3", TlsVersion::tls_1_3}};

enum class SystemAllowed : std::uint8_t { no, yes };

/// A path as the process can use it; reported and empty when nothing useful is there.
void read_path(Section& section, std::string_view key, Secrecy secrecy, Reading& reading, std::string& target,
               SystemAllowed system = SystemAllowed::no) {
  const auto written = section.take_text(key);
  if (!written) return;
  if (system == SystemAllowed::yes && *written == system_authorities) {
    target = *written;
    return;
  }
  const std::filesystem::path path = reading.folder / *written;
  const auto status = reading.surroundings.check_file(path, secrecy);
  if (!status) {
    reading.findings.error(section.mark_of(key), about(section.path_of(key), quote(*written) + " cannot be used: " +
                                                                                 status.error().detail));
    return;
  }
  target = path.string();
}

void read_options(Section& section, Reading& reading, TlsOptions& options, SystemAllowed system) {
  read_path(section, "certificate_file", Secrecy::open, reading, options.certificate_file);
  read_path(section, "key_file", Secrecy::key, reading, options.key_file);
  read_path(section, "ca_file", Secrecy::open, reading, options.ca_file, system);
  read_path(section, "crl_file", Secrecy::open, reading, options.crl_file);
  section.read_choice<TlsVersion>("minimum_version", version_choices, options.version_min);
  if (const auto ciphers = section.take_text("ciphers")) options.ciphers = *ciphers;
  if (const auto suites = section.take_text("cipher_suites")) options.cipher_suites = *suites;
  if (section.has("certificate_file") != section.has("key_file")) {
    reading.findings.error(section.mark(), about(section.path(), "`certificate_file` and `key_file` need each other"));
  }
  if (section.has("crl_file") && !section.has("ca_file")) {
    reading.findings.error(section.mark_of("crl_file"),
                           about(section.path_of("crl_file"), "has no effect without `ca_file`"));
  }
}

bool is_verifying(TlsMode mode) { return mode == TlsMode::verify_ca || mode == TlsMode::verify_full; }

void require_authorities(const Section& section, Reading& reading, TlsMode mode, const std::string& why) {
  if (!is_verifying(mode) || section.has("ca_file")) return;
  reading.findings.error(section.has("mode") ? section.mark_of("mode") : section.mark(),
                         about(section.path(), "needs `ca_file`: " + why));
}

}  // namespace

void read_client_tls(const Node& node, const std::string& path, Reading& reading, ClientTls& tls) {
  auto section = Section::open(node, reading.findings, path);
  if (!section) return;
  tls.mode = TlsMode::prefer;
  section->read_choice<TlsMode>("mode", mode_choices, tls.mode);
  read_options(*section, reading, tls.options, SystemAllowed::no);
  if (tls.mode != TlsMode::disable && !section->has("certificate_file")) {
    reading.findings.error(section->mark(), about(path, "needs `certificate_file` and `key_file`"));
  }
  require_authorities(*section, reading, tls.mode, "clients must show a certificate");
  section->finish();
}

void read_backend_tls(const Node* node, const std::string& path, const std::string& host, Reading& reading,
                      BackendTls& tls) {
  const bool is_local = host.starts_with('/');
  if (is_local) tls.mode = TlsMode::disable;
  tls.options.server_name = host;
  if (node == nullptr) return;
  auto section = Section::open(*node, reading.findings, path);
  if (!section) return;
  section->read_choice<TlsMode>("mode", mode_choices, tls.mode);
  read_options(*section, reading, tls.options, SystemAllowed::yes);
  if (const auto name = section->take_text("server_name")) tls.options.server_name = *name;
  require_authorities(*section, reading, tls.mode, "the server's certificate is checked with it");
  // Whoever names authorities means them, as in libpq: without them the certificate may be anybody's.
  if (!tls.options.ca_file.empty()) tls.options.check = ServerCheck::chain;
  if (tls.mode == TlsMode::verify_full) tls.options.check = ServerCheck::chain_and_name;
  if (is_local && tls.mode != TlsMode::disable) {
    reading.findings.error(section->mark(), about(path, "a local socket carries no TLS"));
  }
  section->finish();
}

}  // namespace config
