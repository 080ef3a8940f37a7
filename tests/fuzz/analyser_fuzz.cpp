#include "protocol/postgres/analyser.hpp"
#include "protocol/postgres/fingerprint.hpp"
#include "protocol/postgres/lexer.hpp"
#include "protocol/postgres/outline.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

// Whatever the text: an outline has the normal form of its text, tokens follow one another and stay inside it, the memory of the caches stays within its
// bounds, and asking again gives the same answer.

namespace {

using namespace protocol::postgres;

void expect(bool holds) {
  if (!holds) std::abort();
}

void check_tokens(std::string_view text) {
  Lexer lexer(text);
  std::size_t last = 0;
  for (Token token = lexer.next(); token.kind != TokenKind::end; token = lexer.next()) {
    expect(token.begin >= last && token.end > token.begin && token.end <= text.size());
    last = token.end;
  }
  static_cast<void>(estimate_depth(text));
  static_cast<void>(trim_statement(text));
}

void check_outline(std::string_view text) {
  static std::array<char, 4096> room;
  const std::optional<std::string_view> outline = write_outline(text, room);
  if (!outline) return;
  std::string form_of_text;
  std::string form_of_outline;
  const NormalForm normal = write_normal_form(text, form_of_text);
  expect(outline->size() <= text.size());
  expect(normal.is_readable && !normal.is_ambiguous && !normal.has_comments);
  expect(write_normal_form(*outline, form_of_outline).is_readable);
  expect(form_of_text == form_of_outline);
}

AnalyserOptions make_options() {
  AnalyserOptions options;
  options.text_entries_max = 64;
  options.fingerprint_entries_max = 64;
  options.text_cache_bytes_max = std::size_t{64} << 10;
  options.fingerprint_cache_bytes_max = std::size_t{64} << 10;
  options.text_bytes_max = std::size_t{16} << 10;
  return options;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Analyser analyser(make_options());
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_tokens(text);
  check_outline(text);
  const Analysis first = analyser.analyse(text);
  const Analysis second = analyser.analyse(text);
  expect(first.facts != nullptr && first.tags != nullptr);
  expect(first.facts->statement_class == second.facts->statement_class);
  expect(first.facts->tables == second.facts->tables && first.facts->functions == second.facts->functions);
  expect(first.facts->changes.size() == second.facts->changes.size() && *first.tags == *second.tags);
  const AnalyserOptions options = make_options();
  expect(analyser.cached_bytes() <= options.text_cache_bytes_max + options.fingerprint_cache_bytes_max);
  return 0;
}
