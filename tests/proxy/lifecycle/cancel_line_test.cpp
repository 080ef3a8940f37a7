#include "proxy/lifecycle/cancel_line.hpp"

#include "proxy/lifecycle/message.hpp"

#include <doctest/doctest.h>

#include <poll.h>
#include <unistd.h>

using namespace proxy::lifecycle;

namespace {

protocol::CancelKey key() {
  protocol::CancelKey made;
  made.process_id = 0x01200007;
  for (const int each : {0, 1, 255, 10}) made.secret.push_back(static_cast<std::byte>(each));
  return made;
}

bool has_ended(const proxy::net::FileDescriptor& reply) {
  pollfd waited{reply.get(), POLLIN, 0};
  char byte = 0;
  return ::poll(&waited, 1, 0) == 1 && ::read(reply.get(), &byte, 1) == 0;
}

}  // namespace

TEST_CASE("cancel line: a request → comes through whole, and the sender hears when it is over") {
  auto ends = make_ends();
  REQUIRE(ends);
  const auto reply = send_cancel(ends->at(1).get(), "shop", key());
  REQUIRE(reply);
  auto passed = receive_cancel(ends->at(0).get());
  REQUIRE(passed);
  CHECK(passed->pair == "shop");
  CHECK(passed->key == key());
  CHECK_FALSE(has_ended(*reply));
  passed.reset();
  CHECK(has_ended(*reply));
  CHECK_FALSE(receive_cancel(ends->at(0).get()));
}

TEST_CASE("cancel line: nobody reads → dropped without waiting; the process has gone → an error") {
  auto ends = make_ends();
  REQUIRE(ends);
  bool is_full = false;
  for (int i = 0; i < 100'000 && !is_full; ++i) is_full = !send_cancel(ends->at(1).get(), "shop", key());
  CHECK(is_full);
  ends->at(0).close();
  CHECK_FALSE(send_cancel(ends->at(1).get(), "shop", key()));
}

TEST_CASE("cancel line: nonsense → ignored") {
  auto ends = make_ends();
  REQUIRE(ends);
  for (const std::string& text : {std::string("shop"), std::string("shop\0abc", 8), std::string(1, '\0')}) {
    REQUIRE(send_message(ends->at(1).get(), text, {ends->at(1).get()}));
    CHECK_FALSE(receive_cancel(ends->at(0).get()));
  }
  REQUIRE(send_message(ends->at(1).get(), std::string("shop\0abcdefgh", 13)));
  CHECK_FALSE(receive_cancel(ends->at(0).get()));
}
