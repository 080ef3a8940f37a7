#include "config/load.hpp"

#include "config/document.hpp"
#include "config/outline_reader.hpp"
#include "config/readers.hpp"
#include "config/scalar.hpp"
#include "config/surroundings.hpp"

#include <array>
#include <utility>

namespace config {

namespace {

/// Each pair has a listener and a dialect object per worker.
constexpr std::size_t pair_count_max = 256;

bool is_wildcard(const ListenAddress& address) {
  return address.host == "0.0.0.0" || address.host == "::";
}

bool overlaps(const ListenAddress& left, const ListenAddress& right) {
  if (left.port == 0 || left.port != right.port || left.host.empty() || right.host.empty()) return false;
  return left.host == right.host || is_wildcard(left) || is_wildcard(right);
}

void check_listeners(const Node& pairs, const Settings& settings, Findings& findings) {
  for (std::size_t i = 0; i < settings.pairs.size(); ++i) {
    const Pair& pair = settings.pairs[i];
    const auto report = [&](const std::string& owner) {
      const Section section(pairs.entries[i].value, findings, "pairs." + pair.name);
      findings.error(
          section.mark_of("listen"),
          about(section.path_of("listen"), quote(format_listen(pair.listen)) + " is taken by " + owner));
    };
    if (settings.admin && overlaps(pair.listen, settings.admin->listen)) {
      report("`admin.listen` (" + format_listen(settings.admin->listen) + ")");
    }
    for (std::size_t j = 0; j < i; ++j) {
      if (overlaps(pair.listen, settings.pairs[j].listen)) report("pair " + quote(settings.pairs[j].name));
    }
  }
}

void read_pairs(Section& top, Reading& reading, Settings& settings) {
  top.require("pairs");
  const Node* pairs = top.take("pairs");
  if (pairs == nullptr || !expect_kind(*pairs, Node::Kind::map, "pairs", reading.findings)) return;
  if (pairs->entries.empty())
    reading.findings.error(pairs->mark, about("pairs", "names no pair; at least one is needed"));
  if (pairs->entries.size() > pair_count_max) {
    reading.findings.error(pairs->mark,
                           about("pairs", "has more than " + std::to_string(pair_count_max) + " pairs"));
    return;
  }
  for (const auto& [key, value] : pairs->entries) {
    if (!is_name(key.text)) {
      reading.findings.error(
          key.mark, "the name of a pair must have 1 to 63 letters, digits, _ and -, not " + quote(key.text));
    }
    settings.pairs.push_back(read_pair(key.text, value, reading));
  }
  check_listeners(*pairs, settings, reading.findings);
}

void read_workers(Section& top, Settings& settings) {
  const Node* node = top.take("workers");
  if (node == nullptr || (node->kind == Node::Kind::scalar && node->text == "auto")) return;
  if (node->kind == Node::Kind::scalar && !parse_count(node->text)) {
    top.findings().error(
        node->mark, about("workers", quote(node->text) + " must be `auto` or a whole number from 1 to 64"));
    return;
  }
  std::uint32_t count = 0;
  top.read_count("workers", 1, 64, count);
  if (count != 0) settings.worker_count = count;
}

Settings read_settings(const Node& root, Reading& reading) {
  Settings settings;
  Section top(root, reading.findings, "");
  read_workers(top, settings);
  const Node* log = top.take("log");
  if (log != nullptr) read_log(*log, reading, settings.log);
  settings.admin = read_admin(top.take("admin"), reading);
  const Node* limits = top.take("limits");
  if (limits != nullptr) read_limits(*limits, reading, settings.limits);
  const Node* takeover = top.take("takeover");
  if (takeover != nullptr) read_takeover(*takeover, reading, settings.takeover);
  const Node* state = top.take("state");
  if (state != nullptr) read_state(*state, reading, settings.state);
  reading.has_state = !settings.state.directory.empty();
  read_pairs(top, reading, settings);
  top.finish();
  return settings;
}

enum class FileAccess : std::uint8_t { owner_only, others_too };

Outcome check(const std::string& name, std::string_view text, const Surroundings& surroundings,
              FileAccess access) {
  Findings findings(name);
  Outcome outcome;
  std::optional<Node> root;
  if (text.size() > file_bytes_max) {
    findings.error({}, "is longer than " + std::to_string(file_bytes_max) + " bytes");
  } else {
    root = parse_document(text, findings);
  }
  if (root && root->kind == Node::Kind::null) {
    findings.error({}, "is empty; at least `pairs` is needed");
  } else if (root && root->kind != Node::Kind::map) {
    findings.error(root->mark, "must be a map of settings, not " + std::string(name_of(root->kind)));
  } else if (root) {
    Reading reading{findings, surroundings, std::filesystem::path(name).parent_path(), std::nullopt, {}, false};
    outcome.settings = read_settings(*root, reading);
    outcome.outline = outline_of(*root, reading.secrets);
    if (reading.first_inline_secret && access == FileAccess::others_too) {
      findings.warning(
          *reading.first_inline_secret,
          "a secret stands in this file, which can be read by other users of this machine; `chmod 600` it");
    }
  }
  if (findings.has_error()) outcome.settings.reset();
  outcome.problems = findings.take();
  return outcome;
}

}  // namespace

Outcome load(const std::string& path) {
  const auto file = read_file(path, file_bytes_max);
  if (!file) {
    Findings findings(path);
    findings.error({}, "cannot be read: " + file.error().detail);
    return {std::nullopt, findings.take(), {}};
  }
  return check(path, file->content, Machine(),
               file->is_readable_by_others ? FileAccess::others_too : FileAccess::owner_only);
}

Outcome check_text(const std::string& name, std::string_view text, const Surroundings& surroundings) {
  return check(name, text, surroundings, FileAccess::owner_only);
}

Outcome check_text(const std::string& name, std::string_view text) {
  return check_text(name, text, Nowhere());
}

}  // namespace config
