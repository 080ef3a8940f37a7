#pragma once

#include "proxy/backend/connection_counts.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace proxy::session {

/// How long a session keeps a backend connection.
enum class Pooling : std::uint8_t {
  session,      ///< for its life
  transaction,  ///< until nothing is owed, open or pinned; then it may serve another session
};

/// How long things may take; 0: for ever.
struct TimeLimits {
  std::chrono::milliseconds query{0};                ///< a batch, while the backend owes its reply
  std::chrono::milliseconds transaction{0};          ///< a transaction, that of a single statement too
  std::chrono::milliseconds idle_in_transaction{0};  ///< the client's silence inside one
  std::chrono::milliseconds client_idle{0};          ///< and outside
  [[nodiscard]] bool has_any() const {
    return query.count() != 0 || transaction.count() != 0 || idle_in_transaction.count() != 0 || client_idle.count() != 0;
  }
};

/// What a session is bound by, for its user and database. Immutable once a session has it.
struct SessionTerms {
  Pooling pooling = Pooling::transaction;
  std::chrono::milliseconds queue_timeout{120'000};  ///< for a backend connection, while all are in use
  TimeLimits times{};
  std::uint32_t user_clients_max = 0;      ///< clients of its user; 0: no limit
  std::uint32_t database_clients_max = 0;  ///< clients of its database
  std::optional<std::uint32_t> pool_size;  ///< nothing: 20 by transaction, no limit by session
  std::uint32_t pool_size_min = 0;         ///< connections that are kept open while the pool has a session
  std::uint32_t user_connections_max = 0;      ///< connections of its user to one side
  std::uint32_t database_connections_max = 0;  ///< and to its database
  [[nodiscard]] backend::ConnectionTerms connections() const {
    constexpr std::uint32_t by_transaction = 20;
    return {pool_size.value_or(pooling == Pooling::transaction ? by_transaction : 0), user_connections_max,
            database_connections_max, pool_size_min};
  }
};
using TermsPointer = std::shared_ptr<const SessionTerms>;

/// The terms of everybody, and what differs for some. A user's own word counts more than a database's. The name "*"
/// stands for all that are not named.
class TermsTable {
 public:
  using Change = std::function<void(SessionTerms&)>;

  explicit TermsTable(const SessionTerms& everybody = {}) : everybody_(std::make_shared<const SessionTerms>(everybody)) {}
  /// Before any session. An empty change: this one is as everybody, and "*" does not stand for it.
  void change_for_database(const std::string& database, Change change) { databases_[database] = std::move(change); }
  void change_for_user(const std::string& user, Change change) { users_[user] = std::move(change); }

  [[nodiscard]] const TermsPointer& everybody() const { return everybody_; }
  [[nodiscard]] TermsPointer terms_of(std::string_view user, std::string_view database) const {
    const Change* of_database = find(databases_, database);
    const Change* of_user = find(users_, user);
    if (of_database == nullptr && of_user == nullptr) return everybody_;
    const auto terms = std::make_shared<SessionTerms>(*everybody_);
    if (of_database != nullptr) (*of_database)(*terms);
    if (of_user != nullptr) (*of_user)(*terms);
    return terms;
  }

 private:
  using Changes = std::map<std::string, Change, std::less<>>;
  [[nodiscard]] static const Change* find(const Changes& changes, std::string_view name) {
    auto place = changes.find(name);
    if (place == changes.end()) place = changes.find(std::string_view("*"));
    return place == changes.end() || !place->second ? nullptr : &place->second;
  }

  TermsPointer everybody_;
  Changes databases_;
  Changes users_;
};

}  // namespace proxy::session
