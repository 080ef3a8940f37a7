#pragma once

#include <string.h>

#include <string>
#include <string_view>
#include <utility>

namespace protocol {

/// A password or a key as text. There is no output operator and no conversion, so that none gets into a log by
/// accident, and the bytes are overwritten before their memory is given back.
class SecretText {
 public:
  SecretText() = default;
  explicit SecretText(std::string_view value) : value_(value) {}
  SecretText(const SecretText&) = default;
  SecretText(SecretText&& other) noexcept : value_(std::move(other.value_)) { other.wipe(); }
  SecretText& operator=(const SecretText& other) {
    if (this != &other) {
      wipe();
      value_ = other.value_;
    }
    return *this;
  }
  SecretText& operator=(SecretText&& other) noexcept {
    if (this != &other) {
      wipe();
      value_ = std::move(other.value_);
      other.wipe();  // a short text was copied, not moved
    }
    return *this;
  }
  ~SecretText() { wipe(); }

  /// Lifetime: a loan from this object. Never log it.
  [[nodiscard]] const std::string& reveal() const { return value_; }
  [[nodiscard]] bool is_empty() const { return value_.empty(); }

 private:
  void wipe() noexcept {
    // All of it: a text that was longer once has left its end behind.
    value_.resize(value_.capacity());
    explicit_bzero(value_.data(), value_.size());
    value_.clear();
  }

  std::string value_;
};

}  // namespace protocol
