#include "proxy/backend/process_register.hpp"

namespace proxy::backend {

ProcessRegister::Entry& ProcessRegister::Entry::operator=(Entry&& other) noexcept {
  if (this == &other) return *this;
  leave();
  register_ = std::exchange(other.register_, nullptr);
  side_ = other.side_;
  process_ = other.process_;
  return *this;
}

void ProcessRegister::Entry::leave() {
  ProcessRegister* const book = std::exchange(register_, nullptr);
  if (book == nullptr) return;
  const std::lock_guard lock(book->mutex_);
  std::multiset<std::uint32_t>& known = book->processes_[side_];
  known.erase(known.find(process_));
}

ProcessRegister::Entry ProcessRegister::enter(routing::Side side, std::uint32_t process) {
  Entry entry;
  const std::lock_guard lock(mutex_);
  processes_[side].insert(process);
  entry.register_ = this;
  entry.side_ = side;
  entry.process_ = process;
  return entry;
}

std::vector<std::uint32_t> ProcessRegister::processes(routing::Side side) {
  const std::lock_guard lock(mutex_);
  return {processes_[side].begin(), processes_[side].end()};
}

}  // namespace proxy::backend
