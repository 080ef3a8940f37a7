#pragma once

#include <cstddef>
#include <string>
#include <string_view>

/// The form in which texts that differ in literals, parameter numbers, blanks and comments only are equal.
namespace protocol::postgres {

struct NormalForm {
  /// Every token was read to its end. If not, the form says nothing.
  bool is_readable = false;
  /// Where some string ends depends on standard_conforming_strings.
  bool is_ambiguous = false;
  bool has_comments = false;
  std::size_t tokens_begin = 0;  ///< where the first token begins that is no comment
  std::size_t tokens_end = 0;    ///< where the last one ends; semicolons at the end do not count
};

/// Writes the normal form of `text` into `form` (cleared first). Equal forms mean equal syntax trees but for
/// the values of literals, the numbers of parameters, the length of lists of literals behind IN and ARRAY,
/// and repeated rows of VALUES.
[[nodiscard]] NormalForm write_normal_form(std::string_view text, std::string& form);

/// An upper bound for the depth of the syntax tree of `text`, in levels that cost the parser stack. The
/// parser guards its grammar but not what walks its tree: a chain of operators is shallow grammar and a deep
/// tree.
[[nodiscard]] std::size_t estimate_depth(std::string_view text);

}  // namespace protocol::postgres
