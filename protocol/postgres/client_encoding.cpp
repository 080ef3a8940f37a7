#include "protocol/postgres/client_encoding.hpp"

#include <algorithm>
#include <array>

namespace protocol::postgres {
namespace {

constexpr std::array<std::string_view, 7> unreadable_encodings{"BIG5", "GB18030", "GBK",  "JOHAB",
                                                               "SJIS", "SHIFT_JIS_2004", "UHC"};

}  // namespace

bool equals_folded(std::string_view left, std::string_view right) {
  if (left.size() != right.size()) return false;
  for (std::size_t i = 0; i < left.size(); ++i) {
    const auto fold = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
    if (fold(left[i]) != fold(right[i])) return false;
  }
  return true;
}

bool is_readable_encoding(std::string_view name) {
  return std::ranges::none_of(unreadable_encodings, [&](std::string_view unreadable) { return equals_folded(name, unreadable); });
}

}  // namespace protocol::postgres
