#pragma once

#include "protocol/capture.hpp"
#include "proxy/mirror/desk.hpp"
#include "proxy/net/stream.hpp"
#include "proxy/runtime/loop.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace proxy::session {

/// How a pair's sessions are mirrored. One per pair, outlives them.
struct MirrorTerms {
  mirror::Desk* desk = nullptr;       ///< null: they are not
  protocol::CaptureOptions capture = {};
  bool awaits_follower = false;       ///< a client hears of its commit when the follower has it (`ack: both`, `ack: atomic`)
};

/// A client's stream with a capture in it, as TlsStream is one with encryption: what is read is what the client sent and what
/// the capture puts in, what is written is given to the client without what was only meant for the mirror. It carries the
/// capture's units to the mirror's desk and back.
class CaptureStream final : public net::Stream, private net::StreamListener {
 public:
  /// Whose writes these are, for the ledger.
  struct Client {
    std::string database;
    std::string user;
  };
  /// `terms` and `loop` outlive it. `received` is what the client has sent already, `unsent` what it has not taken yet.
  CaptureStream(std::unique_ptr<net::Stream> plain, std::unique_ptr<protocol::Capture> capture, const MirrorTerms& terms,
                runtime::Loop& loop, Client client, protocol::ByteView received, protocol::Bytes unsent);
  ~CaptureStream() override;
  CaptureStream(const CaptureStream&) = delete;
  CaptureStream& operator=(const CaptureStream&) = delete;

  /// The unit of the client's last commit; 0: it has written nothing yet.
  [[nodiscard]] mirror::CommitSequence last_unit() const { return last_unit_; }
  /// Something was committed that the follower does not get.
  [[nodiscard]] bool has_unmirrored() const { return has_unmirrored_; }
  /// The listener is told when the follower has last_unit(), or it is known that it will not. False: one of both is so now.
  [[nodiscard]] bool await_follower();
  [[nodiscard]] bool is_awaiting_follower() const { return follower_ticket_ != 0; }
  void stop_awaiting_follower();
  /// Its commit is between its two phases (`ack: atomic`): the session keeps its connection, and counts as writing.
  [[nodiscard]] bool is_between_phases() const { return capture_->is_between_phases(); }
  /// It has closed its side. The reader is told later, when what came before is answered.
  [[nodiscard]] bool has_client_left() const { return has_client_left_; }

  void set_listener(net::StreamListener* listener) override { listener_ = listener; }
  [[nodiscard]] bool is_readable() const override;
  [[nodiscard]] bool is_writable() const override { return true; }
  [[nodiscard]] bool is_connecting() const override { return false; }
  [[nodiscard]] bool is_broken() const override { return has_failed_ || plain_->is_broken(); }
  /// May return would_block although bytes came: they wait for something.
  [[nodiscard]] net::IoOutcome try_read(std::span<std::byte> target) override;
  /// Takes everything; what the plain stream does not take is kept.
  [[nodiscard]] net::IoOutcome try_write(const protocol::Gather& source, std::size_t skip) override;
  [[nodiscard]] net::IoOutcome try_write(protocol::ByteView source) override;
  [[nodiscard]] bool has_unsent() const override { return !unsent_.empty() || plain_->has_unsent(); }
  [[nodiscard]] std::optional<protocol::TlsFacts> tls_facts() const override { return plain_->tls_facts(); }
  [[nodiscard]] bool has_news() override { return is_readable() || plain_->has_news(); }
  void close() override;
  [[nodiscard]] std::string failure() const override { return plain_->failure(); }

 private:
  /// Shared with the mirror's answers, which may come after the stream's end.
  struct Link {
    CaptureStream* stream;
    mirror::CommitSequence sequence = 0;
  };

  void on_stream_ready() override;
  void carry();
  void record(protocol::MirrorUnit unit);
  void note_admittance(mirror::Admittance admittance);
  void note_prepared();
  void note_end(protocol::Capture::End end);
  void note_applied();
  void send_replies();
  [[nodiscard]] std::size_t send(protocol::ByteView bytes);
  [[nodiscard]] bool may_receive() const;
  [[nodiscard]] net::IoOutcome told() const;
  void forsake_unit();

  std::unique_ptr<net::Stream> plain_;
  const std::unique_ptr<protocol::Capture> capture_;
  const MirrorTerms& terms_;
  runtime::Loop& loop_;
  const Client client_;
  net::StreamListener* listener_ = nullptr;
  std::size_t requests_given_ = 0;  ///< of the capture's requests
  protocol::Bytes unsent_;
  std::shared_ptr<Link> link_;      ///< of the unit that is recorded and not settled; null: there is none
  bool has_unmirrored_ = false;
  bool has_client_left_ = false;
  bool has_failed_ = false;
  bool is_recorded_ = false;        ///< it was admitted, and must be settled
  mirror::CommitSequence last_unit_ = 0;
  std::uint64_t follower_ticket_ = 0;  ///< of the desk, while the follower is awaited
  std::uint64_t follower_wait_number_ = 0;
  std::shared_ptr<CaptureStream*> self_;  ///< for what is posted: null once it is gone
};

}  // namespace proxy::session
