#include "config/document.hpp"

#include <yaml-cpp/anchor.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <unordered_set>
#include <utility>

namespace config {

namespace {

Mark mark_of(const YAML::Mark& mark) {
  if (mark.is_null()) return {};
  return {static_cast<std::uint32_t>(mark.line) + 1, static_cast<std::uint32_t>(mark.column) + 1};
}

/// Ends the parse: the bounds of a document are broken, reading on would cost more than it tells.
struct BoundBroken {
  Mark mark;
  std::string message;
};

std::size_t bytes_of(const Node& node) {
  std::size_t bytes = sizeof(Node) + node.text.size();
  for (const Node& item : node.items) bytes += bytes_of(item);
  for (const auto& [key, value] : node.entries) bytes += bytes_of(key) + bytes_of(value);
  return bytes;
}

/// Tags that say nothing new: none, the two that yaml-cpp gives plain and quoted scalars, and the core types.
bool is_ordinary_tag(const std::string& tag) {
  return tag.empty() || tag == "?" || tag == "!" || tag.starts_with("tag:yaml.org,2002:");
}

/// Builds the tree from yaml-cpp's events. Its own node graph is not used: it keeps no place for keys, drops
/// doubled ones, and shares aliased parts, which hides how large a document really is.
class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(Findings& findings) : findings_(findings) {}

  [[nodiscard]] Node take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Node node;
    node.mark = mark_of(mark);
    add(std::move(node), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchored_.find(anchor);
    if (found == anchored_.end())
      throw BoundBroken{mark_of(mark), "an alias cannot stand inside its own anchor"};
    account(mark_of(mark), found->second.bytes);
    Node copy = found->second.node;
    // Content keeps the place where it was written; as a key or value the alias itself is meant.
    if (copy.kind == Node::Kind::null) copy.mark = mark_of(mark);
    add(std::move(copy), YAML::NullAnchor);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    check_tag(mark, tag);
    account(mark_of(mark), sizeof(Node) + value.size());
    Node node;
    node.kind = Node::Kind::scalar;
    node.mark = mark_of(mark);
    node.text = value;
    add(std::move(node), anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    check_tag(mark, tag);
    open(Node::Kind::sequence, mark_of(mark), anchor);
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    check_tag(mark, tag);
    open(Node::Kind::map, mark_of(mark), anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    Node node;
    YAML::anchor_t anchor = YAML::NullAnchor;
    std::optional<Node> key;               ///< of a map: read, its value not yet
    std::unordered_set<std::string> keys;  ///< of a map: read so far
  };
  struct Anchored {
    Node node;
    std::size_t bytes = 0;
  };

  void check_tag(const YAML::Mark& mark, const std::string& tag) {
    if (!is_ordinary_tag(tag)) findings_.error(mark_of(mark), "the tag " + quote(tag) + " is not supported");
  }

  void account(Mark mark, std::size_t bytes) {
    bytes_ += bytes;
    if (bytes_ > document_bytes_max) {
      throw BoundBroken{mark, "the document grows beyond " + std::to_string(document_bytes_max >> 20) +
                                  " MiB when its aliases are followed"};
    }
  }

  void open(Node::Kind kind, Mark mark, YAML::anchor_t anchor) {
    account(mark, sizeof(Node));
    if (open_.size() >= depth_max) {
      throw BoundBroken{mark, "nested deeper than " + std::to_string(depth_max) + " levels"};
    }
    Open opened;
    opened.node.kind = kind;
    opened.node.mark = mark;
    opened.anchor = anchor;
    open_.push_back(std::move(opened));
  }

  void close() {
    Open closed = std::move(open_.back());
    open_.pop_back();
    add(std::move(closed.node), closed.anchor);
  }

  void add(Node node, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor) {
      const std::size_t bytes = bytes_of(node);
      account(node.mark, bytes);
      anchored_[anchor] = {node, bytes};
    }
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& parent = open_.back();
    if (parent.node.kind == Node::Kind::sequence) {
      parent.node.items.push_back(std::move(node));
    } else if (!parent.key) {
      parent.key = std::move(node);
    } else {
      add_entry(parent, std::move(node));
    }
  }

  void add_entry(Open& map, Node value) {
    Node key = std::move(*map.key);
    map.key.reset();
    if (value.kind == Node::Kind::null) value.mark = key.mark;
    if (key.kind != Node::Kind::scalar) {
      findings_.error(key.mark, "a key must be text, not " + std::string(name_of(key.kind)));
    } else if (!map.keys.insert(key.text).second) {
      const auto first = std::find_if(map.node.entries.begin(), map.node.entries.end(),
                                      [&](const auto& entry) { return entry.key.text == key.text; });
      findings_.error(key.mark, "the key " + quote(key.text) + " is given twice; first on line " +
                                    std::to_string(first->key.mark.line));
    } else {
      map.node.entries.push_back({std::move(key), std::move(value)});
    }
  }

  Findings& findings_;
  Node root_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, Anchored> anchored_;
  std::size_t bytes_ = 0;
};

/// The place of the byte at `offset`; columns count bytes, as yaml-cpp's do.
Mark mark_at(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, offset);
  const auto lines = std::count(before.begin(), before.end(), '\n');
  const std::size_t line_start = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
  return {static_cast<std::uint32_t>(lines) + 1, static_cast<std::uint32_t>(offset - line_start) + 1};
}

/// Bytes of the well-formed UTF-8 sequence at the front of `text`; 0 if there is none.
/// Source: Unicode 15, table 3-7 "Well-Formed UTF-8 Byte Sequences".
std::size_t utf8_sequence_bytes(std::string_view text) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned>(static_cast<unsigned char>(text[i])) : 0U;
  };
  const auto is_between = [&](std::size_t i, unsigned least, unsigned most) {
    return byte(i) >= least && byte(i) <= most;
  };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return is_between(1, 0x80, 0xBF) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const unsigned least = first == 0xE0 ? 0xA0 : 0x80;
    const unsigned most = first == 0xED ? 0x9F : 0xBF;
    return is_between(1, least, most) && is_between(2, 0x80, 0xBF) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const unsigned least = first == 0xF0 ? 0x90 : 0x80;
    const unsigned most = first == 0xF4 ? 0x8F : 0xBF;
    return is_between(1, least, most) && is_between(2, 0x80, 0xBF) && is_between(3, 0x80, 0xBF) ? 4 : 0;
  }
  return 0;
}

