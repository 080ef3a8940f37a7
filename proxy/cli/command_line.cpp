#include "proxy/cli/command_line.hpp"

#include "proxy/cli/convert/command.hpp"
#include "proxy/cli/exit_code.hpp"
#include "proxy/cli/ledger.hpp"
#include "proxy/cli/remote.hpp"
#include "proxy/cli/switchover_words.hpp"

#include <CLI/CLI.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <ostream>
#include <string>

namespace proxy::cli {

namespace {

/// Everything the command line can say, and what it chose to have done.
struct Parsed {
  std::string convert_target;
  std::string path;
  std::string ready_file;
  std::string switchover_halt;
  DemoOptions demo;
  bool are_users_checked = false;
  bool is_demo_held = false;
  std::uint32_t demo_seconds = 3;
  std::string admin_url = default_admin_url;
  std::string token_file;
  bool is_json_wanted = false;
  ExplainWish explain;
  ShiftWish shift;
  SwitchoverWords switchover;
  LedgerWish ledger;
  bool is_ledger_whole = false;
  std::string mirror_pair;
  std::string pins_pair;
  std::string types_pair;
  bool is_reload_dry = false;
  bool is_takeover = false;
  std::function<int()> action;
};

constexpr const char* exit_codes_text =
    "Exit codes: 0 done; 1 refused or failed; 2 wrong usage; 3 no Crossfade answers; 4 the configuration has errors.";

/// The options of every command that talks to a running proxy.
void add_remote_options(CLI::App& command, Parsed& parsed) {
  command.add_option("--admin", parsed.admin_url, "Address of the admin endpoint")
      ->envname("CROSSFADE_ADMIN")
      ->capture_default_str();
  command.add_option("--token-file", parsed.token_file,
                     "File with the bearer token (or CROSSFADE_TOKEN in the environment)");
  command.add_flag("--json", parsed.is_json_wanted, "Print the endpoint's answer as it is");
}

/// Opens the way to the proxy and does `action` with it.
template <class Action>
int with_remote(const Parsed& parsed, const Terminal& terminal, Action action) {
  const auto complain = [&](const protocol::Error& error) {
    terminal.complaints << "crossfade: " << error.detail << "\n";
    return static_cast<int>(ExitCode::usage);
  };
  const auto address = parse_admin_url(parsed.admin_url);
  if (!address) return complain(address.error());
  std::string token = terminal.token;
  if (!parsed.token_file.empty()) {
    const auto read = read_token_file(parsed.token_file);
    if (!read) return complain(read.error());
    token = *read;
  }
  const Form form = parsed.is_json_wanted ? Form::json : Form::text;
  const Remote remote{*address, token, form, std::chrono::seconds(10), terminal.out, terminal.complaints};
  return action(remote);
}

void add_run(CLI::App& app, Parsed& parsed, const Commands& commands) {
  CLI::App* command = app.add_subcommand("run", "Serve the pairs of a configuration until told to stop");
  command->add_option("CONFIG", parsed.path, "YAML file")->required();
  command->add_option("--ready-file", parsed.ready_file,
                      "Write the addresses that are listened on to this file, as JSON, once they are");
  command->add_flag("--takeover", parsed.is_takeover,
                    "Take over the listening sockets of the process that runs; it finishes its sessions and ends");
  // For tests of crashes: no group, so that no help shows it.
  command->add_option("--halt-switchover-at", parsed.switchover_halt)->group("");
  command->callback([&] {
    parsed.action = [&] {
      const auto beginning = parsed.is_takeover ? RunOptions::Beginning::takeover : RunOptions::Beginning::fresh;
      return commands.run(RunOptions{parsed.path, parsed.ready_file, beginning, parsed.switchover_halt});
    };
  });
}

void add_check(CLI::App& app, Parsed& parsed, const Commands& commands) {
  CLI::App* command = app.add_subcommand("check", "Read a configuration and tell everything that is wrong with it");
  command->add_option("CONFIG", parsed.path, "YAML file")->required();
  command->add_flag("--users", parsed.are_users_checked,
                    "Also ask both sides whether they hold the same password of each user");
  command->callback([&] {
    parsed.action = [&] {
      return parsed.are_users_checked ? commands.check_users(parsed.path) : commands.check(parsed.path);
    };
  });
}

void add_convert(CLI::App& app, Parsed& parsed, const Terminal& terminal) {
  CLI::App* command = app.add_subcommand("convert", "Make a configuration from PgBouncer's");
  command->add_option("INI", parsed.path, "pgbouncer.ini")->required();
  command->add_option("-o,--output", parsed.convert_target, "Write to this file, which must not be there yet");
  command->footer("Exit code 1: something could not be carried over; it stands at the head of the configuration.");
  command->callback([&] {
    parsed.action = [&] { return convert(parsed.path, parsed.convert_target, terminal.out, terminal.complaints); };
  });
}

void add_demo(CLI::App& app, Parsed& parsed, const Commands& commands) {
  CLI::App* command = app.add_subcommand("demo", "Two throw-away servers, this proxy, and reads that move between them");
  command->add_flag("--hold", parsed.is_demo_held, "Keep everything running afterwards, until Ctrl-C");
  command->add_option("--seconds", parsed.demo_seconds, "Length of each step")
      ->check(CLI::Range(1, 3600))
      ->capture_default_str();
  command->add_option("--clients", parsed.demo.client_count, "Clients that drive load")
      ->check(CLI::Range(1, 500))
      ->capture_default_str();
  command->callback([&] {
    parsed.demo.ending = parsed.is_demo_held ? DemoEnding::hold : DemoEnding::finish;
    parsed.demo.step = std::chrono::seconds(parsed.demo_seconds);
    parsed.action = [&] { return commands.demo(parsed.demo); };
  });
}

void add_status(CLI::App& app, Parsed& parsed, const Terminal& terminal) {
  CLI::App* command = app.add_subcommand("status", "Where the traffic is");
  add_remote_options(*command, parsed);
  command->callback([&] { parsed.action = [&] { return with_remote(parsed, terminal, show_status); }; });
}

void add_pins(CLI::App& app, Parsed& parsed, const Terminal& terminal) {
  CLI::App* command = app.add_subcommand("pins", "Which sessions cannot move, since when, and why");
  command->add_option("--pair", parsed.pins_pair, "Needed where there are several");
  add_remote_options(*command, parsed);
  command->callback([&] {
    parsed.action = [&] {
      return with_remote(parsed, terminal, [&](const Remote& remote) { return show_pins(remote, parsed.pins_pair); });
    };
  });
}

void add_types(CLI::App& app, Parsed& parsed, const Terminal& terminal) {
  CLI::App* command = app.add_subcommand("types", "Types of the databases that the two sides number differently");
  command->add_option("--pair", parsed.types_pair, "Needed where there are several");
  add_remote_options(*command, parsed);
  command->callback([&] {
    parsed.action = [&] {
      return with_remote(parsed, terminal, [&](const Remote& remote) { return show_types(remote, parsed.types_pair); });
    };
  });
}

void add_explain(CLI::App& app, Parsed& parsed, const Terminal& terminal) {
  CLI::App* command = app.add_subcommand("explain", "Where a statement would go, and why");
  ExplainWish& wish = parsed.explain;
  command->add_option("SQL", wish.sql, "The statement")->required();
  command->add_option("--pair", wish.pair, "Needed where there are several");
  command->add_option("--user", wish.user, "As if sent by this user");
  command->add_option("--database", wish.database, "… in this database");
  command->add_option("--application-name", wish.application_name, "… by this application");
  command->add_option("--client", wish.client, "… from this address");
  command->add_option("--session-number", wish.session_number, "… in the session with this running number");
  add_remote_options(*command, parsed);
  command->callback([&] {
    parsed.action = [&] {
      return with_remote(parsed, terminal, [&](const Remote& remote) { return explain_statement(remote, wish); });
    };
  });
}

void add_shift(CLI::App& app, Parsed& parsed, const Terminal& terminal) {
  CLI::App* command = app.add_subcommand("shift", "Move reads of a rule: the next statement of every session follows");
  ShiftWish& wish = parsed.shift;
  command->add_option("PAIR", wish.pair)->required();
  command->add_option("RULE", wish.rule)->required();
  CLI::Option_group* shares = command->add_option_group("shares", "One is enough; the other is what is left of 100");
  shares->add_option("--green", wish.green, "Percent of reads for green, up to two decimals")->check(CLI::Range(0.0, 100.0));
  shares->add_option("--blue", wish.blue, "Percent of reads for blue")->check(CLI::Range(0.0, 100.0));
  shares->require_option(1, 2);
  command->add_option("--why", wish.why, "A reason, for the log");
  add_remote_options(*command, parsed);
  command->callback([&] {
    parsed.action = [&] {
      return with_remote(parsed, terminal, [&](const Remote& remote) { return shift_reads(remote, wish); });
    };
  });
}

void add_reload(CLI::App& app, Parsed& parsed, const Terminal& terminal) {
  CLI::App* command = app.add_subcommand("reload", "Have the configuration read again: all of it takes effect, or nothing");
  command->add_flag("--dry-run", parsed.is_reload_dry, "Only tell what would change");
  add_remote_options(*command, parsed);
  command->callback([&] {
    parsed.action = [&] {
      return with_remote(parsed, terminal, [&](const Remote& remote) {
        return reload_configuration(remote, parsed.is_reload_dry ? ReloadKind::dry_run : ReloadKind::real);
      });
    };
  });
}

void add_switchovers(CLI::App& app, Parsed& parsed, const Terminal& terminal) {
  const SwitchoverHooks hooks{[&parsed](CLI::App& command) { add_remote_options(command, parsed); },
                              [&parsed, &terminal](RemoteAction act) {
                                parsed.action = [&parsed, &terminal, act = std::move(act)] { return with_remote(parsed, terminal, act); };
                              },
                              [&parsed](std::function<int()> act) { parsed.action = std::move(act); }, terminal.out, terminal.complaints};
  add_switchover_commands(app, parsed.switchover, hooks);
}

void add_ledger(CLI::App& app, Parsed& parsed, const Terminal& terminal) {
  CLI::App* command = app.add_subcommand("ledger", "What is known to differ between the sides, or not proven equal");
  LedgerWish& wish = parsed.ledger;
  command->add_option("--pair", wish.pair, "Needed where there are several");
  command->add_flag("--all", parsed.is_ledger_whole, "Closed entries, too");
  command->add_option("--accept", wish.accepted, "Close the entry with this id: you have made it equal, or it may differ");
  command->add_option("--who", wish.who, "Who accepts, for the ledger and the audit; by default the address");
  command->add_option("--why", wish.why, "A reason, for the audit");
  add_remote_options(*command, parsed);
  command->footer("Exit code 1: there are open entries.");
  command->callback([&] {
    parsed.action = [&] {
      if (parsed.is_ledger_whole) wish.extent = LedgerWish::Extent::all;
      return with_remote(parsed, terminal, [&](const Remote& remote) { return show_ledger(remote, wish); });
    };
  });
}

void add_mirror(CLI::App& app, Parsed& parsed, const Terminal& terminal) {
  CLI::App* command = app.add_subcommand("mirror", "How the follower is kept equal, and how far behind it is");
  command->add_option("--pair", parsed.mirror_pair, "Needed where there are several");
  add_remote_options(*command, parsed);
  command->callback([&] {
    parsed.action = [&] {
      return with_remote(parsed, terminal, [&](const Remote& remote) { return show_mirror(remote, parsed.mirror_pair); });
    };
  });
}

/// The first word that stands where a command should and is none; empty if there is no such word.
std::string unknown_command(const CLI::App& app, int argc, const char* const* argv) {
  if (argc < 2 || argv[1][0] == '-') return {};
  const auto is_meant = [&](const CLI::App* command) { return command->check_name(argv[1]); };
  return app.get_subcommands(is_meant).empty() ? argv[1] : "";
}

}  // namespace

int run_command_line(int argc, const char* const* argv, const Commands& commands, const Terminal& terminal) {
  CLI::App app("Crossfade moves the traffic of a live database between two servers.", "crossfade");
  app.set_version_flag("--version", std::string("crossfade ") + CROSSFADE_VERSION);
  app.require_subcommand(1);
  app.footer(exit_codes_text);
  Parsed parsed;
  add_run(app, parsed, commands);
  add_check(app, parsed, commands);
  add_convert(app, parsed, terminal);
  add_demo(app, parsed, commands);
  add_status(app, parsed, terminal);
  add_pins(app, parsed, terminal);
  add_types(app, parsed, terminal);
  add_explain(app, parsed, terminal);
  add_shift(app, parsed, terminal);
  add_switchovers(app, parsed, terminal);
  add_reload(app, parsed, terminal);
  add_ledger(app, parsed, terminal);
  add_mirror(app, parsed, terminal);
  if (const std::string word = unknown_command(app, argc, argv); !word.empty()) {
    terminal.complaints << "crossfade: there is no command `" << word << "`\n" << app.help();
    return static_cast<int>(ExitCode::usage);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const bool is_answer = app.exit(error, terminal.out, terminal.complaints) == 0;  // --help and --version
    return static_cast<int>(is_answer ? ExitCode::done : ExitCode::usage);
  }
  return parsed.action();
}

}  // namespace proxy::cli
