#include "protocol/postgres/dialect.hpp"

#include "protocol/postgres/backend_half.hpp"
#include "protocol/postgres/backend_login.hpp"
#include "protocol/postgres/console.hpp"
#include "protocol/postgres/error_response.hpp"
#include "protocol/postgres/greeting.hpp"
#include "protocol/postgres/message.hpp"
#include "protocol/wire/byte_writer.hpp"

#include <utility>

namespace protocol::postgres {

namespace {

/// Distinct sets of reported parameters that are remembered for sharing.
constexpr std::size_t known_parameters_max = 32;

/// Source: PostgreSQL 15 manual 55.7, CancelRequest.
constexpr std::uint32_t cancel_request_code = 80877102;

}  // namespace

/// The login dialogue, and what its end makes of it.
class PostgresBackendLogin final : public BackendLogin {
 public:
  PostgresBackendLogin(PostgresDialect& dialect, const Login& login, const BackendCredentials& credentials,
                       EncryptionWish wish, std::shared_ptr<ProvenTexts> proven)
      : dialect_(dialect), dialogue_(login, credentials, dialect.nonces_, dialect.scram_keys_, wish), proven_(std::move(proven)) {}

  [[nodiscard]] DialogueProgress advance(ByteView received, Bytes& to_send) override {
    return dialogue_.advance(received, to_send);
  }
  void on_encrypted(const TlsFacts& facts) override { dialogue_.on_encrypted(facts); }
  [[nodiscard]] const Error& error() const override { return dialogue_.error(); }
  [[nodiscard]] ByteView refusal() const override { return dialogue_.refusal(); }
  [[nodiscard]] std::unique_ptr<BackendHalf> take_half() override {
    BackendIdentity identity = dialogue_.take_identity();
    return std::make_unique<PostgresBackendHalf>(dialect_.intern(std::move(identity.parameters)),
                                                 std::move(identity.key), std::move(proven_));
  }

