#include "protocol/postgres/reply_tracker.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

namespace {

using protocol::as_bytes;
using protocol::postgres::BackendMessage;
using protocol::postgres::ExpectedReply;
using protocol::postgres::ReplyTracker;
using Kind = ExpectedReply::Kind;
using Verdict = ReplyTracker::Verdict;

/// Messages by their letters. To the backend: P B E C S as in the protocol, Q, d c f for COPY.
void send(ReplyTracker& tracker, std::string_view letters) {
  for (const char letter : letters) {
    switch (letter) {
      case 'd': tracker.note_copy_bytes(); continue;
      case 'c':
      case 'f': tracker.note_copy_end(); continue;
      default: break;
    }
    const Kind kind = letter == 'P'   ? Kind::parse
                      : letter == 'B' ? Kind::bind
                      : letter == 'E' ? Kind::execute
                      : letter == 'C' ? Kind::close
                      : letter == 'S' ? Kind::sync
                                      : Kind::query;
    (void)tracker.expect(ExpectedReply{kind, {}, false, nullptr, nullptr});
  }
}

/// Letters of replies that the tracker lets pass; stops at the first that it does not expect. 'E' is an error in the
/// data, '!' a protocol violation.
std::string receive(ReplyTracker& tracker, std::string_view letters) {
  std::string passed;
  for (const char letter : letters) {
    const bool is_error = letter == 'E' || letter == '!';
    const std::string_view payload = letter == 'Z'   ? std::string_view("I")
                                     : letter == 'E' ? std::string_view("SERROR\0C22P02\0\0", 15)
                                     : letter == '!' ? std::string_view("SERROR\0C08P01\0\0", 15)
                                                     : std::string_view();
    const auto tag = is_error ? BackendMessage::error_response : static_cast<BackendMessage>(letter);
    if (tracker.judge(tag, as_bytes(payload)).verdict != Verdict::forward) break;
    passed += letter;
  }
  return passed;
}

}  // namespace

TEST_CASE("tracker: everything answered after Flush and no Sync sent → the batch is open and the connection at no boundary") {
  ReplyTracker tracker;
  send(tracker, "PB");
  CHECK(receive(tracker, "12") == "12");
  CHECK_FALSE(tracker.is_owing());
  CHECK(tracker.is_batch_open());
  CHECK_FALSE(tracker.is_at_boundary());
  send(tracker, "ES");
  CHECK_FALSE(tracker.is_batch_open());
  CHECK(receive(tracker, "CZ") == "CZ");
  CHECK(tracker.is_at_boundary());
}

TEST_CASE("copy in: Sync behind Execute, as libpq sends it → ignored when the COPY succeeds") {
  ReplyTracker tracker;
  send(tracker, "PBES");
  CHECK(receive(tracker, "12G") == "12G");
  CHECK(tracker.is_copy_in());
  send(tracker, "ddcS");
  CHECK(receive(tracker, "CZ") == "CZ");
  CHECK(tracker.is_at_boundary());
  CHECK_FALSE(tracker.is_in_doubt());
}

TEST_CASE("copy in: refused after CopyInResponse and before any data → the Sync behind Execute is answered") {
  ReplyTracker tracker;
  send(tracker, "PBES");
  CHECK(receive(tracker, "12GE") == "12GE");
  CHECK_FALSE(tracker.is_at_boundary());
  CHECK(receive(tracker, "Z") == "Z");
  CHECK(tracker.is_at_boundary());
  CHECK_FALSE(tracker.is_in_doubt());
}

TEST_CASE("copy in: bad data behind a Sync → that Sync was ignored, the next one is answered, the next reply settles it") {
  ReplyTracker tracker;
  send(tracker, "PBES");
  CHECK(receive(tracker, "12G") == "12G");
  send(tracker, "dcS");
  CHECK(receive(tracker, "EZ") == "EZ");
  CHECK(tracker.is_in_doubt());
  send(tracker, "PS");
  CHECK(receive(tracker, "1") == "1");
  CHECK_FALSE(tracker.is_in_doubt());
  CHECK(receive(tracker, "ZZ") == "Z");
}

