#pragma once

#include "protocol/base/bytes.hpp"
#include "protocol/base/result.hpp"
#include "protocol/dialogue.hpp"
#include "protocol/pin.hpp"
#include "protocol/statement.hpp"
#include "protocol/wire/gather.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace protocol {

/// A batch whose reply is complete. Batches complete in the order in which they were forwarded.
struct Completion {
  bool has_error = false;
  std::array<char, 5> error_code{};  ///< the dialect's code (SQLSTATE) of the first error; zeros without one
};

/// What a server has said of itself, as far as an operator wants to see it.
struct ServerTraits {
  std::string version;          ///< empty: not told
  bool is_in_recovery = false;  ///< it repeats what another server has written
  bool is_read_only = false;    ///< its sessions begin read-only
  bool operator==(const ServerTraits&) const = default;
};

/// What one backend connection owes and is known to hold: the reply tracker and the backend's session state.
/// One per backend connection, made by Dialect::make_backend_half, filled by the login dialogue.
class BackendHalf {
 public:
  virtual ~BackendHalf() = default;
  /// Nothing owed, no transaction, no COPY, no partial frame in either direction.
  [[nodiscard]] virtual bool is_at_boundary() const = 0;
  /// At least one reply is outstanding.
  [[nodiscard]] virtual bool is_owing() const = 0;
  /// All that is outstanding may never come unless the client sends more: the rest of a message or batch, or data of a COPY.
  [[nodiscard]] virtual bool is_awaiting_client() const = 0;
  /// Something may run that a cancel request could end. True where it cannot be told.
  [[nodiscard]] virtual bool is_cancellable() const = 0;
  /// As of the last reply a transaction is open, failed or not.
  [[nodiscard]] virtual bool is_transaction_open() const = 0;
  /// The transaction that is open was declared READ ONLY. False where none is open.
  [[nodiscard]] virtual bool is_open_for_reads_only() const = 0;
  /// Part of a frame was passed to the client and its rest is still to come.
  [[nodiscard]] virtual bool is_mid_frame() const = 0;
  /// Of the reply to the oldest unanswered batch, the client was passed something.
  [[nodiscard]] virtual bool is_answering() const = 0;
  /// What the backend has said of its end and was held back, in case the client need not know; may be empty.
  [[nodiscard]] virtual ByteView last_words() const = 0;
  /// What came while no session used the connection: parameters are noted, notices and notifications dropped.
  /// The bytes used; fails when the backend ends the connection or says what nobody asked for.
  [[nodiscard]] virtual Result<std::size_t> absorb_idle(ByteView unread) = 0;
  /// The key that cancels what runs here; null if the backend gave none.
  [[nodiscard]] virtual const CancelKey* cancel_key() const = 0;
  [[nodiscard]] virtual ServerTraits traits() const = 0;
};

/// What the front of the client's unread bytes is.
enum class RequestVerdict : std::uint8_t {
  need_more,  ///< nothing can be said or sent before more bytes come
  route,      ///< a new batch: `facts` are ready, a side must be chosen, then forward()
  follow,     ///< belongs to what is under way on the current backend: forward() without a decision
  ignore,     ///< concerns a backend that there is not, and means nothing: ignore(), and the bytes are used
  await_reply,  ///< what it means depends on a reply that the current backend owes: ask again after any of them
  terminate,  ///< the client says goodbye
  violation,  ///< `error` says what; the session ends
};

/// What is known of the transaction on the current backend when a new batch begins.
enum class TransactionState : std::uint8_t {
  none,
  open,       ///< inside a transaction, failed or not
  unsettled,  ///< replies are owed that may open or end one: go on only if the answer does not matter
};

/// Whether texts of a batch that may write are run. Refused, each is answered with an error of ours instead, which the
/// server's transaction takes note of as of any other.
enum class WritePermission : std::uint8_t {
  granted,
  refused,  ///< the session is tied to a side that its writes do not belong to
};

struct NextRequest {
  RequestVerdict verdict = RequestVerdict::need_more;
  std::size_t bytes = 0;  ///< of the unread bytes, from their start, covered by route or follow
  BatchFacts facts;       ///< for route
  TransactionState transaction = TransactionState::none;  ///< for route
  bool is_transaction_read_only = false;  ///< for route: the one that is or may be open was declared READ ONLY
  WritePermission writes = WritePermission::granted;  ///< for route; said by whoever routes it
};

/// How far relay() came.
struct ReplyProgress {
  std::size_t consumed = 0;         ///< bytes taken from the front of the unread bytes
  bool is_session_over = false;     ///< the backend ended the session (FATAL); forwarded already where the client is owed it
  bool is_link_lost = false;        ///< the backend ended an idle connection; the client was told nothing
  /// With is_session_over: so many bytes at the end of what goes to the client are the backend's last words and what it
  /// has said of its reply to the oldest unanswered batch, when it goes for reasons of its own (it stops, or has crashed)
  /// and nothing of that reply was given earlier. Whoever makes the requests again takes them off.
  std::size_t farewell_bytes = 0;
  /// The batch answered last failed, outside of transactions, for a cause that is gone when it is made again, and nothing of
  /// its reply was given earlier: so many bytes at the end of what goes to the client are that reply. Whoever makes it
  /// again takes them off and calls take_back().
  std::size_t retry_bytes = 0;
};