 private:
  PostgresDialect& dialect_;
  BackendLoginDialogue dialogue_;
  std::shared_ptr<ProvenTexts> proven_;
};

PostgresDialect::PostgresDialect(Options options, Admission admission, NonceSource& nonces,
                                 std::function<void(const Login&)> on_new_database)
    : options_(std::move(options)),
      admission_(std::move(admission)),
      nonces_(nonces),
      on_new_database_(std::move(on_new_database)),
      schema_version_(options_.schema_version ? options_.schema_version : std::make_shared<std::atomic<std::uint64_t>>(0)),
      library_(*schema_version_, options_.shared_name_prefix),
      shared_analyser_(options_.analyser) {}

std::unique_ptr<Greeting> PostgresDialect::make_greeting(GreetingHost& host) {
  return std::make_unique<PostgresGreeting>(admission_, nonces_, host, options_.client_encryption);
}

std::unique_ptr<ClientHalf> PostgresDialect::make_client_half(const Login& login, Tenure tenure) {
  return std::make_unique<PostgresClientHalf>(login, analyser_for(login), options_.client_half, &library_, tenure);
}

std::unique_ptr<Capture> PostgresDialect::make_capture(const Login& login, const CaptureOptions& options) {
  std::unique_ptr<CaptureShelf>& shelf = capture_shelves_[login.database];
  if (shelf == nullptr) shelf = std::make_unique<CaptureShelf>(analyser_for(login));
  return std::make_unique<PostgresCapture>(options, login, *shelf, *schema_version_);
}

std::unique_ptr<Console> PostgresDialect::make_console() { return std::make_unique<PostgresConsole>(); }

/// Source: PostgreSQL 15 manual, 20.1.3 "Parameter Interaction via SQL" and 55.7 "Message Formats", StartupMessage: what a client asks for at the
/// start is the session's default, above that of the database.
Login PostgresDialect::login_for_writes(const Login& login) const {
  constexpr std::string_view read_only = "default_transaction_read_only";
  Login writing = login;
  const auto options = writing.parameters.find("options");
  const bool has_own_word = options != writing.parameters.end() && options->second.find(read_only) != std::string::npos;
  if (!has_own_word) writing.parameters.try_emplace(std::string(read_only), "off");
  return writing;
}

std::unique_ptr<BackendLogin> PostgresDialect::make_backend_login(const Login& login,
                                                                  const BackendCredentials& credentials,
                                                                  EncryptionWish wish, std::uint32_t server_number) {
  return std::make_unique<PostgresBackendLogin>(*this, login, credentials, wish, proven_texts_for(login, server_number));
}

void PostgresDialect::adopt(BackendHalf& half, const Login& login, std::uint32_t server_number) {
  static_cast<PostgresBackendHalf&>(half).proven = proven_texts_for(login, server_number);
}

std::shared_ptr<ProvenTexts> PostgresDialect::proven_texts_for(const Login& login, std::uint32_t server_number) {
  std::pair<std::string, std::uint32_t> key(pool_key(login), server_number);
  const auto known = proven_texts_.find(key);
  if (known != proven_texts_.end()) {
    if (std::shared_ptr<ProvenTexts> shared = known->second.lock()) return shared;
  }
  std::erase_if(proven_texts_, [](const auto& entry) { return entry.second.expired(); });
  auto fresh = std::make_shared<ProvenTexts>();
  proven_texts_.insert_or_assign(std::move(key), fresh);
  return fresh;
}

Analyser& PostgresDialect::analyser_for(const Login& login) {
  const auto known = analysers_.find(login.database);
  if (known != analysers_.end()) return *known->second;
  if (analysers_.size() >= options_.databases_max) return shared_analyser_;
  const auto place = analysers_.emplace(login.database, std::make_unique<Analyser>(options_.analyser)).first;
  if (on_new_database_) on_new_database_(login);
  return *place->second;
}

void PostgresDialect::reconfigure(const Options& options, Admission admission) {
  options_.client_half = options.client_half;
  options_.client_encryption = options.client_encryption;
  admission_ = std::move(admission);
}

void PostgresDialect::set_catalogue(const std::string& database, std::shared_ptr<const Catalogue> catalogue) {
  const auto place = analysers_.find(database);
  if (place != analysers_.end()) place->second->set_catalogue(std::move(catalogue));
}

void PostgresDialect::set_types(const std::string& database, std::shared_ptr<const TypeComparison> types) {
  const auto place = analysers_.find(database);
  if (place != analysers_.end()) place->second->set_types(std::move(types));
}

bool PostgresDialect::has_differing_types(const std::string& database, const StatementFacts& facts) const {
  const auto place = analysers_.find(database);
  const TypeComparison* types = place == analysers_.end() ? nullptr : place->second->types();
  return types != nullptr && !options_.client_half.moves_differing_types && types->concerns(facts);
}

Analysis PostgresDialect::analyse(const std::string& database, std::string_view text) {
  const auto place = analysers_.find(database);
  return place == analysers_.end() ? shared_analyser_.analyse(text) : place->second->analyse(text);
}

ParameterPointer PostgresDialect::intern(ParameterMap parameters) {
  std::erase_if(known_parameters_, [](const auto& known) { return known.expired(); });
  for (const std::weak_ptr<const ParameterMap>& known : known_parameters_) {
    ParameterPointer shared = known.lock();
    if (shared && *shared == parameters) return shared;
  }
  auto fresh = std::make_shared<const ParameterMap>(std::move(parameters));
  if (known_parameters_.size() < known_parameters_max) known_parameters_.push_back(fresh);
  return fresh;
}

/// RESET returns a setting to what the connection was begun with, so only sessions that began alike share one. The
/// application's name is left out: programs put their process number there.
std::string PostgresDialect::pool_key(const Login& login) const {
  std::string key;
  for (const auto& [name, value] : login.parameters) {
    if (name == "application_name") continue;
    key += name;
    key += '\0';
    key += value;
    key += '\0';
  }
  return key;
}

Bytes PostgresDialect::write_cancel(const BackendHalf& half) {
  Bytes request;
  const CancelKey* key = half.cancel_key();
  if (key == nullptr) return request;
  ByteWriter writer(request);
  writer.write_u32_be(static_cast<std::uint32_t>(3 * sizeof(std::uint32_t) + key->secret.size()));
  writer.write_u32_be(cancel_request_code);
  writer.write_u32_be(key->process_id);
  writer.write_bytes(key->secret);
  return request;
}

std::unique_ptr<Dialogue> PostgresDialect::make_cancellation(Bytes cancel_bytes, EncryptionWish wish) {
  return std::make_unique<Cancellation>(std::move(cancel_bytes), wish);
}

std::unique_ptr<Dialogue> PostgresDialect::make_ping() { return std::make_unique<Ping>(); }

Bytes PostgresDialect::write_terminate() {
  Bytes message;
  ByteWriter writer(message);
  writer.write_u8(static_cast<std::uint8_t>(FrontendMessage::terminate));
  writer.write_u32_be(frame_length_min);
  return message;
}

Bytes PostgresDialect::write_fatal(const Error& error, SessionStage stage) {
  Bytes message;
  write_error_response(describe(error, stage), message);
  return message;
}

std::string_view PostgresDialect::code_of(const Error& error) const { return sqlstate_of(error); }

}  // namespace protocol::postgres
