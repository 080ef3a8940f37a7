#pragma once

#include "protocol/base/result.hpp"
#include "proxy/switchover/attempt.hpp"
#include "proxy/switchover/authority_record.hpp"
#include "proxy/switchover/state_file.hpp"
#include "proxy/switchover/surroundings.hpp"
#include "proxy/telemetry/log.hpp"
#include "routing/guard.hpp"
#include "routing/switchover.hpp"

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

namespace proxy::switchover {

/// Carries out what the switchover of one pair orders, on a thread of its own: one order after the other, each with its
/// deadline. All other calls come from any thread but a worker's and never wait for an order.
class Controller {
 public:
  /// What a soak looks at, and what follows when something is not as it should be.
  struct Soak {
    routing::OnBreach on_breach = routing::OnBreach::page;
    routing::GuardTerms guard;
    std::vector<std::string> questions;  ///< asked of the new authority
  };
  struct Options {
    std::string pair;
    routing::SwitchoverTerms terms;
    Soak soak;
    /// A verification that is older does not count; 0: none is needed.
    std::chrono::milliseconds verification_age_max{0};
    /// What a soak has found, in words. On the controller's thread.
    std::function<void(const std::string&)> on_breach;
    /// For tests of crashes: "before:fence" or "after:fence" ends the process there; empty: nowhere.
    std::string halt_at;
    std::uint64_t first_number = 1;  ///< of the attempts to come
    /// An attempt is over. On the controller's thread.
    std::function<void(const Attempt&)> on_end;
  };
  /// All outlive the controller.
  struct Surroundings {
    Traffic& traffic;
    Databases& databases;
    SyncPath& sync;
    telemetry::Log& log;
  };

  /// `record`: as the file has it, or an error: nobody knows who has the authority.
  Controller(Options options, StateFile file, protocol::Result<AuthorityRecord> record, Surroundings surroundings);
  ~Controller();
  Controller(const Controller&) = delete;
  Controller& operator=(const Controller&) = delete;

  /// What remains of an earlier process is undone or completed first. Until then the pair's writes are to be held.
  void start();
  /// No further order is begun; what one is under way is stopped. What was begun remains, for the next process.
  void stop();

  /// The number of the attempt. Errors: configuration_invalid, why it cannot begin.
  [[nodiscard]] protocol::Result<std::uint64_t> begin(const Request& request);
  [[nodiscard]] protocol::Status abort(const Asker& asker);
  /// An operator says who has the authority. Errors: configuration_invalid while it is known, unless it is that side.
  [[nodiscard]] protocol::Status set_authority(routing::Side authority);
  [[nodiscard]] Standing standing() const;
  /// The traffic is to stay as it is, until somebody thaws it or accepts the finding `frozen`; durable. Why, in words; empty: no longer.
  /// Errors: configuration_invalid while a switchover is under way or nobody knows the authority, internal when the disk fails.
  [[nodiscard]] protocol::Status freeze(const std::string& why);
  /// Empty: it need not stay.
  [[nodiscard]] std::string frozen() const;
  /// Somebody says whether the rows of both sides are equal just now; durable. Errors: as freeze().
  [[nodiscard]] protocol::Status verify(routing::Verification verification);
  /// What a rollback would take back.
  [[nodiscard]] LastChange last_change() const;
  void note_change(LastChange change);
  /// Something that a reload, a takeover or another switchover would disturb.
  [[nodiscard]] bool is_busy() const;

  /// Between two looks at the new authority.
  static constexpr std::chrono::milliseconds soak_look_interval{500};

