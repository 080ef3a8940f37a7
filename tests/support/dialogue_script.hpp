#pragma once

#include "protocol/dialogue.hpp"
#include "tests/support/postgres_transcript.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

/// Dialogues played from transcripts: whole, byte by byte, and with something going wrong at each step.
namespace tests::support {

/// Which end of the transcript the dialogue under test is.
enum class Role : std::uint8_t { server, client };

/// What is delivered to the dialogue, and what it must have sent before.
struct ScriptStep {
  std::vector<std::string> expected;  ///< masked lines
  protocol::Bytes delivered;          ///< empty in the last step when the dialogue has the last word
};

/// Lines up to and including the first one whose message is `last` (all of them if there is none), cut into steps.
/// Lines that are closes end the script.
[[nodiscard]] std::vector<ScriptStep> make_script(const std::vector<TranscriptLine>& lines, Role role, std::string_view last);

/// Feeds one dialogue as a session does: unread bytes stay in front until they are consumed.
class DialoguePlayer {
 public:
  DialoguePlayer(protocol::Dialogue& dialogue, Role role);
  /// Delivers more bytes (none to begin with). Throws std::logic_error when the dialogue breaks its contract.
  protocol::DialogueState deliver(protocol::ByteView bytes);
  [[nodiscard]] protocol::DialogueState state() const { return state_; }
  /// What it has sent since the last call, as masked lines.
  [[nodiscard]] std::vector<std::string> take_sent();
  [[nodiscard]] const protocol::Bytes& sent_bytes() const { return sent_bytes_; }
  [[nodiscard]] const protocol::Bytes& unread() const { return unread_; }

 private:
  protocol::Dialogue& dialogue_;
  Role role_;
  protocol::DialogueState state_ = protocol::DialogueState::reading;
  protocol::Bytes unread_;
  protocol::Bytes sent_bytes_;
  TranscriptDecoder decoder_;
  std::vector<std::string> sent_;
};

using MakeDialogue = std::function<std::unique_ptr<protocol::Dialogue>()>;

/// Plays the script in pieces of `piece_bytes` and checks what is sent and that it ends in `end` with every
/// delivered byte consumed, but for those of `behind`, which are delivered with the last step.
void check_script(const std::vector<ScriptStep>& script, Role role, const MakeDialogue& make, protocol::DialogueState end,
                  std::size_t piece_bytes = SIZE_MAX, protocol::ByteView behind = {});

/// Ends the delivery after each single byte of each step: the dialogue must wait, and have sent nothing new that
/// the whole script would not have had it send. What a session then does (close, or wait for a deadline) needs no
/// help from the dialogue.
void check_cuts(const std::vector<ScriptStep>& script, Role role, const MakeDialogue& make);

/// Delivers `wrong` in the place of each step in turn: the dialogue must fail with one of `codes`. `judge` sees the
/// dialogue and everything that it had sent.
void check_wrong_at_each_step(const std::vector<ScriptStep>& script, Role role, const MakeDialogue& make,
                              protocol::ByteView wrong, const std::vector<protocol::ErrorCode>& codes,
                              const std::function<void(protocol::Dialogue&, const protocol::Bytes& sent)>& judge);

}  // namespace tests::support
