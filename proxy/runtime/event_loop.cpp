#include "proxy/runtime/event_loop.hpp"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cassert>
#include <cstdint>
#include <stdexcept>
#include <utility>

namespace proxy::runtime {

namespace {

event_base* make_base() {
  event_config* config = event_config_new();
  if (config == nullptr) throw std::runtime_error("no memory for an event loop");
  // One thread touches a base; other threads reach it through the eventfd.
  event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
  event_base* base = event_base_new_with_config(config);
  event_config_free(config);
  if (base == nullptr) throw std::runtime_error("no event loop: the kernel gave no epoll descriptor");
  return base;
}

timeval to_timeval(Clock::duration span) {
  if (span <= Clock::duration::zero()) return {0, 0};
  // Rounded up: a wake-up before the deadline would be a wasted one.
  const auto micros = std::chrono::ceil<std::chrono::microseconds>(span).count();
  return {static_cast<time_t>(micros / 1'000'000), static_cast<suseconds_t>(micros % 1'000'000)};
}

/// Moving the deadline forward, the usual case for idle and login deadlines, touches no heap: the event set
/// earlier fires, sees that it is too early and is set again.
class EventTimer final : public Timer {
 public:
  EventTimer(event_base* base, std::function<void()> on_expiry) : on_expiry_(std::move(on_expiry)) {
    event_assign(&event_, base, -1, 0, &EventTimer::on_timeout, this);
  }
  ~EventTimer() override {
    event_del(&event_);
    if (is_destroyed_ != nullptr) *is_destroyed_ = true;
  }
  EventTimer(const EventTimer&) = delete;
  EventTimer& operator=(const EventTimer&) = delete;

  void arm(Instant deadline) override {
    deadline_ = deadline;
    is_armed_ = true;
    if (is_scheduled_ && scheduled_for_ <= deadline) return;
    schedule();
  }
  void disarm() override { is_armed_ = false; }
  [[nodiscard]] bool is_armed() const override { return is_armed_; }

 private:
  void schedule() {
    const timeval span = to_timeval(deadline_ - Clock::now());
    event_add(&event_, &span);
    scheduled_for_ = deadline_;
    is_scheduled_ = true;
  }

  static void on_timeout(evutil_socket_t /*fd*/, short /*what*/, void* timer) noexcept {
    static_cast<EventTimer*>(timer)->expire();
  }

  void expire() {
    is_scheduled_ = false;
    if (!is_armed_) return;
    // libevent's clock is coarse and read once per round, so it can be early; a deadline never is.
    if (Clock::now() < deadline_) {
      schedule();
      return;
    }
    is_armed_ = false;
    bool is_destroyed = false;
    is_destroyed_ = &is_destroyed;
    std::function<void()> on_expiry = std::move(on_expiry_);
    on_expiry();
    if (is_destroyed) return;
    is_destroyed_ = nullptr;
    on_expiry_ = std::move(on_expiry);
  }

  ::event event_{};
  std::function<void()> on_expiry_;
  Instant deadline_{};
  Instant scheduled_for_{};
  bool is_armed_ = false;
  bool is_scheduled_ = false;
  bool* is_destroyed_ = nullptr;  ///< while the expiry runs: set by the destructor
};

}  // namespace

void EventLoop::BaseDeleter::operator()(event_base* base) const { event_base_free(base); }
void EventLoop::EventDeleter::operator()(event* event) const { event_free(event); }

EventLoop::EventLoop(std::chrono::milliseconds interval)
    : base_(make_base()), wake_fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)), tick_interval_(interval) {
  if (wake_fd_ < 0) throw std::runtime_error("no event loop: the kernel gave no eventfd");
  const auto on_wake_event = [](evutil_socket_t, short, void* loop) noexcept {
    static_cast<EventLoop*>(loop)->on_wake();
  };
  const auto on_deferred_event = [](evutil_socket_t, short, void* loop) noexcept {
    static_cast<EventLoop*>(loop)->run_deferred();
  };
  // Edge-triggered, so that the counter need not be read: every write is a new edge.
  wake_event_.reset(event_new(base_.get(), wake_fd_, EV_READ | EV_ET | EV_PERSIST, on_wake_event, this));
  deferred_event_.reset(event_new(base_.get(), -1, 0, on_deferred_event, this));
  event_add(wake_event_.get(), nullptr);
  tick_timer_ = make_timer([this] { tick(); });
}

