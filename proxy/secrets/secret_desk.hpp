#pragma once

#include "protocol/base/result.hpp"
#include "protocol/secret_source.hpp"
#include "proxy/runtime/loop.hpp"

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

namespace proxy::secrets {

/// What blue says of a user.
struct FoundSecret {
  protocol::SecretText secret;  ///< empty: there is no such user, or it has no password
  std::optional<std::chrono::milliseconds> valid_for;  ///< nothing: for ever; not positive: no longer
};

/// Bounded memory of answers; the one that was given longest ago makes room. For one thread at a time.
class AnswerMemory {
 public:
  explicit AnswerMemory(std::size_t entries_max) : entries_max_(entries_max) {}
  /// Null when there is none or its time is over.
  [[nodiscard]] const protocol::SecretAnswer* find(const std::string& user, runtime::Instant now);
  void keep(const std::string& user, protocol::SecretAnswer answer, runtime::Instant now, runtime::Instant until);
  /// Drops an answer that was given before `time`.
  void drop_older_than(const std::string& user, runtime::Instant time);
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    protocol::SecretAnswer answer;
    runtime::Instant given{};
    runtime::Instant until{};
    std::uint64_t number = 0;  ///< its place in users_by_age_
  };
  void erase(std::map<std::string, Entry>::iterator place);

  const std::size_t entries_max_;
  std::map<std::string, Entry> entries_;
  std::map<std::uint64_t, std::string> users_by_age_;
  std::uint64_t answer_count_ = 0;
};

/// Asks for the secrets of users on a thread of its own, one question after another. Answers are remembered for a while,
/// those that there is no such user for a shorter one and in a place of their own, so that invented names displace
/// nobody. However many ask for one user at a time, one question is asked. Safe from any thread.
class SecretDesk {
 public:
  struct Options {
    std::chrono::milliseconds lifetime{60'000};
    std::chrono::milliseconds lifetime_unknown{5'000};
    std::size_t users_max = 10'000;
    std::size_t unknown_users_max = 1'000;
    std::size_t waiting_users_max = 1'000;  ///< beyond, the answer is unavailable at once
    /// A login with a remembered secret failed: the question is asked again, but not more often than this.
    std::chrono::milliseconds doubt_after{1'000};
  };
  /// Blocks; called on the desk's thread only, never twice at a time.
  using Ask = std::function<protocol::Result<FoundSecret>(const std::string& user, const std::stop_token& stop)>;
  /// Told of each failure of `ask`, on the desk's thread.
  using OnFailure = std::function<void(const protocol::Error&)>;
  using OnAnswer = std::function<void(const protocol::SecretAnswer&)>;

  SecretDesk(Options options, Ask ask, OnFailure on_failure);
  SecretDesk(const SecretDesk&) = delete;
  SecretDesk& operator=(const SecretDesk&) = delete;
  /// Stops a question under way and joins; who still waits is told nothing.
  ~SecretDesk();

  /// The answer that is remembered; otherwise `on_answer` is called later, on the desk's thread.
  [[nodiscard]] std::optional<protocol::SecretAnswer> ask(const std::string& user, OnAnswer on_answer);
  /// See protocol::SecretSource::doubt().
  void doubt(const std::string& user);

 private:
  void run(const std::stop_token& stop);
  void answer(std::unique_lock<std::mutex>& lock, const std::string& user, protocol::Result<FoundSecret> found);
  [[nodiscard]] std::vector<OnAnswer> remember(const std::string& user, const protocol::SecretAnswer& answer,
                                               std::chrono::milliseconds lifetime);
  [[nodiscard]] std::vector<OnAnswer> give_up_all();

  const Options options_;
  const Ask ask_;
  const OnFailure on_failure_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  AnswerMemory known_;
  AnswerMemory unknown_;
  std::deque<std::string> queue_;                       ///< users nobody has asked for yet
  std::map<std::string, std::vector<OnAnswer>> waiting_;  ///< by user, the one who is being asked for included
  std::jthread thread_;  ///< last: uses all of the above
};

/// A worker's window to the desk.
class WorkerSecretSource final : public protocol::SecretSource {
 public:
  /// Both outlive it, and the loop outlives the desk.
  WorkerSecretSource(SecretDesk& desk, runtime::Loop& loop) : desk_(desk), loop_(loop) {}
  [[nodiscard]] std::shared_ptr<protocol::SecretQuestion> ask(const std::string& user,
                                                              std::function<void()> on_answer) override;
  void doubt(const std::string& user) override { desk_.doubt(user); }

 private:
  SecretDesk& desk_;
  runtime::Loop& loop_;
};

}  // namespace proxy::secrets
