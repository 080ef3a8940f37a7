#pragma once

#include "tests/model/message.hpp"
#include "tests/model/random.hpp"

#include <cstdint>
#include <string>
#include <vector>

/// The statements that conversations are made of. Their results depend on nothing but the objects that
/// Control::reset_objects() makes and the session itself: no clock, no dice, no object ids.
namespace model {

/// What a conversation may do.
enum class Repertoire : std::uint8_t {
  everything,  ///< one side answers
  reads,       ///< reads and state that can be carried: may be answered by two equal sides in turn
};

/// The type of a parameter of a prepared statement.
enum class ValueKind : std::uint8_t { integer, text, numeric, date, boolean };

/// A text for Parse.
struct Template {
  std::string sql;
  std::vector<ValueKind> parameters;
};

/// One statement for a simple Query, mostly one that succeeds.
std::string some_statement(Random& random, Repertoire repertoire);
/// A whole text for a simple Query: no, one or several statements.
std::string some_text(Random& random, Repertoire repertoire);
/// A text for Parse, mostly one that succeeds.
Template some_template(Random& random, Repertoire repertoire);
/// A COPY … FROM STDIN; `is_binary` and the number of columns follow from the text.
struct CopyIn {
  std::string sql;
  enum class Format : std::uint8_t { text, csv, binary } format = Format::text;
};
CopyIn some_copy_in(Random& random);
/// The pieces that a driver sends for it, with faults at times.
std::vector<std::string> some_copy_pieces(Random& random, CopyIn::Format format);
/// A statement that sleeps far longer than any test waits, to be cancelled.
std::string some_sleep(Random& random);

/// A value in the given format (0 text, 1 binary); `is_good` false makes one that its type refuses.
BoundValue some_value(Random& random, ValueKind kind, std::int16_t format, bool is_good);
/// The object id of the type, or 0 to leave it to the server.
std::uint32_t type_oid(ValueKind kind);

}  // namespace model
