#include "protocol/postgres/scram.hpp"

#include "protocol/postgres/saslprep.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace protocol::postgres {
namespace {

/// The only channel binding that PostgreSQL speaks, as a gs2-header names it.
constexpr std::string_view binding_type = "tls-server-end-point";

std::optional<std::uint32_t> parse_iterations(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value == 0) return std::nullopt;
  return value;
}

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x21 && c <= 0x7E && c != ','; });
}

bool is_letter(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }

/// Reads `x=value` attributes, separated by commas, from the front of a text.
class AttributeReader {
 public:
  explicit AttributeReader(std::string_view text) : text_(text) {}

  /// The value of the next attribute if it is called `name`.
  std::optional<std::string_view> expect(char name) {
    if (text_.size() < 2 || text_[0] != name || text_[1] != '=') return std::nullopt;
    return take_value();
  }
  /// Skips the next attribute whatever its name.
  bool skip() {
    if (text_.size() < 2 || !is_letter(text_[0]) || text_[1] != '=') return false;
    take_value();
    return true;
  }
  [[nodiscard]] char next_name() const { return text_.empty() ? '\0' : text_[0]; }
  [[nodiscard]] bool is_done() const { return is_done_; }
  /// Bytes before the next attribute, its comma not counted.
  [[nodiscard]] std::size_t bytes_taken() const { return bytes_taken_; }

 private:
  std::string_view take_value() {
    const std::size_t comma = text_.find(',');
    const std::string_view value = text_.substr(2, comma == std::string_view::npos ? comma : comma - 2);
    is_done_ = comma == std::string_view::npos;
    bytes_taken_ += (is_first_ ? 0 : 1) + 2 + value.size();
    is_first_ = false;
    text_ = is_done_ ? std::string_view() : text_.substr(comma + 1);
    return value;
  }

  std::string_view text_;
  std::size_t bytes_taken_ = 0;
  bool is_first_ = true;
  bool is_done_ = false;
};

Sha256 combine(const Sha256& left, const Sha256& right) {
  Sha256 result;
  for (std::size_t i = 0; i < result.size(); ++i) result[i] = left[i] ^ right[i];
  return result;
}

std::optional<Sha256> decode_key(std::string_view text) {
  const std::optional<Bytes> bytes = decode_base64(text);
  if (!bytes || bytes->size() != sha256_bytes) return std::nullopt;
  Sha256 key;
  std::copy(bytes->begin(), bytes->end(), key.begin());
  return key;
}

Error malformed(const char* why) { return failure(ErrorCode::message_malformed, Blame::client, why); }
Error unbound(const char* why) { return failure(ErrorCode::channel_binding_failed, Blame::client, why); }
Error unsupported(const char* why) { return failure(ErrorCode::authentication_unsupported, Blame::client, why); }
Error misbehaved(const char* why) {
  return failure(ErrorCode::backend_misbehaved, Blame::backend, std::string("SCRAM: ") + why);
}

/// The parts of `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>` behind the first dollar sign.
std::optional<ScramVerifier> parse_verifier_parts(std::string_view text) {
  const std::size_t dollar = text.find('$');
  if (dollar == std::string_view::npos) return std::nullopt;
  const std::string_view front = text.substr(0, dollar);
  const std::string_view back = text.substr(dollar + 1);
  const std::size_t front_colon = front.find(':');
  const std::size_t back_colon = back.find(':');
  if (front_colon == std::string_view::npos || back_colon == std::string_view::npos) return std::nullopt;
  const std::optional<std::uint32_t> iterations = parse_iterations(front.substr(0, front_colon));
  const std::optional<Bytes> salt = decode_base64(front.substr(front_colon + 1));
  const std::optional<Sha256> stored_key = decode_key(back.substr(0, back_colon));
  const std::optional<Sha256> server_key = decode_key(back.substr(back_colon + 1));
  if (!iterations || !salt || salt->empty() || salt->size() > scram_salt_bytes_max || !stored_key || !server_key) {
    return std::nullopt;
  }
  return ScramVerifier{*iterations, *salt, *stored_key, *server_key};
}

}  // namespace

