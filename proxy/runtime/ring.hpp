#pragma once

namespace proxy::runtime {

template <class Member>
class Ring;

/// A member of at most one ring at a time. Leaves it when it is destroyed.
class RingMember {
 public:
  RingMember() = default;
  RingMember(const RingMember&) = delete;
  RingMember& operator=(const RingMember&) = delete;

 protected:
  ~RingMember() { unlink(); }
  [[nodiscard]] bool is_linked() const { return next_ != nullptr; }
  void unlink() {
    if (next_ == nullptr) return;
    previous_->next_ = next_;
    next_->previous_ = previous_;
    previous_ = next_ = nullptr;
  }

 private:
  template <class Member>
  friend class Ring;
  void link_before(RingMember& anchor) {
    previous_ = anchor.previous_;
    next_ = &anchor;
    previous_->next_ = this;
    anchor.previous_ = this;
  }

  RingMember* previous_ = nullptr;
  RingMember* next_ = nullptr;
};

/// A queue without memory of its own: the links lie in its members, which belong to others and may leave at any time.
template <class Member>
class Ring {
 public:
  Ring() { head_.previous_ = head_.next_ = &head_; }
  ~Ring() {
    while (!is_empty()) head_.next_->unlink();
  }
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  [[nodiscard]] bool is_empty() const { return head_.next_ == &head_; }
  /// Null: empty.
  [[nodiscard]] Member* first() { return is_empty() ? nullptr : static_cast<Member*>(head_.next_); }
  /// A member of another ring leaves that one.
  void push_back(Member& member) {
    RingMember& links = member;
    links.unlink();
    links.link_before(head_);
  }
  /// Null: empty.
  Member* pop_front() {
    Member* const front = first();
    if (front != nullptr) static_cast<RingMember*>(front)->unlink();
    return front;
  }
  /// Takes all of `other`, behind what is here.
  void take_all(Ring& other) {
    while (Member* const member = other.pop_front()) push_back(*member);
  }

 private:
  struct Head : RingMember {};
  Head head_;
};

}  // namespace proxy::runtime
