#include "protocol/console.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

namespace protocol {

namespace {

bool is_blank(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

/// A word, a name in double quotes, or one other character.
struct Token {
  std::string text;  ///< of a quoted name what is between the quotes
  bool is_quoted = false;
};

std::vector<Token> tokens_of(std::string_view text) {
  std::vector<Token> tokens;
  for (std::size_t i = 0; i < text.size();) {
    if (is_blank(text[i])) {
      ++i;
      continue;
    }
    if (text[i] == '"') {
      const std::size_t end = std::min(text.find('"', i + 1), text.size());
      tokens.push_back({std::string(text.substr(i + 1, end - i - 1)), true});
      i = std::min(end + 1, text.size());
      continue;
    }
    const auto belongs = [](char c) { return !is_blank(c) && c != '"' && c != '='; };
    std::size_t end = i;
    while (end < text.size() && belongs(text[end])) ++end;
    end = std::max(end, i + 1);
    tokens.push_back({std::string(text.substr(i, end - i)), false});
    i = end;
  }
  return tokens;
}

/// Commands with an optional database, or with none.
struct Word {
  std::string_view word;
  ConsoleVerb verb;
  bool has_database;
};
constexpr std::array<Word, 7> words{{{"pause", ConsoleVerb::pause, true},
                                     {"resume", ConsoleVerb::resume, true},
                                     {"wait_close", ConsoleVerb::wait_close, true},
                                     {"reload", ConsoleVerb::reload, false},
                                     {"shutdown", ConsoleVerb::shut_down, false},
                                     {"commit", ConsoleVerb::commit, false},
                                     {"end", ConsoleVerb::commit, false}}};

constexpr std::array<std::string_view, 6> unsupported_words{"kill", "suspend", "disable", "enable", "reconnect", "kill_client"};

ConsoleCommand parse_one(std::string_view text) {
  const std::vector<Token> tokens = tokens_of(text);
  if (tokens.empty()) return {ConsoleVerb::nothing, {}};
  const std::string first = tokens[0].is_quoted ? std::string() : lower(tokens[0].text);
  ConsoleCommand unknown{ConsoleVerb::unknown, std::string(text)};
  if (text.size() > console_command_bytes_max) return {ConsoleVerb::unknown, std::string(text.substr(0, 64)) + "…"};
  if (first == "show" && tokens.size() == 2) return {ConsoleVerb::show, lower(tokens[1].text)};
  for (const Word& word : words) {
    if (first != word.word || tokens.size() > (word.has_database ? 2U : 1U)) continue;
    return {word.verb, tokens.size() == 2 ? tokens[1].text : std::string()};
  }
  // Drivers begin and end transactions in many words; here they all mean the same.
  if (first == "begin" || (first == "start" && tokens.size() > 1 && lower(tokens[1].text) == "transaction")) {
    return {ConsoleVerb::begin, {}};
  }
  if (first == "rollback" || first == "abort") return {ConsoleVerb::rollback, {}};
  if (first == "set" && tokens.size() > 1) {
    const std::string second = lower(tokens[1].text);
    const bool is_scoped = tokens.size() > 2 && (second == "session" || second == "local");
    return {ConsoleVerb::set, is_scoped ? lower(tokens[2].text) : second};
  }
  if (std::ranges::find(unsupported_words, first) != unsupported_words.end()) return {ConsoleVerb::unsupported, first};
  return unknown;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace

std::vector<ConsoleCommand> parse_console_commands(std::string_view text) {
  std::vector<ConsoleCommand> commands;
  bool is_quoted = false;
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && text[i] == '"') is_quoted = !is_quoted;
    if (i < text.size() && (text[i] != ';' || is_quoted)) continue;
    ConsoleCommand command = parse_one(trimmed(text.substr(begin, i - begin)));
    begin = i + 1;
    if (command.verb != ConsoleVerb::nothing) commands.push_back(std::move(command));
  }
  if (commands.empty()) commands.push_back({ConsoleVerb::nothing, {}});
  return commands;
}

}  // namespace protocol
