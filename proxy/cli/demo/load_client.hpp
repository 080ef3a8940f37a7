#pragma once

#include "proxy/cli/demo/load_ledger.hpp"
#include "proxy/cli/demo/stop_signals.hpp"

#include <libpq-fe.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>

namespace proxy::cli {

/// How a client talks: every third one each way, so that the demo shows all of the protocol.
enum class QueryMode : std::uint8_t { simple, extended, prepared };

struct LoadOptions {
  std::string conninfo;
  unsigned client_count = 16;
  unsigned scale = 5;                           ///< of the pgbench tables
  std::chrono::microseconds think_time{1000};   ///< each client's pause after a transaction
};

/// One client of the demo: connects, works, and on any trouble reports it and connects anew. Never blocks;
/// the driver polls descriptor() for events() and calls advance() when they come or when wake_at() has passed.
///
///   resting -> connecting -> (preparing) -> resting -> working -> resting …
class LoadClient {
 public:
  LoadClient(const LoadOptions& options, unsigned number, LoadLedger& ledger);

  [[nodiscard]] int descriptor() const;  ///< -1: nothing to poll
  [[nodiscard]] short events() const;
  [[nodiscard]] DemoClock::time_point wake_at() const { return wake_at_; }
  void advance(DemoClock::time_point now, short ready_events);
  /// No further transactions are begun; is_idle() turns true when the last one has ended.
  void finish() { is_finishing_ = true; }
  [[nodiscard]] bool is_idle() const { return state_ == State::resting; }

 private:
  enum class State : std::uint8_t { resting, connecting, preparing, working };
  struct Closer {
    void operator()(PGconn* connection) const { ::PQfinish(connection); }
  };

  void begin_connecting(DemoClock::time_point now);
  void go_on_connecting(DemoClock::time_point now);
  void begin_work(DemoClock::time_point now);
  void choose_account();
  void send_step();
  [[nodiscard]] bool send_read();
  void read_results(DemoClock::time_point now);
  void take_result(const PGresult& result);
  void end_step(DemoClock::time_point now);
  void rest(DemoClock::time_point until);
  void give_up(DemoClock::time_point now, bool is_connection_lost, const std::string& what);
  [[nodiscard]] std::string step_text() const;
  [[nodiscard]] std::size_t step_count() const;
  [[nodiscard]] bool is_read_step() const;

  const LoadOptions& options_;
  LoadLedger& ledger_;
  QueryMode mode_;
  std::mt19937_64 random_;
  std::unique_ptr<PGconn, Closer> connection_;
  PostgresPollingStatusType polling_ = PGRES_POLLING_OK;
  State state_ = State::resting;
  DemoClock::time_point wake_at_;
  bool is_finishing_ = false;

  unsigned number_;
  bool is_writer_;
  WorkKind kind_ = WorkKind::read;
  std::uint64_t transaction_number_ = 0;
  std::size_t step_ = 0;
  std::uint64_t account_ = 1;
  std::int64_t delta_ = 0;
  DemoClock::time_point began_at_;
  LoadLedger::Phase began_in_;
  std::optional<routing::Side> answered_by_;
  std::string balance_;                 ///< as the transaction under way sees it behind its own change
  std::optional<std::string> written_;  ///< what it left in account_, once committed
  std::string trouble_;                 ///< of the step under way
};

}  // namespace proxy::cli
