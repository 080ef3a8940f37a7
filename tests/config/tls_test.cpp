#include "config/surroundings.hpp"
#include "tests/config/fixture.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

using namespace config_test;
using config::Secrecy;
using config::TlsMode;
using proxy::net::ServerCheck;
using proxy::net::TlsVersion;
using routing::Side;

namespace {

Pretended with_files() {
  Pretended surroundings;
  for (const char* name : {"/etc/s.crt", "/etc/s.key", "/etc/ca.crt", "/etc/ca.crl", "/abs/c.crt"}) {
    surroundings.files[name] = {"pem", false};
  }
  surroundings.files["/etc/open.key"] = {"open", false};
  return surroundings;
}

/// A pair with these lines for clients (six blanks in) and this flow map for blue.
std::string text_with(const std::string& client_lines, const std::string& blue = "{}") {
  Parts parts;
  if (!client_lines.empty()) parts.pair = "    tls:\n" + client_lines;
  std::string text = text_of(parts);
  const std::string plain = "blue: {host: b}";
  return text.replace(text.find(plain), plain.size(), "blue: {host: b, tls: " + blue + "}");
}

config::Pair pair_of(const std::string& text) {
  const config::Outcome outcome = check(text, with_files());
  REQUIRE_MESSAGE(outcome.settings.has_value(), problems_of(outcome));
  return outcome.settings->pairs[0];
}

std::string mistakes_in(const std::string& text) {
  const config::Outcome outcome = check(text, with_files());
  CHECK_FALSE(outcome.settings.has_value());
  return problems_of(outcome);
}

}  // namespace

TEST_CASE("tls: nothing said → none to clients, preferred to servers by name, none to local sockets") {
  Parts parts;
  std::string text = text_of(parts);
  const std::string green = "green: {host: g}";
  text.replace(text.find(green), green.size(), "green: {host: /run/pg}");
  const config::Pair pair = pair_of(text);
  CHECK(pair.tls.mode == TlsMode::disable);
  CHECK(pair.backend_tls[Side::blue].mode == TlsMode::prefer);
  CHECK(pair.backend_tls[Side::blue].options.server_name == "b");
  CHECK(pair.backend_tls[Side::blue].options.check == ServerCheck::nothing);
  CHECK(pair.backend_tls[Side::green].mode == TlsMode::disable);
}

TEST_CASE("tls: every key → its value, paths from the file's folder") {
  const config::Pair pair = pair_of(text_with(
      "      mode: verify-full\n      certificate_file: s.crt\n      key_file: s.key\n      ca_file: ca.crt\n"
      "      crl_file: ca.crl\n      minimum_version: \"1.3\"\n      ciphers: HIGH\n      cipher_suites: TLS_AES_128_GCM_SHA256\n",
      "{mode: verify-full, ca_file: system, certificate_file: /abs/c.crt, key_file: s.key, server_name: db.example}"));
  CHECK(pair.tls.mode == TlsMode::verify_full);
  CHECK(pair.tls.options.certificate_file == "/etc/s.crt");
  CHECK(pair.tls.options.key_file == "/etc/s.key");
  CHECK(pair.tls.options.ca_file == "/etc/ca.crt");
  CHECK(pair.tls.options.crl_file == "/etc/ca.crl");
  CHECK(pair.tls.options.version_min == TlsVersion::tls_1_3);
  CHECK(pair.tls.options.ciphers == "HIGH");
  CHECK(pair.tls.options.cipher_suites == "TLS_AES_128_GCM_SHA256");
  const auto& blue = pair.backend_tls[Side::blue];
  CHECK(blue.mode == TlsMode::verify_full);
  CHECK(blue.options.check == ServerCheck::chain_and_name);
  CHECK(blue.options.ca_file == "system");
  CHECK(blue.options.certificate_file == "/abs/c.crt");
  CHECK(blue.options.server_name == "db.example");
}

TEST_CASE("tls: authorities in any mode → a server's certificate is checked, as libpq does") {
  CHECK(pair_of(text_with("", "{mode: require, ca_file: ca.crt}")).backend_tls[Side::blue].options.check == ServerCheck::chain);
  CHECK(pair_of(text_with("", "{mode: verify-ca, ca_file: ca.crt}")).backend_tls[Side::blue].options.check == ServerCheck::chain);
  CHECK(pair_of(text_with("", "{mode: require}")).backend_tls[Side::blue].options.check == ServerCheck::nothing);
}

TEST_CASE("tls: mistakes → each told with its place and what would be right") {
  const std::string all = mistakes_in(text_with("      mode: requir\n      certificate: s.crt\n      key_file: open.key\n      crl_file: no.crl\n",
                                                "{mode: verify-full, minimum_version: 1.1}"));
  CAPTURE(all);
  CHECK(is_in(all, "did you mean `require`?"));
  CHECK(is_in(all, "unknown key `certificate`"));
  CHECK(is_in(all, "`open.key` cannot be used: too open"));
  CHECK(is_in(all, "`no.crl` cannot be used: no such file"));
  CHECK(is_in(all, "need each other"));
  CHECK(is_in(all, "has no effect without `ca_file`"));
  CHECK(is_in(all, "`pairs.p.blue.tls`: needs `ca_file`"));
  CHECK(is_in(all, "`pairs.p.blue.tls.minimum_version`"));
  CHECK(is_in(mistakes_in(text_with("      mode: prefer\n")), "`pairs.p.tls`: needs `certificate_file` and `key_file`"));
  CHECK(is_in(mistakes_in(text_with("      certificate_file: s.crt\n      key_file: s.key\n      mode: verify-ca\n")),
              "clients must show a certificate"));
  Parts parts;
  std::string text = text_of(parts);
  const std::string green = "green: {host: g}";
  text.replace(text.find(green), green.size(), "green: {host: /run/pg, tls: {mode: require}}");
  CHECK(is_in(mistakes_in(text), "a local socket carries no TLS"));
}

TEST_CASE("surroundings: a key → refused when others could read it, taken when its owner alone can") {
  std::string name = (std::filesystem::temp_directory_path() / "crossfade-key-XXXXXX").string();
  const std::filesystem::path folder = mkdtemp(name.data());
  const std::filesystem::path key = folder / "a.key";
  std::ofstream(key) << "key";
  const config::Machine machine;
  for (const mode_t mode : {0640U, 0604U, 0660U, 0700U | 0001U}) {
    REQUIRE(chmod(key.c_str(), mode) == 0);
    CHECK_FALSE(machine.check_file(key, Secrecy::key));
    CHECK(machine.check_file(key, Secrecy::open));
  }
  REQUIRE(chmod(key.c_str(), 0600) == 0);
  CHECK(machine.check_file(key, Secrecy::key));
  CHECK_FALSE(machine.check_file(folder, Secrecy::open));
  CHECK_FALSE(machine.check_file(folder / "missing", Secrecy::open));
  std::filesystem::remove_all(folder);
}
