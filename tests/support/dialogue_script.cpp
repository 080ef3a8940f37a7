#include "tests/support/dialogue_script.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace tests::support {
namespace {

using protocol::Bytes;
using protocol::ByteView;
using protocol::DialogueState;

/// Where an error arose in the server's source is nobody's business but the server's.
std::string comparable(std::string_view line) {
  std::string masked = mask(line);
  constexpr std::string_view place = " F= L= R=";
  const std::size_t found = masked.find(place);
  if (found != std::string::npos) masked.erase(found, place.size());
  // Without the place the length differs as well.
  if (masked.starts_with("< ErrorResponse(")) masked.erase(15, masked.find(')') + 1 - 15);
  return masked;
}

Direction sending_direction(Role role) { return role == Role::server ? Direction::to_client : Direction::to_server; }
Direction receiving_direction(Role role) { return role == Role::server ? Direction::to_server : Direction::to_client; }

/// For reports of failures.
std::string join(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

/// Plays the first `count` steps in full and the expectations of the one after.
void play_up_to(DialoguePlayer& player, const std::vector<ScriptStep>& script, std::size_t count) {
  player.deliver({});
  for (std::size_t i = 0; i < count; ++i) {
    (void)player.take_sent();
    REQUIRE(player.deliver(script[i].delivered) == DialogueState::reading);
  }
}

}  // namespace

std::vector<ScriptStep> make_script(const std::vector<TranscriptLine>& lines, Role role, std::string_view last) {
  std::vector<ScriptStep> script;
  for (const TranscriptLine& line : lines) {
    if (line.is_close()) break;
    const bool is_delivered = line.direction == receiving_direction(role);
    if (script.empty() || (!is_delivered && !script.back().delivered.empty())) script.emplace_back();
    if (is_delivered) {
      protocol::append(script.back().delivered, line.bytes);
    } else {
      script.back().expected.push_back(comparable(line.text));
    }
    if (line.text.substr(2).starts_with(std::string(last) + "(")) break;
  }
  return script;
}

DialoguePlayer::DialoguePlayer(protocol::Dialogue& dialogue, Role role) : dialogue_(dialogue), role_(role) {}

DialogueState DialoguePlayer::deliver(ByteView bytes) {
  const bool is_over = state_ == DialogueState::finished || state_ == DialogueState::failed;
  if (is_over) throw std::logic_error("delivered after the end");
  protocol::append(unread_, bytes);
  Bytes to_send;
  const protocol::DialogueProgress progress = dialogue_.advance(unread_, to_send);
  if (progress.consumed > unread_.size()) throw std::logic_error("consumed more than there was");
  // In the order of the wire: what was read, then what it brought about.
  const ByteView consumed = ByteView(unread_).first(progress.consumed);
  if (progress.state != DialogueState::failed) (void)decoder_.feed(receiving_direction(role_), consumed);
  for (const std::string& line : decoder_.feed(sending_direction(role_), to_send)) sent_.push_back(comparable(line));
  protocol::append(sent_bytes_, to_send);
  unread_.erase(unread_.begin(), unread_.begin() + static_cast<std::ptrdiff_t>(progress.consumed));
  state_ = progress.state;
  return state_;
}

std::vector<std::string> DialoguePlayer::take_sent() { return std::exchange(sent_, {}); }

void check_script(const std::vector<ScriptStep>& script, Role role, const MakeDialogue& make, DialogueState end,
                  std::size_t piece_bytes, ByteView behind) {
  const auto dialogue = make();
  DialoguePlayer player(*dialogue, role);
  player.deliver({});
  for (std::size_t i = 0; i < script.size(); ++i) {
    CAPTURE(i);
    CHECK(join(player.take_sent()) == join(script[i].expected));
    Bytes delivered = script[i].delivered;
    if (i + 1 == script.size() || script[i + 1].delivered.empty()) protocol::append(delivered, behind);
    for (std::size_t begin = 0; begin < delivered.size() && player.state() == DialogueState::reading;) {
      const std::size_t count = std::min(piece_bytes, delivered.size() - begin);
      player.deliver(ByteView(delivered).subspan(begin, count));
      begin += count;
    }
  }
  CHECK(player.take_sent().empty());
  CHECK(player.state() == end);
  if (end == DialogueState::finished && piece_bytes == SIZE_MAX) {
    CHECK(std::equal(player.unread().begin(), player.unread().end(), behind.begin(), behind.end()));
  }
}

void check_cuts(const std::vector<ScriptStep>& script, Role role, const MakeDialogue& make) {
  for (std::size_t i = 0; i < script.size(); ++i) {
    std::vector<std::string> allowed;
    if (i + 1 < script.size()) allowed = script[i + 1].expected;
    for (std::size_t cut = 0; cut < script[i].delivered.size(); ++cut) {
      CAPTURE(i);
      CAPTURE(cut);
      const auto dialogue = make();
      DialoguePlayer player(*dialogue, role);
      play_up_to(player, script, i);
      (void)player.take_sent();
      CHECK(player.deliver(ByteView(script[i].delivered).first(cut)) == DialogueState::reading);
      const std::vector<std::string> sent = player.take_sent();
      CHECK(sent.size() <= allowed.size());
      CHECK(std::equal(sent.begin(), sent.end(), allowed.begin(), allowed.begin() + static_cast<std::ptrdiff_t>(std::min(sent.size(), allowed.size()))));
    }
  }
}

void check_wrong_at_each_step(const std::vector<ScriptStep>& script, Role role, const MakeDialogue& make, ByteView wrong,
                              const std::vector<protocol::ErrorCode>& codes,
                              const std::function<void(protocol::Dialogue&, const Bytes& sent)>& judge) {
  for (std::size_t i = 0; i < script.size(); ++i) {
    if (script[i].delivered.empty()) continue;
    CAPTURE(i);
    const auto dialogue = make();
    DialoguePlayer player(*dialogue, role);
    play_up_to(player, script, i);
    REQUIRE(player.deliver(wrong) == DialogueState::failed);
    CAPTURE(dialogue->error().detail);
    CAPTURE(protocol::name_of(dialogue->error().code));
    CHECK(std::find(codes.begin(), codes.end(), dialogue->error().code) != codes.end());
    judge(*dialogue, player.sent_bytes());
  }
}

}  // namespace tests::support
