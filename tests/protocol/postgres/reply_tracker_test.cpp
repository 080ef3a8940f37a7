#include "protocol/postgres/reply_tracker.hpp"

#include <doctest/doctest.h>

#include <array>
#include <initializer_list>
#include <random>

using namespace protocol;
using namespace protocol::postgres;

namespace {

using Kind = ExpectedReply::Kind;
using Verdict = ReplyTracker::Verdict;

void expect(ReplyTracker& tracker, std::initializer_list<Kind> kinds) {
  for (const Kind kind : kinds) {
    static_cast<void>(tracker.expect(ExpectedReply{kind, Disposition::forward, false, nullptr, nullptr}));
  }
}

Verdict reply(ReplyTracker& tracker, char tag, char status = 'I') {
  const std::array<std::byte, 1> payload{static_cast<std::byte>(status)};
  const auto message = static_cast<BackendMessage>(tag);
  return tracker.judge(message, message == BackendMessage::ready_for_query ? ByteView(payload) : ByteView()).verdict;
}

/// Feeds tags and demands that each is the client's.
void replies(ReplyTracker& tracker, std::string_view tags) {
  for (const char tag : tags) {
    CAPTURE(tag);
    CHECK(reply(tracker, tag) == Verdict::forward);
  }
}

}  // namespace

TEST_CASE("tracker: simple query answered → boundary") {
  ReplyTracker tracker;
  expect(tracker, {Kind::query});
  CHECK_FALSE(tracker.is_at_boundary());
  replies(tracker, "TDDCTDC");
  CHECK(tracker.is_owing());
  replies(tracker, "Z");
  CHECK(tracker.is_at_boundary());
}

TEST_CASE("tracker: extended batch → each reply completes its message, Sync the batch") {
  ReplyTracker tracker;
  expect(tracker, {Kind::parse, Kind::describe_statement, Kind::bind, Kind::describe_portal, Kind::execute, Kind::close});
  CHECK(tracker.is_batch_open());
  expect(tracker, {Kind::sync});
  CHECK_FALSE(tracker.is_batch_open());
  replies(tracker, "1tn2TDDC3Z");
  CHECK(tracker.is_at_boundary());
}

TEST_CASE("tracker: portal suspended and empty query → they complete an Execute as CommandComplete does") {
  ReplyTracker tracker;
  expect(tracker, {Kind::execute, Kind::execute, Kind::execute, Kind::sync});
  replies(tracker, "DsICZ");
  CHECK(tracker.is_at_boundary());
}

TEST_CASE("tracker: error in the middle of a batch → what follows is skipped up to its own Sync only") {
  ReplyTracker tracker;
  expect(tracker, {Kind::parse, Kind::bind, Kind::execute, Kind::sync, Kind::parse, Kind::sync});
  replies(tracker, "1E");
  CHECK(tracker.discarded().size() == 2);
  replies(tracker, "Z1Z");
  CHECK(tracker.is_at_boundary());
}

TEST_CASE("tracker: error before the Sync is sent → later messages owe nothing, simple queries too") {
  ReplyTracker tracker;
  expect(tracker, {Kind::parse});
  replies(tracker, "E");
  CHECK(tracker.is_batch_open());
  expect(tracker, {Kind::bind, Kind::execute, Kind::query});
  CHECK_FALSE(tracker.is_owing());
  CHECK_FALSE(tracker.is_at_boundary());
  expect(tracker, {Kind::sync});
  replies(tracker, "Z");
  CHECK(tracker.is_at_boundary());
}

TEST_CASE("tracker: error of a simple query → only its ReadyForQuery is still owed") {
  ReplyTracker tracker;
  expect(tracker, {Kind::query, Kind::query});
  replies(tracker, "TDEZTDCZ");
  CHECK(tracker.is_at_boundary());
}

TEST_CASE("tracker: error at Sync itself, as a deferred constraint gives → the Sync is still answered") {
  ReplyTracker tracker;
  expect(tracker, {Kind::execute, Kind::sync});
  replies(tracker, "CEZ");
  CHECK(tracker.is_at_boundary());
}

TEST_CASE("tracker: transaction status → no boundary inside a transaction, failed or not") {
  ReplyTracker tracker;
  expect(tracker, {Kind::query});
  replies(tracker, "C");
  CHECK(reply(tracker, 'Z', 'T') == Verdict::forward);
  CHECK_FALSE(tracker.is_at_boundary());
  expect(tracker, {Kind::query});
  replies(tracker, "E");
  CHECK(reply(tracker, 'Z', 'E') == Verdict::forward);
  CHECK(tracker.status() == TransactionStatus::failed);
}

