#pragma once

#include "protocol/dialogue.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

namespace proxy::secrets {

/// Remembers per user what the last successful login has shown, so that a pool can log in to a backend in the user's name
/// when no client of that user is there: a recovered SCRAM ClientKey, an MD5 verifier or a password. One per pair; safe
/// from any thread. In memory only; what is dropped is wiped once nobody uses it any more.
class CredentialStore {
 public:
  /// Users beyond this number displace the one whose login is longest ago. Only users who have logged in come here, so
  /// nobody can fill it with invented names.
  static constexpr std::size_t user_count_max = 10'000;

  explicit CredentialStore(std::size_t users_max = user_count_max) : users_max_(users_max) {}
  CredentialStore(const CredentialStore&) = delete;
  CredentialStore& operator=(const CredentialStore&) = delete;

  /// `user` has just logged in. Null, from a login that has shown nothing, leaves what was there.
  void keep(const std::string& user, protocol::LoginProofPointer proof);
  /// Null when the user has not logged in since the start, or was displaced or forgotten.
  [[nodiscard]] protocol::LoginProofPointer find(std::string_view user) const;
  /// A backend has refused it: the password was changed, say.
  void forget(std::string_view user);
  [[nodiscard]] std::size_t user_count() const;

 private:
  struct Entry {
    protocol::LoginProofPointer proof;
    std::uint64_t last_login = 0;
  };
  void displace_oldest();

  const std::size_t users_max_;
  mutable std::mutex mutex_;
  std::map<std::string, Entry, std::less<>> entries_;
  std::map<std::uint64_t, std::string> users_by_login_;
  std::uint64_t login_count_ = 0;
};

}  // namespace proxy::secrets
