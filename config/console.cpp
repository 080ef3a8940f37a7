#include "config/readers.hpp"

#include <algorithm>

namespace config {

namespace {

std::vector<std::string> take_names(Section& section, std::string_view key) {
  std::vector<std::string> names;
  for (Section::Item& item : section.take_list(key)) {
    if (item.text == any_user) {
      section.findings().error(item.mark, about(section.path_of(key), "names users one by one; `*` would let in everybody"));
      continue;
    }
    names.push_back(std::move(item.text));
  }
  return names;
}

/// A console that every client of a trusted network enters by a name it has only to say.
void warn_of_trust(const Section& section, const Pair& pair, const Console& console, Reading& reading) {
  for (const User& user : pair.users) {
    const bool is_named = std::ranges::find(console.admins, user.name) != console.admins.end();
    if (!is_named || user.authentication != Authentication::trust || !pair.access.empty()) continue;
    reading.findings.warning(section.mark_of("admins"),
                             about(section.path_of("admins"), quote(user.name) + " logs in by trust: whoever reaches the "
                                                                                 "listener can pause and stop the proxy"));
  }
}

}  // namespace

void read_console(Section& pair_section, Reading& reading, Pair& pair) {
  const Node* node = pair_section.take("console");
  if (node == nullptr) return;
  auto section = Section::open(*node, reading.findings, pair_section.path_of("console"));
  if (!section) return;
  Console& console = pair.console.emplace();
  if (section->has("database")) {
    console.databases.clear();
    for (Section::Item& item : section->take_list("database")) console.databases.push_back(std::move(item.text));
  }
  if (section->has("admins")) console.admins = take_names(*section, "admins");
  if (section->has("viewers")) console.viewers = take_names(*section, "viewers");
  if (console.admins.empty() && console.viewers.empty()) {
    reading.findings.error(section->mark(), about(section->path(), "lets nobody in; name `admins` or `viewers`"));
  }
  warn_of_trust(*section, pair, console, reading);
  section->finish();
}

}  // namespace config
