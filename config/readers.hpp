#pragma once

#include "config/load.hpp"
#include "config/section.hpp"

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace config {

/// What readers need beyond the map before them.
struct Reading {
  Findings& findings;
  const Surroundings& surroundings;
  std::filesystem::path folder;  ///< relative paths are taken from here
  /// Secrets that stand in the file itself; the file must then be closed to others.
  std::optional<Mark> first_inline_secret;
  /// What the files and variables named in it hold, by the path of the key that names them.
  std::map<std::string, Secret> secrets;
  bool has_state = false;  ///< `state.directory` is set
};

/// One secret under up to three names: `password`, `password_file`, `password_env` for the stem "password"; the stems
/// "token" and "verifier" likewise.
/// Reports several at once, unreadable, empty or unset ones. `nothing` when none is given or it was reported.
[[nodiscard]] std::optional<Secret> take_secret(Section& section, const std::string& stem, Reading& reading);

/// Any of the three names is there.
[[nodiscard]] bool has_secret(const Section& section, const std::string& stem);

void read_log(const Node& node, Reading& reading, Log& log);
[[nodiscard]] std::optional<Admin> read_admin(const Node* node, Reading& reading);
void read_takeover(const Node& node, Reading& reading, Takeover& takeover);
void read_state(const Node& node, Reading& reading, State& state);
void read_limits(const Node& node, Reading& reading, Limits& limits);
[[nodiscard]] std::optional<ListenAddress> take_listen(Section& section, std::string_view key);

/// The name of a pair or rule: 1 to 63 of a-z A-Z 0-9 _ -, as it stands in URLs and metrics.
[[nodiscard]] bool is_name(std::string_view text);

[[nodiscard]] Pair read_pair(const std::string& name, const Node& node, Reading& reading);
/// The `tls` of a pair: towards its clients.
void read_client_tls(const Node& node, const std::string& path, Reading& reading, ClientTls& tls);
/// The `tls` of a side; null when it has none. `host` is where the side is.
void read_backend_tls(const Node* node, const std::string& path, const std::string& host, Reading& reading,
                      BackendTls& tls);
void read_users(Section& pair_section, Reading& reading, Pair& pair);
void read_access(Section& pair_section, Reading& reading, Pair& pair);
/// `userlist_file` and `auth_query`.
void read_secret_sources(Section& pair_section, Reading& reading, Pair& pair);
void read_userlist(const std::string& written, Mark mark, const std::string& what, Reading& reading, Pair& pair);
/// After the users.
void read_console(Section& pair_section, Reading& reading, Pair& pair);
void read_switchover(Section& pair_section, Reading& reading, Pair& pair);
/// The `pool` and the `limits` of a pair.
void read_pool(const Node& node, const std::string& path, Reading& reading, Pool& pool);
void read_pair_limits(const Node& node, const std::string& path, Reading& reading, PairLimits& limits);
void read_databases(Section& pair_section, Reading& reading, Pair& pair);
/// The `pool` and the `limits` of a user or a database.
void read_own_limits(Section& section, Reading& reading, OwnLimits& limits);
void read_rules(Section& pair_section, Reading& reading, Pair& pair);
/// `sync` and `mirror`.
void read_sync(Section& pair_section, Reading& reading, Pair& pair);
/// After the rules.
void check_mirrored_rules(const Section& pair_section, Reading& reading, const Pair& pair);

inline const std::vector<std::pair<std::string_view, routing::Side>> side_choices{
    {"blue", routing::Side::blue}, {"green", routing::Side::green}};
/// `writes`: one side. Weights are refused with the reason.
void read_writes(Section& section, Reading& reading, routing::Side& writes);

}  // namespace config
