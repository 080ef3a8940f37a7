#pragma once

#include <stdexcept>
#include <string>

namespace proxy::cli {

/// The demo cannot go on; the text is for the person in front of it. Unwinding cleans everything up.
class DemoFailure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A stop signal arrived: everything is taken down, nothing went wrong.
class Interrupted : public std::exception {
 public:
  explicit Interrupted(int signal) : signal_(signal) {}
  [[nodiscard]] int signal() const { return signal_; }
  [[nodiscard]] const char* what() const noexcept override { return "interrupted"; }

 private:
  int signal_;
};

}  // namespace proxy::cli
