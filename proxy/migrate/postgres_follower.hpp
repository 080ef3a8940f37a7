#pragma once

#include "protocol/apply_text.hpp"
#include "proxy/migrate/postgres_connection.hpp"
#include "proxy/mirror/follower.hpp"
#include "routing/side.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace proxy::migrate {

/// PostgreSQL behind the mirror: its units in one pipeline and one transaction each time, with their identities in the
/// table `crossfade.applied`, which is made where it is missing.
class PostgresFollowerDoor final : public mirror::FollowerDoor {
 public:
  /// `text` outlives the door.
  PostgresFollowerDoor(routing::PerSide<DatabaseTarget> targets, const protocol::ApplyText& text);

  [[nodiscard]] protocol::Result<std::unique_ptr<mirror::FollowerSession>> open(routing::Side side, const std::string& database,
                                                                                const std::string& stream,
                                                                                std::stop_token stop) override;
  [[nodiscard]] protocol::Result<mirror::TransactionFate> fate_of(routing::Side side, const protocol::MirrorUnit& unit, std::chrono::milliseconds age,
                                                                  std::stop_token stop) override;
  [[nodiscard]] protocol::Result<bool> end_prepared(routing::Side side, const std::string& database, const std::string& name,
                                                    protocol::PhaseDecision decision, std::stop_token stop) override;

 private:
  [[nodiscard]] protocol::Status reach(routing::Side side, const std::string& database, std::stop_token stop);
  [[nodiscard]] DatabaseTarget target_of(routing::Side side) const;
  [[nodiscard]] protocol::Result<PostgresConnection::ResultPointer> inquire(const std::string& text, const std::vector<const char*>& parameters);
  [[nodiscard]] protocol::Result<mirror::TransactionFate> look_for_rows(const protocol::MirrorUnit& unit);

  routing::PerSide<DatabaseTarget> targets_;
  const protocol::ApplyText& text_;
  std::mutex inquiry_mutex_;  ///< one question at a time, over one connection that is kept
  std::unique_ptr<PostgresConnection> inquiry_;
  routing::Side inquiry_side_ = routing::Side::blue;
  std::string inquiry_database_;
};

/// One applier's session.
class PostgresFollowerSession final : public mirror::FollowerSession {
 public:
  PostgresFollowerSession(std::unique_ptr<PostgresConnection> connection, std::string stream, const protocol::ApplyText& text);

  /// Sets what the session needs, and makes the table of identities. Errors: backend_refused, backend_lost.
  [[nodiscard]] protocol::Status prepare();
  [[nodiscard]] mirror::ApplyReport apply(const std::vector<mirror::UnitToApply>& units) override;
  [[nodiscard]] mirror::ApplyReport prepare_phase(const mirror::UnitToApply& unit, const std::string& name,
                                                  std::chrono::milliseconds patience) override;
  [[nodiscard]] mirror::ApplyReport end_phase(mirror::CommitSequence sequence, const std::string& name,
                                              protocol::PhaseDecision decision) override;
  void prune(mirror::CommitSequence below) override;

 private:
  using Report = mirror::ApplyReport;
  /// A statement of the transaction, and whose it is.
  struct Sent {
    mirror::CommitSequence sequence = 0;
    protocol::ApplyStep step;
    enum class Purpose : std::uint8_t { frame, identity, unit, preparation } purpose = Purpose::frame;
  };

  /// How a transaction of the follower ends, and what it is given before it begins in earnest.
  struct Frame {
    std::vector<std::string> settings = {};
    std::string end = "COMMIT";
  };
  [[nodiscard]] Report apply_in(const Frame& frame, const std::vector<mirror::UnitToApply>& units);
  [[nodiscard]] Report forsake(mirror::CommitSequence sequence);
  [[nodiscard]] std::vector<Sent> plan(const Frame& frame, const std::vector<mirror::UnitToApply>& units);
  [[nodiscard]] Report run_in_pipeline(const std::vector<Sent>& plan);
  [[nodiscard]] Report run_one_by_one(const std::vector<Sent>& plan);
  [[nodiscard]] Report run_without_transaction(const mirror::UnitToApply& unit);
  [[nodiscard]] bool send(const Sent& sent, std::vector<const Sent*>& awaited);
  [[nodiscard]] Report judge(const Sent& sent, const ServerComplaint& complaint);
  [[nodiscard]] Report roll_back(Report report);
  [[nodiscard]] Report find_known(const std::vector<mirror::UnitToApply>& units);
  [[nodiscard]] Report restore(Report report);
  /// Ends the transaction, too. False: the connection is gone.
  [[nodiscard]] bool forget_prepared();
  static void note_rows(const Sent& sent, const PGresult* result, Report& report);

  std::unique_ptr<PostgresConnection> connection_;
  const std::string stream_;
  const protocol::ApplyText& text_;
  std::map<std::string, std::string> prepared_;  ///< names by text
  std::uint64_t prepared_count_ = 0;
  bool is_identity_taken_ = false;   ///< the last transaction failed at the identities
  bool needs_no_transaction_ = false;  ///< the last one failed since its statement runs outside transactions only
};

}  // namespace proxy::migrate
