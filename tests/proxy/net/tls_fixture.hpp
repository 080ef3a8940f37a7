#pragma once

#include "proxy/net/tls_stream.hpp"
#include "tests/support/memory_stream.hpp"
#include "tests/support/sim_loop.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

namespace net_test {

using namespace proxy::net;

/// A folder of certificates made with the openssl command line, gone at the end of the process.
class CertificateFolder {
 public:
  CertificateFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "crossfade-tls-XXXXXX").string();
    path_ = mkdtemp(name.data());
    make_authority("authority");
    make_authority("stranger");
    sign("server", "authority", "/CN=localhost", "subjectAltName=DNS:localhost,IP:127.0.0.1");
    sign("client", "authority", "/O=Shop/CN=app", "subjectAltName=DNS:app.example,email:app@example.org,IP:::1");
    sign("strange", "stranger", "/CN=app", "");
  }
  ~CertificateFolder() { std::filesystem::remove_all(path_); }
  CertificateFolder(const CertificateFolder&) = delete;
  CertificateFolder& operator=(const CertificateFolder&) = delete;

  [[nodiscard]] std::string file(const std::string& name) const { return (path_ / name).string(); }
  void copy(const std::string& source, const std::string& target) const {
    std::filesystem::copy_file(path_ / source, path_ / target, std::filesystem::copy_options::overwrite_existing);
  }
  void write(const std::string& name, const std::string& text) const { std::ofstream(path_ / name) << text; }
  /// What a shell command in this folder prints.
  [[nodiscard]] std::string run(const std::string& command) const {
    const std::string whole = "cd '" + path_.string() + "' && (" + command + ") > output 2> errors";
    REQUIRE(std::system(whole.c_str()) == 0);
    std::ifstream output(path_ / "output");
    return {std::istreambuf_iterator<char>(output), std::istreambuf_iterator<char>()};
  }

 private:
  static constexpr const char* new_key = " -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ";
  void make_authority(const std::string& name) const {
    (void)run("openssl req -x509 -days 30 -subj /CN=" + name + new_key + name + ".key -out " + name + ".crt");
  }
  void sign(const std::string& name, const std::string& authority, const std::string& subject, const std::string& names) const {
    write("extension", names + "\n");
    (void)run("openssl req -subj '" + subject + "'" + new_key + name + ".key -out request && openssl x509 -req -days 30 -in request"
              " -CA " + authority + ".crt -CAkey " + authority + ".key -CAcreateserial -extfile extension -out " + name + ".crt");
  }
  std::filesystem::path path_;
};

inline const CertificateFolder& certificates() {
  static const CertificateFolder folder;
  return folder;
}

inline TlsServerOptions server_options() {
  TlsServerOptions options;
  options.certificate_file = certificates().file("server.crt");
  options.key_file = certificates().file("server.key");
  options.application_protocol = "postgresql";
  return options;
}

inline TlsClientOptions client_options(ServerCheck check = ServerCheck::chain_and_name) {
  TlsClientOptions options;
  options.ca_file = certificates().file("authority.crt");
  options.check = check;
  options.server_name = "localhost";
  options.application_protocol = "postgresql";
  return options;
}

inline std::unique_ptr<TlsSource> open(const TlsTerms::Options& options) {
  auto source = TlsSource::open(options);
  REQUIRE_MESSAGE(source.has_value(), (source ? std::string() : source.error().detail));
  return std::move(*source);
}

/// Collects what a stream brings, and counts the calls.
class Reader final : public StreamListener {
 public:
  explicit Reader(Stream& stream) : stream_(stream) { stream.set_listener(this); }
  void on_stream_ready() override {
    ++calls;
    take();
  }
  void take() {
    while (stream_.is_readable()) {
      std::vector<std::byte> target(target_bytes);
      const IoOutcome outcome = stream_.try_read(target);
      text += protocol::as_text(protocol::ByteView(target).first(outcome.bytes));
      if (outcome.state == IoState::end || outcome.state == IoState::failed) last = outcome.state;
    }
  }
  int calls = 0;
  std::size_t target_bytes = 65'536;
  std::string text;
  IoState last = IoState::done;

 private:
  Stream& stream_;
};

/// Both ends of an encrypted connection in memory.
struct TlsPair {
  TlsPair(const TlsTerms::Options& server_terms, const TlsTerms::Options& client_terms,
          const test_support::StreamFaults& faults = {}) {
    begin(*open(server_terms), *open(client_terms), faults);
  }
  TlsPair(const TlsSource& server_source, const TlsSource& client_source) { begin(server_source, client_source, {}); }
  void begin(const TlsSource& server_source, const TlsSource& client_source, const test_support::StreamFaults& faults) {
    test_support::MemoryPair pair(loop, faults, faults);
    plain_server = pair.a.get();
    plain_client = pair.b.get();
    server = TlsStreamMaker(server_source, scratch).encrypt(std::move(pair.a), {}, {});
    client = TlsStreamMaker(client_source, scratch).encrypt(std::move(pair.b), {}, {});
    server_reader = std::make_unique<Reader>(*server);
    client_reader = std::make_unique<Reader>(*client);
  }
  void run() { loop.run_until_quiet(std::chrono::seconds(60)); }

  test_support::SimLoop loop;
  TlsScratch scratch;
  test_support::MemoryStream* plain_server = nullptr;
  test_support::MemoryStream* plain_client = nullptr;
  std::unique_ptr<Stream> server;
  std::unique_ptr<Stream> client;
  std::unique_ptr<Reader> server_reader;
  std::unique_ptr<Reader> client_reader;
};

}  // namespace net_test
