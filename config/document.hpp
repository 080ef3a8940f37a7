#pragma once

#include "config/findings.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace config {

/// A YAML document as a tree that remembers where everything was written. Scalars are text, quoted or not:
/// what a value means is for its reader to say, so that `user: 007` and `database: no` are names.
struct Entry;
struct Node {
  // Defined where Entry is complete: its list is a member of what it holds.
  Node();
  ~Node();
  Node(const Node&);
  Node& operator=(const Node&);
  Node(Node&&) noexcept;
  Node& operator=(Node&&) noexcept;

  enum class Kind : std::uint8_t { null, scalar, sequence, map };
  Kind kind = Kind::null;
  Mark mark;                   ///< of a null value in a map: its key's
  std::string text;            ///< for scalar
  std::vector<Node> items;     ///< for sequence
  std::vector<Entry> entries;  ///< for map, in the order of the file; keys are scalars, unique
};

struct Entry {
  Node key;
  Node value;
};

/// "text", "a list", "a map" or "nothing".
[[nodiscard]] std::string_view name_of(Node::Kind kind);

/// Parses the one document of `text`. Nothing, with the reason in `findings`, when it is no YAML, nests more
/// than `depth_max` levels or grows beyond `document_bytes_max` by aliases. Doubled keys, keys that are not
/// text, tags and second documents are errors as well, but leave a tree to go on with.
[[nodiscard]] std::optional<Node> parse_document(std::string_view text, Findings& findings);

/// The deepest valid key has eight levels.
inline constexpr std::size_t depth_max = 32;
/// Of the whole tree, with every alias replaced by a copy of what it stands for.
inline constexpr std::size_t document_bytes_max = std::size_t{32} << 20;

}  // namespace config
