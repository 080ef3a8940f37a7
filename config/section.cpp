#include "config/section.hpp"

#include "config/nearest.hpp"
#include "config/scalar.hpp"

#include <algorithm>
#include <array>
#include <set>

namespace config {

namespace {

constexpr std::size_t text_bytes_max = 1024;
/// Matching walks lists from their start for every batch; a longer list wants another way to say it.
constexpr std::size_t list_items_max = 1024;

bool has_control_character(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char character) {
    const auto byte = static_cast<unsigned char>(character);
    return byte < 0x20 || byte == 0x7F;
  });
}

/// Where a key belongs that was found elsewhere; only keys whose home is beyond doubt.
std::string_view home_of(std::string_view key) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 34> homes{{
      {"clients_max", "limits"},
      {"login_timeout", "limits"},
      {"connect_timeout", "limits"},
      {"shutdown_timeout", "limits"},
      {"statement_bytes_max", "limits"},
      {"session_state_bytes_max", "limits"},
      {"held_bytes_max", "limits"},
      {"statement_cache_entries", "limits"},
      {"tcp_keepalive_idle", "limits"},
      {"tcp_keepalive_interval", "limits"},
      {"tcp_keepalive_count", "limits"},
      {"tcp_user_timeout", "limits"},
      {"failed_login_delay", "limits"},
      {"failed_login_delay_max", "limits"},
      {"failed_logins_max", "limits"},
      {"failed_login_memory", "limits"},
      {"level", "log"},
      {"token_file", "admin"},
      {"workers", "the top of the file"},
      {"limits", "the top of the file"},
      {"admin", "the top of the file"},
      {"dialect", "pairs.<pair>"},
      {"users", "pairs.<pair>"},
      {"rules", "pairs.<pair>"},
      {"trust_networks", "pairs.<pair>"},
      {"access", "pairs.<pair>"},
      {"userlist_file", "pairs.<pair>"},
      {"auth_query", "pairs.<pair>"},
      {"catalogue", "pairs.<pair>"},
      {"scram_verifier", "pairs.<pair>.users.<user>"},
      {"stickiness", "pairs.<pair>.rules[]"},
      {"causal_wait", "pairs.<pair>.rules[]"},
      {"application_name", "pairs.<pair>.rules[].match"},
      {"match", "pairs.<pair>.rules[]"},
  }};
  const auto found =
      std::find_if(homes.begin(), homes.end(), [&](const auto& home) { return home.first == key; });
  return found == homes.end() ? std::string_view{} : found->second;
}

}  // namespace

std::string suggestion(std::string_view written, const std::vector<std::string_view>& candidates) {
  const auto found = nearest(written, candidates);
  return found ? " (did you mean " + quote(*found) + "?)" : std::string();
}

std::string about(const std::string& path, const std::string& words) {
  return quote(path) + ": " + words;
}

bool expect_kind(const Node& node, Node::Kind kind, const std::string& what, Findings& findings) {
  if (node.kind == kind) return true;
  findings.error(node.mark, about(what, "must be " + std::string(name_of(kind)) + ", not " +
                                            std::string(name_of(node.kind))));
  return false;
}

Section::Section(const Node& map, Findings& findings, std::string path)
    : map_(&map), findings_(&findings), path_(std::move(path)) {}

std::optional<Section> Section::open(const Node& node, Findings& findings, std::string path) {
  if (node.kind != Node::Kind::null && !expect_kind(node, Node::Kind::map, path, findings))
    return std::nullopt;
  return Section(node, findings, std::move(path));
}

std::string Section::path_of(std::string_view key) const {
  return path_.empty() ? std::string(key) : path_ + "." + std::string(key);
}

const Node* Section::find(std::string_view key) const {
  const auto found = std::find_if(map_->entries.begin(), map_->entries.end(),
                                  [&](const auto& entry) { return entry.key.text == key; });
  return found == map_->entries.end() ? nullptr : &found->value;
}

bool Section::has(std::string_view key) const {
  return find(key) != nullptr;
}

const Node* Section::take(std::string_view key, Emptiness emptiness) {
  known_.push_back(key);
  const Node* node = find(key);
  if (node != nullptr && node->kind == Node::Kind::null && emptiness == Emptiness::refused) {
    findings_->error(node->mark, about(path_of(key), "has no value"));
    return nullptr;
  }
  return node;
}

void Section::require(std::string_view key) const {
  if (has(key)) return;
  findings_->error(mark(), path_.empty() ? "`" + std::string(key) + "` is missing"
                                         : quote(path_) + " lacks `" + std::string(key) + "`");
}

Mark Section::mark_of(std::string_view key) const {
  const Node* node = find(key);
  return node != nullptr ? node->mark : mark();
}

std::optional<std::string> Section::text_of(const Node& node, const std::string& what) const {
  if (!expect_kind(node, Node::Kind::scalar, what, *findings_)) return std::nullopt;
  if (node.text.empty()) {
    findings_->error(node.mark, about(what, "is empty"));
    return std::nullopt;
  }
  if (node.text.size() > text_bytes_max) {
    findings_->error(node.mark, about(what, "is longer than " + std::to_string(text_bytes_max) + " bytes"));
    return std::nullopt;
  }
  if (has_control_character(node.text)) {
    findings_->error(node.mark, about(what, "holds a control character"));
    return std::nullopt;
  }
  return node.text;
}

