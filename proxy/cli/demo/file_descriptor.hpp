#pragma once

#include <unistd.h>

#include <utility>

namespace proxy::cli {

/// Owns one descriptor; closes it at its end.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int number) : number_(number) {}
  FileDescriptor(FileDescriptor&& source) noexcept : number_(std::exchange(source.number_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& source) noexcept {
    if (this != &source) {
      reset();
      number_ = std::exchange(source.number_, -1);
    }
    return *this;
  }
  ~FileDescriptor() { reset(); }

  [[nodiscard]] int get() const { return number_; }
  [[nodiscard]] bool is_open() const { return number_ >= 0; }
  void reset() {
    if (number_ >= 0) ::close(number_);
    number_ = -1;
  }

 private:
  int number_ = -1;
};

}  // namespace proxy::cli
