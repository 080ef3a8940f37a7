#pragma once

#include "protocol/base/bytes.hpp"
#include "protocol/postgres/session_state.hpp"
#include "protocol/statement.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace protocol::postgres {

/// What a server knows better than its statements tell: the state that a session has left in its server process.
///
/// Asked in one query on the session's own connection, outside of its transactions. Every name in it is qualified, so
/// that no search_path changes its meaning; any role may read what it reads.
/// Source: PostgreSQL 15 manual 54.12 pg_locks, 54.6 pg_cursors, 54.17 pg_prepared_statements, 54.24 pg_settings,
/// 53.18 pg_depend, 9.26 pg_my_temp_schema and pg_listening_channels.

/// A setting as the server lists it.
struct ListedSetting {
  std::string name;   ///< folded
  std::string value;  ///< as set_config takes it
  enum class Setter : std::uint8_t { anybody, privileged };
  Setter setter = Setter::anybody;
};

/// The rows that came back.
struct Answer {
  PinReasonSet found;                        ///< of what was asked, what is there
  std::vector<ListedSetting> settings;       ///< set in the session, but for those of its transactions
  std::vector<std::string> prepared_names;   ///< by PREPARE
  std::string role;                          ///< "none" without SET ROLE
  bool is_usable = true;                     ///< false: an error, or a row that makes no sense
};

/// A question that is sent and not answered yet.
struct Question {
  PinReasonSet asked;
  std::uint64_t fingerprint = 0;  ///< of the statement that raised it
  Answer answer;
};

/// The names that may be asked about: what the session is known to have set, but for what the server lists by itself.
[[nodiscard]] std::vector<std::string> unlisted_names(const Settings& settings, const std::vector<std::string>& more);

/// The query that asks about `asked`; untracked_state: about settings, the role and prepared statements.
[[nodiscard]] std::string question_text(PinReasonSet asked, const std::vector<std::string>& unlisted);

/// Takes the payload of a DataRow into account.
void read_answer_row(ByteView payload, Answer& answer);

/// What of an answer a session adopts.
struct Adopted {
  Settings settings;
  bool is_complete = true;  ///< false: something is set that this session cannot set again on another connection
};
[[nodiscard]] Adopted adopt_settings(const Settings& known, const Answer& answer);

}  // namespace protocol::postgres