std::optional<std::string> Section::take_text(std::string_view key) {
  const Node* node = take(key);
  return node == nullptr ? std::nullopt : text_of(*node, path_of(key));
}

std::optional<std::uint32_t> Section::take_count(std::string_view key, std::uint32_t least,
                                                 std::uint32_t most) {
  const auto text = take_text(key);
  if (!text) return std::nullopt;
  const auto value = parse_count(*text);
  if (!value || *value < least || *value > most) {
    const std::string range = std::to_string(least) + " to " + std::to_string(most);
    const std::string why =
        value ? "is out of range; it must be " + range : value.error().detail + " from " + range;
    findings_->error(mark_of(key), about(path_of(key), quote(*text) + " " + why));
    return std::nullopt;
  }
  return *value;
}

std::optional<std::chrono::milliseconds> Section::take_duration(std::string_view key,
                                                                std::chrono::milliseconds least,
                                                                std::chrono::milliseconds most,
                                                                std::chrono::milliseconds step) {
  const auto text = take_text(key);
  if (!text) return std::nullopt;
  const auto refuse = [&](const std::string& why) {
    findings_->error(mark_of(key), about(path_of(key), quote(*text) + " " + why));
    return std::nullopt;
  };
  const auto value = parse_duration(*text);
  if (!value) return refuse(value.error().detail);
  if (*value < least || *value > most) {
    return refuse("is out of range; it must be " + format_duration(least) + " to " + format_duration(most));
  }
  if (*value % step != std::chrono::milliseconds(0)) return refuse("must be whole seconds");
  return *value;
}

void Section::read_size(std::string_view key, std::uint64_t least, std::uint64_t most, std::size_t& target) {
  const auto text = take_text(key);
  if (!text) return;
  const auto value = parse_size(*text);
  if (!value) {
    findings_->error(mark_of(key), about(path_of(key), quote(*text) + " " + value.error().detail));
  } else if (*value < least || *value > most) {
    findings_->error(mark_of(key), about(path_of(key), quote(*text) + " is out of range; it must be " +
                                                           format_size(least) + " to " + format_size(most)));
  } else {
    target = static_cast<std::size_t>(*value);
  }
}

void Section::read_flag(std::string_view key, bool& target) {
  read_choice<bool>(key, {{"true", true}, {"false", false}}, target);
}

std::optional<std::size_t> Section::find_choice(const Node& node, const std::string& what,
                                                const std::vector<std::string_view>& names) const {
  const auto text = text_of(node, what);
  if (!text) return std::nullopt;
  const auto found = std::find(names.begin(), names.end(), *text);
  if (found != names.end()) return static_cast<std::size_t>(found - names.begin());
  std::string listed;
  for (const std::string_view name : names) listed += (listed.empty() ? "" : ", ") + std::string(name);
  const std::string one_of = names.size() == 1 ? "; it must be " : "; it must be one of ";
  findings_->error(node.mark,
                   about(what, quote(*text) + " is unknown" + one_of + listed + suggestion(*text, names)));
  return std::nullopt;
}

std::vector<Section::Item> Section::take_list(std::string_view key) {
  const Node* node = take(key);
  if (node == nullptr) return {};
  const std::string what = path_of(key);
  std::vector<Item> items;
  std::set<std::string> seen;
  const auto add = [&](const Node& item) {
    const auto text = text_of(item, what);
    if (!text) return;
    if (!seen.insert(*text).second)
      findings_->error(item.mark, about(what, quote(*text) + " is listed twice"));
    items.push_back({*text, item.mark});
  };
  if (node->kind == Node::Kind::scalar) {
    add(*node);
  } else if (node->kind != Node::Kind::sequence) {
    findings_->error(node->mark,
                     about(what, "must be a list or one text, not " + std::string(name_of(node->kind))));
  } else if (node->items.empty()) {
    findings_->error(node->mark, about(what, "is an empty list; leave the key out to match everything"));
  } else if (node->items.size() > list_items_max) {
    findings_->error(node->mark, about(what, "has more than " + std::to_string(list_items_max) + " items"));
  } else {
    std::for_each(node->items.begin(), node->items.end(), add);
  }
  return items;
}

void Section::finish() const {
  for (const auto& [key, value] : map_->entries) {
    if (std::find(known_.begin(), known_.end(), key.text) != known_.end()) continue;
    std::string words = "unknown key " + quote(key.text);
    if (!path_.empty()) words += " in " + quote(path_);
    if (!findings_->is_full()) {
      const std::string_view home = home_of(key.text);
      const std::string meant = suggestion(key.text, known_);
      if (key.text == "<<") {
        words += "; merge keys are not supported, aliases of whole values are";
      } else if (!home.empty()) {
        words +=
            "; it belongs to " + (home.find(' ') == std::string_view::npos ? quote(home) : std::string(home));
      } else if (!meant.empty()) {
        words += meant;
      } else if (!known_.empty()) {
        std::string listed;
        for (const std::string_view name : known_) listed += (listed.empty() ? "" : ", ") + std::string(name);
        words += "; the keys here are " + listed;
      }
    }
    findings_->error(key.mark, words);
  }
}

}  // namespace config
