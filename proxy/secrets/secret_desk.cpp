#include "proxy/secrets/secret_desk.hpp"

#include <algorithm>
#include <memory>
#include <utility>

namespace proxy::secrets {

using protocol::SecretAnswer;
using runtime::Clock;
using runtime::Instant;

const SecretAnswer* AnswerMemory::find(const std::string& user, Instant now) {
  const auto place = entries_.find(user);
  if (place == entries_.end()) return nullptr;
  if (place->second.until > now) return &place->second.answer;
  erase(place);
  return nullptr;
}

void AnswerMemory::keep(const std::string& user, SecretAnswer answer, Instant now, Instant until) {
  if (const auto place = entries_.find(user); place != entries_.end()) erase(place);
  if (entries_.size() >= entries_max_) erase(entries_.find(users_by_age_.begin()->second));
  const std::uint64_t number = ++answer_count_;
  entries_.emplace(user, Entry{std::move(answer), now, until, number});
  users_by_age_.emplace(number, user);
}

void AnswerMemory::drop_older_than(const std::string& user, Instant time) {
  const auto place = entries_.find(user);
  if (place != entries_.end() && place->second.given < time) erase(place);
}

void AnswerMemory::erase(std::map<std::string, Entry>::iterator place) {
  users_by_age_.erase(place->second.number);
  entries_.erase(place);
}

SecretDesk::SecretDesk(Options options, Ask ask, OnFailure on_failure)
    : options_(options),
      ask_(std::move(ask)),
      on_failure_(std::move(on_failure)),
      known_(options.users_max),
      unknown_(options.unknown_users_max) {
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

SecretDesk::~SecretDesk() = default;

std::optional<SecretAnswer> SecretDesk::ask(const std::string& user, OnAnswer on_answer) {
  const std::lock_guard lock(mutex_);
  const Instant now = Clock::now();
  if (const SecretAnswer* answer = known_.find(user, now)) return *answer;
  if (const SecretAnswer* answer = unknown_.find(user, now)) return *answer;
  const auto place = waiting_.find(user);
  if (place != waiting_.end()) {
    place->second.push_back(std::move(on_answer));
    return std::nullopt;
  }
  if (waiting_.size() >= options_.waiting_users_max) return SecretAnswer{SecretAnswer::Kind::unavailable, {}};
  waiting_[user].push_back(std::move(on_answer));
  queue_.push_back(user);
  changed_.notify_one();
  return std::nullopt;
}

void SecretDesk::doubt(const std::string& user) {
  const std::lock_guard lock(mutex_);
  const Instant time = Clock::now() - options_.doubt_after;
  known_.drop_older_than(user, time);
  unknown_.drop_older_than(user, time);
}

void SecretDesk::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [this] { return !queue_.empty(); }) && !stop.stop_requested()) {
    const std::string user = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    protocol::Result<FoundSecret> found = ask_(user, stop);
    if (stop.stop_requested()) return;
    lock.lock();
    answer(lock, user, std::move(found));
  }
}

void SecretDesk::answer(std::unique_lock<std::mutex>& lock, const std::string& user,
                        protocol::Result<FoundSecret> found) {
  SecretAnswer answer{SecretAnswer::Kind::unavailable, {}};
  std::vector<OnAnswer> listeners;
  if (!found) {
    // Whoever else waits would wait for the same failure.
    listeners = give_up_all();
  } else {
    const bool is_valid = !found->valid_for || found->valid_for->count() > 0;
    const bool is_known = is_valid && !found->secret.is_empty();
    answer.kind = is_known ? SecretAnswer::Kind::found : SecretAnswer::Kind::unknown;
    if (is_known) answer.secret = std::move(found->secret);
    const auto lifetime = is_known ? options_.lifetime : options_.lifetime_unknown;
    listeners = remember(user, answer, is_known && found->valid_for ? std::min(lifetime, *found->valid_for) : lifetime);
  }
  lock.unlock();
  if (!found) on_failure_(found.error());
  for (const OnAnswer& listener : listeners) listener(answer);
  lock.lock();
}

std::vector<SecretDesk::OnAnswer> SecretDesk::remember(const std::string& user, const SecretAnswer& answer,
                                                       std::chrono::milliseconds lifetime) {
  const Instant now = Clock::now();
  AnswerMemory& memory = answer.kind == SecretAnswer::Kind::found ? known_ : unknown_;
  memory.keep(user, answer, now, now + lifetime);
  const auto place = waiting_.find(user);
  std::vector<OnAnswer> listeners = std::move(place->second);
  waiting_.erase(place);
  return listeners;
}

std::vector<SecretDesk::OnAnswer> SecretDesk::give_up_all() {
  std::vector<OnAnswer> listeners;
  for (auto& [user, waiting] : waiting_) {
    listeners.insert(listeners.end(), std::make_move_iterator(waiting.begin()), std::make_move_iterator(waiting.end()));
  }
  waiting_.clear();
  queue_.clear();
  return listeners;
}

std::shared_ptr<protocol::SecretQuestion> WorkerSecretSource::ask(const std::string& user,
                                                                  std::function<void()> on_answer) {
  auto question = std::make_shared<protocol::SecretQuestion>();
  question->on_answer = std::move(on_answer);
  question->answer = desk_.ask(user, [weak = std::weak_ptr(question), &loop = loop_](const SecretAnswer& answer) {
    loop.post([weak, answer] {
      const std::shared_ptr<protocol::SecretQuestion> waiting = weak.lock();
      if (waiting == nullptr) return;
      waiting->answer = answer;
      waiting->on_answer();
    });
  });
  return question;
}

}  // namespace proxy::secrets
