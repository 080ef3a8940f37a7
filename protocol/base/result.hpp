#pragma once

#include "protocol/base/error.hpp"

#include <tl/expected.hpp>

#include <utility>

namespace protocol {

/// A value or an Error. `tl::expected` from the distribution, made nodiscard as a type: GCC 12 offers
/// `std::expected` only in C++23 mode, and the names are the same, so it can be swapped later.
template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
  Result(Error error) : tl::expected<T, Error>(tl::unexpect, std::move(error)) {}  // NOLINT(google-explicit-constructor)
};

using Status = Result<void>;

/// Shorthand for a failure: `return failure(ErrorCode::message_malformed, Blame::client, "…");`
[[nodiscard]] inline Error failure(ErrorCode code, Blame blame, std::string detail) {
  return Error{code, blame, std::move(detail)};
}

}  // namespace protocol
