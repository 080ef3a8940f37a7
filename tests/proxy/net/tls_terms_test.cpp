#include "proxy/net/tls_terms.hpp"

#include "tests/proxy/net/tls_fixture.hpp"

#include <doctest/doctest.h>

using namespace net_test;
using protocol::as_bytes;

namespace {

/// How a handshake ends: empty for both ends open, else what each end says.
std::string outcome_of(const TlsTerms::Options& server, const TlsTerms::Options& client) {
  TlsPair pair(server, client);
  pair.run();
  if (pair.server->tls_facts() && pair.client->tls_facts() && !pair.server->is_broken()) {
    // TLS 1.3 lets a client finish before the server has judged its certificate.
    (void)pair.client->try_write(as_bytes(std::string_view("ping")));
    pair.run();
    if (pair.server_reader->text == "ping") return "";
  }
  return "server: " + pair.server->failure() + "; client: " + pair.client->failure();
}

bool is_in(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string reason_of(const TlsTerms::Options& options) {
  const auto terms = TlsTerms::load(options);
  return terms ? "" : terms.error().detail;
}

TlsServerOptions strict_server() {
  TlsServerOptions options = server_options();
  options.ca_file = certificates().file("authority.crt");
  return options;
}

TlsClientOptions client_named(const std::string& certificate) {
  TlsClientOptions options = client_options();
  options.certificate_file = certificates().file(certificate + ".crt");
  options.key_file = certificates().file(certificate + ".key");
  return options;
}

}  // namespace

TEST_CASE("tls terms: a server's name and authority → as much is checked as was asked for") {
  TlsClientOptions options = client_options();
  options.server_name = "127.0.0.1";
  CHECK(outcome_of(server_options(), options) == "");
  options.server_name = "elsewhere.example";
  CHECK(is_in(outcome_of(server_options(), options), "hostname mismatch"));
  options.check = ServerCheck::chain;
  CHECK(outcome_of(server_options(), options) == "");
  options.ca_file = certificates().file("stranger.crt");
  CHECK(is_in(outcome_of(server_options(), options), "certificate verify failed"));
  options.check = ServerCheck::nothing;
  CHECK(outcome_of(server_options(), options) == "");
}

TEST_CASE("tls terms: a client's certificate → its subject is known; a stranger's is refused, none is not") {
  CHECK(outcome_of(strict_server(), client_options()) == "");
  CHECK(is_in(outcome_of(strict_server(), client_named("strange")), "certificate verify failed"));
  TlsPair pair(strict_server(), client_named("client"));
  pair.run();
  const auto facts = pair.server->tls_facts();
  REQUIRE(facts);
  REQUIRE(facts->peer);
  CHECK(facts->peer->common_name == "app");
  CHECK(facts->peer->distinguished_name == "CN=app,O=Shop");
  CHECK(facts->peer->alternative_names == std::vector<std::string>{"app.example", "app@example.org", "::1"});
}

TEST_CASE("tls terms: a client certificate where nobody asks → not shown, so nobody is named") {
  TlsPair pair(server_options(), client_named("client"));
  pair.run();
  REQUIRE(pair.server->tls_facts());
  CHECK_FALSE(pair.server->tls_facts()->peer);
}

TEST_CASE("tls terms: versions and ciphers → at least what is asked, or no handshake") {
  TlsServerOptions modern = server_options();
  modern.version_min = TlsVersion::tls_1_3;
  CHECK(outcome_of(modern, client_options()) == "");
  TlsServerOptions other = server_options();
  other.cipher_suites = "TLS_CHACHA20_POLY1305_SHA256";
  TlsPair pair(other, client_options());
  pair.run();
  REQUIRE(pair.client->tls_facts());
  CHECK(pair.client->tls_facts()->cipher == "TLS_CHACHA20_POLY1305_SHA256");
}

TEST_CASE("tls terms: another protocol's name → an alert; none → served, and the facts say so") {
  TlsClientOptions options = client_options();
  options.application_protocol = "h2";
  CHECK(is_in(outcome_of(server_options(), options), "no application protocol"));
  options.application_protocol.clear();
  TlsPair pair(server_options(), options);
  pair.run();
  REQUIRE(pair.server->tls_facts());
  CHECK(pair.server->tls_facts()->application_protocol.empty());
}

TEST_CASE("tls terms: a second connection → resumed, also after a reload; not where certificates of clients count") {
  for (const bool is_strict : {false, true}) {
    CAPTURE(is_strict);
    const auto server = open(is_strict ? TlsTerms::Options(strict_server()) : TlsTerms::Options(server_options()));
    const auto client = open(client_options());
    const auto is_resumed = [&] {
      TlsPair pair(*server, *client);
      pair.run();
      REQUIRE(pair.server->tls_facts());
      return pair.server->tls_facts()->is_resumed;
    };
    CHECK_FALSE(is_resumed());
    CHECK(is_resumed());
    REQUIRE(server->reload());
    CHECK(is_resumed() == !is_strict);
  }
}

TEST_CASE("tls terms: reload with good files → new connections see them, open ones go on; with bad files → nothing changes") {
  const CertificateFolder& files = certificates();
  files.copy("server.crt", "live.crt");
  files.copy("server.key", "live.key");
  TlsServerOptions options = server_options();
  options.certificate_file = files.file("live.crt");
  options.key_file = files.file("live.key");
  const auto server = open(options);
  const auto client = open(client_options(ServerCheck::nothing));
  TlsPair before(*server, *client);
  before.run();
  const auto first = server->current();

  files.write("live.crt", "no certificate");
  const protocol::Status refused = server->reload();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().blame == protocol::Blame::operator_);
  CHECK(is_in(refused.error().detail, "live.crt"));
  CHECK(server->current() == first);

  files.copy("client.crt", "live.crt");
  CHECK(is_in(server->reload().error().detail, "key values mismatch"));
  files.copy("client.key", "live.key");
  REQUIRE(server->reload());
  CHECK(server->current() != first);
  TlsPair after(*server, *open(client_options(ServerCheck::nothing)));
  after.run();
  REQUIRE(after.server->tls_facts());
  CHECK(after.server->tls_facts()->server_end_point != before.server->tls_facts()->server_end_point);
  CHECK(before.client->try_write(as_bytes(std::string_view("still here"))).state == IoState::done);
  before.run();
  CHECK(before.server_reader->text == "still here");
}

TEST_CASE("tls terms: files and lists that cannot be used → the reason, with the file's name") {
  const CertificateFolder& files = certificates();
  TlsServerOptions options = server_options();
  options.key_file = files.file("client.key");
  CHECK(is_in(reason_of(options), "client.key cannot be used: key values mismatch"));
  options.key_file = files.file("missing.key");
  CHECK(is_in(reason_of(options), "missing.key cannot be used"));
  options = server_options();
  options.certificate_file.clear();
  CHECK(is_in(reason_of(options), "needs a certificate"));
  (void)files.run("openssl ec -aes128 -passout pass:x -in server.key -out locked.key");
  options = server_options();
  options.key_file = files.file("locked.key");
  CHECK(is_in(reason_of(options), "locked.key cannot be used"));
  options = server_options();
  options.ciphers = "NO-SUCH-CIPHER";
  CHECK(is_in(reason_of(options), "the list of ciphers cannot be used"));
  options = server_options();
  options.ca_file = files.file("server.key");
  CHECK(is_in(reason_of(options), "server.key cannot be used"));
  TlsClientOptions client = client_options();
  client.ca_file.clear();
  CHECK(is_in(reason_of(client), "no authorities"));
  client.ca_file = system_authorities;
  CHECK(reason_of(client) == "");
}