enum class RestoreState : std::uint8_t {
  not_needed,
  under_way,  ///< its replies must be seen before a request is forwarded
  ahead,      ///< it cannot fail: the next request is forwarded behind it, in the same write
  done,
  failed,
};

/// The client's half of a conversation: reads requests, knows the session's state, moves it between backends,
/// and turns backend bytes into client bytes. Sans I/O; belongs to one session, on one thread.
class ClientHalf {
 public:
  virtual ~ClientHalf() = default;

  /// Judges the front of `unread`. Repeatable: changes nothing that a second call would notice.
  /// `current` is the backend that the session talks to now, or null.
  [[nodiscard]] virtual NextRequest next_request(ByteView unread, const BackendHalf* current) = 0;
  /// Valid after a violation.
  [[nodiscard]] virtual const Error& error() const = 0;

  /// What keeps the session on its side; none if its reads may move.
  [[nodiscard]] virtual PinReason pin() const = 0;
  /// Something of the session lives on this connection only: it stays the session's, and its end is the session's end.
  [[nodiscard]] virtual bool is_held(const BackendHalf& target) const = 0;
  /// Everything that ties the session, the reason above among it; for people.
  [[nodiscard]] virtual const Pins& pins() const = 0;

  /// Writes what `target` needs before it can serve this session, and what the client must be told of a new
  /// server. under_way: send, relay() the replies, ask restore_state() until it is done or failed. ahead: forward() the
  /// request at once and send both together; should it fail all the same, relay() fails with restore_failed.
  /// Precondition: `target` is at a boundary, and so is the backend that the session leaves.
  [[nodiscard]] virtual RestoreState begin_restore(BackendHalf& target, Gather& to_backend, Gather& to_client) = 0;
  [[nodiscard]] virtual RestoreState restore_state(const BackendHalf& target) const = 0;
  /// Nothing of the session is left on `target`, which goes to others.
  /// Precondition: `target` is at a boundary and nothing pins the session.
  virtual void let_go(BackendHalf& target) = 0;
  /// Whether begin_restore() would find nothing to do. Cheap: tells connections apart, does not compare texts.
  [[nodiscard]] virtual bool is_in_line(const BackendHalf& target) const = 0;
  /// What the session's statements do not tell of its state may be asked of a server; false costs nothing.
  [[nodiscard]] virtual bool is_doubtful() const = 0;
  /// `target` should be asked now: it is at a boundary, and something may have changed there.
  [[nodiscard]] virtual bool has_question(const BackendHalf& target) const = 0;
  /// Writes the question; what comes back is taken note of by relay() and never seen by the client.
  /// Precondition: has_question().
  virtual void ask(BackendHalf& target, Gather& to_backend) = 0;
  /// A question is on its way.
  [[nodiscard]] virtual bool is_asking(const BackendHalf& target) const = 0;
  /// The session stays where it is from now on, for `reason`.
  virtual void pin_for(PinReason reason) = 0;

  /// The batch judged last, about to go to `target`, depends on something that `target` must be asked for first: that is written, and
  /// after its reply the bytes are to be judged again. False: nothing is, as almost always.
  /// Precondition: as forward().
  [[nodiscard]] virtual bool look_ahead(const NextRequest& request, ByteView unread, BackendHalf& target, Gather& to_backend) = 0;

  /// Hands the bytes covered by `request` to `target` and notes what it will owe.
  /// Precondition: next_request() was called last, with the same `unread`; after a route, begin_restore() said
  /// not_needed or ahead, or restore_state() is done.
  virtual void forward(const NextRequest& request, ByteView unread, BackendHalf& target, Gather& to_backend) = 0;

  /// `lost` is gone, with requests unanswered of which nothing was passed to the client: they were never made, and the
  /// same bytes will be judged again.
  /// Precondition: those are batches of reads outside of transactions.
  virtual void abandon(BackendHalf& lost) = 0;

  /// The batch that relay() has just found to be worth another try on `source` was never made: its bytes will be judged again.
  virtual void take_back(BackendHalf& source) = 0;

  /// Takes note that the bytes covered by `request` were thrown away, there being no backend whom they could concern.
  /// Precondition: next_request() said ignore.
  virtual void ignore(const NextRequest& request) = 0;

  /// Judges backend bytes: what goes to the client is put in `to_client`, finished batches in `completed`.
  /// Fails with backend_misbehaved when the bytes make no sense.
  /// `source` may be any backend of the session, also one that it does not talk to now.
  [[nodiscard]] virtual Result<ReplyProgress> relay(BackendHalf& source, ByteView unread, Gather& to_client,
                                                    std::vector<Completion>& completed) = 0;

  /// The first words to a client whose first backend is ready.
  virtual void write_welcome(const BackendHalf& first, const CancelKey& key, Bytes& to_client) = 0;
};

/// The login of Crossfade to a backend on behalf of a session.
class BackendLogin : public Dialogue {
 public:
  /// Valid after finished: what the connection is known to hold. Called once.
  [[nodiscard]] virtual std::unique_ptr<BackendHalf> take_half() = 0;
  /// Valid after failed because the backend refused: what the client is to be told, in the dialect's form;
  /// empty when our own error() is to be told.
  [[nodiscard]] virtual ByteView refusal() const = 0;
};

}  // namespace protocol
