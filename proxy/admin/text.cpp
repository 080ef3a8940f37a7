#include "proxy/admin/text.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace proxy::admin {

namespace {

constexpr std::string_view replacement_character = "\xEF\xBF\xBD";
constexpr std::size_t listed_items_max = 20;

struct LeadByte {
  std::size_t sequence_bytes = 0;  ///< 0: cannot begin a sequence
  std::uint8_t second_minimum = 0x80;
  std::uint8_t second_maximum = 0xBF;
};

// Source: Unicode 15, table 3-7, well-formed UTF-8 byte sequences.
LeadByte lead_byte(std::uint8_t byte) {
  if (byte < 0x80) return {1};
  if (byte < 0xC2) return {0};
  if (byte < 0xE0) return {2};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte < 0xF0) return {3};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte < 0xF4) return {4};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {0};
}

/// Length of the well-formed sequence at the start of `text`, 0 if there is none. `text` is not empty.
std::size_t sequence_bytes(std::string_view text) {
  const auto byte_at = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const LeadByte lead = lead_byte(byte_at(0));
  if (lead.sequence_bytes > text.size()) return 0;
  for (std::size_t i = 1; i < lead.sequence_bytes; ++i) {
    const std::uint8_t minimum = i == 1 ? lead.second_minimum : std::uint8_t{0x80};
    const std::uint8_t maximum = i == 1 ? lead.second_maximum : std::uint8_t{0xBF};
    if (byte_at(i) < minimum || byte_at(i) > maximum) return 0;
  }
  return lead.sequence_bytes;
}

std::optional<unsigned> hexadecimal(char digit) {
  if (digit >= '0' && digit <= '9') return static_cast<unsigned>(digit - '0');
  if (digit >= 'a' && digit <= 'f') return static_cast<unsigned>(digit - 'a' + 10);
  if (digit >= 'A' && digit <= 'F') return static_cast<unsigned>(digit - 'A' + 10);
  return std::nullopt;
}

std::optional<std::string> percent_decoded(std::string_view segment) {
  std::string decoded;
  for (std::size_t i = 0; i < segment.size(); ++i) {
    if (segment[i] != '%') {
      decoded += segment[i];
      continue;
    }
    if (segment.size() - i < 3) return std::nullopt;
    const auto high = hexadecimal(segment[i + 1]);
    const auto low = hexadecimal(segment[i + 2]);
    if (!high || !low) return std::nullopt;
    decoded += static_cast<char>(*high * 16 + *low);
    i += 2;
  }
  return decoded;
}

bool has_control_character(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return static_cast<std::uint8_t>(c) < 0x20 || c == 0x7F; });
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

protocol::Error bad_target(std::string detail) {
  return protocol::failure(protocol::ErrorCode::message_malformed, protocol::Blame::client, std::move(detail));
}

}  // namespace

std::string valid_utf8(std::string_view text) {
  std::string valid;
  valid.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = sequence_bytes(text);
    valid += length == 0 ? replacement_character : text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return valid;
}

bool is_valid_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = sequence_bytes(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

protocol::Result<std::vector<std::string>> parse_target(std::string_view target) {
  if (!target.starts_with('/')) return bad_target("the request target must be a path that begins with /");
  std::string_view rest = target.substr(1, target.find_first_of("?#") - 1);
  std::vector<std::string> segments;
  while (true) {
    const std::size_t slash = rest.find('/');
    auto segment = percent_decoded(rest.substr(0, slash));
    if (!segment) return bad_target("the path has a % that two hexadecimal digits do not follow");
    if (has_control_character(*segment)) return bad_target("the path holds a control character");
    if (!is_valid_utf8(*segment)) return bad_target("the path is not UTF-8");
    segments.push_back(std::move(*segment));
    if (slash == std::string_view::npos) return segments;
    rest.remove_prefix(slash + 1);
  }
}

bool equals_ignoring_case(std::string_view left, std::string_view right) {
  return std::ranges::equal(left, right, [](char a, char b) { return lower(a) == lower(b); });
}

std::string listed(const std::vector<std::string>& items) {
  if (items.empty()) return "none";
  std::string list;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i != 0) list += ", ";
    if (i == listed_items_max) return list + "…";
    list += items[i];
  }
  return list;
}

}  // namespace proxy::admin
