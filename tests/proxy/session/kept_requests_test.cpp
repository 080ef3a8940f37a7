#include "proxy/session/kept_requests.hpp"

#include <doctest/doctest.h>

#include <string>

namespace {

using proxy::session::BufferShelf;
using proxy::session::KeptRequests;

std::string text_of(const KeptRequests& kept) { return std::string(protocol::as_text(kept.bytes())); }

}  // namespace

TEST_CASE("kept requests: batches come and are answered → what is unanswered is there, in order") {
  BufferShelf shelf;
  KeptRequests kept;
  CHECK(kept.keep(protocol::as_bytes("one"), shelf));
  CHECK(kept.keep(protocol::as_bytes("two"), shelf));
  kept.drop_front(3);
  CHECK(kept.keep(protocol::as_bytes("three"), shelf));
  CHECK(text_of(kept) == "twothree");
  kept.release(shelf);
  CHECK(kept.size() == 0);
}

TEST_CASE("kept requests: one that must not be repeated → none is, until nothing is under way") {
  BufferShelf shelf;
  KeptRequests kept;
  CHECK(kept.keep(protocol::as_bytes("one"), shelf));
  kept.forfeit(shelf);
  CHECK(kept.size() == 0);
  CHECK_FALSE(kept.keep(protocol::as_bytes("two"), shelf));
  kept.drop_front(3);
  CHECK(kept.size() == 0);
  kept.release(shelf);
  CHECK(kept.keep(protocol::as_bytes("three"), shelf));
  CHECK(text_of(kept) == "three");
}

TEST_CASE("kept requests: more than the bound → not kept; a client that always has something under way → the buffer stays bounded") {
  BufferShelf shelf;
  KeptRequests kept;
  CHECK_FALSE(kept.keep(protocol::Bytes(KeptRequests::bytes_max + 1), shelf));
  CHECK(kept.keep(protocol::Bytes(KeptRequests::bytes_max), shelf));
  CHECK_FALSE(kept.keep(protocol::Bytes(1), shelf));
  kept.drop_front(KeptRequests::bytes_max);
  for (int i = 0; i < 10'000; ++i) {
    REQUIRE(kept.keep(protocol::Bytes(1000, std::byte{'x'}), shelf));
    REQUIRE(kept.keep(protocol::Bytes(1000, std::byte{'y'}), shelf));
    kept.drop_front(2000);
    REQUIRE(kept.size() == 0);
  }
  CHECK(kept.keep(protocol::as_bytes("end"), shelf));
  CHECK(text_of(kept) == "end");
}

TEST_CASE("kept requests: released → the buffer serves the next session, without a new one") {
  BufferShelf shelf;
  KeptRequests first;
  CHECK(first.keep(protocol::Bytes(5000), shelf));
  const std::byte* place = first.bytes().data();
  first.release(shelf);
  KeptRequests second;
  CHECK(second.keep(protocol::as_bytes("two"), shelf));
  CHECK(second.bytes().data() == place);
}
