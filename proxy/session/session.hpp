#pragma once

#include "protocol/conversation.hpp"
#include "proxy/net/stream.hpp"
#include "proxy/runtime/signal.hpp"
#include "proxy/runtime/task.hpp"
#include "proxy/backend/pool.hpp"
#include "proxy/net/channel.hpp"
#include "proxy/session/environment.hpp"
#include "proxy/session/in_flight.hpp"
#include "proxy/session/kept_requests.hpp"
#include "proxy/session/pin_watch.hpp"
#include "proxy/session/time_watch.hpp"
#include "proxy/backend/connection.hpp"
#include "routing/decide.hpp"
#include "routing/facts.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace proxy::session {

/// Told when a session is over. The session may be destroyed from then on, but not from inside the call.
class SessionOwner {
 public:
  virtual ~SessionOwner() = default;
  virtual void on_session_end(Session& session) = 0;
};

/// One client's conversation, from accept to farewell, on one worker.
///
/// The story is in session.cpp; requests in session_requests.cpp, replies in session_replies.cpp. Between two
/// wake-ups nothing is held but what could not be used: see net::Channel.
/// Lifetime: destroyed by its owner after on_session_end(), never from inside a call of its own.
class Session final : public net::StreamListener,
                      private protocol::GreetingHost,
                      private backend::Pool::Waiter {
 public:
  enum class Admission : std::uint8_t {
    admitted,
    too_many,  ///< greeted, and told that there are too many clients
  };

  Session(Environment& environment, SessionOwner& owner, std::unique_ptr<net::Stream> client,
          routing::ClientAddress address, std::uint64_t session_number, Admission admission);
  ~Session() override;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Before start(): the client is a process of this user of the machine.
  void set_local_user(std::uint32_t user_number) { local_user_number_ = user_number; }
  void start();
  void on_stream_ready() override { signal_.notify_now(); }
  /// Takes what binds its user and database by now; how it is pooled stays.
  void renew_terms();
  /// Something around it has changed: it looks whether that concerns it.
  void look_again() { signal_.notify(); }

  /// What runs for this session now, as a cancel request needs it: the side and the bytes; nullopt when nothing
  /// runs or the backend gave no key.
  struct RunningRequest {
    routing::Side side;
    net::Endpoint endpoint;
    protocol::Bytes cancel_bytes;
    std::shared_ptr<std::uint32_t> under_way;  ///< counts the cancel requests on their way there
  };
  [[nodiscard]] std::optional<RunningRequest> running_request();
  /// Null before the conversation.
  [[nodiscard]] const protocol::Pins* pins() const { return half_ ? &half_->pins() : nullptr; }
  /// For people. Precondition: there are pins.
  [[nodiscard]] telemetry::PinnedSession describe_pins() const;
  [[nodiscard]] const routing::SessionFacts& facts() const { return facts_; }
  /// A connection is at work for it, or in its hands inside a transaction.
  [[nodiscard]] bool is_working() const;
  /// And may write: it is in a transaction that was not declared READ ONLY, or something else than reads is under way.
  [[nodiscard]] bool is_writing() const;
  /// It is over, if it is writing: with a code that drivers retry where nothing can have been committed.
  void end_writing();
  [[nodiscard]] bool is_waiting_for_release() const { return held_since_.has_value(); }
  [[nodiscard]] std::size_t held_bytes() const { return client_.held_bytes(); }
  /// For the console, at `now`.
  [[nodiscard]] telemetry::ClientView view(runtime::Instant now) const;
  void add_backends(std::vector<telemetry::BackendView>& backends, runtime::Instant now) const;
  /// True: the session is one of the console's, whose command is taken back now.
  [[nodiscard]] bool cancel_console();
  void on_hold_change() { signal_.notify(); }

  enum class Stop : std::uint8_t { when_idle, now };
  /// A side is down from now on.
  void on_side_down(routing::Side side);
  /// The proxy goes away: the session ends at its next boundary or now, with a word to the client.
  void stop(Stop when);

 private:
  // The story.
  runtime::Task<> run();
  runtime::Task<bool> greet();
  runtime::Task<> carry_cancel(protocol::CancelKey key);
  runtime::Task<bool> welcome();
  void begin_capture();
  runtime::Task<bool> await_turn(routing::Side side);
  runtime::Task<> converse();
  runtime::Task<> farewell();

  [[nodiscard]] bool note_encryption(protocol::Greeting& greeting);
  /// A failed login is told late, so that guessing takes time.
  runtime::Task<> hold_back();
  [[nodiscard]] const protocol::PeerAddress& client_address() const override { return facts_.client; }
  [[nodiscard]] std::optional<std::uint32_t> local_user_number() const override { return local_user_number_; }
  [[nodiscard]] bool is_barred(std::string_view user) override;
  void wake() override { signal_.notify(); }

  // The console: session_console.cpp.
  [[nodiscard]] bool is_for_console();
  runtime::Task<> serve_console();
  [[nodiscard]] bool advance_console(protocol::Console& console);
  [[nodiscard]] telemetry::ClientState client_state() const;

  // Connections: session_connections.cpp.
  void on_pool_turn() override { signal_.notify(); }
  [[nodiscard]] bool borrow(routing::Side side);
  void give_back_idle();
  void ask_about_doubts();
  void ask(backend::Connection& link);
  void give_way();
  void give_back(routing::Side side);
  void give_back_all();
  [[nodiscard]] static protocol::Error no_connection_in_time();
  [[nodiscard]] static protocol::Error queue_is_full();

  // Limits: session_limits.cpp.
  [[nodiscard]] bool take_place();
  void begin_watch();
  [[nodiscard]] TimeWatch::Activity activity() const;
  void keep_times();
  void arm_watch();
  void on_watch_timer();
  void cancel_own();
  [[nodiscard]] bool is_cancelling() const { return cancel_done_ != nullptr && !*cancel_done_; }

  // Requests: session_requests.cpp.
  enum class Served : std::uint8_t {
    forwarded,
    blocked,   ///< a reply, a connection or more bytes must come first
    repeated,  ///< circumstances changed: judge again
  };
  void read_requests();
  void look_around();
  void serve_requests();
  [[nodiscard]] Served serve_one();
  [[nodiscard]] Served route_batch(const protocol::NextRequest& request);
  [[nodiscard]] Served prepare_link(const routing::Route& route, const routing::Circumstances& now);
  [[nodiscard]] Served give_up_on(const routing::Route& route, const routing::Circumstances& now, protocol::Error error);
  [[nodiscard]] bool is_pin_in_question(routing::Side side);
  [[nodiscard]] bool begins_misplaced(const protocol::NextRequest& request, const routing::Route& route) const;
  void drop_unready_but(routing::Side side);
  [[nodiscard]] routing::Side write_side() const;
  [[nodiscard]] bool is_avoided(routing::Side side) const;
  void forward(const protocol::NextRequest& request);
  void flush_to_backend();
  /// The current backend owes something that it gives without a further word from the client.
  [[nodiscard]] bool is_reply_to_come() const;
  [[nodiscard]] bool is_still_blocked() const;
  [[nodiscard]] routing::Circumstances circumstances(const protocol::NextRequest& request) const;
  [[nodiscard]] backend::Connection* current_link() const;
  /// Where something of the session lives that no other connection has.
  [[nodiscard]] std::optional<routing::Side> held_side() const;

  // What a hold keeps back: session_hold.cpp.
  [[nodiscard]] bool is_held(const protocol::NextRequest& request);
  [[nodiscard]] bool is_login_held();
  [[nodiscard]] bool is_preparing() const;
  [[nodiscard]] Served wait_for_release(protocol::TransactionState transaction);
  void begin_hold();
  void end_hold();
  [[nodiscard]] bool is_released();
  void limit_held_bytes();
  /// `ack: atomic`: the transaction is prepared, and in no connection of the session's; yet it must stay what it is.
  [[nodiscard]] bool is_between_phases() const { return capture_ != nullptr && capture_->is_between_phases(); }
  [[nodiscard]] static protocol::Error held_too_long();
  void note_boundary();

  // Changes of what others get at their login: session_login_changes.cpp.
  void add_login_changes(const std::vector<protocol::LoginChange>& changes);
  void note_login_changes(routing::Side side);
  void count_wait(runtime::Instant since);

  // Reads that wait for the follower: session_causal.cpp.
  [[nodiscard]] Served await_follower(const protocol::NextRequest& request, const routing::Route& route, const routing::Circumstances& now);
  void end_follower_wait();
  [[nodiscard]] bool is_follower_behind() const;
  [[nodiscard]] bool is_still_waiting_for_follower() const;

  // Reads made again: session_repeat.cpp.
  [[nodiscard]] std::uint32_t keep_for_repeat(const protocol::NextRequest& request);
  void note_answered(const InFlight& batch);
  [[nodiscard]] bool can_repeat(backend::Connection& link) const;
  void repeat_reads(routing::Side side);
  void put_back_kept();
  [[nodiscard]] bool can_retry(const backend::Connection& link) const;
  void retry_read(backend::Connection& link);

  // Replies: session_replies.cpp.
  void relay_replies();
  void relay_from(backend::Connection& link);
  void relay_once(backend::Connection& link);
  void note_completions(routing::Side side);
  void on_link_end(backend::Connection& link);
  void note_lost(routing::Side side);
  void drop_link(routing::Side side);

  void fail(const protocol::Error& error);
  /// Counts a failure and logs it, by whose fault it is.
  void report(const protocol::Error& error, std::string_view event);
  void end() { is_over_ = true; }
  void arm_deadline(runtime::Instant deadline);
  void disarm_deadline();

  Environment& environment_;
  SessionOwner& owner_;
  net::Channel client_;
  routing::SessionFacts facts_;
  std::optional<std::uint32_t> local_user_number_;
  Admission admission_;
  protocol::Login login_;
  TermsPointer terms_;             ///< everybody's until logged in
  ClientCounts::Place place_;      ///< among the clients of its user and database
  std::unique_ptr<protocol::ClientHalf> half_;
  backend::Pool::Group* group_ = nullptr;  ///< once logged in
  routing::PerSide<std::unique_ptr<backend::Connection>> links_;
  std::optional<routing::Side> current_;     ///< the side that was forwarded to last, while its link lives
  std::optional<routing::Side> restoring_;   ///< the side that is being brought in line
  std::optional<protocol::CancelKey> key_;
  InFlightQueue in_flight_;
  CaptureStream* capture_ = nullptr;  ///< the client's stream, where its writes are mirrored
  PinWatch pin_watch_;
  KeptRequests kept_;
  std::size_t repeated_bytes_ = 0;  ///< at the front of what the client sent: batches that are made for the second time
  struct Asking {
    std::unique_ptr<runtime::Timer> timer;  ///< for a question that had to wait; null until one had to
    runtime::Instant due{};                 ///< no pinned session asks before this
    std::chrono::milliseconds pause{0};
    std::uint32_t pins_version = 0;         ///< when it asked last
  } asking_;
  std::uint64_t batch_number_ = 0;
  runtime::Instant born_;
  runtime::Instant last_request_;
  std::optional<runtime::Instant> transaction_began_;  ///< until it is over
  telemetry::DatabaseCounters* counters_ = nullptr;    ///< once conversing
  std::optional<ConsoleRole> console_role_;            ///< for a session of the console
  std::unique_ptr<ConsoleCall> console_call_;          ///< while it waits for an answer
  bool is_console_cancelled_ = false;
  bool is_transaction_misplaced_ = false;  ///< see routing::Circumstances
  bool has_changed_schema_ = false;  ///< and its transaction has not ended yet
  std::vector<protocol::LoginChange> login_changes_;  ///< likewise, or it may have ended with them
  routing::PerSide<runtime::Instant> avoid_until_{};  ///< a side that could not serve this session
  std::optional<Stop> stop_;
  std::optional<runtime::Instant> turn_deadline_;  ///< while the session waits for a connection

  HeldBytes::Share held_share_{environment_.held_bytes};  ///< what of its client's waits inside the proxy
  std::optional<runtime::Instant> held_since_;     ///< while the session waits for the end of a hold
  std::uint64_t hold_epoch_ = 0;                   ///< of the hold that was in force when it last judged
  bool is_waiting_for_follower_ = false;           ///< a read is
  mirror::CommitSequence given_up_unit_ = 0;       ///< no read of the session's waits for this one any more

  /// What the front of the client's bytes waits for.
  enum class Blocked : std::uint8_t { nothing, replies, some_reply, link, turn, hold, follower };
  Blocked blocked_ = Blocked::nothing;
  routing::Side blocked_on_ = routing::Side::blue;  ///< for Blocked::link and Blocked::turn

  protocol::SessionStage stage_ = protocol::SessionStage::greeting;
  bool is_over_ = false;
  bool is_securing_ = false;  ///< the handshake of TLS with the client is under way
  bool is_expired_ = false;
  std::unique_ptr<runtime::Timer> deadline_timer_;
  std::shared_ptr<bool> cancel_done_;  ///< shared with whoever carries a cancel request by or for this client
  std::unique_ptr<TimeWatch> watch_;   ///< null: no time limits
  std::unique_ptr<runtime::Timer> watch_timer_;
  runtime::Instant watch_armed_for_{};
  runtime::TaskChain chain_;
  runtime::Signal signal_;
  runtime::Task<> task_;
};

}  // namespace proxy::session
