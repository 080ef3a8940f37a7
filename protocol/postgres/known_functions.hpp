#pragma once

#include <string_view>

/// What is known of PostgreSQL's own functions without asking a server. Every list is words with one blank
/// between them. Source: PostgreSQL 15 manual, chapter 9 "Functions and Operators", and pg_proc of that
/// version.
namespace protocol::postgres::known {

/// Stable or immutable in all their overloads.
extern const std::string_view stable_functions;

/// Handlers of TABLESAMPLE: declared volatile, though the system calls them only to learn of a method.
extern const std::string_view sampling_methods;

/// Declared stable, and yet not for a reader: they assign a transaction number, tell what only this backend
/// process holds, or run queries over tables that are named in their arguments.
extern const std::string_view acting_functions;

/// Volatile, and leave nothing in a session but what their names and arguments tell.
extern const std::string_view quiet_functions;

/// System views that tell what only one server process or the side that takes writes can tell.
extern const std::string_view session_relations;

/// Operators of the system catalogue; none of them is volatile.
extern const std::string_view stable_operators;

/// Calls `visit` with every word of such a list.
template <class Visit>
void for_each_word(std::string_view words, Visit visit) {
  while (!words.empty()) {
    const std::size_t end = words.find(' ');
    visit(words.substr(0, end));
    words = end == std::string_view::npos ? std::string_view() : words.substr(end + 1);
  }
}

[[nodiscard]] inline bool has_word(std::string_view words, std::string_view wanted) {
  bool is_found = false;
  for_each_word(words, [&](std::string_view word) { is_found = is_found || word == wanted; });
  return is_found;
}

}  // namespace protocol::postgres::known
