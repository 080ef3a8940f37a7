#pragma once

#include "proxy/mirror/follower.hpp"

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace mirror_test {

/// A follower in memory: rows of one table by key, on either side, and the identities of the units that it has.
class FakeFollower final : public proxy::mirror::FollowerDoor {
 public:
  using Rows = std::map<std::string, std::string>;
  using Side = routing::Side;
  enum class Cut : std::uint8_t { none, before_commit, after_commit };

  void set_reachable(bool is_reachable) {
    const std::lock_guard lock(mutex_);
    is_reachable_ = is_reachable;
  }
  /// Units that write `value` are refused.
  void refuse(const std::string& value) {
    const std::lock_guard lock(mutex_);
    refused_.insert(value);
  }
  /// The connection breaks during the next transaction.
  void cut_next(Cut cut) {
    const std::lock_guard lock(mutex_);
    cut_ = cut;
  }
  void set_fate(const std::string& transaction_id, proxy::mirror::TransactionFate fate) {
    const std::lock_guard lock(mutex_);
    fates_[transaction_id] = fate;
  }
  /// A session has prepared a transaction on the authority.
  void note_prepared_on_authority(const std::string& name) {
    const std::lock_guard lock(mutex_);
    on_authority_.insert(name);
  }
  /// Decisions that the mirror itself has told the authority, "commit NAME" or "roll back NAME".
  [[nodiscard]] std::vector<std::string> told_authority() const {
    const std::lock_guard lock(mutex_);
    return told_authority_;
  }
  [[nodiscard]] std::size_t prepared_count() const {
    const std::lock_guard lock(mutex_);
    return prepared_.size();
  }
  [[nodiscard]] Rows rows(Side side = Side::green) const {
    const std::lock_guard lock(mutex_);
    return rows_[side];
  }
  /// Values in the order in which they were written.
  [[nodiscard]] std::vector<std::string> order() const {
    const std::lock_guard lock(mutex_);
    return order_;
  }
  void wait_for_attempts(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return attempts_ >= count; });
  }
  void wait_for_row(const std::string& key, const std::string& value) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return rows_[Side::green].contains(key) && rows_[Side::green][key] == value; });
  }

  [[nodiscard]] protocol::Result<std::unique_ptr<proxy::mirror::FollowerSession>> open(Side side, const std::string&, const std::string&,
                                                                                       std::stop_token) override {
    const std::lock_guard lock(mutex_);
    ++attempts_;
    changed_.notify_all();
    if (!is_reachable_) return protocol::failure(protocol::ErrorCode::backend_unreachable, protocol::Blame::backend, "nobody is there");
    return std::unique_ptr<proxy::mirror::FollowerSession>(new Session(*this, side));
  }

  [[nodiscard]] protocol::Result<proxy::mirror::TransactionFate> fate_of(Side, const protocol::MirrorUnit& unit, std::chrono::milliseconds,
                                                                         std::stop_token) override {
    const std::lock_guard lock(mutex_);
    const auto found = fates_.find(unit.transaction_id);
    return found == fates_.end() ? proxy::mirror::TransactionFate::unknown : found->second;
  }

  [[nodiscard]] protocol::Result<bool> end_prepared(Side, const std::string&, const std::string& name, protocol::PhaseDecision decision,
                                                    std::stop_token) override {
    const std::lock_guard lock(mutex_);
    if (on_authority_.erase(name) == 0) return false;
    told_authority_.push_back((decision == protocol::PhaseDecision::commit ? "commit " : "roll back ") + name);
    return true;
  }

 private:
  class Session final : public proxy::mirror::FollowerSession {
   public:
    Session(FakeFollower& follower, Side side) : follower_(follower), side_(side) {}
    [[nodiscard]] proxy::mirror::ApplyReport apply(const std::vector<proxy::mirror::UnitToApply>& units) override {
      return follower_.apply(side_, units);
    }
    [[nodiscard]] proxy::mirror::ApplyReport prepare_phase(const proxy::mirror::UnitToApply& unit, const std::string& name,
                                                           std::chrono::milliseconds) override {
      return follower_.prepare(unit, name);
    }
    [[nodiscard]] proxy::mirror::ApplyReport end_phase(proxy::mirror::CommitSequence sequence, const std::string& name,
                                                       protocol::PhaseDecision decision) override {
      return follower_.end(side_, sequence, name, decision);
    }
    void prune(proxy::mirror::CommitSequence) override {}

   private:
    FakeFollower& follower_;
    Side side_;
  };

  [[nodiscard]] proxy::mirror::ApplyReport apply(Side side, const std::vector<proxy::mirror::UnitToApply>& units) {
    using Verdict = proxy::mirror::ApplyReport::Verdict;
    const std::lock_guard lock(mutex_);
    proxy::mirror::ApplyReport report;
    const Cut cut = is_reachable_ ? std::exchange(cut_, Cut::none) : Cut::before_commit;
    if (cut == Cut::before_commit) return {Verdict::unreachable, "cut off", {}, {}};
    for (const auto& unit : units) {
      if (known_.contains(unit.sequence)) report.known.push_back(unit.sequence);
      for (const auto& item : unit.unit.items) {
        if (item.rows && refused_.contains(item.rows->rows[0][1].value_or(""))) return {Verdict::refused, "not this one", {}, {}};
      }
    }
    if (!report.known.empty()) {
      report.verdict = Verdict::known;
      return report;
    }
    for (const auto& unit : units) {
      known_.insert(unit.sequence);
      for (const auto& item : unit.unit.items) {
        if (!item.rows) continue;
        const auto& row = item.rows->rows[0];
        rows_[side][row[0].value_or("")] = row[1].value_or("");
        order_.push_back(row[1].value_or(""));
      }
    }
    changed_.notify_all();
    if (cut == Cut::after_commit) return {Verdict::unreachable, "cut off", {}, {}};
    return report;
  }

  [[nodiscard]] proxy::mirror::ApplyReport prepare(const proxy::mirror::UnitToApply& unit, const std::string& name) {
    using Verdict = proxy::mirror::ApplyReport::Verdict;
    const std::lock_guard lock(mutex_);
    const Cut cut = is_reachable_ ? std::exchange(cut_, Cut::none) : Cut::before_commit;
    if (cut == Cut::before_commit) return {Verdict::unreachable, "cut off", {}, {}};
    for (const auto& item : unit.unit.items) {
      if (item.rows && refused_.contains(item.rows->rows[0][1].value_or(""))) return {Verdict::refused, "not this one", {}, {}};
    }
    if (prepared_.contains(name)) return {Verdict::known, "it was prepared before", {}, {}};
    prepared_[name] = unit;
    changed_.notify_all();
    if (cut == Cut::after_commit) return {Verdict::unreachable, "cut off", {}, {}};
    return {};
  }
  [[nodiscard]] proxy::mirror::ApplyReport end(Side side, proxy::mirror::CommitSequence sequence, const std::string& name,
                                               protocol::PhaseDecision decision) {
    using Verdict = proxy::mirror::ApplyReport::Verdict;
    std::optional<proxy::mirror::UnitToApply> unit;
    {
      const std::lock_guard lock(mutex_);
      if (!is_reachable_) return {Verdict::unreachable, "cut off", {}, {}};
      const auto found = prepared_.find(name);
      if (found == prepared_.end()) {
        const bool is_lost = decision == protocol::PhaseDecision::commit && !known_.contains(sequence);
        return is_lost ? proxy::mirror::ApplyReport{Verdict::refused, "lost", {}, {}} : proxy::mirror::ApplyReport{};
      }
      unit = std::move(found->second);
      prepared_.erase(found);
    }
    if (decision == protocol::PhaseDecision::roll_back) return {};
    return apply(side, {*unit});
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool is_reachable_ = true;
  int attempts_ = 0;
  Cut cut_ = Cut::none;
  std::set<std::string> refused_;
  std::map<std::string, proxy::mirror::TransactionFate> fates_;
  std::set<proxy::mirror::CommitSequence> known_;
  std::map<std::string, proxy::mirror::UnitToApply> prepared_;
  std::set<std::string> on_authority_;
  std::vector<std::string> told_authority_;
  routing::PerSide<Rows> rows_;
  std::vector<std::string> order_;
};

}  // namespace mirror_test