Result<ScramVerifier> parse_scram_verifier(std::string_view text) {
  constexpr std::string_view prefix = "SCRAM-SHA-256$";
  std::optional<ScramVerifier> verifier;
  if (text.starts_with(prefix)) verifier = parse_verifier_parts(text.substr(prefix.size()));
  if (!verifier) {
    return failure(ErrorCode::configuration_invalid, Blame::operator_,
                   "not a verifier of the form SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>");
  }
  return *std::move(verifier);
}

std::string to_text(const ScramVerifier& verifier) {
  return "SCRAM-SHA-256$" + std::to_string(verifier.iterations) + ":" + encode_base64(verifier.salt) + "$" +
         encode_base64(verifier.stored_key) + ":" + encode_base64(verifier.server_key);
}

ScramVerifier make_scram_verifier(std::string_view password, Bytes salt, std::uint32_t iterations) {
  const ScramClientKeys keys = derive_scram_client_keys(password, salt, iterations);
  return {iterations, std::move(salt), sha256(keys.client_key), keys.server_key};
}

std::string make_scram_nonce(NonceSource& source) {
  std::array<std::byte, scram_nonce_bytes> raw{};
  source.fill(raw);
  return encode_base64(raw);
}

ScramServer::ScramServer(ScramVerifier verifier, Kind kind, std::string nonce)
    : verifier_(std::move(verifier)), kind_(kind), server_nonce_(std::move(nonce)) {}

Result<std::string> ScramServer::accept_first(std::string_view client_first) {
  if (client_first.empty()) return malformed("The message is empty.");
  if (client_first.find('\0') != std::string_view::npos) return malformed("Message length does not match input length.");
  std::size_t flag_bytes = 0;
  const Status flag = accept_binding_flag(client_first, flag_bytes);
  if (!flag) return flag.error();
  const std::string_view rest = client_first.substr(flag_bytes);
  if (rest.size() < 2 || rest[0] != ',') return malformed("Comma expected.");
  if (rest[1] == 'a') return unsupported("client uses authorization identity, but it is not supported");
  if (rest[1] != ',') return malformed("Unexpected attribute in client-first-message.");
  gs2_header_ = client_first.substr(0, flag_bytes + 2);
  client_first_bare_ = client_first.substr(flag_bytes + 2);

  AttributeReader reader(client_first_bare_);
  if (reader.next_name() == 'm') return unsupported("client requires an unsupported SCRAM extension");
  if (!reader.expect('n')) return malformed("Attribute \"n\" expected.");
  const std::optional<std::string_view> client_nonce = reader.expect('r');
  if (!client_nonce) return malformed("Attribute \"r\" expected.");
  if (!is_printable(*client_nonce)) return malformed("Non-printable characters in SCRAM nonce.");
  while (!reader.is_done()) {
    if (!reader.skip()) return malformed("Attribute expected.");
  }

  nonce_ = std::string(*client_nonce) + server_nonce_;
  server_first_ =
      "r=" + nonce_ + ",s=" + encode_base64(verifier_.salt) + ",i=" + std::to_string(verifier_.iterations);
  return server_first_;
}

/// The flag in front: n, the client cannot bind; y, it could but believes that we cannot; p, it does.
/// Source: RFC 5802, 6 "Channel Binding", and 7, gs2-cbind-flag.
Status ScramServer::accept_binding_flag(std::string_view client_first, std::size_t& header_bytes) const {
  const bool is_used = binding_.use == ScramBinding::Use::used;
  header_bytes = 1;
  switch (client_first[0]) {
    case 'n':
    case 'y':
      if (is_used) {
        return malformed("The client selected SCRAM-SHA-256-PLUS, but the SCRAM message does not include channel binding "
                         "data.");
      }
      if (client_first[0] == 'y' && binding_.use == ScramBinding::Use::possible) {
        return unbound("The client supports SCRAM channel binding but thinks the server does not.  However, this server "
                       "does support channel binding.");
      }
      return {};
    case 'p': break;
    default: return malformed("Unexpected channel-binding flag.");
  }
  if (!is_used) {
    return malformed("The client selected SCRAM-SHA-256 without channel binding, but the SCRAM message includes channel "
                     "binding data.");
  }
  header_bytes = std::min(client_first.find(','), client_first.size());
  if (client_first.substr(0, header_bytes) != "p=" + std::string(binding_type)) {
    return malformed("Unsupported SCRAM channel-binding type.");
  }
  return {};
}

