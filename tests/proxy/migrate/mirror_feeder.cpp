#include "protocol/postgres/apply_text.hpp"
#include "proxy/migrate/postgres_follower.hpp"
#include "proxy/mirror/mirror.hpp"

#include <libpq-fe.h>
#include <signal.h>

#include <atomic>
#include <cstdlib>
#include <future>
#include <iostream>
#include <memory>
#include <mutex>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

// Uses a mirror as sessions do, with two real servers and no session between: mirror_feeder DIRECTORY BLUE_HOST BLUE_PORT GREEN_HOST
// GREEN_PORT DATABASE [OPTION…]. Reads one command per line and answers each with one line; mirror_apply_test.py is its user.
namespace {

using namespace proxy::mirror;
using routing::Side;

struct Finish {
  void operator()(PGconn* connection) const { PQfinish(connection); }
};
struct Clear {
  void operator()(PGresult* result) const { PQclear(result); }
};
using Connection = std::unique_ptr<PGconn, Finish>;
using ResultPointer = std::unique_ptr<PGresult, Clear>;

ResultPointer run(PGconn* connection, const std::string& text) { return ResultPointer(PQexec(connection, text.c_str())); }

bool is_fine(const ResultPointer& result) {
  const ExecStatusType status = PQresultStatus(result.get());
  return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

/// The rows that a statement returned, as a change of `table`.
protocol::RowChange change_of(const PGresult* result, protocol::RowChange::Kind kind, const std::string& table, const std::string& key) {
  protocol::RowChange change;
  change.kind = kind;
  change.schema = "public";
  change.table = table;
  for (int column = 0; column < PQnfields(result); ++column) change.columns.emplace_back(PQfname(result, column));
  std::istringstream keys(key == "-" ? "" : key);
  for (std::string each; std::getline(keys, each, ',');) change.key_columns.push_back(each);
  for (int row = 0; row < PQntuples(result); ++row) {
    auto& values = change.rows.emplace_back();
    for (int column = 0; column < PQnfields(result); ++column) {
      const bool is_null = PQgetisnull(result, row, column) != 0;
      values.push_back(is_null ? protocol::TextValue() : protocol::TextValue(PQgetvalue(result, row, column)));
    }
  }
  return change;
}

class Client {
 public:
  Client(Mirror& mirror, const std::string& conninfo, std::string database)
      : mirror_(mirror), connection_(PQconnectdb(conninfo.c_str())), database_(std::move(database)) {}

  [[nodiscard]] bool begin() {
    unit_ = {};
    unit_.database = database_;
    unit_.settings = {{"DateStyle", "ISO, MDY"}, {"IntervalStyle", "postgres"}, {"TimeZone", "UTC"}};
    return is_fine(run(connection_.get(), "BEGIN"));
  }

  [[nodiscard]] bool write(protocol::RowChange::Kind kind, const std::string& table, const std::string& key, const std::string& text) {
    const ResultPointer result = run(connection_.get(), text);
    unit_.last_write_done = mirror_.tick();
    if (!is_fine(result)) return false;
    if (PQntuples(result.get()) != 0) unit_.items.emplace_back().rows = change_of(result.get(), kind, table, key);
    return true;
  }

  [[nodiscard]] bool carry(protocol::CarriedStatement statement) {
    ResultPointer result = run(connection_.get(), statement.text);
    if (PQresultStatus(result.get()) == PGRES_COPY_IN) {
      PQputCopyData(connection_.get(), statement.copy_data.data(), static_cast<int>(statement.copy_data.size()));
      PQputCopyEnd(connection_.get(), nullptr);
      result.reset(PQgetResult(connection_.get()));
      while (ResultPointer(PQgetResult(connection_.get()))) {
      }
    }
    unit_.last_write_done = mirror_.tick();
    if (!is_fine(result)) return false;
    unit_.items.emplace_back().statement = std::move(statement);
    return true;
  }

  void roll_back() { static_cast<void>(run(connection_.get(), "ROLLBACK")); }

  enum class End : std::uint8_t { commit, roll_back, forget };
  /// Whether the client may say that it is committed.
  [[nodiscard]] bool end(End how) {
    const ResultPointer number = run(connection_.get(), "SELECT pg_current_xact_id_if_assigned()");
    if (unit_.items.empty() || !is_fine(number)) {
      roll_back();
      return false;
    }
    unit_.transaction_id = PQgetvalue(number.get(), 0, 0);
    std::promise<Admittance> admitted;
    const CommitSequence sequence = mirror_.record(std::move(unit_), [&](Admittance admittance) { admitted.set_value(admittance); });
    const Admittance admittance = admitted.get_future().get();
    if (admittance == Admittance::refused) {
      roll_back();
      return false;
    }
    const bool is_committed = is_fine(run(connection_.get(), how == End::roll_back ? "ROLLBACK" : "COMMIT"));
    if (admittance == Admittance::unmirrored) return is_committed;
    UnitOutcome outcome = is_committed ? UnitOutcome::committed : UnitOutcome::in_doubt;
    if (how == End::roll_back) outcome = UnitOutcome::rolled_back;
    if (how == End::forget) outcome = UnitOutcome::in_doubt;
    mirror_.settle(sequence, outcome);
    return is_committed && how == End::commit;
  }

  [[nodiscard]] std::string complaint() const { return PQerrorMessage(connection_.get()); }

 private:
  Mirror& mirror_;
  Connection connection_;
  std::string database_;
  protocol::MirrorUnit unit_;
};

constexpr auto put = protocol::RowChange::Kind::put;
constexpr auto remove_rows = protocol::RowChange::Kind::remove;

/// One transaction of a load whose rows depend on the order in which they were written.
bool work_once(Client& client, std::mt19937_64& random) {
  const auto pick = [&](int count) { return std::to_string(std::uniform_int_distribution<int>(1, count)(random)); };
  if (!client.begin()) return false;
  bool is_fine = true;
  const std::string what = pick(6);
  if (what <= "3") {
    // In the order of their numbers: deadlocks would be what the test waits for.
    const std::string low = pick(10);
    for (const std::string& id : {low, std::to_string(std::stoi(low) + std::stoi(pick(10)))}) {
      const std::string value = "balance * 3 % 1000003 + " + pick(9);
      is_fine = is_fine && client.write(put, "accounts", "id", "UPDATE accounts SET balance = " + value + " WHERE id = " + id + " RETURNING *");
    }
  } else if (what == "4") {
    is_fine = client.write(put, "events", "id", "INSERT INTO events (who, what) VALUES (" + pick(20) + ", now()::text) RETURNING *");
  } else if (what == "5") {
    is_fine = client.write(remove_rows, "events", "id", "DELETE FROM events WHERE id IN (SELECT id FROM events ORDER BY random() LIMIT 2) RETURNING id");
  } else {
    // The name goes from one key to another: units that share no key and conflict all the same.
    const std::string name = pick(5);
    is_fine = client.write(remove_rows, "names", "id", "DELETE FROM names WHERE name = 'n" + name + "' RETURNING id") &&
              client.write(put, "names", "id", "INSERT INTO names (name) VALUES ('n" + name + "') RETURNING *");
  }
  if (!is_fine) {
    client.roll_back();
    return false;
  }
  const int chance = std::uniform_int_distribution<int>(0, 29)(random);
  return client.end(chance == 0 ? Client::End::roll_back : chance == 1 ? Client::End::forget : Client::End::commit);
}

std::string work(Mirror& mirror, const std::string& conninfo, const std::string& database, std::istringstream& words) {
  int threads = 1;
  int count = 0;
  std::uint64_t seed = 0;
  words >> threads >> count >> seed;
  std::atomic<int> left{count};
  std::atomic<int> committed{0};
  std::vector<std::jthread> workers;
  for (int i = 0; i < threads; ++i) {
    workers.emplace_back([&, i] {
      Client client(mirror, conninfo, database);
      std::mt19937_64 random(seed * 1'000 + static_cast<std::uint64_t>(i));
      while (left.fetch_sub(1) > 0) committed += work_once(client, random) ? 1 : 0;
    });
  }
  workers.clear();
  return "worked " + std::to_string(committed);
}

std::string rest_of(std::istringstream& words) {
  std::string rest;
  std::getline(words >> std::ws, rest);
  return rest;
}

std::string ledger_text(const Mirror& mirror) {
  std::string text = "ledger";
  for (const LedgerEntry& entry : mirror.ledger(MirrorControl::Extent::open)) {
    text += " " + std::string(name_of(entry.kind)) + ":" + entry.table + ":" + std::to_string(entry.count) + ":" + std::to_string(entry.id);
  }
  return text;
}

std::string answer(const std::string& line, Mirror& mirror, const std::string& conninfo, const std::string& database) {
  std::istringstream words(line);
  std::string command;
  words >> command;
  if (command == "work") return work(mirror, conninfo, database, words);
  if (command == "wait") {
    const bool is_applied = mirror.wait_applied(mirror.stop_position(), std::chrono::steady_clock::now() + std::chrono::seconds(60));
    return is_applied ? "applied" : "behind " + ledger_text(mirror);
  }
  if (command == "status") {
    const MirrorStatus status = mirror.status();
    return "status " + std::string(name_of(status.state)) + " " + std::to_string(status.lag.units) + " " +
           std::to_string(status.units_applied_total) + " " + std::to_string(status.journal_bytes) + " " + std::to_string(status.units_recorded_total);
  }
  if (command == "ledger") return ledger_text(mirror);
  if (command == "accept") {
    std::uint64_t id = 0;
    words >> id;
    return mirror.accept(id, "test") ? "accepted" : "no such entry";
  }
  Client client(mirror, conninfo, database);
  if (!client.begin()) return "failed " + client.complaint();
  bool is_fine = false;
  if (command == "put" || command == "remove") {
    std::string table;
    std::string key;
    words >> table >> key;
    is_fine = client.write(command == "put" ? put : remove_rows, table, key, rest_of(words));
  } else {
    protocol::CarriedStatement statement;
    statement.is_barrier = command == "schema";
    statement.settings = {{"search_path", "public"}};
    if (command == "copy") {
      std::string lines;
      words >> lines;
      for (int i = 1; i <= std::stoi(lines); ++i) statement.copy_data += std::to_string(i) + "\tcopied\n";
    }
    statement.text = rest_of(words);
    is_fine = client.carry(std::move(statement));
  }
  if (!is_fine) return "failed " + client.complaint();
  return client.end(Client::End::commit) ? "committed" : "not committed";
}

}  // namespace

int main(int argc, char** argv) {
  ::signal(SIGXFSZ, SIG_IGN);  // a limit on files is to be met as an error
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() < 6) return 2;
  MirrorOptions options;
  options.directory = words[0];
  options.appliers = 3;
  for (std::size_t i = 6; i < words.size(); ++i) {
    if (words[i] == "relaxed") options.durability = Durability::relaxed;
    if (words[i] == "small") options.journal_bytes_max = std::uint64_t{1} << 20;
    if (words[i] == "block") options.on_full = OnFull::block;
  }
  routing::PerSide<proxy::migrate::DatabaseTarget> targets;
  targets[Side::blue].keywords = {{"host", words[1]}, {"port", words[2]}, {"user", "postgres"}};
  targets[Side::green].keywords = {{"host", words[3]}, {"port", words[4]}, {"user", "postgres"}};
  const protocol::postgres::PostgresApplyText text;
  proxy::migrate::PostgresFollowerDoor door(targets, text);
  Mirror mirror(options, "test", door, nullptr);
  const protocol::Status opened = mirror.open(Side::blue);
  std::cout << (opened ? "open" : "refused " + opened.error().detail) << std::endl;
  if (!opened) return 1;
  const std::string conninfo = "host=" + words[1] + " port=" + words[2] + " user=postgres dbname=" + words[5];
  for (std::string line; std::getline(std::cin, line) && line != "quit";) std::cout << answer(line, mirror, conninfo, words[5]) << std::endl;
  mirror.close();
  std::cout << "closed" << std::endl;
  return 0;
}
