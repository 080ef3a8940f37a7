#pragma once

#include "protocol/postgres/catalogue.hpp"
#include "protocol/postgres/question_history.hpp"
#include "protocol/postgres/type_comparison.hpp"
#include "protocol/statement.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

namespace protocol::postgres {

/// What one text is. Both pointers are never null.
struct Analysis {
  std::shared_ptr<const StatementFacts> facts;
  std::shared_ptr<const CommentTags> tags;
};

/// Bounds of one Analyser.
struct AnalyserOptions {
  std::size_t text_entries_max = 4096;
  std::size_t fingerprint_entries_max = 2048;
  std::size_t text_cache_bytes_max = std::size_t{4} << 20;
  std::size_t fingerprint_cache_bytes_max = std::size_t{2} << 20;
  /// Longer texts are not looked at: class unknown.
  std::size_t text_bytes_max = std::size_t{1} << 20;
  /// Longer texts are looked up by fingerprint and, if that is new, not parsed: parsing costs about 0.6 s per
  /// MiB, and everybody else on the worker waits.
  std::size_t parsed_bytes_max = std::size_t{128} << 10;
  /// Estimated depth of the syntax tree beyond which a text is not parsed. PostgreSQL's parser library walks
  /// its tree by recursion and needs up to 6 KiB of stack per level: with a stack of 8 MiB it dies at 1300.
  std::size_t depth_max = 500;
};

/// Says what texts are. One per worker and database: not thread-safe.
class Analyser {
 public:
  using Options = AnalyserOptions;

  /// How often each way was taken, since the beginning.
  struct Counters {
    std::uint64_t text_hits = 0;
    std::uint64_t outline_hits = 0;
    std::uint64_t fingerprint_hits = 0;
    std::uint64_t parses = 0;
    std::uint64_t refusals = 0;  ///< not parsed: too long, too deep, not readable
  };

  explicit Analyser(Options options = {});
  Analyser(const Analyser&) = delete;
  Analyser& operator=(const Analyser&) = delete;
  ~Analyser();

  /// Null: what is known without a database. Forgets everything unless the new catalogue says the same.
  void set_catalogue(std::shared_ptr<const Catalogue> catalogue);

  /// Never fails: what cannot be read is of class unknown. `text` is without its closing NUL. The text is
  /// taken to be in an encoding in which no byte of a longer character is an ASCII byte, as all server
  /// encodings are; a client that speaks BIG5, GB18030, GBK, JOHAB, SJIS, SHIFT_JIS_2004 or UHC must not be
  /// analysed.
  [[nodiscard]] Analysis analyse(std::string_view text);

  [[nodiscard]] const Catalogue& catalogue() const { return *catalogue_; }
  /// Null: it is not known what the sides number differently.
  void set_types(std::shared_ptr<const TypeComparison> types) { types_ = std::move(types); }
  [[nodiscard]] const TypeComparison* types() const { return types_.get(); }

  /// The analysis of what must not be analysed: class unknown, routed as a write.
  [[nodiscard]] const Analysis& unreadable() const { return unreadable_; }

  [[nodiscard]] const Counters& counters() const { return counters_; }
  /// What came of asking servers about what statements had left behind.
  [[nodiscard]] QuestionHistory& questions() { return questions_; }
  [[nodiscard]] std::size_t cached_bytes() const;

 private:
  struct Caches;

  [[nodiscard]] Analysis analyse_by_outline(std::string_view text, std::uint64_t hash);
  /// Whom an analysis serves: the text alone, or all of the same normal form.
  enum class Reach : std::uint8_t { text, form };
  struct Finding {
    Analysis analysis;
    Reach reach = Reach::text;
  };
  [[nodiscard]] Finding analyse_new(std::string_view text, std::uint64_t hash);
  [[nodiscard]] Finding refuse(std::string_view because);
  /// Whether the text was seen not long ago. Texts with literals in them mostly come once and would fill the
  /// cache for nothing.
  [[nodiscard]] bool is_seen_again(std::uint64_t hash);
  void keep(std::string_view text, std::uint64_t hash, const Analysis& analysis);

  Options options_;
  std::shared_ptr<const Catalogue> catalogue_;
  std::shared_ptr<const TypeComparison> types_;
  std::shared_ptr<const CommentTags> no_tags_;
  Analysis unreadable_;
  std::unique_ptr<Caches> caches_;
  Counters counters_;
  QuestionHistory questions_;
};

}  // namespace protocol::postgres