EventLoop::~EventLoop() {
  destroy_unrun_work();
  tick_timer_.reset();
  wake_event_.reset();
  deferred_event_.reset();
  close(wake_fd_);
}

std::unique_ptr<Timer> EventLoop::make_timer(std::function<void()> on_expiry) {
  return std::make_unique<EventTimer>(base_.get(), std::move(on_expiry));
}

Instant EventLoop::now() const {
  if (!is_in_event_) return Clock::now();
  if (!event_time_) event_time_ = Clock::now();
  return *event_time_;
}

void EventLoop::defer(Deferred& work) {
  if (has_ended_) return;
  assert(is_loop_thread());
  deferred_.push_back(work);
  if (drain_ != DrainState::idle) return;
  drain_ = DrainState::scheduled;
  event_active(deferred_event_.get(), EV_TIMEOUT, 0);
}

void EventLoop::post(std::function<void()> work) {
  bool is_first = false;
  {
    const std::lock_guard lock(mutex_);
    if (has_ended_) return;  // `work` ends with its caller's argument, outside of the lock
    is_first = posted_.empty();
    posted_.push_back(std::move(work));
  }
  if (is_first) wake();
}

void EventLoop::run() {
  assert(!has_ended_ && "a loop runs once");
  thread_.store(std::this_thread::get_id());
  event_base_loop(base_.get(), EVLOOP_NO_EXIT_ON_EMPTY);
  destroy_unrun_work();
}

void EventLoop::stop() {
  is_stop_requested_.store(true);
  wake();
}

bool EventLoop::is_loop_thread() const {
  const std::thread::id thread = thread_.load(std::memory_order_relaxed);
  return thread == std::thread::id{} || thread == std::this_thread::get_id();
}

void EventLoop::wake() {
  const std::uint64_t one = 1;
  // Fails only when the counter is full, and then the loop is awake already.
  [[maybe_unused]] const ssize_t written = write(wake_fd_, &one, sizeof one);
}

void EventLoop::on_wake() {
  const bool is_stopping = is_stop_requested_.load();
  std::vector<std::function<void()>> batch;
  {
    const std::lock_guard lock(mutex_);
    batch.swap(posted_);
  }
  for (std::function<void()>& work : batch) {
    work();
    work = nullptr;
  }
  if (is_stopping) event_base_loopbreak(base_.get());
}

void EventLoop::run_deferred() {
  drain_ = DrainState::running;
  Ring<Deferred> due;
  for (int round = 0; round < defer_rounds_max && !deferred_.is_empty(); ++round) {
    due.take_all(deferred_);
    while (Deferred* const work = due.pop_front()) work->run();
  }
  drain_ = DrainState::idle;
  if (deferred_.is_empty()) return;
  drain_ = DrainState::scheduled;
  const timeval at_once{0, 0};
  event_add(deferred_event_.get(), &at_once);
}

void EventLoop::enroll(Ticked& ticked) {
  assert(is_loop_thread());
  if (ticked.is_enrolled()) return;
  enrolled_.push_back(ticked);
  if (!tick_timer_->is_armed()) tick_timer_->arm(now() + tick_interval_);
}

void EventLoop::tick() {
  // Each is moved back before it is called, so that a call may withdraw or destroy whatever it likes.
  Ring<Ticked> due;
  due.take_all(enrolled_);
  while (Ticked* const ticked = due.first()) {
    enrolled_.push_back(*ticked);
    ticked->on_tick();
  }
  if (!enrolled_.is_empty() && !tick_timer_->is_armed()) tick_timer_->arm(now() + tick_interval_);
}

void EventLoop::destroy_unrun_work() {
  std::vector<std::function<void()>> posted;
  {
    const std::lock_guard lock(mutex_);
    has_ended_ = true;
    posted.swap(posted_);
  }
  // What dies here may post or defer from its destructor; both drop it now.
  posted.clear();
  while (Deferred* const work = deferred_.pop_front()) work->drop();
}

}  // namespace proxy::runtime
