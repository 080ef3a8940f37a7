#include "config/outline.hpp"

#include "config/outline_reader.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace config {

namespace {

constexpr std::array<std::string_view, 4> secret_keys{"password", "token", "verifier", "scram_verifier"};
/// What is fixed when the process starts. `admin` is there when the endpoint is switched on or off.
constexpr std::array<std::string_view, 7> restart_paths{
    "workers", "log.format", "admin", "admin.listen", "limits.statement_cache_entries", "takeover.socket", "state.directory"};
/// A value longer than this is cut where it is shown.
constexpr std::size_t shown_bytes_max = 200;

std::string name_in(const Node& item) {
  for (const auto& [key, value] : item.entries) {
    if (key.text == "name") return value.text;
  }
  return {};
}

/// Walks a document and notes its leaves.
class Walk {
 public:
  explicit Walk(Outline& outline) : outline_(outline) {}

  void visit(const Node& node, const std::string& path, std::string_view key) {
    switch (node.kind) {
      case Node::Kind::null: note(path, key, "nothing"); return;
      case Node::Kind::scalar: note(path, key, node.text); return;
      case Node::Kind::map: visit_map(node, path); return;
      case Node::Kind::sequence: visit_list(node, path, key); return;
    }
  }

 private:
  void visit_map(const Node& node, const std::string& path) {
    for (const auto& [key, value] : node.entries) {
      visit(value, path.empty() ? key.text : path + "." + key.text, key.text);
    }
  }

  /// Items with names go by them, and their order is noted; plain lists are one text.
  void visit_list(const Node& node, const std::string& path, std::string_view key) {
    std::string order;
    for (std::size_t i = 0; i < node.items.size(); ++i) {
      const Node& item = node.items[i];
      const bool is_plain = item.kind == Node::Kind::scalar;
      const std::string name = is_plain ? item.text : name_in(item);
      order += (i == 0 ? "" : ", ") + (name.empty() ? std::to_string(i) : name);
      if (!is_plain) visit(item, path + "[" + (name.empty() ? std::to_string(i) : name) + "]", "");
    }
    note(path, key, "[" + order + "]");
  }

  void note(const std::string& path, std::string_view key, const std::string& text) {
    OutlineEntry entry;
    entry.is_secret = std::find(secret_keys.begin(), secret_keys.end(), key) != secret_keys.end();
    entry.is_secret ? void(entry.content = Secret(text)) : void(entry.text = text);
    outline_.insert_or_assign(path, std::move(entry));
  }

  Outline& outline_;
};

std::string shown(const OutlineEntry& entry) {
  if (entry.is_secret || entry.text.size() <= shown_bytes_max) return entry.text;
  return entry.text.substr(0, shown_bytes_max) + "...";
}

Difference::Effect effect_of(const std::string& path) {
  const bool is_fixed = std::find(restart_paths.begin(), restart_paths.end(), path) != restart_paths.end();
  // A pair's console and what its health is judged by, as they were when the pair began: pairs.NAME.console…
  const std::size_t pair_end = path.starts_with("pairs.") ? path.find('.', std::string_view("pairs.").size()) : std::string::npos;
  const std::string key = pair_end == std::string::npos ? "" : path.substr(pair_end);
  const bool is_fixed_in_pair = key.starts_with(".console") || key.starts_with(".switchover") || key.starts_with(".mirror") || key == ".sync" ||
                                key == ".health.rise" || key == ".health.fall";
  return is_fixed || is_fixed_in_pair ? Difference::Effect::by_restart : Difference::Effect::at_once;
}

}  // namespace

Outline outline_of(const Node& root, const std::map<std::string, Secret>& contents) {
  Outline outline;
  Walk(outline).visit(root, "", "");
  for (const auto& [path, content] : contents) {
    const auto place = outline.find(path);
    if (place != outline.end()) place->second.content = content;
  }
  return outline;
}

std::string_view name_of(Difference::Kind kind) {
  switch (kind) {
    case Difference::Kind::added: return "added";
    case Difference::Kind::removed: return "removed";
    case Difference::Kind::changed: return "changed";
  }
  return "changed";
}

std::vector<Difference> differences(const Outline& before, const Outline& after) {
  std::vector<Difference> found;
  for (const auto& [path, entry] : before) {
    const auto place = after.find(path);
    if (place == after.end()) {
      found.push_back({Difference::Kind::removed, path, shown(entry), "", effect_of(path)});
    } else if (!(place->second == entry)) {
      found.push_back({Difference::Kind::changed, path, shown(entry), shown(place->second), effect_of(path)});
    }
  }
  for (const auto& [path, entry] : after) {
    if (!before.contains(path)) found.push_back({Difference::Kind::added, path, "", shown(entry), effect_of(path)});
  }
  std::sort(found.begin(), found.end(), [](const Difference& a, const Difference& b) { return a.path < b.path; });
  return found;
}

}  // namespace config