 private:
  using Action = routing::SwitchoverAction;
  struct Told {
    routing::SwitchoverOutcome outcome = routing::SwitchoverOutcome::done;
    std::string words;
  };
  [[nodiscard]] static routing::SwitchoverTime now();
  void run(const std::stop_token& stop);
  void work(std::unique_lock<std::mutex>& lock, const routing::SwitchoverOrder& order);
  void watch_soak(std::unique_lock<std::mutex>& lock);
  void end_soak(const std::string& trouble);
  [[nodiscard]] protocol::Status write_frozen(const std::string& why);
  [[nodiscard]] protocol::Status refusal_of_words() const;
  [[nodiscard]] protocol::Status write_now();
  [[nodiscard]] routing::SwitchoverFinding verification_finding() const;
  void check_only(std::unique_lock<std::mutex>& lock);
  void take_claim(std::unique_lock<std::mutex>& lock);
  void put_up_fence(std::unique_lock<std::mutex>& lock);
  void halt_if(std::string_view when, Action action) const;
  void begin_attempt(const Request& request);
  void wake();
  void finish_attempt(std::unique_lock<std::mutex>& lock);
  void refresh_attempt();

  // controller_actions.cpp. Without the lock; `record_` and `standing` are the thread's own but for their publication.
  [[nodiscard]] Told carry_out(const routing::SwitchoverOrder& order);
  [[nodiscard]] static Told told_of(const protocol::Status& status);
  [[nodiscard]] std::vector<routing::SwitchoverFinding> find(const Request& request, Clock::time_point deadline);
  [[nodiscard]] std::vector<routing::SwitchoverFinding> own_findings(const Request& request) const;
  [[nodiscard]] Told final_check(Clock::time_point deadline);
  [[nodiscard]] Told check(Clock::time_point deadline);
  [[nodiscard]] Told fence(Clock::time_point deadline);
  [[nodiscard]] Told open(routing::Side side, Clock::time_point deadline);
  [[nodiscard]] Told opened_as(routing::Side side);
  [[nodiscard]] Told remember();
  [[nodiscard]] AuthorityRecord flipped() const;
  [[nodiscard]] Told reverse(const routing::SwitchoverWish& wish, Clock::time_point deadline);
  [[nodiscard]] Told flip();
  [[nodiscard]] Told warm(Clock::time_point deadline);
  [[nodiscard]] Told drain(routing::DrainPolicy policy, Clock::time_point deadline);
  [[nodiscard]] Told settle();
  [[nodiscard]] std::optional<std::string> look(routing::Side authority, const std::stop_token& stop);
  [[nodiscard]] Told write(const AuthorityRecord& wanted);
  void release();
  [[nodiscard]] AuthorityRecord record() const;
  void put(const AuthorityRecord& changed);

  const Options options_;
  StateFile file_;
  const Surroundings around_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  // Under mutex_.
  routing::Switchover machine_;
  AuthorityRecord record_;
  std::string trouble_;  ///< why nobody knows the authority; empty: it is known
  std::optional<Attempt> attempt_;
  std::optional<Request> dry_run_;
  std::optional<routing::Side> claim_;  ///< of an operator, not carried out yet
  std::optional<routing::SwitchoverOrder> soak_;
  routing::SwitchoverTime attempt_began_{0};
  std::uint64_t next_number_;
  bool is_checking_ = false;
  bool is_brought_back_ = false;  ///< the attempt is what a soak led to
  bool is_woken_ = false;
  bool is_attempt_told_ = true;
  std::stop_source order_stop_;
  // Of the thread alone.
  std::optional<routing::Guard> guard_;  ///< of the soak under way
  Clock::time_point soak_look_at_;
  std::optional<AuthorityRecord> next_record_;  ///< what the flip is to make durable, prepared before the hold
  /// How the target was when its connections were warmed. Nothing: they were not, by this process.
  enum class Target : std::uint8_t { open, closed };
  std::optional<Target> warmed_;
  /// When the follower, which is said to be fenced, is looked after: it may have been out of reach, or restored from a copy.
  std::optional<Clock::time_point> fence_look_at_;
  bool is_fence_begun_ = true;  ///< of the attempt; so for what remained of another process
  std::optional<Clock::time_point> hold_began_;
  std::jthread thread_;
};

}  // namespace proxy::switchover
