#include "protocol/postgres/analyser.hpp"
#include "protocol/postgres/fingerprint.hpp"
#include "protocol/postgres/lexer.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

// Whatever the text: tokens follow one another and stay inside it, the memory of the caches stays within its
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
