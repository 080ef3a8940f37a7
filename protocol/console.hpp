#pragma once

#include "protocol/base/bytes.hpp"
#include "protocol/base/error.hpp"
#include "protocol/dialogue.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace protocol {

/// The console: what an operator asks of the proxy itself, over the wire protocol of the database. The words are
/// PgBouncer's, whose habits it keeps.
/// Source: PgBouncer 1.18, usage.md, "Admin console".

enum class ConsoleVerb : std::uint8_t {
  show,        ///< subject: what, in lower case
  pause,       ///< subject: a database, or empty
  resume,      ///< likewise
  wait_close,  ///< likewise
  reload,
  shut_down,
  unsupported,  ///< subject: a word of PgBouncer's that is not for here
  set,          ///< subject: the setting
  begin,
  commit,
  rollback,
  nothing,  ///< an empty text
  unknown,  ///< subject: the text
};

struct ConsoleCommand {
  ConsoleVerb verb = ConsoleVerb::unknown;
  std::string subject;
  bool operator==(const ConsoleCommand&) const = default;
};

/// Commands longer than this are unknown ones.
inline constexpr std::size_t console_command_bytes_max = 4'096;

/// The commands of a text, separated by semicolons; at least one. Never fails: what it does not know is `unknown`.
[[nodiscard]] std::vector<ConsoleCommand> parse_console_commands(std::string_view text);

enum class ConsoleType : std::uint8_t { text, integer, bigint };

struct ConsoleColumn {
  std::string_view name;  ///< a literal
  ConsoleType type = ConsoleType::text;
};

/// Numbers stand as decimal text; nothing is NULL.
struct ConsoleTable {
  std::vector<ConsoleColumn> columns;
  std::vector<std::vector<std::optional<std::string>>> rows;
};

/// Why a command is not carried out; the session goes on.
enum class ConsoleRefusal : std::uint8_t {
  none,
  syntax,         ///< no such command
  not_permitted,  ///< an admin may
  wrong_state,    ///< nothing to resume, and the like
  unsupported,    ///< PgBouncer has it, the proxy does not
  cancelled,      ///< the client did, or somebody undid it
  unavailable,    ///< the workers did not answer in time
};

struct ConsoleAnswer {
  ConsoleRefusal refusal = ConsoleRefusal::none;
  std::string words;                  ///< of the refusal
  std::string hint;                   ///< what to do instead; may be empty
  std::string notice;                 ///< a word beside a success; may be empty
  std::string notice_detail;
  std::optional<ConsoleTable> table;  ///< for show
};

/// The end of a conversation with a console's client: bytes to commands, answers to bytes. Sans I/O.
///
///     reading --a command--> asking --answer()--> reading
///     reading --goodbye--> finished        reading --nonsense--> failed
class Console {
 public:
  enum class State : std::uint8_t {
    reading,   ///< send what was written, call again with more bytes
    asking,    ///< send what was written, carry command() out, and call answer()
    finished,  ///< the client has said goodbye
    failed,    ///< error() says why; the session ends
  };
  struct Progress {
    State state;
    std::size_t consumed;  ///< bytes taken from the front of `received`
  };
  virtual ~Console() = default;
  /// The first words to a client that has logged in.
  virtual void write_welcome(const CancelKey& key, Bytes& to_send) = 0;
  [[nodiscard]] virtual Progress advance(ByteView received, Bytes& to_send) = 0;
  /// Valid after asking, until answer().
  [[nodiscard]] virtual const ConsoleCommand& command() const = 0;
  virtual void answer(ConsoleAnswer answer, Bytes& to_send) = 0;
  [[nodiscard]] virtual const Error& error() const = 0;
};

}  // namespace protocol