/// Source: RFC 5802, 7, channel-binding: the gs2-header and, when bound, the data of the channel.
Status ScramServer::check_binding(std::string_view attribute) const {
  Bytes expected;
  append(expected, as_bytes(gs2_header_));
  const bool is_used = binding_.use == ScramBinding::Use::used;
  if (is_used) append(expected, binding_.server_end_point);
  if (attribute == encode_base64(expected)) return {};
  if (is_used) return unbound("The client has seen another certificate than this server's.");
  return malformed("Unexpected SCRAM channel-binding attribute in client-final-message.");
}

Result<std::string> ScramServer::accept_final(std::string_view client_final) {
  if (client_final.find('\0') != std::string_view::npos) return malformed("Message length does not match input length.");
  AttributeReader reader(client_final);
  const std::optional<std::string_view> binding = reader.expect('c');
  if (!binding) return malformed("Unexpected SCRAM channel-binding attribute in client-final-message.");
  const Status bound = check_binding(*binding);
  if (!bound) return bound.error();
  const std::optional<std::string_view> nonce = reader.expect('r');
  if (!nonce) return malformed("Attribute \"r\" expected.");
  while (!reader.is_done() && reader.next_name() != 'p') {
    if (!reader.skip()) return malformed("Attribute expected.");
  }
  const std::string_view without_proof = client_final.substr(0, reader.bytes_taken());
  const std::optional<std::string_view> proof_text = reader.expect('p');
  if (!proof_text) return malformed("Attribute \"p\" expected.");
  if (!reader.is_done()) return malformed("Garbage found at the end of client-final-message.");
  const std::optional<Sha256> proof = decode_key(*proof_text);
  if (!proof) return malformed("Malformed proof in client-final-message.");
  if (*nonce != nonce_) return malformed("Nonce does not match.");

  const Sha256 client_signature =
      hmac_sha256(verifier_.stored_key, {client_first_bare_, ",", server_first_, ",", without_proof});
  Sha256 client_key = combine(*proof, client_signature);
  const bool is_right = equal_in_constant_time(sha256(client_key), verifier_.stored_key);
  if (is_right && kind_ == Kind::real) {
    keys_.client_key = client_key;
    keys_.server_key = verifier_.server_key;
  }
  wipe(client_key);
  if (!is_right || kind_ == Kind::doomed) {
    return failure(ErrorCode::authentication_failed, Blame::client, "the proof of the password is wrong");
  }
  const Sha256 server_signature =
      hmac_sha256(verifier_.server_key, {client_first_bare_, ",", server_first_, ",", without_proof});
  return "v=" + encode_base64(server_signature);
}

bool is_password_of(const ScramVerifier& verifier, std::string_view password) {
  const ScramClientKeys keys = derive_scram_client_keys(password, verifier.salt, verifier.iterations);
  return equal_in_constant_time(keys.server_key, verifier.server_key);
}

ScramClientKeys derive_scram_client_keys(std::string_view password, ByteView salt, std::uint32_t iterations) {
  Sha256 salted_password = pbkdf2_sha256(prepare_password(password).reveal(), salt, iterations);
  ScramClientKeys keys;
  keys.client_key = hmac_sha256(salted_password, {"Client Key"});
  keys.server_key = hmac_sha256(salted_password, {"Server Key"});
  wipe(salted_password);
  return keys;
}

