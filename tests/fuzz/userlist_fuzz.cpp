#include "config/userlist.hpp"
#include "tests/fuzz/require.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

using tests::fuzz::require;

namespace {

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char character : text) result.append(character == '"' ? 2 : 1, character);
  return result + "\"";
}

}  // namespace

/// Any text as a userlist: users within their bounds, each once, that are the same when written and read again; or a
/// reason that is one printable line.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto entries = config::parse_userlist(text);
  if (!entries) {
    const std::string& reason = entries.error().detail;
    require(reason.starts_with("line ") && std::all_of(reason.begin(), reason.end(), [](char c) { return c >= ' ' && c <= '~'; }),
            "a reason is a printable line with its place");
    return 0;
  }
  std::string written;
  for (const config::UserlistEntry& entry : *entries) {
    require(!entry.user.empty() && entry.user.size() <= 63, "a name is within its bounds");
    written += quoted(entry.user) + " " + quoted(entry.secret.reveal()) + "\n";
  }
  const auto again = config::parse_userlist(written);
  require(again && again->size() == entries->size(), "what was read can be written and read");
  for (std::size_t i = 0; i < entries->size(); ++i) {
    require((*again)[i].user == (*entries)[i].user && (*again)[i].secret == (*entries)[i].secret, "and is the same");
  }
  return 0;
}
