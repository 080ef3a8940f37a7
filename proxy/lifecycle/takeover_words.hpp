#pragma once

#include <string_view>

namespace proxy::lifecycle {

// What two processes say to each other. Each message begins with one of these.
// From the running process, the first with the number of the form.
inline constexpr std::string_view word_hello = "crossfade-takeover-1";
inline constexpr std::string_view word_refused = "refused";
inline constexpr std::string_view word_pair = "pair";        ///< with its listening socket
inline constexpr std::string_view word_admin = "admin";      ///< likewise
inline constexpr std::string_view word_local = "local";      ///< a pair's name, with its local socket
inline constexpr std::string_view word_control = "control";  ///< the socket that this conversation came from
inline constexpr std::string_view word_state = "state";      ///< the lock of the state directory, which both processes have from here on
inline constexpr std::string_view word_cancels = "cancels";  ///< a tag, and the line to the process that has it
inline constexpr std::string_view word_end = "end";          ///< the running process's own tag
inline constexpr std::string_view word_go = "go";
// From the new one.
inline constexpr std::string_view word_prepared = "prepared";
inline constexpr std::string_view word_accepting = "accepting";

}  // namespace proxy::lifecycle