const ScramClientKeys& ScramKeyCache::keys_for(std::string_view password, ByteView salt, std::uint32_t iterations) {
  const std::string head = std::to_string(iterations) + ":" + std::to_string(salt.size()) + ":";
  const Sha256 name = hmac_sha256(salt, {head, as_text(salt), password});
  auto found = entries_.find(name);
  if (found == entries_.end()) {
    if (entries_.size() >= entry_count_max) {
      entries_.erase(std::min_element(entries_.begin(), entries_.end(), [](const auto& left, const auto& right) {
        return left.second.last_use < right.second.last_use;
      }));
    }
    ++derivation_count_;
    found = entries_.emplace(name, Entry{derive_scram_client_keys(password, salt, iterations), 0}).first;
  }
  found->second.last_use = ++use_count_;
  return found->second.keys;
}

ScramClient::ScramClient(std::string name, std::string nonce, ScramBinding binding)
    : nonce_(std::move(nonce)), binding_(std::move(binding)), first_bare_("n=" + std::move(name) + ",r=" + nonce_) {}

std::string ScramClient::gs2_header() const {
  switch (binding_.use) {
    case ScramBinding::Use::impossible: return "n,,";
    case ScramBinding::Use::possible: return "y,,";
    case ScramBinding::Use::used: return "p=" + std::string(binding_type) + ",,";
  }
  return "n,,";
}

std::string ScramClient::first() const { return gs2_header() + first_bare_; }

Result<ScramClient::Challenge> ScramClient::read_challenge(std::string_view server_first) const {
  AttributeReader reader(server_first);
  const std::optional<std::string_view> nonce = reader.expect('r');
  // A server that adds nothing of its own could replay an earlier exchange.
  if (!nonce || !nonce->starts_with(nonce_) || nonce->size() == nonce_.size() || !is_printable(*nonce)) {
    return misbehaved("the nonce is missing or not an extension of ours");
  }
  const std::optional<std::string_view> salt_text = reader.expect('s');
  const std::optional<Bytes> salt = salt_text ? decode_base64(*salt_text) : std::nullopt;
  if (!salt || salt->empty() || salt->size() > scram_salt_bytes_max) return misbehaved("the salt is missing or malformed");
  const std::optional<std::string_view> iterations_text = reader.expect('i');
  const std::optional<std::uint32_t> iterations = iterations_text ? parse_iterations(*iterations_text) : std::nullopt;
  if (!iterations || *iterations > scram_iterations_max) {
    return misbehaved("the iteration count is missing, malformed or beyond the limit");
  }
  return Challenge{std::string(*nonce), *salt, *iterations};
}

std::string ScramClient::answer(std::string_view server_first, const Challenge& challenge, const ScramClientKeys& keys) {
  Bytes binding;
  const std::string header = gs2_header();
  append(binding, as_bytes(header));
  if (binding_.use == ScramBinding::Use::used) append(binding, binding_.server_end_point);
  const std::string without_proof = "c=" + encode_base64(binding) + ",r=" + challenge.nonce;
  const Sha256 stored_key = sha256(keys.client_key);
  const Sha256 client_signature = hmac_sha256(stored_key, {first_bare_, ",", server_first, ",", without_proof});
  server_signature_ = hmac_sha256(keys.server_key, {first_bare_, ",", server_first, ",", without_proof});
  return without_proof + ",p=" + encode_base64(combine(keys.client_key, client_signature));
}

Result<std::string> ScramClient::respond(std::string_view server_first, std::string_view password,
                                         ScramKeyCache& cache) {
  const Result<Challenge> challenge = read_challenge(server_first);
  if (!challenge) return challenge.error();
  return answer(server_first, *challenge, cache.keys_for(password, challenge->salt, challenge->iterations));
}

Status ScramClient::verify(std::string_view server_final) const {
  AttributeReader reader(server_final);
  if (reader.next_name() == 'e') return misbehaved("the server reports an error in its last message");
  const std::optional<std::string_view> signature_text = reader.expect('v');
  const std::optional<Sha256> signature = signature_text ? decode_key(*signature_text) : std::nullopt;
  if (!signature) return misbehaved("the server's signature is missing or malformed");
  if (!equal_in_constant_time(*signature, server_signature_)) return misbehaved("the server's signature is wrong");
  return {};
}

}  // namespace protocol::postgres
