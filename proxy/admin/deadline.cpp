#include "proxy/admin/deadline.hpp"

namespace proxy::admin {

void Deadline::arm(std::chrono::milliseconds timeout) {
  // A callback that was already queued when the timer was armed anew must not speak for the new arming, and one
  // that is destroyed unrun with its loop must not touch a socket that is gone: each arming has its own flag.
  has_passed_ = std::make_shared<bool>(false);
  timer_.expires_after(timeout);
  timer_.async_wait([&socket = socket_, flag = std::weak_ptr<bool>(has_passed_)](boost::system::error_code error) {
    const auto has_passed = flag.lock();
    if (error || !has_passed) return;
    *has_passed = true;
    boost::system::error_code ignored;
    socket.cancel(ignored);  // NOLINT(bugprone-unused-return-value)
  });
}

void Deadline::disarm() {
  has_passed_ = std::make_shared<bool>(false);
  timer_.cancel();
}

}  // namespace proxy::admin