TEST_CASE("copy in: bad data before a Sync, all sent at once → both ReadyForQuery pass") {
  ReplyTracker simple;
  send(simple, "QdS");
  CHECK(receive(simple, "GEZZ") == "GEZZ");
  CHECK_FALSE(simple.is_in_doubt());
  CHECK(simple.is_at_boundary());

  ReplyTracker extended;
  send(extended, "PBEdSPBcS");
  CHECK(receive(extended, "12GEZ12Z") == "12GEZ12Z");
  CHECK(extended.is_at_boundary());
}

TEST_CASE("copy in: bad data before a Sync, a query behind → the query's ReadyForQuery is not taken for the Sync's") {
  ReplyTracker tracker;
  send(tracker, "QdScQ");
  CHECK(receive(tracker, "GEZ") == "GEZ");
  CHECK(tracker.is_in_doubt());
  CHECK(receive(tracker, "Z") == "Z");
  CHECK_FALSE(tracker.is_in_doubt());
  CHECK(tracker.is_owing());
  CHECK(receive(tracker, "TDCZ") == "TDCZ");
  CHECK_FALSE(tracker.is_owing());
  CHECK(receive(tracker, "Z").empty());
}

TEST_CASE("copy in: refused before any data, with data and a query on their way → the query is owed, and can be cancelled") {
  ReplyTracker tracker;
  send(tracker, "PBESddcQ");
  CHECK(receive(tracker, "12GEZ") == "12GEZ");
  CHECK(tracker.is_owing());
  CHECK(receive(tracker, "TDCZ") == "TDCZ");
  CHECK(tracker.is_at_boundary());

  ReplyTracker later;
  send(later, "PBESddc");
  CHECK(receive(later, "12GE") == "12GE");
  send(later, "Q");
  CHECK_FALSE(later.is_owing());
  CHECK(receive(later, "Z") == "Z");
  CHECK(later.is_owing());
  CHECK(receive(later, "TDCZ") == "TDCZ");
  CHECK(later.is_at_boundary());
}

TEST_CASE("copy in: a query where data should be → it is used up by the protocol violation, not by an error in the data") {
  ReplyTracker used_up;
  send(used_up, "QQ");
  CHECK(receive(used_up, "G!Z") == "G!Z");
  CHECK_FALSE(used_up.is_owing());

  ReplyTracker still_due;
  send(still_due, "QdQ");
  CHECK(receive(still_due, "GEZ") == "GEZ");
  CHECK(still_due.is_owing());
}

TEST_CASE("copy in: two in one query, ended before they began → nothing is left over") {
  ReplyTracker tracker;
  send(tracker, "QdcdcQ");
  CHECK(receive(tracker, "GCGCZTDCZ") == "GCGCZTDCZ");
  CHECK(tracker.is_at_boundary());
  CHECK_FALSE(tracker.is_in_doubt());
}

TEST_CASE("copy in: messages of COPY where none runs → ignored") {
  ReplyTracker tracker;
  send(tracker, "dcf");
  CHECK(tracker.is_at_boundary());
  send(tracker, "QdcQ");
  CHECK(receive(tracker, "EZCZ") == "EZCZ");
  CHECK(tracker.is_at_boundary());
}

TEST_CASE("tracker: what is owed cannot come before the client sends more → it says so, and not for what a Sync has closed") {
  ReplyTracker tracker;
  CHECK_FALSE(tracker.is_awaiting_client());
  send(tracker, "Q");
  CHECK_FALSE(tracker.is_awaiting_client());
  send(tracker, "PBE");
  CHECK_FALSE(tracker.is_awaiting_client());  // the query's own reply comes all the same
  CHECK(receive(tracker, "CZ") == "CZ");
  CHECK(tracker.is_awaiting_client());
  send(tracker, "S");
  CHECK_FALSE(tracker.is_awaiting_client());
  CHECK(receive(tracker, "12CZ") == "12CZ");
  send(tracker, "Q");
  CHECK(receive(tracker, "G") == "G");
  CHECK(tracker.is_awaiting_client());
  send(tracker, "dc");
  CHECK_FALSE(tracker.is_awaiting_client());
  CHECK(receive(tracker, "CZ") == "CZ");
  send(tracker, "PBEdc");
  CHECK(tracker.is_awaiting_client());  // the server keeps CommandComplete back until Sync
}
