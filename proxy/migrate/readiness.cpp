#include "proxy/migrate/pair_databases.hpp"

#include <algorithm>
#include <cstdlib>
#include <utility>

// What speaks against a switchover, as the servers tell it.
namespace proxy::migrate {

using routing::Side;
using routing::SwitchoverFinding;
using Weight = routing::SwitchoverFinding::Weight;

namespace {

std::string value_of(const Row& row, std::size_t column) { return column < row.size() ? row[column].value_or("") : ""; }

/// Of each kind; the rest is counted.
constexpr std::size_t shown_max = 20;

}  // namespace

PairDatabases::Findings PairDatabases::findings(Side from, const OwnProcesses& ours, Clock::time_point deadline, const std::stop_token& stop) {
  Findings found;
  const Inquiry inquiry{from, ours, deadline, stop, found};
  if (!find_servers(inquiry)) return found;
  for (const Side side : routing::both_sides) {
    find_privileges(inquiry, side);
    find_fences(inquiry, side);
  }
  find_activity(inquiry);
  find_prepared(inquiry);
  for (const std::string& database : databases_) {
    find_schema(inquiry, database);
    find_keyless(inquiry, database);
    find_settings(inquiry, database);
    find_statistics(inquiry, database);
  }
  return found;
}

/// Both answer, neither is a standby, and the databases are on both. False: nothing else can be asked.
bool PairDatabases::find_servers(const Inquiry& inquiry) {
  for (const Side side : routing::both_sides) {
    const std::string name(name_of(side));
    const auto traits = ask(inquiry, side, options_.home, "SELECT pg_is_in_recovery(), current_setting('server_version')");
    if (!traits) {
      inquiry.found.push_back({"unreachable:" + name, traits.error().detail});
      return false;
    }
    if (value_of(traits->at(0), 0) == "t") {
      inquiry.found.push_back({"standby:" + name, name + " is in recovery and takes no writes; promote it first"});
    }
  }
  const auto there = databases_on(inquiry.from, inquiry.deadline, inquiry.stop);
  if (!there) {
    inquiry.found.push_back({"unreachable:" + std::string(name_of(inquiry.from)), there.error().detail});
    return false;
  }
  databases_.clear();
  const Side to = routing::other(inquiry.from);
  for (const std::string& database : *there) {
    bool is_on_both = true;
    for (const Side side : routing::both_sides) {
      const auto rows = ask(inquiry, side, options_.home, "SELECT 1 FROM pg_database WHERE datname = $1", {database});
      is_on_both = is_on_both && rows && !rows->empty();
    }
    if (is_on_both) {
      databases_.push_back(database);
    } else {
      inquiry.found.push_back({"database_missing:" + database, "the database " + database + " is not on both sides; make it on " +
                                                                   std::string(name_of(to)) +
                                                                   ", or name those of the pair under `switchover.databases`"});
    }
  }
  return true;
}

/// Both, as the way back needs them too. Source: PostgreSQL 15 manual, ALTER DATABASE, pg_signal_backend.
void PairDatabases::find_privileges(const Inquiry& inquiry, Side side) {
  const auto lacking = ask(inquiry, side, options_.home,
                           "SELECT datname FROM pg_database d WHERE datname = ANY ($1::text[]) AND NOT EXISTS (SELECT FROM pg_roles "
                           "WHERE rolname = current_user AND rolsuper) AND NOT (pg_has_role(current_user, datdba, 'USAGE') AND "
                           "pg_has_role(current_user, 'pg_signal_backend', 'USAGE') AND pg_has_role(current_user, "
                           "'pg_read_all_stats', 'USAGE'))",
                           {array_of(databases_)});
  if (!lacking) {
    inquiry.found.push_back({"unreachable:" + std::string(name_of(side)), lacking.error().detail});
    return;
  }
  for (const Row& row : *lacking) {
    const std::string database = value_of(row, 0);
    inquiry.found.push_back({"privilege:" + std::string(name_of(side)) + "." + database,
                             "the role that switches over must own the database " + database + " on " + std::string(name_of(side)) +
                                 " and be a member of pg_signal_backend and pg_read_all_stats, or be a superuser"});
  }
}

/// What makes sessions read-only already.
void PairDatabases::find_fences(const Inquiry& inquiry, Side side) {
  const std::string name(name_of(side));
  const auto rows = ask(inquiry, side, options_.home,
                        "SELECT d.datname, coalesce(r.rolname, '') FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase "
                        "LEFT JOIN pg_roles r ON r.oid = s.setrole WHERE d.datname = ANY ($1::text[]) AND EXISTS (SELECT FROM "
                        "unnest(s.setconfig) c WHERE c ILIKE 'default_transaction_read_only=%')",
                        {array_of(databases_)});
  if (!rows) return;
  for (const Row& row : *rows) {
    const std::string what = "database " + value_of(row, 0) + (value_of(row, 1).empty() ? "" : " for role " + value_of(row, 1));
    if (side == inquiry.from) {
      inquiry.found.push_back({"read_only:" + name + "." + value_of(row, 0), "on " + name + ", " + what +
                                   " has a setting of default_transaction_read_only, which a fence would overwrite; take it away"});
    } else {
      inquiry.found.push_back({"read_only:" + name + "." + value_of(row, 0),
                               "on " + name + ", " + what + " begins read-only; it is opened with the flip", Weight::note});
    }
  }
}

void PairDatabases::find_activity(const Inquiry& inquiry) {
  const Processes ours_before = inquiry.ours();  // and again behind the question: they come and go meanwhile
  const std::string seconds = std::to_string(std::chrono::duration_cast<std::chrono::seconds>(options_.transaction_age_max).count());
  const auto rows = ask(
      inquiry, inquiry.from, options_.home,
      "SELECT a.pid, a.usename, a.application_name, coalesce(a.datname, ''), coalesce(a.state, ''), left(a.query, 200), "
      "coalesce(extract(epoch FROM clock_timestamp() - a.xact_start)::bigint, 0), a.backend_xid IS NOT NULL, a.pid = ANY ($2::int[]), "
      "p.command IS NOT NULL, EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.mode = 'AccessExclusiveLock' AND l.locktype = "
      "'relation' AND l.granted) FROM pg_stat_activity a LEFT JOIN (SELECT pid, 'COPY' AS command FROM pg_stat_progress_copy UNION ALL "
      "SELECT pid, command FROM pg_stat_progress_create_index UNION ALL SELECT pid, command FROM pg_stat_progress_cluster) p ON "
      "p.pid = a.pid WHERE a.backend_type = 'client backend' AND a.pid <> pg_backend_pid() AND a.datname = ANY ($1::text[]) AND "
      "a.application_name <> 'crossfade health' AND NOT (a.application_name = 'crossfade mirror' AND a.usename = $3) ORDER BY a.xact_start NULLS LAST, a.pid",
      {array_of(databases_), spared(inquiry.from, {}), options_.applier});
  if (!rows) {
    inquiry.found.push_back({"unreachable:" + std::string(name_of(inquiry.from)), rows.error().detail});
    return;
  }
  const Processes ours = inquiry.ours();
  std::size_t shown = 0;
  for (const Row& row : *rows) {
    const std::string session = "process " + value_of(row, 0) + " of " + value_of(row, 1) + ", application \"" + value_of(row, 2) +
                                "\", database " + value_of(row, 3) + ", " + value_of(row, 4);
    const std::string statement = value_of(row, 5).empty() ? "" : ": " + value_of(row, 5);
    const auto process = static_cast<std::uint32_t>(std::strtoul(value_of(row, 0).c_str(), nullptr, 10));
    const bool is_ours = value_of(row, 8) == "t" || std::ranges::find(ours, process) != ours.end() ||
                         std::ranges::find(ours_before, process) != ours_before.end();
    const std::size_t before = inquiry.found.size();
    if (std::strtoll(value_of(row, 6).c_str(), nullptr, 10) > std::strtoll(seconds.c_str(), nullptr, 10)) {
      inquiry.found.push_back({"long_transaction:" + value_of(row, 0), "a transaction of " + value_of(row, 6) + " s may not end within a drain: " +
                                                                           session + statement});
    }
    if (value_of(row, 9) == "t") inquiry.found.push_back({"bulk_work:" + value_of(row, 0), "bulk work is under way: " + session + statement});
    if (value_of(row, 10) == "t") inquiry.found.push_back({"schema_change:" + value_of(row, 0), "a schema change is under way: " + session + statement});
    if (!is_ours && value_of(row, 7) == "t") {
      inquiry.found.push_back({"foreign_writer:" + value_of(row, 0), "somebody writes who does not come through Crossfade: " + session + statement});
    } else if (!is_ours) {
      inquiry.found.push_back({"foreign_session:" + value_of(row, 0),
                               "a session that does not come through Crossfade will be ended: " + session + statement, Weight::note});
    }
    if (inquiry.found.size() != before && ++shown == shown_max) break;
  }
}

void PairDatabases::find_prepared(const Inquiry& inquiry) {
  const auto rows = ask(inquiry, inquiry.from, options_.home,
                        "SELECT gid, owner, database, extract(epoch FROM clock_timestamp() - prepared)::bigint FROM pg_prepared_xacts "
                        "WHERE database = ANY ($1::text[]) ORDER BY prepared",
                        {array_of(databases_)});
  if (!rows) return;
  for (const Row& row : *rows) {
    inquiry.found.push_back({"prepared_transaction:" + value_of(row, 0),
                             "a prepared transaction of " + value_of(row, 1) + " in database " + value_of(row, 2) + " has been waiting for " +
                                 value_of(row, 3) + " s; COMMIT PREPARED or ROLLBACK PREPARED ends it"});
  }
}

}  // namespace proxy::migrate
