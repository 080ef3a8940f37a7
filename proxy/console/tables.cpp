#include "proxy/console/tables.hpp"

#include "proxy/console/rows.hpp"

#include <algorithm>
#include <array>

namespace proxy::console {

namespace {

struct Subject {
  std::string_view name;
  protocol::ConsoleTable (*make)(const Moment&);
};

constexpr std::array<Subject, 16> subjects{{{"pools", pools_table},
                                            {"clients", clients_table},
                                            {"servers", servers_table},
                                            {"pins", pins_table},
                                            {"stats", stats_table},
                                            {"stats_totals", stats_totals_table},
                                            {"stats_averages", stats_averages_table},
                                            {"totals", totals_table},
                                            {"lists", lists_table},
                                            {"databases", databases_table},
                                            {"users", users_table},
                                            {"config", config_table},
                                            {"state", state_table},
                                            {"version", version_table},
                                            {"rules", rules_table},
                                            {"types", types_table}}};

}  // namespace

std::optional<protocol::ConsoleTable> show_table(std::string_view subject, const Moment& moment) {
  const auto place = std::ranges::find(subjects, subject, &Subject::name);
  if (place == subjects.end()) return std::nullopt;
  return place->make(moment);
}

std::string help_text() {
  return "\n\tSHOW HELP|CONFIG|DATABASES|POOLS|CLIENTS|SERVERS|USERS|VERSION|STATE|LISTS"
         "\n\tSHOW STATS|STATS_TOTALS|STATS_AVERAGES|TOTALS"
         "\n\tSHOW PINS|RULES|TYPES"
         "\n\tPAUSE [<db>]"
         "\n\tRESUME [<db>]"
         "\n\tWAIT_CLOSE [<db>]"
         "\n\tRELOAD"
         "\n\tSHUTDOWN";
}

}  // namespace proxy::console
