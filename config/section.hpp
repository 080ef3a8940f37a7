#pragma once

#include "config/document.hpp"
#include "config/findings.hpp"
#include "config/settings.hpp"

#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace config {

/// One map being read. Every key that a reader asks for is thereby known; `finish()` reports all others with
/// the nearest known key. A value that cannot be used is reported and leaves its target as it was, so that
/// reading goes on. Lifetime: refers to the node and the findings it was opened with.
class Section {
 public:
  /// `path` names the map in messages ("pairs.shop"); empty for the file itself.
  Section(const Node& map, Findings& findings, std::string path);

  /// A section on `node`, or nothing (reported) when it is no map. `null` counts as an empty map.
  [[nodiscard]] static std::optional<Section> open(const Node& node, Findings& findings, std::string path);

  [[nodiscard]] Mark mark() const { return map_->mark; }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] Findings& findings() const { return *findings_; }
  /// "pairs.shop.listen", as messages name a key.
  [[nodiscard]] std::string path_of(std::string_view key) const;

  /// The value of `key`, or null. A key without a value (`listen:` and nothing more) is reported and is null
  /// too, unless `emptiness` allows it.
  enum class Emptiness : std::uint8_t { refused, allowed };
  [[nodiscard]] const Node* take(std::string_view key, Emptiness emptiness = Emptiness::refused);
  /// Reports when the key is missing.
  void require(std::string_view key) const;
  /// The place of the key's value, or of the map when there is none.
  [[nodiscard]] Mark mark_of(std::string_view key) const;
  [[nodiscard]] bool has(std::string_view key) const;

  /// Text that is neither empty nor holds control characters. Reported otherwise, without the text for a
  /// secret.
  [[nodiscard]] std::optional<std::string> take_text(std::string_view key);

  template <class Number>
  void read_count(std::string_view key, std::uint32_t least, std::uint32_t most, Number& target) {
    const auto value = take_count(key, least, most);
    if (value) target = static_cast<Number>(*value);
  }
  template <class Duration>
  void read_duration(std::string_view key, std::chrono::milliseconds least, std::chrono::milliseconds most,
                     Duration& target) {
    const auto value = take_duration(key, least, most, smallest_step<Duration>());
    if (value) target = std::chrono::duration_cast<Duration>(*value);
  }
  void read_size(std::string_view key, std::uint64_t least, std::uint64_t most, std::size_t& target);
  void read_flag(std::string_view key, bool& target);

  /// One of a few names.
  template <class Value>
  void read_choice(std::string_view key, const std::vector<std::pair<std::string_view, Value>>& choices,
                   Value& target) {
    const Node* node = take(key);
    if (node != nullptr) choose(*node, path_of(key), choices, target);
  }
  template <class Value>
  bool choose(const Node& node, const std::string& what,
              const std::vector<std::pair<std::string_view, Value>>& choices, Value& target) const {
    std::vector<std::string_view> names;
    for (const auto& choice : choices) names.push_back(choice.first);
    const auto index = find_choice(node, what, names);
    if (index) target = choices[*index].second;
    return index.has_value();
  }

  /// Texts of a list, or one text for a list of one. Reports an empty list, doubled and unusable items.
  struct Item {
    std::string text;
    Mark mark;
  };
  [[nodiscard]] std::vector<Item> take_list(std::string_view key);

  /// Reports every key that was never asked for.
  void finish() const;

 private:
  template <class Duration>
  static constexpr std::chrono::milliseconds smallest_step() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(Duration(1));
  }
  [[nodiscard]] const Node* find(std::string_view key) const;
  [[nodiscard]] std::optional<std::string> text_of(const Node& node, const std::string& what) const;
  [[nodiscard]] std::optional<std::uint32_t> take_count(std::string_view key, std::uint32_t least,
                                                        std::uint32_t most);
  [[nodiscard]] std::optional<std::chrono::milliseconds> take_duration(std::string_view key,
                                                                       std::chrono::milliseconds least,
                                                                       std::chrono::milliseconds most,
                                                                       std::chrono::milliseconds step);
  [[nodiscard]] std::optional<std::size_t> find_choice(const Node& node, const std::string& what,
                                                       const std::vector<std::string_view>& names) const;

  const Node* map_;
  Findings* findings_;
  std::string path_;
  std::vector<std::string_view> known_;  ///< literals of the readers
};

/// " (did you mean `listen`?)", or nothing.
[[nodiscard]] std::string suggestion(std::string_view written,
                                     const std::vector<std::string_view>& candidates);

/// Reports when `node` is not of the wanted kind. Says what was found without quoting it.
[[nodiscard]] bool expect_kind(const Node& node, Node::Kind kind, const std::string& what,
                               Findings& findings);

/// `words` with the path in front: "`limits.clients_max`: must be …".
[[nodiscard]] std::string about(const std::string& path, const std::string& words);

}  // namespace config
