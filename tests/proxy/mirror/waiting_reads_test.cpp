#include "proxy/mirror/waiting_reads.hpp"

#include <doctest/doctest.h>

#include <string>

using proxy::mirror::WaitingReads;

namespace {

struct Told {
  WaitingReads::WhenDue note(char name) {
    return [this, name] { names += name; };
  }
  void tell_due(WaitingReads& reads, std::uint64_t through) {
    for (const WaitingReads::WhenDue& when_due : reads.take_due(through)) when_due();
  }
  std::string names;
};

}  // namespace

TEST_CASE("waiting reads: the follower comes along → those up to there are told, once, in the order of their positions") {
  WaitingReads reads;
  Told told;
  static_cast<void>(reads.add(7, told.note('c')));
  static_cast<void>(reads.add(3, told.note('a')));
  static_cast<void>(reads.add(3, told.note('b')));
  told.tell_due(reads, 2);
  CHECK(told.names.empty());
  told.tell_due(reads, 6);
  CHECK(told.names == "ab");
  told.tell_due(reads, 7);
  told.tell_due(reads, 9);
  CHECK(told.names == "abc");
  CHECK(reads.empty());
}

TEST_CASE("waiting reads: given up → not told; a ticket is good once") {
  WaitingReads reads;
  Told told;
  const WaitingReads::Ticket first = reads.add(3, told.note('a'));
  const WaitingReads::Ticket second = reads.add(3, told.note('b'));
  CHECK(reads.remove(first));
  CHECK_FALSE(reads.remove(first));
  told.tell_due(reads, 3);
  CHECK(told.names == "b");
  CHECK_FALSE(reads.remove(second));
  CHECK_FALSE(reads.remove(0));
}
