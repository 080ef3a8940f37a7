#pragma once

#include "protocol/base/secret_text.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace protocol {

/// What became of the question for a user's secret.
struct SecretAnswer {
  enum class Kind : std::uint8_t {
    found,
    unknown,      ///< there is no such user, or it has no secret, or the secret is no longer valid
    unavailable,  ///< nobody could be asked; says nothing of the user
  };
  Kind kind = Kind::unknown;
  SecretText secret;  ///< when found: in any form in which the dialect's servers store it
};

/// A question under way. Letting go of it withdraws it. Belongs to one thread.
struct SecretQuestion {
  std::optional<SecretAnswer> answer;
  std::function<void()> on_answer;  ///< called once `answer` is there, unless it was there from the beginning
};

/// Finds secrets of users who are not in the configuration. One per worker; for its thread only.
class SecretSource {
 public:
  virtual ~SecretSource() = default;
  /// Never blocks. The result has its answer already or gets it later.
  [[nodiscard]] virtual std::shared_ptr<SecretQuestion> ask(const std::string& user,
                                                            std::function<void()> on_answer) = 0;
  /// A login with the secret that was answered last has failed: it may have been changed since.
  virtual void doubt(const std::string& user) = 0;
};

}  // namespace protocol
