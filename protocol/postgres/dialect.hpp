#pragma once

#include "protocol/dialect.hpp"
#include "protocol/postgres/analyser.hpp"
#include "protocol/postgres/capture.hpp"
#include "protocol/postgres/client_authentication.hpp"
#include "protocol/postgres/client_half.hpp"
#include "protocol/postgres/encryption.hpp"
#include "protocol/postgres/nonce_source.hpp"
#include "protocol/postgres/restoration_text.hpp"
#include "protocol/postgres/scram.hpp"
#include "protocol/postgres/statement_library.hpp"

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace protocol::postgres {

/// PostgreSQL: see protocol::Dialect. One per pair and worker; not for use by several threads.
class PostgresDialect final : public Dialect {
 public:
  struct Options {
    ClientHalfOptions client_half;
    Analyser::Options analyser;
    ClientEncryption client_encryption = ClientEncryption::refused;
    /// Databases whose statements are analysed with a cache and a catalogue of their own; further ones share one
    /// without a catalogue.
    std::size_t databases_max = 64;
    /// Counts changes of the schema that any worker of the pair has seen; null: each for itself.
    std::shared_ptr<std::atomic<std::uint64_t>> schema_version = nullptr;
    /// How the names of shared statements begin; another one on each worker of the pair.
    std::string shared_name_prefix = "_crossfade_";
  };

  /// `nonces` outlives the dialect. `on_new_database` is called when a session names a database for the first
  /// time; the answer to it comes by set_catalogue().
  PostgresDialect(Options options, Admission admission, NonceSource& nonces,
                  std::function<void(const Login&)> on_new_database);

  [[nodiscard]] std::string_view name() const override { return "postgres"; }
  [[nodiscard]] std::unique_ptr<Greeting> make_greeting(GreetingHost& host) override;
  [[nodiscard]] std::unique_ptr<ClientHalf> make_client_half(const Login& login, Tenure tenure) override;
  [[nodiscard]] std::unique_ptr<Capture> make_capture(const Login& login, const CaptureOptions& options) override;
  [[nodiscard]] std::unique_ptr<Console> make_console() override;
  [[nodiscard]] Login login_for_writes(const Login& login) const override;
  [[nodiscard]] std::unique_ptr<BackendLogin> make_backend_login(const Login& login,
                                                                 const BackendCredentials& credentials,
                                                                 EncryptionWish wish,
                                                                 std::uint32_t server_number) override;
  void adopt(BackendHalf& half, const Login& login, std::uint32_t server_number) override;
  [[nodiscard]] std::string pool_key(const Login& login) const override;
  [[nodiscard]] Bytes write_cancel(const BackendHalf& half) override;
  [[nodiscard]] std::unique_ptr<Dialogue> make_cancellation(Bytes cancel_bytes, EncryptionWish wish) override;
  [[nodiscard]] std::unique_ptr<Dialogue> make_ping() override;
  [[nodiscard]] Bytes write_terminate() override;
  [[nodiscard]] Bytes write_fatal(const Error& error, SessionStage stage) override;
  [[nodiscard]] std::string_view code_of(const Error& error) const override;

  /// Who may come in, and what bounds hold, from now on; greetings under way keep what they began with. The analyser's
  /// options stay.
  void reconfigure(const Options& options, Admission admission);
  void set_catalogue(const std::string& database, std::shared_ptr<const Catalogue> catalogue);
  void set_types(const std::string& database, std::shared_ptr<const TypeComparison> types);
  /// Whether its reads stay where writes go, for the sake of types that the sides number differently.
  [[nodiscard]] bool has_differing_types(const std::string& database, const StatementFacts& facts) const;
  /// What a statement is, as sessions of `database` would be told.
  [[nodiscard]] Analysis analyse(const std::string& database, std::string_view text);

 private:
  friend class PostgresBackendLogin;
  /// Servers report the same parameters to everybody: one map serves all sessions that were told the same.
  [[nodiscard]] ParameterPointer intern(ParameterMap parameters);
  [[nodiscard]] Analyser& analyser_for(const Login& login);
  /// What was proven lasts for as long as a connection to that server: behind it may be another one after a restart.
  [[nodiscard]] std::shared_ptr<ProvenTexts> proven_texts_for(const Login& login, std::uint32_t server_number);

  Options options_;
  Admission admission_;
  NonceSource& nonces_;
  std::function<void(const Login&)> on_new_database_;
  const std::shared_ptr<std::atomic<std::uint64_t>> schema_version_;
  StatementLibrary library_;
  ScramKeyCache scram_keys_;
  std::map<std::string, std::unique_ptr<Analyser>, std::less<>> analysers_;
  Analyser shared_analyser_;
  std::map<std::string, std::unique_ptr<CaptureShelf>, std::less<>> capture_shelves_;  ///< by database
  std::vector<std::weak_ptr<const ParameterMap>> known_parameters_;
  std::map<std::pair<std::string, std::uint32_t>, std::weak_ptr<ProvenTexts>> proven_texts_;
};

}  // namespace protocol::postgres
