#include "proxy/cli/switchover_words.hpp"

namespace proxy::cli {

namespace {

/// Where a switchover may be asked for, and by whom.
void add_asker(CLI::App& command, SwitchoverOrder& order) {
  command.add_option("--who", order.who, "Who asks, for the audit; by default the address");
  command.add_option("--why", order.why, "A reason, for the audit");
}

void add_terms(CLI::App& command, SwitchoverWords& words) {
  constexpr std::uint32_t hold_most_ms = 20'000;
  command.add_option("PAIR", words.order.pair, "Needed where there are several");
  command.add_option("--accept", words.order.accepted, "The id of a finding that is not to count, as the dry run tells it; may be repeated")
      ->expected(1);
  command.add_option("--max-hold-ms", words.order.hold_max_ms, "Writes wait for at most so long")->check(CLI::Range(1U, hold_most_ms));
  command.add_option("--on-drain-timeout", words.order.on_drain_timeout, "What becomes of transactions that do not end in time")
      ->check(CLI::IsMember({"abort", "end"}));
  command.add_flag("--dry-run", words.is_dry, "Only tell what speaks against it");
  command.add_flag("--now", words.is_now, "An incident: skip what cannot be done, tell and note what is left behind");
  add_asker(command, words.order);
}

SwitchoverOrder order_of(const SwitchoverWords& words) {
  SwitchoverOrder order = words.order;
  if (words.is_dry) order.extent = SwitchoverOrder::Extent::dry_run;
  if (words.is_now) order.urgency = SwitchoverOrder::Urgency::now;
  return order;
}

}  // namespace

void add_switchover_commands(CLI::App& app, SwitchoverWords& words, const SwitchoverHooks& hooks) {
  const auto add = [&words, hooks](CLI::App& command, int (*act)(const Remote&, const SwitchoverOrder&)) {
    hooks.add_remote_options(command);
    command.callback([&words, hooks, act] { hooks.act_remotely([&words, act](const Remote& remote) { return act(remote, order_of(words)); }); });
  };
  CLI::App* switchover = app.add_subcommand("switchover", "Move the authority for writes to the other side");
  add_terms(*switchover, words);
  switchover->add_option("--to", words.order.to, "blue or green; by default the side that has not the authority")
      ->check(CLI::IsMember({"blue", "green"}));
  bool* is_abort = &words.is_abort;
  switchover->add_flag("--abort", *is_abort, "Give up the one that is under way");
  hooks.add_remote_options(*switchover);
  switchover->callback([&words, hooks, is_abort] {
    hooks.act_remotely([&words, is_abort](const Remote& remote) {
      return *is_abort ? abort_switchover(remote, order_of(words)) : switch_over(remote, order_of(words));
    });
  });

  CLI::App* rollback = app.add_subcommand("rollback", "Take back what was changed last: weights at once, the authority by a switchover");
  add_terms(*rollback, words);
  rollback->get_option("PAIR")->required();
  add(*rollback, roll_back);

  CLI::App* freeze = app.add_subcommand("freeze", "Neither weights nor the authority move until they are thawed");
  CLI::App* thaw = app.add_subcommand("thaw", "They may move again");
  for (CLI::App* each : {freeze, thaw}) {
    each->add_option("PAIR", words.order.pair, "Needed where there are several");
    add_asker(*each, words.order);
  }
  add(*freeze, freeze_traffic);
  add(*thaw, thaw_traffic);

  CLI::App* verified = app.add_subcommand("verified", "Say what a comparison of all rows of both sides has found");
  verified->add_option("PAIR", words.order.pair)->required();
  verified->add_option("VERDICT", words.verdict)->required()->check(CLI::IsMember({"equal", "different"}));
  add_asker(*verified, words.order);
  hooks.add_remote_options(*verified);
  verified->callback([&words, hooks] {
    hooks.act_remotely([&words](const Remote& remote) { return say_verified(remote, words.order, words.verdict == "equal"); });
  });

  CLI::App* history = app.add_subcommand("history", "The switchovers so far");
  history->add_option("PAIR", words.order.pair, "Needed where there are several");
  hooks.add_remote_options(*history);
  history->callback([&words, hooks] {
    hooks.act_remotely([&words](const Remote& remote) { return show_history(remote, words.order.pair); });
  });

  CLI::App* authority = app.add_subcommand("authority", "Who has the authority for writes, where nobody knows");
  authority->require_subcommand(1);
  CLI::App* set = authority->add_subcommand("set", "Say that a side has it: the other must not have been written to since");
  set->add_option("PAIR", words.order.pair)->required();
  set->add_option("SIDE", words.order.to)->required()->check(CLI::IsMember({"blue", "green"}));
  add_asker(*set, words.order);
  add(*set, set_authority);

  CLI::App* audit = app.add_subcommand("audit", "The record of changes of traffic");
  audit->require_subcommand(1);
  CLI::App* verify = audit->add_subcommand("verify", "Tell whether a line was changed or taken out");
  verify->add_option("FILE", words.audit_path)->required();
  verify->callback([&words, hooks] {
    hooks.act([&words, hooks] { return verify_audit_file(words.audit_path, hooks.out, hooks.complaints); });
  });
}

}  // namespace proxy::cli
