#include "proxy/admin/json_text.hpp"

#include <boost/json.hpp>

#include <array>
#include <charconv>
#include <cmath>

namespace proxy::admin {

namespace json = boost::json;

namespace {

constexpr double plain_maximum = 1e15;  // beyond it the digits before the point would no longer be exact

void append_number(std::string& text, double number) {
  if (!(std::abs(number) <= plain_maximum)) {
    text += json::serialize(json::value(number));
    return;
  }
  std::array<char, 400> buffer{};  // the smallest double has 324 zeros and up to 17 digits
  text.append(buffer.data(), std::to_chars(buffer.data(), buffer.data() + buffer.size(), number, std::chars_format::fixed).ptr);
}

void append_value(std::string& text, const json::value& value);

void append_object(std::string& text, const json::object& object) {
  char separator = '{';
  for (const auto& member : object) {
    text += separator;
    text += json::serialize(json::string_view(member.key()));
    text += ':';
    append_value(text, member.value());
    separator = ',';
  }
  text += object.empty() ? "{}" : "}";
}

void append_array(std::string& text, const json::array& array) {
  char separator = '[';
  for (const json::value& item : array) {
    text += separator;
    append_value(text, item);
    separator = ',';
  }
  text += array.empty() ? "[]" : "]";
}

/// Recursion is as deep as our own answers are nested.
void append_value(std::string& text, const json::value& value) {
  if (value.is_object()) append_object(text, value.get_object());
  else if (value.is_array()) append_array(text, value.get_array());
  else if (value.is_double()) append_number(text, value.get_double());
  else text += json::serialize(value);
}

}  // namespace

std::string json_text(const json::value& value) {
  std::string text;
  append_value(text, value);
  return text;
}

}  // namespace proxy::admin
