#pragma once

#include "proxy/net/stream.hpp"
#include "proxy/net/tls.hpp"
#include "proxy/net/tls_terms.hpp"

#include <openssl/ssl.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace proxy::net {

/// Where a worker's encrypted streams put what passes through them. Nothing stays in it between two calls; a worker
/// without such streams has no memory for them.
struct TlsScratch {
  static constexpr std::size_t received_bytes = std::size_t{64} << 10;
  std::vector<std::byte> received;  ///< as it came from the plain stream
  protocol::Bytes outgoing;  ///< encrypted, on its way to the plain stream
  protocol::Bytes gathered;  ///< small slices, to become one record
};

/// TLS on top of any stream. OpenSSL sees neither a socket nor a buffer of a connection: it reads from the worker's
/// scratch and writes to it, and what the plain stream does not take at once is all that is kept here.
///
///     handshaking --done--> open --the peer's end, an error, close()--> over
///     handshaking --refused, nonsense, the peer's end--> over
class TlsStream final : public Stream, private StreamListener {
 public:
  /// Begins the handshake. See TlsUpgrade::encrypt. `scratch` outlives the stream.
  TlsStream(std::shared_ptr<const TlsTerms> terms, TlsScratch& scratch, std::unique_ptr<Stream> plain,
            protocol::ByteView received, protocol::Bytes unsent);
  ~TlsStream() override;
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  void set_listener(StreamListener* listener) override { listener_ = listener; }
  [[nodiscard]] bool is_readable() const override;
  [[nodiscard]] bool is_writable() const override;
  [[nodiscard]] bool is_connecting() const override { return phase_ == Phase::handshaking; }
  [[nodiscard]] bool is_broken() const override { return is_broken_ || plain_->is_broken(); }
  /// May return would_block although bytes came: a record is read only when it is whole.
  [[nodiscard]] IoOutcome try_read(std::span<std::byte> target) override;
  [[nodiscard]] IoOutcome try_write(const protocol::Gather& source, std::size_t skip) override;
  [[nodiscard]] IoOutcome try_write(protocol::ByteView source) override;
  /// Says goodbye first, as far as the plain stream takes it.
  void close() override;
  [[nodiscard]] std::string failure() const override;
  [[nodiscard]] bool has_unsent() const override { return unsent_start_ < unsent_.size(); }
  [[nodiscard]] std::optional<protocol::TlsFacts> tls_facts() const override;

  /// What one call encrypts before it asks the plain stream to take it.
  static constexpr std::size_t encrypted_bytes_per_send = std::size_t{64} << 10;
  /// A record's most (RFC 8446, 5.1); smaller slices are joined up to it.
  static constexpr std::size_t record_bytes_max = 16'384;

 private:
  enum class Phase : std::uint8_t { handshaking, open, over };
  struct Free {
    void operator()(SSL* connection) const;
  };

  void on_stream_ready() override;
  void shake_hands();
  [[nodiscard]] std::string handshake_error() const;
  /// More ciphertext for OpenSSL. False: none now; `over` then if there will never be any.
  [[nodiscard]] bool fetch();
  void keep_unused();
  void send_encrypted();
  void send_kept();
  [[nodiscard]] bool encrypt(protocol::ByteView plaintext);
  [[nodiscard]] IoOutcome begin_write() const;
  void note_read_failure(int result);
  void break_with(std::string failure);
  static int read_for_tls(BIO* bio, char* target, int bytes);
  static int write_for_tls(BIO* bio, const char* source, int bytes);
  static long control_for_tls(BIO* bio, int command, long number, void* pointer);
  static BIO_METHOD* bio_method();

  std::shared_ptr<const TlsTerms> terms_;
  TlsScratch& scratch_;
  std::unique_ptr<Stream> plain_;
  std::unique_ptr<SSL, Free> tls_;
  StreamListener* listener_ = nullptr;
  protocol::ByteView incoming_;  ///< ciphertext for OpenSSL; between calls empty or all of held_
  protocol::Bytes held_;         ///< ciphertext that came and could not be used yet
  protocol::Bytes unsent_;       ///< ciphertext from unsent_start_ on that the plain stream did not take
  std::size_t unsent_start_ = 0;
  Phase phase_ = Phase::handshaking;
  bool is_broken_ = false;
  bool has_more_ = false;   ///< something can be read without anything new arriving
  bool is_at_end_ = false;  ///< the peer has said goodbye, or gone
  bool has_news_ = false;   ///< the end came behind bytes that were read; the next read tells of it
  std::string failure_;
};

/// Upgrades with whatever certificates are in force at that moment. One per worker and use.
class TlsStreamMaker final : public TlsUpgrade {
 public:
  /// Both outlive the streams.
  TlsStreamMaker(const TlsSource& source, TlsScratch& scratch) : source_(source), scratch_(scratch) {}
  [[nodiscard]] std::unique_ptr<Stream> encrypt(std::unique_ptr<Stream> plain, protocol::ByteView received,
                                                protocol::Bytes unsent) override;

 private:
  const TlsSource& source_;
  TlsScratch& scratch_;
};

}  // namespace proxy::net
