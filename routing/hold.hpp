#pragma once

#include "protocol/statement.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace routing {

/// Which batches a hold keeps from starting. Ordered: the larger holds more.
enum class HoldClass : std::uint8_t {
  writes,      ///< whatever is_read() denies: what may write, or open a transaction that may
  everything,  ///< and logins
};

[[nodiscard]] std::string_view name_of(HoldClass hold_class);

/// What a hold is laid on: a database of a pair, or the whole pair where none is named.
struct HoldScope {
  std::string database;  ///< empty: the pair
  [[nodiscard]] bool covers(std::string_view other) const { return database.empty() || database == other; }
  bool operator==(const HoldScope&) const = default;
};

/// What of a pair's traffic waits inside the proxy. An immutable snapshot like Plan; what is under way goes on to the
/// end of its transaction, and nothing new that is held begins.
struct Hold {
  std::uint64_t epoch = 1;
  std::optional<HoldClass> pair;
  std::map<std::string, HoldClass, std::less<>> databases;
  bool is_switching = false;  ///< the writes of the pair, by a switchover; beside what an operator holds
  [[nodiscard]] bool is_empty() const { return !pair && databases.empty() && !is_switching; }
  [[nodiscard]] bool is_paused() const { return pair || !databases.empty(); }
};

using HoldSnapshot = std::shared_ptr<const Hold>;

/// Databases that can be held one by one; their names come from an operator.
inline constexpr std::size_t held_databases_max = 1'000;

/// How much of `database` is held; nothing: it runs freely.
[[nodiscard]] std::optional<HoldClass> held_class(const Hold& hold, std::string_view database);
[[nodiscard]] bool holds(const Hold& hold, std::string_view database, const protocol::BatchFacts& batch);
/// Holds this very scope, at least this much.
[[nodiscard]] bool has_hold(const Hold& hold, const HoldScope& scope, HoldClass hold_class);

/// The same with one hold more or less, and the next epoch. Releasing a pair releases its databases too.
[[nodiscard]] Hold with_hold(const Hold& hold, const HoldScope& scope, HoldClass hold_class);
[[nodiscard]] Hold without_hold(const Hold& hold, const HoldScope& scope);
/// The same with or without the hold of a switchover.
[[nodiscard]] Hold with_switching(const Hold& hold);
[[nodiscard]] Hold without_switching(const Hold& hold);

}  // namespace routing
