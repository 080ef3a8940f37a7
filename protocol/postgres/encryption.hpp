#pragma once

#include "protocol/dialogue.hpp"

#include <cstdint>

namespace protocol::postgres {

/// What a listener makes of TLS, in the order of strictness.
enum class ClientEncryption : std::uint8_t {
  refused,               ///< an SSLRequest is answered N
  offered,               ///< who asks gets it; who does not is let in all the same
  required,              ///< who does not ask is refused
  certificate_required,  ///< and so is who shows no certificate that was verified
  user_certificate_required,  ///< and the certificate's common name must be the user's
};

/// A byte that no startup packet begins with: its length would be absurd. A client that sends it begins TLS
/// without asking.
/// Source: PostgreSQL 17 manual, 54.2.11 "SSL Session Encryption"; RFC 8446, 5.1, type `handshake`.
inline constexpr std::byte tls_handshake_byte{0x16};
/// What ALPN must agree on when a client begins TLS without asking. Source: the same section.
inline constexpr std::string_view alpn_protocol = "postgresql";

/// The beginning of a connection to a server: may it be encrypted? Part of the dialogues that need one.
///
///     begin(): SSLRequest written --S--> accepted (begin TLS) | --N--> declined | --anything else--> failed
class EncryptionRequest {
 public:
  enum class Answer : std::uint8_t { awaited, accepted, declined, failed };

  explicit EncryptionRequest(EncryptionWish wish) : wish_(wish) {}
  [[nodiscard]] bool is_wanted() const { return wish_ != EncryptionWish::none; }
  void begin(Bytes& to_send) const;
  /// Judges the front of `received`; an answer other than `awaited` has taken one byte. What a server declines that
  /// was only preferred is `declined`; that it may not decline, and what it may not say, is `failed`.
  [[nodiscard]] Answer judge(ByteView received);
  [[nodiscard]] const Error& error() const { return error_; }

 private:
  EncryptionWish wish_;
  Error error_;
};

/// Says what cancels a request, encrypted if it is to be.
class Cancellation final : public Dialogue {
 public:
  Cancellation(Bytes cancel_bytes, EncryptionWish wish) : cancel_bytes_(std::move(cancel_bytes)), request_(wish) {}

  [[nodiscard]] DialogueProgress advance(ByteView received, Bytes& to_send) override;
  void on_encrypted(const TlsFacts& /*facts*/) override { step_ = Step::telling; }
  [[nodiscard]] const Error& error() const override { return request_.error(); }

 private:
  enum class Step : std::uint8_t { starting, asking, telling };
  Bytes cancel_bytes_;
  EncryptionRequest request_;
  Step step_ = Step::starting;
};

/// Has a server answer whether it would encrypt by GSSAPI, and leaves. Any of its three answers is a sign of life, and
/// a server that has answered this request is left without an entry in its log, whatever it said; behind an SSLRequest
/// that is so only where it has no TLS.
/// Source: PostgreSQL 15 manual 55.2.11 "GSSAPI Session Encryption"; the silence is the server's behaviour.
class Ping final : public Dialogue {
 public:
  [[nodiscard]] DialogueProgress advance(ByteView received, Bytes& to_send) override;
  [[nodiscard]] const Error& error() const override { return error_; }

 private:
  bool has_asked_ = false;
  Error error_;
};

}  // namespace protocol::postgres
