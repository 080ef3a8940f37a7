#include "protocol/postgres/analyser.hpp"

#include "protocol/postgres/classifier.hpp"
#include "protocol/postgres/comment_tags.hpp"
#include "protocol/postgres/fingerprint.hpp"
#include "protocol/postgres/outline.hpp"
#include "protocol/postgres/text_cache.hpp"

#include <xxhash.h>

#include <array>
#include <optional>
#include <string>
#include <utility>

namespace protocol::postgres {
namespace {

std::uint64_t hash_of(std::string_view text) {
  return XXH3_64bits(text.data(), text.size());
}

/// What facts cost in memory, roughly.
std::size_t bytes_of(const StatementFacts& facts) {
  std::size_t bytes = sizeof(StatementFacts) + facts.because.size() + facts.executes.size();
  for (const std::string& name : facts.tables) bytes += sizeof(name) + name.size();
  for (const std::string& name : facts.functions) bytes += sizeof(name) + name.size();
  for (const std::string& name : facts.types) bytes += sizeof(name) + name.size();
  for (const SessionChange& change : facts.changes) {
    bytes += sizeof(change) + change.name.size() + change.text.size();
    if (change.prepared != nullptr) bytes += bytes_of(*change.prepared);
  }
  return bytes;
}

/// Longer texts have no outline: they are rare, and cost the server more than us.
constexpr std::size_t outline_bytes_max = std::size_t{4} << 10;

std::size_t bytes_of(const CommentTags& tags) {
  std::size_t bytes = 0;
  for (const auto& [key, value] : tags) bytes += sizeof(key) + key.size() + sizeof(value) + value.size();
  return bytes;
}

}  // namespace

struct Analyser::Caches {
  explicit Caches(const Options& options)
      : by_text(options.text_entries_max, options.text_cache_bytes_max),
        by_outline(options.fingerprint_entries_max, options.fingerprint_cache_bytes_max / 2),
        by_form(options.fingerprint_entries_max, options.fingerprint_cache_bytes_max / 2) {}

  TextCache<Analysis> by_text;
  TextCache<Analysis> by_outline;  ///< of those without tags
  TextCache<std::shared_ptr<const StatementFacts>> by_form;
  std::array<std::uint64_t, 4096> seen{};  ///< hashes of texts, each where its low bits point
  std::array<char, outline_bytes_max> outline;
  std::string form;                        ///< reused
};

Analyser::Analyser(Options options)
    : options_(options),
      catalogue_(Catalogue::built_in()),
      no_tags_(std::make_shared<const CommentTags>()),
      unreadable_{std::make_shared<const StatementFacts>(unknown_facts("its encoding cannot be analysed")),
                  no_tags_},
      caches_(std::make_unique<Caches>(options)) {}

Analyser::~Analyser() = default;

std::size_t Analyser::cached_bytes() const {
  return caches_->by_text.bytes() + caches_->by_outline.bytes() + caches_->by_form.bytes();
}

void Analyser::set_catalogue(std::shared_ptr<const Catalogue> catalogue) {
  if (catalogue == nullptr) catalogue = Catalogue::built_in();
  const bool is_same = catalogue->digest() == catalogue_->digest();
  catalogue_ = std::move(catalogue);
  if (is_same) return;
  caches_->by_text.clear();
  caches_->by_outline.clear();
  caches_->by_form.clear();
}

Analysis Analyser::analyse(std::string_view text) {
  if (text.size() > options_.text_bytes_max) return refuse("longer than the analyser reads").analysis;
  const std::uint64_t hash = hash_of(text);
  if (const Analysis* known = caches_->by_text.find(text, hash); known != nullptr) {
    ++counters_.text_hits;
    return *known;
  }
  return analyse_by_outline(text, hash);
}

Analysis Analyser::analyse_by_outline(std::string_view text, std::uint64_t hash) {
  const std::optional<std::string_view> outline = write_outline(text, caches_->outline);
  if (!outline) return analyse_new(text, hash).analysis;
  const std::uint64_t outline_hash = hash_of(*outline);
  if (const Analysis* known = caches_->by_outline.find(*outline, outline_hash); known != nullptr) {
    ++counters_.outline_hits;
    if (is_seen_again(hash)) keep(text, hash, *known);
    return *known;
  }
  Finding finding = analyse_new(text, hash);
  // All texts of one outline have one form. The facts are counted twice where the form is kept too: no harm.
  if (finding.reach == Reach::form) {
    caches_->by_outline.insert(*outline, outline_hash, finding.analysis, bytes_of(*finding.analysis.facts));
  }
  return std::move(finding.analysis);
}

Analyser::Finding Analyser::refuse(std::string_view because) {
  ++counters_.refusals;
  return {Analysis{std::make_shared<const StatementFacts>(unknown_facts(because)), no_tags_}, Reach::text};
}

bool Analyser::is_seen_again(std::uint64_t hash) {
  std::uint64_t& slot = caches_->seen[hash % caches_->seen.size()];
  const bool is_again = slot == hash;
  slot = hash;
  return is_again;
}

void Analyser::keep(std::string_view text, std::uint64_t hash, const Analysis& analysis) {
  caches_->by_text.insert(text, hash, analysis, bytes_of(*analysis.facts) + bytes_of(*analysis.tags));
}

Analyser::Finding Analyser::analyse_new(std::string_view text, std::uint64_t hash) {
  if (text.find('\0') != std::string_view::npos) return refuse("holds a NUL");
  const NormalForm normal = write_normal_form(text, caches_->form);
  if (!normal.is_readable) return refuse("its tokens cannot be told apart");
  Analysis analysis{nullptr, no_tags_};
  if (normal.has_comments) {
    CommentTags tags;
    append_tags_of(text.substr(0, normal.tokens_begin), tags);
    append_tags_of(text.substr(normal.tokens_end), tags);
    if (!tags.empty()) analysis.tags = std::make_shared<const CommentTags>(std::move(tags));
  }
  const std::uint64_t form_hash = hash_of(caches_->form);
  if (!normal.is_ambiguous) {
    if (const auto* known = caches_->by_form.find(caches_->form, form_hash); known != nullptr) {
      ++counters_.fingerprint_hits;
      analysis.facts = *known;
      if (is_seen_again(hash)) keep(text, hash, analysis);
      return {std::move(analysis), Reach::form};
    }
  }
  if (text.size() > options_.parsed_bytes_max) return refuse("longer than the analyser parses");
  if (estimate_depth(text) > options_.depth_max) return refuse("nested too deeply");
  ++counters_.parses;
  Classified classified = classify(std::string(text), *catalogue_);
  classified.facts.fingerprint = form_hash;
  if (normal.is_ambiguous) {
    raise_class(classified.facts, StatementClass::unknown,
                "a backslash before a quote: its meaning depends on a setting");
  }
  analysis.facts = std::make_shared<const StatementFacts>(std::move(classified.facts));
  if (classified.is_shareable && !normal.is_ambiguous) {
    caches_->by_form.insert(caches_->form, form_hash, analysis.facts, bytes_of(*analysis.facts));
    if (is_seen_again(hash)) keep(text, hash, analysis);
    return {std::move(analysis), Reach::form};
  }
  keep(text, hash, analysis);
  return {std::move(analysis), Reach::text};
}

}  // namespace protocol::postgres
