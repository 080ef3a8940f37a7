#pragma once

#include "tests/sim/row_store.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sim {

/// A server small enough to be obviously right: the protocol's rules of PostgreSQL for a handful of statements.
/// It serves as the backends of a simulation and, fed with a client's messages, says what that client must
/// read. Replies carry the mark of who answered, so the two sides can be told apart where that matters.
///
///     SELECT 'r…'            one row                    SELECT 'b…', N     N long rows
///     SELECT 'e…', 1/0       division by zero           INSERT … ('w…')    a write, refused in BEGIN READ ONLY
///     SET name TO 'value'    SHOW name   RESET name     BEGIN COMMIT ROLLBACK   DEALLOCATE "name"
///
/// Source: PostgreSQL 15 manual, 55.2.2 to 55.2.4 (simple and extended query, pipelining).
class MiniServer {
 public:
  /// `mark` is written into every row and error; one character.
  explicit MiniServer(char mark);
  /// From now on there is a table t (id, v) too, whose rows are those of `store`, and what the capture asks of a server:
  ///
  ///     SELECT v FROM t WHERE id = 'k'   INSERT INTO t VALUES ('k', 'v')   UPDATE t SET v = 'v' WHERE id = 'k'   [RETURNING …]
  void keep_rows_in(RowStore& store) { store_ = &store; }
  /// The connection is gone: what is open is rolled back.
  void abandon();

  /// AuthenticationOk up to the first ReadyForQuery.
  [[nodiscard]] std::string greeting() const;
  /// Takes one whole message of a client and appends what is answered.
  void take(char tag, std::string_view payload, std::string& out);
  /// The texts that were run, in order; not those that the state of the transaction forbade.
  [[nodiscard]] const std::vector<std::string>& executed() const { return executed_; }
  /// The client has said goodbye.
  [[nodiscard]] bool is_over() const { return is_over_; }
  [[nodiscard]] char status() const { return status_; }

 private:
  enum class Rows { described, plain };  ///< with RowDescription (simple query) or without (Execute)
  void take_query(std::string_view text, std::string& out);
  void take_extended(char tag, std::string_view payload, std::string& out);
  bool run(std::string_view statement, Rows rows, std::string& out);
  bool run_select(std::string_view statement, Rows rows, std::string& out);
  bool run_setting(std::string_view statement, Rows rows, std::string& out);
  [[nodiscard]] std::optional<bool> run_on_rows(std::string_view statement, std::string& out);
  bool run_write(std::string_view statement, std::string& out);
  bool fail(std::string_view code, std::string_view words, std::string& out);
  void end_transaction(bool is_committed);
  void say_ready(std::string& out);

  using Settings = std::map<std::string, std::string>;
  char mark_;
  char status_ = 'I';
  bool skipping_ = false;
  bool is_over_ = false;
  bool segment_failed_ = false;
  bool is_read_only_ = false;
  Settings settings_;
  Settings committed_;   ///< as of the last end of a transaction
  std::string reported_time_zone_;
  std::map<std::string, std::string> prepared_;
  std::map<std::string, std::string> portals_;
  std::vector<std::string> executed_;
  RowStore* store_ = nullptr;
  RowStore::TransactionId transaction_ = 0;  ///< in the store; 0: it has written nothing
};

/// What a server that goes says last: an ErrorResponse of severity FATAL ('E') or a NoticeResponse ('N').
[[nodiscard]] std::string farewell_message(char tag, std::string_view code);

}  // namespace sim
