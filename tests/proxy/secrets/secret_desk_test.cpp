#include "proxy/secrets/secret_desk.hpp"

#include "tests/support/sim_loop.hpp"

#include <doctest/doctest.h>

#include <future>
#include <string>
#include <vector>

namespace proxy::secrets {
namespace {

using namespace std::chrono_literals;
using protocol::SecretAnswer;
using protocol::SecretText;

const runtime::Instant start{1h};

SecretAnswer found(const char* text) { return {SecretAnswer::Kind::found, SecretText(text)}; }

/// Blue as a test wants it: each question waits until it is answered.
class Blue {
 public:
  SecretDesk::Ask ask() {
    return [this](const std::string& user, const std::stop_token& stop) -> protocol::Result<FoundSecret> {
      std::unique_lock lock(mutex_);
      asked_.push_back(user);
      changed_.notify_all();
      if (!changed_.wait(lock, stop, [this] { return !answers_.empty(); })) {
        return protocol::failure(protocol::ErrorCode::shutting_down, protocol::Blame::self, "stopped");
      }
      protocol::Result<FoundSecret> answer = std::move(answers_.front());
      answers_.erase(answers_.begin());
      return answer;
    };
  }
  void answer(protocol::Result<FoundSecret> with) {
    const std::lock_guard lock(mutex_);
    answers_.push_back(std::move(with));
    changed_.notify_all();
  }
  void answer(const char* secret, std::optional<std::chrono::milliseconds> valid_for = {}) {
    answer(FoundSecret{SecretText(secret), valid_for});
  }
  void fail() { answer(protocol::failure(protocol::ErrorCode::backend_unreachable, protocol::Blame::backend, "nobody there")); }
  std::vector<std::string> wait_until_asked(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return asked_.size() >= count; });
    return asked_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::vector<std::string> asked_;
  std::vector<protocol::Result<FoundSecret>> answers_;
};

/// A desk before that blue; lets a test wait for what listeners heard.
struct Office {
  explicit Office(const SecretDesk::Options& options = {})
      : desk(options, blue.ask(), [this](const protocol::Error& error) { failures.set_value(error.code); }) {}

  std::future<SecretAnswer> ask(const std::string& user) {
    auto promise = std::make_shared<std::promise<SecretAnswer>>();
    std::future<SecretAnswer> heard = promise->get_future();
    std::optional<SecretAnswer> at_once = desk.ask(user, [promise](const SecretAnswer& answer) { promise->set_value(answer); });
    if (at_once) promise->set_value(*at_once);
    return heard;
  }
  bool knows(const std::string& user) { return desk.ask(user, [](const SecretAnswer&) {}).has_value(); }

  Blue blue;
  std::promise<protocol::ErrorCode> failures;
  SecretDesk desk;
};

}  // namespace

TEST_CASE("answer memory: an answer → found until its time is over") {
  AnswerMemory memory(2);
  memory.keep("alice", found("pencil"), start, start + 10s);
  REQUIRE(memory.find("alice", start + 9s));
  CHECK(memory.find("alice", start + 9s)->secret.reveal() == "pencil");
  CHECK(memory.find("alice", start + 10s) == nullptr);
  CHECK(memory.size() == 0);
}

TEST_CASE("answer memory: full → what was answered longest ago goes; the same user again takes no more room") {
  AnswerMemory memory(2);
  memory.keep("alice", found("1"), start, start + 10s);
  memory.keep("bob", found("2"), start, start + 10s);
  memory.keep("alice", found("3"), start, start + 10s);
  memory.keep("carol", found("4"), start, start + 10s);
  CHECK(memory.size() == 2);
  CHECK(memory.find("bob", start) == nullptr);
  CHECK(memory.find("alice", start)->secret.reveal() == "3");
}

TEST_CASE("answer memory: doubted → dropped if it is old enough") {
  AnswerMemory memory(2);
  memory.keep("alice", found("1"), start, start + 10s);
  memory.drop_older_than("alice", start);
  memory.drop_older_than("bob", start);
  CHECK(memory.find("alice", start));
  memory.drop_older_than("alice", start + 1ms);
  CHECK(memory.find("alice", start) == nullptr);
}

TEST_CASE("secret desk: several ask for one user → one question, all hear; then it is remembered") {
  Office office;
  auto first = office.ask("alice");
  office.blue.wait_until_asked(1);
  auto second = office.ask("alice");
  office.blue.answer("pencil");
  CHECK(first.get().secret.reveal() == "pencil");
  CHECK(second.get().secret.reveal() == "pencil");
  CHECK(office.ask("alice").get().kind == SecretAnswer::Kind::found);
  CHECK(office.blue.wait_until_asked(1) == std::vector<std::string>{"alice"});
}