/// yaml-cpp guesses encodings and lets broken ones through; the guess is not needed and the rest would end in
/// messages.
bool check_encoding(std::string_view text, Findings& findings) {
  for (std::size_t offset = 0; offset < text.size();) {
    const std::size_t bytes = utf8_sequence_bytes(text.substr(offset));
    if (bytes == 0 || text[offset] == '\0') {
      findings.error(mark_at(text, offset),
                     bytes == 0 ? "is not UTF-8 text" : "holds a zero byte; it must be UTF-8 text");
      return false;
    }
    offset += bytes;
  }
  return true;
}

/// What people trip over most, which YAML's own words do not tell.
std::string hint_for(std::string_view text, Mark mark) {
  std::string_view line = text;
  for (std::uint32_t number = 1; number < mark.line; ++number) {
    const std::size_t end = line.find('\n');
    if (end == std::string_view::npos) return {};
    line.remove_prefix(end + 1);
  }
  line = line.substr(0, line.find('\n'));
  if (line.find('\t') != std::string_view::npos) return " (YAML wants spaces, not tabs, for indentation)";
  if (line.find(": [:") != std::string_view::npos || line.find("]:") != std::string_view::npos) {
    return " (an address in brackets must be written in quotes)";
  }
  const std::size_t first = line.find_first_not_of(' ');
  const bool begins_with_star = first != std::string_view::npos && line[first] == '*';
  if (begins_with_star || line.find(": *") != std::string_view::npos)
    return " (a text that begins with * must be written in quotes)";
  return {};
}

/// yaml-cpp's words are ASCII, but it puts bytes of the file behind them: control characters, halves of letters, a
/// whole line.
std::string words_of(const YAML::Exception& exception) {
  constexpr std::size_t words_bytes_max = 120;
  std::string words;
  for (const char character : std::string_view(exception.msg).substr(0, words_bytes_max)) {
    const bool is_plain = character >= ' ' && character <= '~';
    words += is_plain ? std::string(1, character) : escaped(character);
  }
  return words;
}

void report(const YAML::Exception& exception, std::string_view text, Findings& findings) {
  const Mark mark = mark_of(exception.mark);
  const Mark end = mark_at(text, text.size());
  if (mark.line > end.line) {
    findings.error(
        end, "not valid YAML: the file ends inside a text in quotes or a bracket that was never closed");
  } else {
    findings.error(mark, "not valid YAML: " + words_of(exception) + hint_for(text, mark));
  }
}

}  // namespace

Node::Node() = default;
Node::~Node() = default;
Node::Node(const Node&) = default;
Node& Node::operator=(const Node&) = default;
Node::Node(Node&&) noexcept = default;
Node& Node::operator=(Node&&) noexcept = default;

std::string_view name_of(Node::Kind kind) {
  switch (kind) {
    case Node::Kind::null:
      return "nothing";
    case Node::Kind::scalar:
      return "text";
    case Node::Kind::sequence:
      return "a list";
    case Node::Kind::map:
      return "a map";
  }
  return "unknown";
}

std::optional<Node> parse_document(std::string_view text, Findings& findings) {
  if (!check_encoding(text, findings)) return std::nullopt;
  // The end is marked, for yaml-cpp (0.7) takes a quoted text that runs to the end of the file for a complete
  // one, and would make the rest of the file part of it.
  std::istringstream stream(std::string(text) + "\n...\n");
  try {
    TreeBuilder builder(findings);
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder)) return Node{};
    Node root = builder.take();
    TreeBuilder second(findings);
    if (parser && parser.HandleNextDocument(second)) {
      findings.error(second.take().mark, "a second document; only one is read");
    }
    return root;
  } catch (const BoundBroken& broken) {
    findings.error(broken.mark, broken.message);
  } catch (const YAML::Exception& exception) {
    report(exception, text, findings);
  }
  return std::nullopt;
}

}  // namespace config
