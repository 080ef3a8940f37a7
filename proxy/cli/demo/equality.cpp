#include "proxy/cli/demo/equality.hpp"

#include "proxy/cli/demo/failure.hpp"
#include "proxy/cli/demo/report.hpp"

#include <libpq-fe.h>

#include <memory>
#include <optional>

namespace proxy::cli {
namespace {

/// Rows between two looks whether the demo shall stop.
constexpr std::uint64_t look_count = 4096;

constexpr const char* tables_question =
    "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' "
    "AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'crossfade') AND c.relname <> 'demo_side' ORDER BY 1";

/// A database that is read through in order.
class Reader {
 public:
  explicit Reader(const std::string& conninfo) : connection_(::PQconnectdb(conninfo.c_str())) { expect(::PQstatus(connection_.get()) == CONNECTION_OK); }

  std::vector<std::string> tables() {
    const Result result(::PQexec(connection_.get(), tables_question));
    expect(::PQresultStatus(result.get()) == PGRES_TUPLES_OK);
    std::vector<std::string> names;
    for (int row = 0; row < ::PQntuples(result.get()); ++row) names.emplace_back(::PQgetvalue(result.get(), row, 0));
    return names;
  }

  /// The server begins at once; next() takes the rows.
  void begin(const std::string& table) {
    const std::string question = "COPY (SELECT t::text FROM " + table + " t ORDER BY t::text COLLATE \"C\") TO STDOUT";
    expect(::PQsendQuery(connection_.get(), question.c_str()) == 1);
    const Result result(::PQgetResult(connection_.get()));
    expect(::PQresultStatus(result.get()) == PGRES_COPY_OUT);
    next();
  }

  /// The row that is next; nothing at the end.
  [[nodiscard]] const std::optional<std::string>& row() const { return row_; }

  void next() {
    char* bytes = nullptr;
    const int count = ::PQgetCopyData(connection_.get(), &bytes, 0);
    if (count > 0) {
      row_.emplace(bytes, static_cast<std::size_t>(count));
      ::PQfreemem(bytes);
      return;
    }
    row_.reset();
    expect(count == -1);
    while (PGresult* result = ::PQgetResult(connection_.get())) {
      const Result end(result);
      expect(::PQresultStatus(result) == PGRES_COMMAND_OK);
    }
  }

 private:
  struct Closer {
    void operator()(PGconn* connection) const { ::PQfinish(connection); }
    void operator()(PGresult* result) const { ::PQclear(result); }
  };
  using Result = std::unique_ptr<PGresult, Closer>;

  void expect(bool is_so) const {
    if (!is_so) throw DemoFailure(std::string("the sides cannot be compared: ") + ::PQerrorMessage(connection_.get()));
  }

  std::unique_ptr<PGconn, Closer> connection_;
  std::optional<std::string> row_;
};

/// Both give their rows in the order of bytes.
TableComparison compare(const std::string& table, Reader& one, Reader& other, StopSignals& signals) {
  TableComparison result{table, 0, 0};
  one.begin(table);
  other.begin(table);
  while (one.row() || other.row()) {
    if ((result.rows + result.differing) % look_count == 0) signals.check();
    const bool is_one_first = !other.row() || (one.row() && *one.row() < *other.row());
    const bool is_other_first = !one.row() || (other.row() && *other.row() < *one.row());
    ++(is_one_first || is_other_first ? result.differing : result.rows);
    if (!is_other_first) one.next();
    if (!is_one_first) other.next();
  }
  return result;
}

}  // namespace

std::vector<TableComparison> compare_tables(const std::string& one, const std::string& other, StopSignals& signals) {
  Reader first(one);
  Reader second(other);
  const std::vector<std::string> tables = first.tables();
  if (tables != second.tables()) throw DemoFailure("the sides do not have the same tables");
  std::vector<TableComparison> found;
  for (const std::string& table : tables) found.push_back(compare(table, first, second, signals));
  return found;
}

std::string comparison_line(const TableComparison& comparison) {
  const std::string verdict = comparison.differing == 0 ? "equal" : grouped(comparison.differing) + " MORE ON ONE SIDE ONLY";
  return "  " + comparison.table + ": " + grouped(comparison.rows) + " rows, " + verdict + "\n";
}

}  // namespace proxy::cli
