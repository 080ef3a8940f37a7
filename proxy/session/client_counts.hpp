#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace proxy::session {

/// Counts the clients of a pair by user and by database, over all its workers. Thread-safe; asked when a client has
/// logged in and when it goes. Only what has a limit is counted.
class ClientCounts {
 public:
  using Counts = std::map<std::string, std::uint32_t, std::less<>>;

  /// The right to be there; given back when destroyed. Lifetime: at most that of the counts.
  class Place {
   public:
    Place() = default;
    Place(Place&& other) noexcept { *this = std::move(other); }
    Place& operator=(Place&& other) noexcept;
    ~Place() { give_back(); }

   private:
    friend class ClientCounts;
    void give_back();
    ClientCounts* counts_ = nullptr;
    bool is_user_counted_ = false;
    bool is_database_counted_ = false;
    Counts::iterator user_{};
    Counts::iterator database_{};
  };

  struct Claim {
    const std::string& user;
    std::uint32_t user_max;  ///< 0: no limit
    const std::string& database;
    std::uint32_t database_max;
  };
  enum class Outcome : std::uint8_t { admitted, user_full, database_full };

  ClientCounts() = default;
  ClientCounts(const ClientCounts&) = delete;
  ClientCounts& operator=(const ClientCounts&) = delete;

  /// `place` is taken only when admitted.
  [[nodiscard]] Outcome admit(const Claim& claim, Place& place);

 private:
  void leave(Place& place);

  std::mutex mutex_;
  Counts users_;
  Counts databases_;
};

}  // namespace proxy::session
