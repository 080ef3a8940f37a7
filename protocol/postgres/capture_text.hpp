#pragma once

#include "protocol/mirror_unit.hpp"
#include "protocol/postgres/analyser.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace protocol::postgres {

/// What one statement means to the mirror.
struct CaptureStatement {
  enum class Kind : std::uint8_t {
    plain,        ///< leaves nothing that the follower must have
    begin,
    commit,
    rollback,
    savepoint,
    release,
    rollback_to,
    prepare_transaction,
    rows,     ///< its rows can be had by RETURNING
    text,     ///< gives the same on both sides: DDL, TRUNCATE
    copy_in,  ///< COPY … FROM STDIN
    execute,  ///< EXECUTE of what PREPARE has prepared
    unsafe,   ///< may leave something that cannot be carried; `reason` says why
  };
  Kind kind = Kind::plain;
  std::size_t begin = 0;  ///< its place in the text, comments before it included
  std::size_t end = 0;    ///< behind its last token: here RETURNING may follow
  RowChange::Kind change = RowChange::Kind::put;
  std::string schema;     ///< of the table that it writes, as folded; empty where it is not qualified
  std::string table;
  std::string reference;  ///< by which RETURNING may name that table, quoted
  bool has_returning = false;
  bool is_insert = false;
  std::vector<std::string> columns;  ///< rows: those that are assigned a value; copy_in: those that are given
  std::string copy_tail;             ///< copy_in: what follows the table's name
  std::string name;                  ///< of the savepoint, of the prepared statement
  bool is_prepare = false;           ///< PREPARE of it: it runs with EXECUTE
  bool chains = false;               ///< COMMIT or ROLLBACK AND CHAIN
  bool is_transactional = true;      ///< may run inside a transaction block
  bool makes_temporary = false;      ///< plain: makes a temporary table named `table`
  std::string reason;

  /// Of what ends a transaction: two phases can be made of it without the client's knowledge.
  [[nodiscard]] bool may_be_phased() const { return !chains && kind != Kind::prepare_transaction; }
  [[nodiscard]] bool is_control() const { return kind >= Kind::begin && kind <= Kind::prepare_transaction; }
  [[nodiscard]] bool is_writing() const { return kind != Kind::plain && !is_control(); }
};

/// What a text means to the mirror. Immutable, shared.
struct CaptureText {
  std::vector<CaptureStatement> statements;
  std::vector<std::string> tables;  ///< all that it touches, as written
  std::uint64_t fingerprint = 0;
  bool is_plain = true;             ///< all of its statements are
};

/// Reads texts for the mirror. One per worker and database: not thread-safe.
class CaptureReader {
 public:
  /// `analyser` outlives the reader.
  explicit CaptureReader(Analyser& analyser) : analyser_(analyser) {}

  struct Reading {
    std::shared_ptr<const CaptureText> text;  ///< never null
    std::size_t end = 0;                      ///< of the only statement, where there is one; else those of `text` count
    bool is_read = false;                     ///< it changes nothing of the session either
    [[nodiscard]] std::size_t end_of(std::size_t index) const {
      return text->statements.size() == 1 ? end : text->statements[index].end;
    }
  };
  [[nodiscard]] Reading read(std::string_view text);
  /// The reading of a text that cannot be understood.
  [[nodiscard]] static Reading unreadable(std::string_view text, std::string_view because);

 private:
  [[nodiscard]] std::shared_ptr<const CaptureText> of_form(const Analysis& analysis, std::string_view text);

  Analyser& analyser_;
  /// Texts of one normal form share their facts, and what follows from it. The pointers keep the facts alive, so that no
  /// address means two things.
  std::unordered_map<std::shared_ptr<const StatementFacts>, std::shared_ptr<const CaptureText>> by_facts_;
};

}  // namespace protocol::postgres
