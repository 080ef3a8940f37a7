#pragma once

#include "proxy/session/environment.hpp"
#include "routing/facts.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace proxy::secrets {

/// Makes guessing of passwords slow: each failed login of a user from an address is told later than the one before, and
/// after too many the next ones are refused before anything is asked. Users are counted by the name that was given,
/// whether or not there is one, so that nothing shows who exists. A failure is forgotten after a while.
///
/// Addresses of IPv6 count by their first 64 bits: whoever has one has all of them. Safe from any thread.
class FailedLogins final : public session::LoginGuard {
 public:
  struct Options {
    std::chrono::milliseconds delay_first{250};   ///< doubled with each further failure …
    std::chrono::milliseconds delay_max{5'000};   ///< … up to this
    std::uint32_t failures_max = 100;              ///< beyond, refused at once; 0: never
    std::chrono::milliseconds forget_after{60'000};  ///< since the last failure
    /// An attacker chooses both halves of the key: the one whose last failure is longest ago makes room.
    std::size_t entries_max = 10'000;
  };
  explicit FailedLogins(Options options) : options_(options) {}

  [[nodiscard]] std::chrono::milliseconds note_failure(const routing::ClientAddress& address, std::string_view user,
                                                       runtime::Instant now) override;
  [[nodiscard]] bool is_barred(const routing::ClientAddress& address, std::string_view user,
                               runtime::Instant now) override;
  /// Other bounds, for what is asked from now on.
  void set_options(Options options);
  [[nodiscard]] std::size_t entry_count() const;

 private:
  using Key = std::pair<routing::ClientAddress, std::string>;
  struct Entry {
    std::uint32_t count = 0;
    runtime::Instant last{};
    std::uint64_t number = 0;  ///< its place in keys_by_age_
  };
  [[nodiscard]] static Key key_of(const routing::ClientAddress& address, std::string_view user);
  void drop_old(runtime::Instant now);

  Options options_;  ///< under mutex_
  mutable std::mutex mutex_;
  std::map<Key, Entry> entries_;
  std::map<std::uint64_t, Key> keys_by_age_;
  std::uint64_t failure_count_ = 0;
};

}  // namespace proxy::secrets
