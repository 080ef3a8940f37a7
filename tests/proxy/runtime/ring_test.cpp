#include "proxy/runtime/ring.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <vector>

using proxy::runtime::Ring;
using proxy::runtime::RingMember;

namespace {

struct Member : RingMember {
  explicit Member(int value) : number(value) {}
  using RingMember::is_linked;
  int number;
};

std::vector<int> take_numbers(Ring<Member>& ring) {
  std::vector<int> numbers;
  while (const Member* const member = ring.pop_front()) numbers.push_back(member->number);
  return numbers;
}

}  // namespace

TEST_CASE("ring: members → leave in the order in which they came") {
  Ring<Member> ring;
  Member one(1), two(2), three(3);
  for (Member* member : {&one, &two, &three}) ring.push_back(*member);
  CHECK(ring.first() == &one);
  CHECK(take_numbers(ring) == std::vector{1, 2, 3});
  CHECK(ring.is_empty());
  CHECK(ring.pop_front() == nullptr);
  CHECK_FALSE(one.is_linked());
}

TEST_CASE("ring: member destroyed → the others stay") {
  Ring<Member> ring;
  Member one(1), three(3);
  ring.push_back(one);
  auto two = std::make_unique<Member>(2);
  ring.push_back(*two);
  ring.push_back(three);
  two.reset();
  CHECK(take_numbers(ring) == std::vector{1, 3});
}

TEST_CASE("ring: pushed again, or into another ring → in one place only, the last one") {
  Ring<Member> ring, other;
  Member one(1), two(2);
  ring.push_back(one);
  ring.push_back(two);
  ring.push_back(one);
  CHECK(ring.first() == &two);
  other.push_back(two);
  CHECK(take_numbers(ring) == std::vector{1});
  CHECK(take_numbers(other) == std::vector{2});
}

TEST_CASE("ring: takes all of another → behind its own") {
  Ring<Member> ring, other;
  Member one(1), two(2), three(3);
  ring.push_back(one);
  other.push_back(two);
  other.push_back(three);
  ring.take_all(other);
  CHECK(other.is_empty());
  CHECK(take_numbers(ring) == std::vector{1, 2, 3});
}

TEST_CASE("ring: destroyed before its members → they are in none") {
  Member one(1);
  {
    Ring<Member> ring;
    ring.push_back(one);
  }
  CHECK_FALSE(one.is_linked());
}
