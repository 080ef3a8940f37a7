#include "proxy/cli/demo/load_client.hpp"

#include <poll.h>

#include <array>

namespace proxy::cli {
namespace {

/// Longer than any stall that the demo means to show; after it a client counts its transaction as failed.
constexpr std::chrono::seconds answer_timeout{5};
constexpr std::chrono::milliseconds reconnect_pause{100};

constexpr std::uint64_t accounts_per_scale = 100'000;
constexpr std::uint64_t tellers_per_scale = 10;

/// Of these many clients one writes; the others' reads are bound to no write, so their shares are the weights alone.
constexpr unsigned clients_per_writer = 4;

/// A writer's turns: a transaction of TPC-B, and a read of what it has written. A reader's: one transaction in sixteen is a
/// declared read-only one of two reads.
WorkKind kind_of(bool is_writer, std::uint64_t transaction_number) {
  if (is_writer) return transaction_number % 2 == 0 ? WorkKind::write : WorkKind::own_read;
  return transaction_number % 16 == 2 ? WorkKind::read_transaction : WorkKind::read;
}

const char* const prepared_name = "balance";
/// The row itself says who answered, so that the count does not depend on what the proxy reports.
const char* const read_by_parameter = "SELECT abalance, name FROM pgbench_accounts, demo_side WHERE aid = $1";

std::string read_by_text(std::uint64_t account) {
  return "SELECT abalance, name FROM pgbench_accounts, demo_side WHERE aid = " + std::to_string(account);
}

}  // namespace

LoadClient::LoadClient(const LoadOptions& options, unsigned number, LoadLedger& ledger)
    : options_(options),
      ledger_(ledger),
      mode_(std::array{QueryMode::simple, QueryMode::extended, QueryMode::prepared}[number % 3]),
      random_(number + 1),
      number_(number),
      is_writer_(number % clients_per_writer == 0),
      transaction_number_(is_writer_ ? 0 : number * 3) {}

int LoadClient::descriptor() const {
  return state_ == State::resting || connection_ == nullptr ? -1 : ::PQsocket(connection_.get());
}

short LoadClient::events() const {
  if (state_ == State::connecting) return polling_ == PGRES_POLLING_WRITING ? POLLOUT : POLLIN;
  return POLLIN;  // requests are a few hundred bytes: libpq has always sent them all
}

void LoadClient::advance(DemoClock::time_point now, short ready_events) {
  switch (state_) {
    case State::resting:
      if (now < wake_at_ || is_finishing_) return;
      if (connection_ == nullptr) {
        begin_connecting(now);
      } else {
        begin_work(now);
      }
      return;
    case State::connecting:
      if (ready_events != 0) go_on_connecting(now);
      break;
    case State::preparing:
    case State::working:
      if (ready_events != 0) read_results(now);
      break;
  }
  if (state_ != State::resting && now >= wake_at_) give_up(now, false, "no answer within the time limit");
}

void LoadClient::rest(DemoClock::time_point until) {
  state_ = State::resting;
  wake_at_ = until;
}

void LoadClient::give_up(DemoClock::time_point now, bool is_connection_lost, const std::string& what) {
  if (is_connection_lost) {
    ledger_.note_drop(what);
  } else {
    ledger_.note_error(what);
  }
  connection_.reset();
  rest(now + reconnect_pause);
}

void LoadClient::begin_connecting(DemoClock::time_point now) {
  connection_.reset(::PQconnectStart(options_.conninfo.c_str()));
  state_ = State::connecting;
  polling_ = PGRES_POLLING_WRITING;
  wake_at_ = now + answer_timeout;
  if (::PQstatus(connection_.get()) == CONNECTION_BAD) {
    give_up(now, true, ::PQerrorMessage(connection_.get()));
  }
}

void LoadClient::go_on_connecting(DemoClock::time_point now) {
  polling_ = ::PQconnectPoll(connection_.get());
  if (polling_ == PGRES_POLLING_FAILED) return give_up(now, true, ::PQerrorMessage(connection_.get()));
  if (polling_ != PGRES_POLLING_OK) return;
  if (mode_ != QueryMode::prepared) return rest(now);
  state_ = State::preparing;
  trouble_.clear();
  if (::PQsendPrepare(connection_.get(), prepared_name, read_by_parameter, 0, nullptr) == 0) {
    give_up(now, true, ::PQerrorMessage(connection_.get()));
  }
}

void LoadClient::begin_work(DemoClock::time_point now) {
  kind_ = kind_of(is_writer_, transaction_number_++);
  step_ = 0;
  if (kind_ == WorkKind::own_read && !written_) kind_ = WorkKind::write;
  if (kind_ != WorkKind::own_read) choose_account();
  delta_ = std::uniform_int_distribution<std::int64_t>(-5000, 5000)(random_);
  answered_by_.reset();
  trouble_.clear();
  began_at_ = now;
  began_in_ = ledger_.phase();
  wake_at_ = now + answer_timeout;
  state_ = State::working;
  send_step();
  if (::PQstatus(connection_.get()) == CONNECTION_BAD) give_up(now, true, ::PQerrorMessage(connection_.get()));
}

/// No two writers share an account, so what one has written is there until it writes again.
void LoadClient::choose_account() {
  const std::uint64_t count = options_.scale * accounts_per_scale;
  account_ = std::uniform_int_distribution<std::uint64_t>(1, count)(random_);
  if (!is_writer_) return;
  account_ -= account_ % options_.client_count;
  account_ += number_;
  if (account_ == 0) account_ = options_.client_count;
  if (account_ > count) account_ -= options_.client_count;
  written_.reset();
}

std::size_t LoadClient::step_count() const {
  switch (kind_) {
    case WorkKind::read:
    case WorkKind::own_read: return 1;
    case WorkKind::read_transaction: return 4;
    case WorkKind::write: return 7;
  }
  return 0;
}

bool LoadClient::is_read_step() const {
  switch (kind_) {
    case WorkKind::read:
    case WorkKind::own_read: return true;
    case WorkKind::read_transaction: return step_ == 1 || step_ == 2;
    case WorkKind::write: return step_ == 2;
  }
  return false;
}

std::string LoadClient::step_text() const {
  if (step_ == 0) return kind_ == WorkKind::write ? "BEGIN" : "BEGIN READ ONLY";
  if (step_ + 1 == step_count()) return "COMMIT";
  const std::string amount = std::to_string(delta_);
  const std::string branch = std::to_string(account_ % options_.scale + 1);
  const std::string teller = std::to_string(account_ % (options_.scale * tellers_per_scale) + 1);
  switch (step_) {
    case 1:
      return "UPDATE pgbench_accounts SET abalance = abalance + " + amount + " WHERE aid = " + std::to_string(account_);
    case 3: return "UPDATE pgbench_tellers SET tbalance = tbalance + " + amount + " WHERE tid = " + teller;
    case 4: return "UPDATE pgbench_branches SET bbalance = bbalance + " + amount + " WHERE bid = " + branch;
    default:
      return "INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (" + teller + ", " + branch + ", " +
             std::to_string(account_) + ", " + amount + ", CURRENT_TIMESTAMP)";
  }
}

bool LoadClient::send_read() {
  const std::string value = std::to_string(account_);
  const std::array<const char*, 1> values{value.c_str()};
  switch (mode_) {
    case QueryMode::simple: return ::PQsendQuery(connection_.get(), read_by_text(account_).c_str()) == 1;
    case QueryMode::extended:
      return ::PQsendQueryParams(connection_.get(), read_by_parameter, 1, nullptr, values.data(), nullptr, nullptr, 0) == 1;
    case QueryMode::prepared:
      return ::PQsendQueryPrepared(connection_.get(), prepared_name, 1, values.data(), nullptr, nullptr, 0) == 1;
  }
  return false;
}

void LoadClient::send_step() {
  const bool is_sent = is_read_step() ? send_read() : ::PQsendQuery(connection_.get(), step_text().c_str()) == 1;
  if (!is_sent) trouble_ = ::PQerrorMessage(connection_.get());
}

void LoadClient::read_results(DemoClock::time_point now) {
  if (::PQconsumeInput(connection_.get()) == 0) return give_up(now, true, ::PQerrorMessage(connection_.get()));
  while (::PQisBusy(connection_.get()) == 0) {
    PGresult* result = ::PQgetResult(connection_.get());
    if (result == nullptr) return end_step(now);
    take_result(*result);
    ::PQclear(result);
  }
  if (::PQstatus(connection_.get()) == CONNECTION_BAD) give_up(now, true, ::PQerrorMessage(connection_.get()));
}

void LoadClient::take_result(const PGresult& result) {
  const ExecStatusType status = ::PQresultStatus(&result);
  if (status == PGRES_COMMAND_OK) {
    const bool is_last = state_ == State::working && step_ + 1 == step_count();
    if (is_last && std::string_view(::PQcmdStatus(const_cast<PGresult*>(&result))) != "COMMIT") {
      trouble_ = "a transaction was rolled back at its COMMIT";
    }
    return;
  }
  if (status != PGRES_TUPLES_OK) {
    if (trouble_.empty()) trouble_ = ::PQresultErrorMessage(&result);
    return;
  }
  const bool has_row = ::PQntuples(&result) == 1 && ::PQnfields(&result) == 2;
  const auto side = has_row ? routing::side_from(::PQgetvalue(&result, 0, 1)) : std::nullopt;
  const std::string balance = has_row ? ::PQgetvalue(&result, 0, 0) : "";
  if (kind_ == WorkKind::write) balance_ = balance;
  if (!side) {
    trouble_ = "a read gave something else than its one row";
  } else if (state_ == State::working && kind_ == WorkKind::own_read && balance != written_) {
    trouble_ = "a client did not read what it had written";
  } else if (answered_by_ && answered_by_ != side) {
    trouble_ = "the side changed inside a transaction";
  } else {
    answered_by_ = side;
  }
}

void LoadClient::end_step(DemoClock::time_point now) {
  if (::PQstatus(connection_.get()) == CONNECTION_BAD) {
    return give_up(now, true, trouble_.empty() ? "connection lost" : trouble_);
  }
  if (!trouble_.empty()) return give_up(now, false, trouble_);
  if (state_ == State::preparing) return rest(now);
  if (++step_ < step_count()) {
    send_step();
    return;
  }
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(DemoClock::now() - began_at_);
  if (kind_ == WorkKind::write) written_ = balance_;
  ledger_.note_success(kind_, *answered_by_, took, began_in_);
  rest(now + options_.think_time);
}

}  // namespace proxy::cli