TEST_CASE("tracker: Sync right behind an Execute that becomes COPY IN → the backend ignores it") {
  ReplyTracker tracker;
  expect(tracker, {Kind::bind, Kind::execute, Kind::sync});
  replies(tracker, "2G");
  CHECK(tracker.is_copy_in());
  CHECK(tracker.is_batch_open());
  expect(tracker, {Kind::sync});  // ignored too
  tracker.note_copy_end();
  CHECK_FALSE(tracker.is_copy_in());
  expect(tracker, {Kind::sync});
  replies(tracker, "CZ");
  CHECK(tracker.is_at_boundary());
}

TEST_CASE("tracker: data and CopyDone sent before CopyInResponse was seen → they end that COPY") {
  ReplyTracker tracker;
  expect(tracker, {Kind::execute, Kind::sync});
  tracker.note_copy_end();
  expect(tracker, {Kind::sync});
  replies(tracker, "G");
  CHECK_FALSE(tracker.is_copy_in());
  replies(tracker, "CZ");
  CHECK(tracker.is_at_boundary());
}

TEST_CASE("tracker: another message during COPY IN → it is used up by the error that ends the COPY") {
  ReplyTracker tracker;
  SUBCASE("sent while COPY runs") {
    expect(tracker, {Kind::query});
    replies(tracker, "G");
    expect(tracker, {Kind::query});
  }
  SUBCASE("sent before COPY was known") {
    expect(tracker, {Kind::query, Kind::query});
    replies(tracker, "G");
  }
  CHECK_FALSE(tracker.is_copy_in());
  const std::string_view violation("SERROR\0C08P01\0\0", 15);
  CHECK(tracker.judge(BackendMessage::error_response, as_bytes(violation)).verdict == Verdict::forward);
  replies(tracker, "Z");
  CHECK(tracker.is_at_boundary());
}

TEST_CASE("tracker: error in COPY data of the extended protocol → skips to the Sync sent afterwards") {
  ReplyTracker tracker;
  expect(tracker, {Kind::execute, Kind::sync});
  replies(tracker, "G");
  tracker.note_copy_bytes();
  replies(tracker, "E");
  CHECK(tracker.is_batch_open());
  tracker.note_copy_end();
  expect(tracker, {Kind::sync});
  replies(tracker, "Z");
  CHECK(tracker.is_at_boundary());
}

TEST_CASE("tracker: COPY refused before it began → the Sync behind it counts and stray data owes nothing") {
  ReplyTracker tracker;
  expect(tracker, {Kind::execute});
  tracker.note_copy_end();
  expect(tracker, {Kind::sync});
  replies(tracker, "EZ");
  CHECK(tracker.is_at_boundary());
}

TEST_CASE("tracker: COPY OUT → rows pass until CommandComplete") {
  ReplyTracker tracker;
  expect(tracker, {Kind::query});
  replies(tracker, "HddcCZ");
  CHECK(tracker.is_at_boundary());
}

TEST_CASE("tracker: COPY BOTH → never at a boundary again") {
  ReplyTracker tracker;
  expect(tracker, {Kind::query});
  replies(tracker, "Wdd");
  CHECK(tracker.is_copy_both());
  CHECK_FALSE(tracker.is_at_boundary());
}

TEST_CASE("tracker: function call → answered and ready") {
  ReplyTracker tracker;
  expect(tracker, {Kind::function_call, Kind::function_call});
  replies(tracker, "VZEZ");
  CHECK(tracker.is_at_boundary());
}

TEST_CASE("tracker: asynchronous messages → nobody's reply at any moment") {
  ReplyTracker tracker;
  for (const char tag : {'N', 'A', 'S'}) CHECK(reply(tracker, tag) == Verdict::asynchronous);
  expect(tracker, {Kind::parse, Kind::sync});
  for (const char tag : {'N', 'A', 'S'}) CHECK(reply(tracker, tag) == Verdict::asynchronous);
  replies(tracker, "1Z");
}

TEST_CASE("tracker: replies that nothing asked for → unexpected, an error while idle → unsolicited") {
  ReplyTracker tracker;
  for (const char tag : {'1', '2', '3', 'C', 'D', 'T', 't', 'n', 'Z', 'G', 'H', 'I', 's', 'V', 'R', 'K', 'v'}) {
    CAPTURE(tag);
    CHECK(reply(tracker, tag) == Verdict::unexpected);
  }
  CHECK(reply(tracker, 'E') == Verdict::unsolicited);
  expect(tracker, {Kind::parse, Kind::sync});
  for (const char tag : {'2', '3', 'C', 'D', 'T', 't', 'n', 'Z', 'G', 'H', 'I', 's', 'V'}) {
    CAPTURE(tag);
    CHECK(reply(tracker, tag) == Verdict::unexpected);
  }
  replies(tracker, "1Z");
}