TEST_CASE("secret desk: no such user, no password, no longer valid → unknown") {
  Office office;
  office.blue.answer("");
  CHECK(office.ask("nobody").get().kind == SecretAnswer::Kind::unknown);
  office.blue.answer("pencil", 0ms);
  CHECK(office.ask("expired").get().kind == SecretAnswer::Kind::unknown);
  office.blue.answer("pencil", -1ms);
  CHECK(office.ask("long ago").get().kind == SecretAnswer::Kind::unknown);
  office.blue.answer("pencil", 1h);
  CHECK(office.ask("still").get().kind == SecretAnswer::Kind::found);
}

TEST_CASE("secret desk: answers that are kept for no time → asked again each time") {
  SecretDesk::Options options;
  options.lifetime = options.lifetime_unknown = 0ms;
  Office office(options);
  for (const char* secret : {"pencil", "", "pen"}) {
    office.blue.answer(secret);
    CHECK(office.ask("alice").get().secret.reveal() == secret);
  }
}

TEST_CASE("secret desk: blue cannot be asked → everybody who waits hears so, nothing is remembered, the failure is told") {
  Office office;
  auto first = office.ask("alice");
  office.blue.wait_until_asked(1);
  auto second = office.ask("bob");
  office.blue.fail();
  CHECK(first.get().kind == SecretAnswer::Kind::unavailable);
  CHECK(second.get().kind == SecretAnswer::Kind::unavailable);
  CHECK(office.failures.get_future().get() == protocol::ErrorCode::backend_unreachable);
  office.blue.answer("pencil");
  CHECK(office.ask("alice").get().kind == SecretAnswer::Kind::found);
}

TEST_CASE("secret desk: more users wait than there is room for → unavailable at once") {
  SecretDesk::Options options;
  options.waiting_users_max = 1;
  Office office(options);
  auto waiting = office.ask("alice");
  CHECK(office.ask("bob").get().kind == SecretAnswer::Kind::unavailable);
  office.blue.answer("pencil");
  CHECK(waiting.get().kind == SecretAnswer::Kind::found);
}

TEST_CASE("secret desk: invented names → displace no user who exists") {
  SecretDesk::Options options;
  options.unknown_users_max = 2;
  Office office(options);
  office.blue.answer("pencil");
  (void)office.ask("alice").get();
  for (int i = 0; i < 10; ++i) {
    office.blue.answer("");
    CHECK(office.ask("invented" + std::to_string(i)).get().kind == SecretAnswer::Kind::unknown);
  }
  CHECK(office.knows("alice"));
}

TEST_CASE("secret desk: a doubted answer → asked again once it is old enough") {
  SecretDesk::Options options;
  options.doubt_after = 1h;
  Office patient(options);
  patient.blue.answer("old");
  (void)patient.ask("alice").get();
  patient.desk.doubt("alice");
  CHECK(patient.knows("alice"));
  options.doubt_after = -1h;
  Office quick(options);
  quick.blue.answer("old");
  (void)quick.ask("alice").get();
  quick.desk.doubt("alice");
  quick.blue.answer("new");
  CHECK(quick.ask("alice").get().secret.reveal() == "new");
}

TEST_CASE("secret desk: ends while a question is under way → at once, and nobody is called") {
  bool is_called = false;
  {
    Office office;
    (void)office.desk.ask("alice", [&](const SecretAnswer&) { is_called = true; });
    office.blue.wait_until_asked(1);
  }
  CHECK(!is_called);
}

TEST_CASE("worker's source: the answer comes on the worker's loop; who has gone hears nothing") {
  test_support::SimLoop loop;
  Office office;
  WorkerSecretSource source(office.desk, loop);
  int calls = 0;
  auto stays = source.ask("alice", [&] { ++calls; });
  auto goes = source.ask("alice", [&] { calls += 100; });
  CHECK(!stays->answer);
  goes.reset();
  office.blue.answer("pencil");
  CHECK(office.ask("alice").get().kind == SecretAnswer::Kind::found);
  // That answer came after the ones before it had been posted.
  loop.run_ready();
  CHECK(calls == 1);
  REQUIRE(stays->answer);
  CHECK(stays->answer->secret.reveal() == "pencil");
  CHECK(source.ask("alice", [&] { calls += 100; })->answer);
  CHECK(calls == 1);
}

}  // namespace proxy::secrets
