#include "config/nearest.hpp"
#include "config/readers.hpp"
#include "config/scalar.hpp"
#include "routing/network.hpp"

#include <algorithm>
#include <chrono>
#include <map>

namespace config {

namespace {

using protocol::StatementClass;
using routing::Rule;
using routing::Stickiness;

/// decide() walks the rules from the first; more would be felt by every statement.
constexpr std::size_t rule_count_max = 256;

/// A client waits so long at the worst for an answer that the other side could give at once.
constexpr std::chrono::milliseconds causal_wait_max{10'000};

const std::vector<std::pair<std::string_view, StatementClass>> class_choices{
    {"read", StatementClass::read},
    {"session", StatementClass::session},
    {"transaction_control", StatementClass::transaction_control},
    {"write", StatementClass::write},
    {"schema_change", StatementClass::schema_change},
    {"unknown", StatementClass::unknown}};

std::vector<std::string> take_texts(Section& section, std::string_view key) {
  std::vector<std::string> texts;
  for (Section::Item& item : section.take_list(key)) texts.push_back(std::move(item.text));
  return texts;
}

/// A user that no entry lets in can never be met by a rule.
void check_users(Section& section, const Pair& pair, Reading& reading) {
  const Section& const_section = section;
  std::vector<std::string_view> names;
  for (const User& user : pair.users) names.push_back(user.name);
  if (std::find(names.begin(), names.end(), std::string_view(any_user)) != names.end()) return;
  for (const Section::Item& item : section.take_list("user")) {
    if (std::find(names.begin(), names.end(), item.text) != names.end()) continue;
    const std::string meant = reading.findings.is_full() ? std::string() : suggestion(item.text, names);
    reading.findings.warning(item.mark, about(const_section.path_of("user"),
                                              quote(item.text) + " is no user of this pair" + meant));
  }
}

void read_classes(Section& section, std::vector<StatementClass>& classes, Reading& reading) {
  std::vector<std::string_view> names;
  for (const auto& choice : class_choices) names.push_back(choice.first);
  for (const Section::Item& item : section.take_list("class")) {
    const auto found = std::find(names.begin(), names.end(), item.text);
    if (found != names.end()) {
      classes.push_back(class_choices[static_cast<std::size_t>(found - names.begin())].second);
      continue;
    }
    reading.findings.error(
        item.mark, about(section.path_of("class"),
                         quote(item.text) +
                             " is no class of statements; those are read, session, transaction_control, "
                             "write, schema_change and unknown" +
                             suggestion(item.text, names)));
  }
}

void read_tags(Section& section, std::vector<std::pair<std::string, std::string>>& tags, Reading& reading) {
  const Node* node = section.take("tag");
  const std::string path = section.path_of("tag");
  if (node == nullptr || !expect_kind(*node, Node::Kind::map, path, reading.findings)) return;
  if (node->entries.empty()) reading.findings.error(node->mark, about(path, "names no tag"));
  for (const auto& [key, value] : node->entries) {
    if (expect_kind(value, Node::Kind::scalar, path + "." + key.text, reading.findings)) {
      tags.emplace_back(key.text, value.text);
    }
  }
}

void read_match(const Node& node, const std::string& path, const Pair& pair, Reading& reading,
                routing::Match& match) {
  auto section = Section::open(node, reading.findings, path);
  if (!section) return;
  match.users = take_texts(*section, "user");
  match.databases = take_texts(*section, "database");
  match.application_names = take_texts(*section, "application_name");
  match.tables = take_texts(*section, "table");
  for (const Section::Item& item : section->take_list("network")) {
    const auto network = routing::parse_network(item.text);
    if (network) {
      match.networks.push_back(*network);
    } else {
      reading.findings.error(
          item.mark, about(section->path_of("network"), quote(item.text) + ": " + network.error().detail));
    }
  }
  read_classes(*section, match.classes, reading);
  read_tags(*section, match.tags, reading);
  if (section->has("user") && !match.users.empty()) check_users(*section, pair, reading);
  section->finish();
}

std::string percent(std::uint32_t hundredths) {
  std::string text = std::to_string(hundredths / 100);
  if (hundredths % 100 != 0) {
    text += "." + std::to_string(hundredths / 10 % 10);
    if (hundredths % 10 != 0) text += std::to_string(hundredths % 10);
  }
  return text;
}

std::optional<std::uint32_t> take_percent(Section& section, std::string_view key, Reading& reading) {
  const auto text = section.take_text(key);
  if (!text) return std::nullopt;
  const auto value = parse_percent(*text);
  if (!value) {
    reading.findings.error(section.mark_of(key),
                           about(section.path_of(key), quote(*text) + " " + value.error().detail));
    return std::nullopt;
  }
  return *value;
}

/// `reads: green`, `reads: {green: 10}` or both sides, which must then come to 100.
void read_weights(const Node& node, const std::string& path, Reading& reading, routing::Weights& weights) {
  if (node.kind == Node::Kind::scalar) {
    const auto side = routing::side_from(node.text);
    if (side) {
      weights.green = *side == routing::Side::green ? routing::weight_total : 0;
    } else {
      reading.findings.error(node.mark,
                             about(path, quote(node.text) +
                                             " is no side; write `blue`, `green` or weights such as "
                                             "`{blue: 90, green: 10}`" +
                                             suggestion(node.text, {"blue", "green"})));
    }
    return;
  }
  auto section = Section::open(node, reading.findings, path);
  if (!section) return;
  const auto blue = take_percent(*section, "blue", reading);
  const auto green = take_percent(*section, "green", reading);
  const bool is_blue_given = section->has("blue");
  const bool is_green_given = section->has("green");
  section->finish();
  if (!is_blue_given && !is_green_given) {
    reading.findings.error(node.mark,
                           about(path, "names no side; write weights such as `{blue: 90, green: 10}`"));
  } else if (blue && green && *blue + *green != routing::weight_total) {
    reading.findings.error(
        node.mark, about(path, "the weights come to " + percent(*blue + *green) + " %, not 100: blue " +
                                   percent(*blue) + " and green " + percent(*green)));
  } else if (green) {
    weights.green = *green;
  } else if (blue) {
    weights.green = routing::weight_total - *blue;
  }
}

void read_stickiness(Section& section, Reading& reading, Rule& rule) {
  const auto text = section.take_text("stickiness");
  if (!text) return;
  const std::string path = section.path_of("stickiness");
  const Mark mark = section.mark_of("stickiness");
  constexpr std::string_view tag_prefix = "tag:";
  if (text->starts_with(tag_prefix) && text->size() > tag_prefix.size()) {
    rule.stickiness = Stickiness::tag;
    rule.stickiness_tag = text->substr(tag_prefix.size());
    return;
  }
  if (*text == "tag" || *text == tag_prefix) {
    reading.findings.error(
        mark, about(path, quote(*text) + " names no tag; write `tag:` and its key, such as `tag:tenant`"));
    return;
  }
  for (const Stickiness stickiness :
       {Stickiness::session, Stickiness::statement, Stickiness::user, Stickiness::client_address}) {
    if (*text == routing::name_of(stickiness)) {
      rule.stickiness = stickiness;
      return;
    }
  }
  reading.findings.error(
      mark, about(path, quote(*text) +
                            " is unknown; it must be one of session, statement, user, client_address, "
                            "tag:<key>" +
                            suggestion(*text, {"session", "statement", "user", "client_address"})));
}

}  // namespace

/// Source: proxy/switchover/README.md, "Slices".
void read_writes(Section& section, Reading& reading, routing::Side& writes) {
  const Node* node = section.take("writes");
  if (node == nullptr) return;
  if (node->kind != Node::Kind::map) {
    static_cast<void>(section.choose(*node, section.path_of("writes"), side_choices, writes));
    return;
  }
  reading.findings.error(
      node->mark, about(section.path_of("writes"),
                        "writes cannot be shared between the sides by weight: two sides that both write the same data are never equal again, and "
                        "that a `stickiness` key parts the data is not checked by anything yet; name blue or green, and move all writes by "
                        "`crossfade switchover`"));
}

namespace {

Rule read_rule(const Node& node, const std::string& path, const Pair& pair, Reading& reading) {
  Rule rule;
  rule.writes = pair.plan.default_writes;
  rule.reads.green = rule.writes == routing::Side::green ? routing::weight_total : 0;
  if (!expect_kind(node, Node::Kind::map, path, reading.findings)) return rule;
  Section section(node, reading.findings, path);
  section.require("name");
  const auto name = section.take_text("name");
  if (name && !is_name(*name)) {
    reading.findings.error(
        section.mark_of("name"),
        about(section.path_of("name"), quote(*name) + " must have 1 to 63 letters, digits, _ and -"));
  }
  if (name) rule.name = *name;
  const Node* match = section.take("match");
  if (match != nullptr) read_match(*match, section.path_of("match"), pair, reading, rule.match);
  read_writes(section, reading, rule.writes);
  const Node* reads = section.take("reads");
  if (reads != nullptr) {
    read_weights(*reads, section.path_of("reads"), reading, rule.reads);
  } else {
    rule.reads.green = rule.writes == routing::Side::green ? routing::weight_total : 0;
  }
  read_stickiness(section, reading, rule);
  section.read_duration("causal_wait", std::chrono::milliseconds(0), causal_wait_max, rule.causal_wait);
  section.finish();
  return rule;
}

/// Doubled names, and rules behind one that takes everything.
void check_rules(const Node& rules, const std::string& path, const Pair& pair, Reading& reading) {
  std::map<std::string, std::size_t> seen;
  const Rule* catch_all = nullptr;
  for (std::size_t i = 0; i < pair.plan.rules.size(); ++i) {
    const Rule& rule = pair.plan.rules[i];
    const Mark mark = rules.items[i].mark;
    const bool is_first = rule.name.empty() || seen.emplace(rule.name, i).second;
    if (!is_first) {
      reading.findings.error(mark,
                             about(path, "the name " + quote(rule.name) + " is given twice; first on line " +
                                             std::to_string(rules.items[seen[rule.name]].mark.line)));
    }
    if (catch_all != nullptr) {
      reading.findings.warning(
          mark, about(path, "rule " + quote(rule.name) + " is never reached: " + quote(catch_all->name) +
                                " before it matches everything"));
    } else if (rule.match == routing::Match{} && rules.items[i].kind == Node::Kind::map) {
      catch_all = &rule;
    }
    if (rule.writes != pair.plan.rules.front().writes && rules.items[i].kind == Node::Kind::map) {
      reading.findings.warning(mark, about(path, "rule " + quote(rule.name) + " sends writes to the other side than " +
                                                     quote(pair.plan.rules.front().name) +
                                                     ": a transaction follows its first decision, whatever it writes to"));
    }
  }
}

}  // namespace

void read_rules(Section& pair_section, Reading& reading, Pair& pair) {
  const Node* rules = pair_section.take("rules");
  const std::string path = pair_section.path_of("rules");
  if (rules == nullptr) {
    if (!pair_section.has("rules")) {
      reading.findings.warning(
          pair_section.mark(),
          about(pair_section.path(), "has no `rules`: everything goes to " +
                                         std::string(routing::name_of(pair.plan.default_writes)) +
                                         " and there are no weights to move"));
    }
    return;
  }
  if (!expect_kind(*rules, Node::Kind::sequence, path, reading.findings)) return;
  if (rules->items.size() > rule_count_max) {
    reading.findings.error(rules->mark,
                           about(path, "has more than " + std::to_string(rule_count_max) + " rules"));
    return;
  }
  for (std::size_t i = 0; i < rules->items.size(); ++i) {
    pair.plan.rules.push_back(
        read_rule(rules->items[i], path + "[" + std::to_string(i) + "]", pair, reading));
  }
  check_rules(*rules, path, pair, reading);
}

}  // namespace config
