#include "config/readers.hpp"

#include <string>
#include <utility>

namespace config {

namespace {

using namespace std::chrono_literals;
using namespace proxy::mirror;
using protocol::SchemaPolicy;
using protocol::UnsafePolicy;

constexpr std::uint64_t journal_bytes_least = std::uint64_t{16} << 20;
constexpr std::uint64_t journal_bytes_most = std::uint64_t{16} << 40;

enum class Sync : std::uint8_t { none, mirror };
/// There is one only; the key is there so that a configuration can say what it relies on.
enum class Ordering : std::uint8_t { exact };

void read_login(Section& section, Reading& reading, Mirror& mirror) {
  section.require("user");
  const auto user = section.take_text("user");
  const auto password = take_secret(section, "password", reading);
  if (user) mirror.login = BackendLogin{*user, password};
}

void read_directory(Section& section, Reading& reading, MirrorOptions& options) {
  section.require("directory");
  const auto written = section.take_text("directory");
  if (!written) return;
  const std::filesystem::path path = reading.folder / *written;
  options.directory = path.lexically_normal().string();
  while (options.directory.size() > 1 && options.directory.ends_with('/')) options.directory.pop_back();
  if (const protocol::Status usable = reading.surroundings.check_directory(path); !usable) {
    reading.findings.error(section.mark_of("directory"),
                           about(section.path_of("directory"), quote(*written) + ": " + usable.error().detail));
  }
}

Mirror read_mirror(const Node& node, const std::string& path, Reading& reading) {
  Mirror mirror;
  auto section = Section::open(node, reading.findings, path);
  if (!section) return mirror;
  MirrorOptions& options = mirror.options;
  read_directory(*section, reading, options);
  read_login(*section, reading, mirror);
  CaptureOptions& capture = options.capture;
  section->read_choice<Acknowledgement>("ack", {{"authority", Acknowledgement::authority}, {"both", Acknowledgement::both}, {"atomic", Acknowledgement::atomic}},
                                        capture.ack);
  const bool is_atomic = capture.ack == Acknowledgement::atomic;
  if (is_atomic) capture.unsafe_statements = UnsafePolicy::reject;
  section->read_duration("ack_timeout", 1ms, 10min, options.ack_timeout);
  section->read_count("ack_failures_max", 1, 1'000'000, options.ack_failures_max);
  section->read_choice<Durability>("durability", {{"commit", Durability::commit}, {"relaxed", Durability::relaxed}}, options.durability);
  Ordering ordering = Ordering::exact;
  section->read_choice<Ordering>("ordering", {{"exact", Ordering::exact}}, ordering);
  std::size_t journal_bytes = options.journal_bytes_max;
  section->read_size("journal_bytes_max", journal_bytes_least, journal_bytes_most, journal_bytes);
  options.journal_bytes_max = journal_bytes;
  section->read_choice<OnFull>("on_full", {{"break", OnFull::break_off}, {"block", OnFull::block}}, options.on_full);
  section->read_choice<UnsafePolicy>("unsafe_statements", {{"ledger", UnsafePolicy::ledger}, {"reject", UnsafePolicy::reject}},
                                         capture.unsafe_statements);
  if (is_atomic && capture.unsafe_statements == UnsafePolicy::ledger) {
    reading.findings.error(section->mark_of("unsafe_statements"),
                           about(section->path_of("unsafe_statements"), "`ledger` lets one side have what the other has not, which `ack: atomic` excludes"));
  }
  section->read_choice<SchemaPolicy>(
      "schema_changes",
      {{"mirror", SchemaPolicy::mirror}, {"reject", SchemaPolicy::reject}, {"authority_only", SchemaPolicy::authority_only}},
      capture.schema_changes);
  section->read_choice<OnDivergence>("on_divergence", {{"continue", OnDivergence::go_on}, {"break", OnDivergence::break_off}},
                                     options.on_divergence);
  section->read_count("appliers", 1, 64, options.appliers);
  section->finish();
  return mirror;
}

}  // namespace

void read_sync(Section& pair_section, Reading& reading, Pair& pair) {
  Sync sync = Sync::none;
  pair_section.read_choice<Sync>("sync", {{"none", Sync::none}, {"mirror", Sync::mirror}}, sync);
  const Node* node = pair_section.take("mirror");
  if (sync == Sync::none) {
    if (node != nullptr) {
      reading.findings.error(node->mark, about(pair_section.path_of("mirror"), "has no effect without `sync: mirror`"));
    }
    return;
  }
  if (!reading.has_state) {
    reading.findings.error(pair_section.mark_of("sync"),
                           about(pair_section.path_of("sync"),
                                 "`mirror` needs `state.directory`: a process that forgets which side has the authority would mirror the wrong way"));
  }
  if (node == nullptr) {
    reading.findings.error(pair_section.mark_of("sync"), about(pair_section.path_of("sync"), "`mirror` needs the section `mirror`"));
    return;
  }
  pair.mirror = read_mirror(*node, pair_section.path_of("mirror"), reading);
}

void check_mirrored_rules(const Section& pair_section, Reading& reading, const Pair& pair) {
  if (!pair.mirror) {
    for (const routing::Rule& rule : pair.plan.rules) {
      if (rule.causal_wait.count() == 0) continue;
      reading.findings.error(pair_section.mark_of("rules"),
                             about(pair_section.path_of("rules"), "the rule " + quote(rule.name) + " has `causal_wait`, which has no effect without `sync: mirror`"));
    }
    return;
  }
  for (const routing::Rule& rule : pair.plan.rules) {
    if (rule.writes == pair.plan.default_writes) continue;
    reading.findings.error(pair_section.mark_of("rules"),
                           about(pair_section.path_of("rules"),
                                 "the rule " + quote(rule.name) + " sends writes to the side that `sync: mirror` keeps equal; they would be lost or come back"));
  }
  using routing::Side;
  const EndpointAddress& blue = pair.endpoints[Side::blue];
  if (!blue.host.empty() && blue == pair.endpoints[Side::green]) {
    reading.findings.error(pair_section.mark_of("sync"), about(pair_section.path_of("sync"), "blue and green are one server: it would be mirrored onto itself"));
  }
}

}  // namespace config
