#include "proxy/switchover/authority_record.hpp"

#include "proxy/switchover/durable_file.hpp"

#include <algorithm>
#include <optional>
#include <sstream>

namespace proxy::switchover {

using routing::Side;
using routing::SwitchoverRemains;

namespace {

constexpr std::string_view first_line = "crossfade authority 1";

/// The last lines, and only where there is something to say.
constexpr std::string_view frozen_key = "frozen ";
constexpr std::string_view verified_key = "verified ";
constexpr std::size_t text_bytes_max = 1'000;

std::string on_one_line(std::string text) {
  text.resize(std::min(text.size(), text_bytes_max));
  std::ranges::replace_if(text, [](char c) { return c == '\n' || c == '\r'; }, ' ');
  return text;
}

routing::Verification verification_from(const std::string& text) {
  routing::Verification verification;
  std::istringstream words(text);
  std::string verdict;
  words >> verification.at_ms >> verdict;
  verification.is_equal = verdict == "equal";
  words.get();
  std::getline(words, verification.by);
  return verification;
}

std::string_view name_of_remains(SwitchoverRemains remains) {
  switch (remains) {
    case SwitchoverRemains::nothing: return "nothing";
    case SwitchoverRemains::attempt: return "attempt";
    case SwitchoverRemains::flip: return "flip";
  }
  return "unknown";
}

std::optional<SwitchoverRemains> remains_from(std::string_view name) {
  for (const auto each : {SwitchoverRemains::nothing, SwitchoverRemains::attempt, SwitchoverRemains::flip}) {
    if (name == name_of_remains(each)) return each;
  }
  return std::nullopt;
}

std::optional<LastChange> change_from(std::string_view name) {
  for (const auto each : {LastChange::nothing, LastChange::weights, LastChange::switchover}) {
    if (name == routing::name_of(each)) return each;
  }
  return std::nullopt;
}

protocol::Error unreadable(std::string detail) {
  return protocol::failure(protocol::ErrorCode::configuration_invalid, protocol::Blame::operator_, std::move(detail));
}

}  // namespace

std::string encode_record(const AuthorityRecord& record) {
  std::ostringstream lines;
  lines << first_line << "\npair " << record.pair << "\nauthority " << name_of(record.authority) << "\nepoch " << record.epoch
        << "\nremains " << name_of_remains(record.remains) << "\ntarget " << name_of(record.target) << "\nblue "
        << (record.is_fenced[Side::blue] ? "fenced" : "open") << "\ngreen "
        << (record.is_fenced[Side::green] ? "fenced" : "open") << "\nchange " << routing::name_of(record.last_change) << "\nsince "
        << record.since_ms << "\n";
  if (record.verification.at_ms != 0) {
    lines << verified_key << record.verification.at_ms << (record.verification.is_equal ? " equal " : " different ")
          << on_one_line(record.verification.by) << "\n";
  }
  if (!record.frozen.empty()) lines << frozen_key << on_one_line(record.frozen) << "\n";
  return with_checksum(lines.str());
}

protocol::Result<AuthorityRecord> decode_record(std::string_view text) {
  const protocol::Result<std::string_view> said = without_checksum(text);
  if (!said) return said.error();
  std::istringstream lines{std::string(*said)};
  std::string line;
  std::getline(lines, line);
  if (line != first_line) return unreadable("it is of another version: " + line.substr(0, first_line.size() + 8));
  AuthorityRecord record;
  std::string key;
  std::string authority;
  std::string remains;
  std::string target;
  std::string blue;
  std::string green;
  std::string change;
  lines >> key >> record.pair >> key >> authority >> key >> record.epoch >> key >> remains >> key >> target >> key >> blue >>
      key >> green >> key >> change >> key >> record.since_ms;
  const auto authority_side = routing::side_from(authority);
  const auto target_side = routing::side_from(target);
  const auto what_remains = remains_from(remains);
  const auto last_change = change_from(change);
  if (lines.fail() || !authority_side || !target_side || !what_remains || !last_change) {
    return unreadable("it says something that this version does not know");
  }
  record.authority = *authority_side;
  record.target = *target_side;
  record.remains = *what_remains;
  record.last_change = *last_change;
  record.is_fenced[Side::blue] = blue == "fenced";
  record.is_fenced[Side::green] = green == "fenced";
  std::getline(lines, line);
  while (std::getline(lines, line)) {
    const bool is_verification = line.starts_with(verified_key);
    if (!is_verification && !line.starts_with(frozen_key)) return unreadable("it says something that this version does not know");
    if (is_verification) {
      record.verification = verification_from(line.substr(verified_key.size()));
    } else {
      record.frozen = line.substr(frozen_key.size());
    }
  }
  return record;
}

}  // namespace proxy::switchover