TEST_CASE("tracker: injected message → success is swallowed, its error is the client's") {
  const auto inject = [](ReplyTracker& tracker) {
    static_cast<void>(tracker.expect(ExpectedReply{Kind::parse, Disposition::forward_error, false, nullptr, nullptr}));
    expect(tracker, {Kind::bind, Kind::sync});
  };
  ReplyTracker succeeding;
  inject(succeeding);
  CHECK(reply(succeeding, '1') == Verdict::swallow);
  replies(succeeding, "2Z");
  ReplyTracker failing;
  inject(failing);
  replies(failing, "EZ");
  CHECK(failing.is_at_boundary());
}

TEST_CASE("tracker: injected query → nothing of it is the client's, not even its error") {
  ReplyTracker tracker;
  static_cast<void>(tracker.expect(ExpectedReply{Kind::query, Disposition::swallow, false, nullptr, nullptr}));
  expect(tracker, {Kind::query});
  for (const char tag : {'T', 'D', 'E', 'Z'}) CHECK(reply(tracker, tag) == Verdict::swallow);
  replies(tracker, "CZ");
}

TEST_CASE("tracker: transaction control under way → unsettled until it is answered, skipped or failed") {
  ReplyTracker tracker;
  const auto control = [&](Kind kind) {
    static_cast<void>(tracker.expect(ExpectedReply{kind, Disposition::forward, true, nullptr, nullptr}));
  };
  control(Kind::query);
  CHECK(tracker.is_transaction_unsettled());
  replies(tracker, "C");
  CHECK(tracker.is_transaction_unsettled());
  replies(tracker, "Z");
  CHECK_FALSE(tracker.is_transaction_unsettled());
  expect(tracker, {Kind::parse});
  control(Kind::execute);
  expect(tracker, {Kind::sync});
  CHECK(tracker.is_transaction_unsettled());
  replies(tracker, "E");
  CHECK_FALSE(tracker.is_transaction_unsettled());
}

TEST_CASE("tracker: ReadyForQuery of a wrong length or status → unexpected") {
  ReplyTracker tracker;
  expect(tracker, {Kind::query});
  CHECK(tracker.judge(BackendMessage::ready_for_query, {}).verdict == Verdict::unexpected);
  CHECK(reply(tracker, 'Z', 'x') == Verdict::unexpected);
  CHECK(reply(tracker, 'Z', 'I') == Verdict::forward);
}

TEST_CASE("tracker: whatever passes plainly → judged the same, and leaves the same owed") {
  constexpr std::string_view tags = "123tnTDDDCCsIGHdcZEE";
  constexpr std::array kinds{Kind::query,           Kind::parse,   Kind::bind,  Kind::describe_statement,
                             Kind::describe_portal, Kind::execute, Kind::close, Kind::sync};
  constexpr std::array dispositions{Disposition::forward, Disposition::forward, Disposition::forward, Disposition::swallow,
                                    Disposition::synthesise};
  const auto effects = std::make_shared<const StatementFacts>();
  std::size_t plain_count = 0;
  for (unsigned seed = 1; seed <= 2000; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    const auto one_in = [&random](unsigned times) { return random() % times == 0; };
    ReplyTracker judged;
    ReplyTracker quick;
    for (int step = 0; step < 60; ++step) {
      if (one_in(2)) {
        ExpectedReply entry{kinds[random() % kinds.size()], dispositions[random() % dispositions.size()], one_in(8), nullptr,
                            one_in(8) ? effects : nullptr};
        CHECK(judged.expect(entry) == quick.expect(entry));
      } else if (one_in(6)) {
        one_in(2) ? (judged.note_copy_bytes(), quick.note_copy_bytes()) : (judged.note_copy_end(), quick.note_copy_end());
      }
      const auto tag = static_cast<BackendMessage>(tags[random() % tags.size()]);
      const std::array<std::byte, 1> status{static_cast<std::byte>("ITE"[random() % 3])};
      const ByteView payload = tag == BackendMessage::ready_for_query ? ByteView(status) : ByteView();
      const Verdict verdict = judged.judge(tag, payload).verdict;
      const bool is_plain = quick.pass_plain(tag);
      plain_count += is_plain ? 1 : 0;
      CHECK((is_plain ? Verdict::forward : quick.judge(tag, payload).verdict) == verdict);
      CHECK(quick.owed_count() == judged.owed_count());
      CHECK(quick.is_batch_open() == judged.is_batch_open());
      CHECK(quick.is_at_boundary() == judged.is_at_boundary());
      CHECK(quick.is_in_doubt() == judged.is_in_doubt());
      CHECK(quick.is_transaction_unsettled() == judged.is_transaction_unsettled());
    }
  }
  CHECK(plain_count > 1000);
}
