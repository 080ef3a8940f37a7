#include "tests/model/compare.hpp"

#include <algorithm>

namespace model {

namespace {

/// Login's messages come in any order but for the last, and the key is each session's own.
std::vector<std::string> comparable_greeting(const Recording& recording) {
  std::vector<std::string> lines;
  for (const ServerMessage& message : recording.greeting) {
    lines.push_back(message.tag == 'K' ? std::string("BackendKeyData") : describe(message));
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

std::size_t first_difference(const std::vector<ServerMessage>& left, const std::vector<ServerMessage>& right) {
  std::size_t index = 0;
  while (index < left.size() && index < right.size() && left[index] == right[index]) ++index;
  return index;
}

std::string line_at(const std::vector<ServerMessage>& messages, std::size_t index) {
  return index < messages.size() ? describe(messages[index]) : std::string("-");
}

}  // namespace

std::string difference(const Recording& expected, const Recording& actual) {
  if (comparable_greeting(expected) != comparable_greeting(actual)) return "the greetings differ";
  const std::size_t index = first_difference(expected.messages, actual.messages);
  if (index < expected.messages.size() && index < actual.messages.size()) {
    return "message " + std::to_string(index + 1) + " differs";
  }
  if (!actual.trouble.empty()) return actual.trouble;
  if (expected.messages.size() != actual.messages.size()) {
    return std::to_string(expected.messages.size()) + " messages expected, " + std::to_string(actual.messages.size()) + " came";
  }
  if (expected.digest != actual.digest) {
    return "the database differs afterwards: " + expected.digest + " against " + actual.digest;
  }
  return "";
}

std::string report(const Conversation& conversation, const Recording& expected, const Recording& actual) {
  std::string text = describe(conversation) + "difference: " + difference(expected, actual) + "\n";
  if (!actual.trouble.empty()) text += "trouble: " + actual.trouble + "\n";
  if (comparable_greeting(expected) != comparable_greeting(actual)) {
    for (const std::string& line : comparable_greeting(expected)) text += "  expected " + line + "\n";
    for (const std::string& line : comparable_greeting(actual)) text += "  actual   " + line + "\n";
  }
  constexpr std::size_t before = 12;
  constexpr std::size_t after = 8;
  const std::size_t index = first_difference(expected.messages, actual.messages);
  const std::size_t end = std::min(index + after, std::max(expected.messages.size(), actual.messages.size()));
  for (std::size_t i = index > before ? index - before : 0; i < end; ++i) {
    const std::string left = line_at(expected.messages, i);
    const std::string right = line_at(actual.messages, i);
    const std::string number = std::to_string(i + 1);
    if (left == right && i != index) {
      text += "      " + number + " both     " + left + "\n";
    } else {
      text += "  >>> " + number + " expected " + left + "\n  >>> " + number + " actual   " + right + "\n";
    }
  }
  return text;
}

}  // namespace model
