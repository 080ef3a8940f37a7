#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace sim {

/// One side's database in a simulation of the mirror: one table with rows by key, whose locks are held until their transaction
/// ends. Who meets a lock is refused at once, as by lock_timeout.
class RowStore {
 public:
  using TransactionId = std::uint64_t;  ///< 0: none
  enum class Fate { in_progress, committed, aborted };
  enum class Write { done, locked, duplicate, fenced };

  TransactionId begin();
  /// An insert of a key that is there is refused.
  enum class Verb { insert, update };
  Write write(TransactionId transaction, Verb verb, const std::string& key, const std::string& value);
  void end(TransactionId transaction, Fate fate);
  [[nodiscard]] Fate fate_of(TransactionId transaction) const;
  /// As the transaction sees it.
  [[nodiscard]] std::optional<std::string> read(TransactionId transaction, const std::string& key) const;

  /// The mirror's: the rows of units in one transaction, if nothing is known of any of them yet. False: a row is locked.
  struct Put {
    std::uint64_t unit = 0;
    std::string key;
    std::string value;
  };
  bool apply(const std::vector<Put>& puts);
  [[nodiscard]] bool has_applied(std::uint64_t unit) const { return applied_.contains(unit); }
  void forget_applied() { applied_.clear(); }

  /// Clients' writes are refused from now on.
  void set_fenced(bool is_fenced) { is_fenced_ = is_fenced; }
  [[nodiscard]] bool is_fenced() const { return is_fenced_; }
  /// By key: every value that was committed there, in order.
  [[nodiscard]] const std::map<std::string, std::vector<std::string>>& history() const { return history_; }

 private:
  struct Transaction {
    std::map<std::string, std::string> rows;
  };
  [[nodiscard]] bool is_locked(const std::string& key, TransactionId but_for) const;

  std::map<TransactionId, Transaction> open_;
  std::map<TransactionId, Fate> ended_;
  std::map<std::string, std::vector<std::string>> history_;
  std::set<std::uint64_t> applied_;
  TransactionId last_ = 0;
  bool is_fenced_ = false;
};

}  // namespace sim
