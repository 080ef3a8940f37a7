#include "proxy/runtime/gate.hpp"

#include <cstdio>
#include <cstdlib>
#include <utility>

namespace proxy::runtime {

Gate::~Gate() {
  if (count() == 0) return;
  std::fprintf(stderr, "a gate was destroyed with %zu pieces of work inside\n", count());
  std::abort();
}

std::size_t Gate::count() const { return tasks_count_ + passes_count_; }

bool Gate::start(Task<void> task) noexcept {
  if (is_closed_) return false;
  ++tasks_count_;
  Room& room = rooms_->list.emplace_back();
  room.task = run_to_end(std::move(task));
  room.task.start(room.chain);
  return true;
}

Task<void> Gate::run_to_end(Task<void> task) {
  co_await task;
  task = Task<void>();  // what it held is gone before anybody hears that it has ended
  --tasks_count_;
  if (count() == 0) is_empty_.notify();
  // This frame is still running; it is freed when it has come to its end.
  loop_.defer([rooms = rooms_] { rooms->remove_ended(); });
}

Task<void> Gate::close() {
  is_closed_ = true;
  while (count() != 0) {
    co_await is_empty_.wait();
  }
}

void Gate::leave() {
  --passes_count_;
  if (count() == 0) is_empty_.notify();
}

void Gate::Rooms::remove_ended() {
  list.remove_if([](const Room& room) { return room.task.is_done(); });
}

}  // namespace proxy::runtime
