#pragma once

#include "protocol/base/result.hpp"
#include "proxy/migrate/server.hpp"
#include "routing/side.hpp"
#include "routing/switchover.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

namespace proxy::migrate {

/// What a switchover does inside the databases of both sides of a pair, as an ordinary client. For one thread; every call
/// returns by its deadline.
class PairDatabases {
 public:
  struct Options {
    routing::PerSide<secrets::QuestionTarget> targets;  ///< who asks, with a role that may change the databases
    std::string home = "postgres";                      ///< the database where what concerns the whole server is asked
    std::vector<std::string> databases;                 ///< those of the pair; empty: all but templates and `home`
    std::string applier;                                ///< the mirror's role: its sessions are left alone; empty: there is none
    std::chrono::milliseconds transaction_age_max{5'000};  ///< what runs for longer may not end within a drain
    std::uint64_t sequence_headroom = 100;              ///< values that are skipped when a sequence is carried over
  };

  explicit PairDatabases(Options options);

  using Findings = std::vector<routing::SwitchoverFinding>;
  using Processes = std::vector<std::uint32_t>;
  /// Processes of Crossfade's connections, asked for beside the question to the server, since they come and go.
  using OwnProcesses = std::function<Processes()>;
  /// Everything that speaks against moving the authority away from `from`. `ours`: there.
  [[nodiscard]] Findings findings(routing::Side from, const OwnProcesses& ours, Clock::time_point deadline, const std::stop_token& stop);

  /// New sessions begin read-only, those that began before are ended but for `ours`, and none is left when this returns.
  /// Source: PostgreSQL 15 manual, ALTER DATABASE, default_transaction_read_only, pg_terminate_backend.
  [[nodiscard]] protocol::Status fence(routing::Side side, const OwnProcesses& ours, Clock::time_point deadline, const std::stop_token& stop);
  /// New sessions on all databases begin read-only.
  [[nodiscard]] protocol::Result<bool> is_fenced(routing::Side side, Clock::time_point deadline, const std::stop_token& stop);
  /// Whoever has come to light since who began before the fence is ended, and it fails: what he wrote may have come too late.
  [[nodiscard]] protocol::Status confirm_fence(routing::Side side, const OwnProcesses& ours, Clock::time_point deadline,
                                               const std::stop_token& stop);
  /// The opposite, for new sessions.
  [[nodiscard]] protocol::Status open(routing::Side side, Clock::time_point deadline, const std::stop_token& stop);

  /// Every sequence of `to` goes on beyond the other side's last value. Errors: one that is missing, or was not set.
  [[nodiscard]] protocol::Status carry_sequences(routing::Side to, Clock::time_point deadline, const std::stop_token& stop);

  /// Each of `questions`, in the first database of the pair, in a transaction that cannot write. Errors: one that fails, or whose answer is
  /// one truth value and that false.
  [[nodiscard]] protocol::Status test(routing::Side side, const std::vector<std::string>& questions, Clock::time_point deadline,
                                      const std::stop_token& stop);

  void close();

 private:
  /// Who asks, until when, and where what is found goes.
  struct Inquiry {
    routing::Side from;
    const OwnProcesses& ours;
    Clock::time_point deadline;
    const std::stop_token& stop;
    Findings& found;
  };
  [[nodiscard]] protocol::Result<std::vector<Row>> ask(routing::Side side, const std::string& database, const std::string& statement,
                                                       const std::vector<std::string>& parameters, Clock::time_point deadline,
                                                       const std::stop_token& stop);
  [[nodiscard]] protocol::Result<std::vector<Row>> ask(const Inquiry& inquiry, routing::Side side, const std::string& database,
                                                       const std::string& statement, const std::vector<std::string>& parameters = {});
  [[nodiscard]] protocol::Result<std::vector<std::string>> databases_on(routing::Side side, Clock::time_point deadline,
                                                                        const std::stop_token& stop);
  /// Processes of Crossfade on `side`, as a literal of an array of integers.
  [[nodiscard]] std::string spared(routing::Side side, const Processes& ours) const;

  // readiness.cpp
  [[nodiscard]] bool find_servers(const Inquiry& inquiry);
  void find_privileges(const Inquiry& inquiry, routing::Side side);
  void find_fences(const Inquiry& inquiry, routing::Side side);
  void find_activity(const Inquiry& inquiry);
  void find_prepared(const Inquiry& inquiry);
  // schema.cpp
  void find_schema(const Inquiry& inquiry, const std::string& database);
  void find_keyless(const Inquiry& inquiry, const std::string& database);
  // conduct.cpp
  [[nodiscard]] std::optional<routing::PerSide<std::vector<Row>>> ask_both(const Inquiry& inquiry, const std::string& database,
                                                                           const std::string& statement);
  void find_settings(const Inquiry& inquiry, const std::string& database);
  void find_statistics(const Inquiry& inquiry, const std::string& database);

  [[nodiscard]] protocol::Status end_others(routing::Side side, const Processes& ours, Clock::time_point deadline,
                                            const std::stop_token& stop);
  [[nodiscard]] protocol::Result<std::vector<Row>> tell_others_to_end(routing::Side side, const Processes& ours, Clock::time_point deadline,
                                                                      const std::stop_token& stop);

  Options options_;
  routing::PerSide<Server> servers_;
  std::vector<std::string> databases_;  ///< as last listed
  std::string fenced_since_;            ///< as the server's clock said
  Processes fence_spared_;              ///< what was ours then
};

}  // namespace proxy::migrate
