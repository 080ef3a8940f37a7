#include "routing/decide.hpp"

#include "routing/network.hpp"
#include "routing/sample.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace routing {

namespace {

using protocol::BatchFacts;
using protocol::StatementClass;
using protocol::TransactionEffect;

/// The recorder of decide(): the steps are never even put into words.
struct Silent {
  template <class Words>
  void tell(std::string_view, const Words&) const {}
  template <class Words>
  void tell_of_rule(const Rule&, const Words&) const {}
};

/// The recorder of explain().
struct Telling {
  std::vector<ExplainStep> steps;
  template <class Words>
  void tell(std::string_view subject, const Words& words) {
    steps.push_back({std::string(subject), words()});
  }
  template <class Words>
  void tell_of_rule(const Rule& rule, const Words& words) {
    steps.push_back({"rule " + rule.name, words()});
  }
};

/// What the rules are shown of a batch.
struct Subject {
  const SessionFacts& session;
  const BatchFacts& batch;
  const Circumstances& circumstances;
  StatementClass statement_class;  ///< for matching: BEGIN READ ONLY alone is a read
};

template <class List, class Value>
bool holds(const List& list, const Value& value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

/// "orders" lists the table of every schema, "sales.orders" only what was written so.
bool is_listed(const std::vector<std::string>& listed, std::string_view table) {
  const std::size_t dot = table.rfind('.');
  const std::string_view unqualified = dot == std::string_view::npos ? table : table.substr(dot + 1);
  return std::any_of(listed.begin(), listed.end(),
                     [&](const std::string& name) { return name == table || name == unqualified; });
}

bool has_only_tables_of(const std::vector<std::string>& listed, const BatchFacts& batch) {
  return !batch.tables->empty() &&
         std::all_of(batch.tables->begin(), batch.tables->end(),
                     [&](const std::string& table) { return is_listed(listed, table); });
}

bool has_tags(const protocol::CommentTags& wanted, const BatchFacts& batch) {
  return std::all_of(wanted.begin(), wanted.end(), [&](const auto& tag) { return holds(*batch.tags, tag); });
}

bool is_in_any(const std::vector<Network>& networks, const ClientAddress& client) {
  return std::any_of(networks.begin(), networks.end(),
                     [&](const Network& network) { return contains(network, client); });
}

/// What of a match was not met first; `nothing` when all was met.
enum class Unmet : std::uint8_t {
  nothing,
  user,
  database,
  network,
  application_name,
  statement_class,
  table,
  tag
};

/// Cheap questions first; the order shows only in what explain names as the cause.
Unmet find_unmet(const Match& match, const Subject& subject) {
  const SessionFacts& session = subject.session;
  if (!match.classes.empty() && !holds(match.classes, subject.statement_class)) return Unmet::statement_class;
  if (!match.users.empty() && !holds(match.users, session.user)) return Unmet::user;
  if (!match.databases.empty() && !holds(match.databases, session.database)) return Unmet::database;
  if (!match.application_names.empty() && !holds(match.application_names, session.application_name)) {
    return Unmet::application_name;
  }
  if (!match.networks.empty() && !is_in_any(match.networks, session.client)) return Unmet::network;
  if (!match.tables.empty() && !has_only_tables_of(match.tables, subject.batch)) return Unmet::table;
  if (!match.tags.empty() && !has_tags(match.tags, subject.batch)) return Unmet::tag;
  return Unmet::nothing;
}

template <class List, class Words>
std::string join(const List& list, const Words& words) {
  std::string joined;
  for (const auto& item : list) {
    if (!joined.empty()) joined += ", ";
    joined += words(item);
  }
  return joined.empty() ? "none" : joined;
}

std::string quote(std::string_view text) {
  return "\"" + std::string(text) + "\"";
}

std::string tag_words(const std::pair<std::string, std::string>& tag) {
  return tag.first + "=" + tag.second;
}

std::string unmet_words(Unmet unmet, const Match& match, const Subject& subject) {
  const auto differs = [](std::string_view what, const std::string& found, const std::string& wanted) {
    return "not matched: " + std::string(what) + " is " + found + ", the rule wants " + wanted;
  };
  const SessionFacts& session = subject.session;
  const auto class_name = [](StatementClass statement_class) {
    return std::string(protocol::name_of(statement_class));
  };
  switch (unmet) {
    case Unmet::nothing:
      return "matched";
    case Unmet::user:
      return differs("user", quote(session.user), join(match.users, quote));
    case Unmet::database:
      return differs("database", quote(session.database), join(match.databases, quote));
    case Unmet::network:
      return differs("client", format_address(session.client), join(match.networks, format_network));
    case Unmet::application_name:
      return differs("application_name", quote(session.application_name),
                     join(match.application_names, quote));
    case Unmet::statement_class:
      return differs("class", class_name(subject.statement_class), join(match.classes, class_name));
    case Unmet::table:
      return differs("table", join(*subject.batch.tables, quote), "only " + join(match.tables, quote));
    case Unmet::tag:
      return differs("tag", join(*subject.batch.tags, tag_words), join(match.tags, tag_words));
  }
  return "not matched";
}

std::string percent(std::uint32_t hundredths) {
  std::string text = std::to_string(hundredths / 100);
  const std::uint32_t rest = hundredths % 100;
  if (rest == 0) return text + " %";
  text += "." + std::to_string(rest / 10);
  if (rest % 10 != 0) text += std::to_string(rest % 10);
  return text + " %";
}

/// A place on the scale and what it was taken from.
struct Placed {
  Position position;
  Stickiness by;
};

const std::string* find_tag(const protocol::CommentTags& tags, std::string_view key) {
  const auto found =
      std::find_if(tags.begin(), tags.end(), [&](const auto& tag) { return tag.first == key; });
  return found == tags.end() ? nullptr : &found->second;
}

Placed place(const Rule& rule, const Subject& subject) {
  const SessionFacts& session = subject.session;
  switch (rule.stickiness) {
    case Stickiness::session:
      break;
    case Stickiness::statement:
      return {position_of_batch(session.session_number, subject.circumstances.batch_number),
              Stickiness::statement};
    case Stickiness::user:
      return {position_of_key(session.user), Stickiness::user};
    case Stickiness::client_address:
      return {position_of_address(session.client), Stickiness::client_address};
    case Stickiness::tag: {
      const std::string* value = find_tag(*subject.batch.tags, rule.stickiness_tag);
      if (value != nullptr) return {position_of_key(*value), Stickiness::tag};
      break;
    }
  }
  return {position_of_session(session.session_number), Stickiness::session};
}

std::string weight_words(const Rule& rule, Placed placed, Side side) {
  std::string by(name_of(placed.by));
  if (placed.by == Stickiness::tag) by += " " + rule.stickiness_tag;
  if (placed.by != rule.stickiness) by += " (no tag " + rule.stickiness_tag + ")";
  return "green has " + percent(rule.reads.green) + ", the place by " + by + " is " +
         percent(placed.position) + ": " + std::string(name_of(side));
}

/// A read may be answered where its weight did not send it, if its own side is gone: by the side for writes, which
/// is never behind, or by one that has reads anyway. A side at 0 % gets none, whatever happens: it may not
/// be fit to answer yet.
bool may_stand_in(const Rule& rule, Side side) {
  const std::uint32_t weight = side == Side::green ? rule.reads.green : weight_total - rule.reads.green;
  return weight > 0 || rule.writes == side;
}

template <class Recorder>
Route apply(const Rule& rule, std::uint32_t rule_index, const Subject& subject, Recorder& recorder) {
  if (!is_read(subject.batch)) {
    recorder.tell("writes", [&] {
      return "not a read, to the rule's side for writes: " + std::string(name_of(rule.writes));
    });
    return {rule.writes, RouteReason::write_side, rule_index};
  }
  if (subject.batch.has_differing_types) {
    recorder.tell("types", [&] {
      return "names or gives out types that the sides number differently, to the rule's side for writes: " +
             std::string(name_of(rule.writes));
    });
    return {rule.writes, RouteReason::type_numbers, rule_index};
  }
  const Placed placed = place(rule, subject);
  const Side side = side_at(placed.position, rule.reads);
  recorder.tell("reads", [&] { return weight_words(rule, placed, side); });
  const std::optional<Side>& behind = subject.circumstances.behind;
  if (behind == side) {
    recorder.tell("own writes", [&] {
      const std::string first = rule.causal_wait.count() == 0 ? "" : "after at most " + std::to_string(rule.causal_wait.count()) + " ms of waiting ";
      return std::string(name_of(side)) + " does not have the session's own writes yet, " + first + "to " + std::string(name_of(other(side)));
    });
    return {other(side), RouteReason::own_writes, rule_index};
  }
  const PerSide<bool>& is_unavailable = subject.circumstances.is_unavailable;
  if (!is_unavailable[side] || is_unavailable[other(side)] || behind == other(side)) return {side, RouteReason::read_weight, rule_index};
  if (!may_stand_in(rule, other(side))) {
    recorder.tell("availability", [&] {
      return std::string(name_of(side)) + " could not be reached, but " + std::string(name_of(other(side))) +
             " has 0 % and is not the side for writes: no other choice";
    });
    return {side, RouteReason::read_weight, rule_index};
  }
  recorder.tell("availability", [&] {
    return std::string(name_of(side)) + " could not be reached, to " + std::string(name_of(other(side)));
  });
  return {other(side), RouteReason::side_unavailable, rule_index};
}

/// SET, SHOW and the like go where the session is, as long as that side may answer its reads: what has been taken off
/// a side is off it altogether, and nothing new begins on one that is being left in a hurry.
bool may_stay(const Plan& plan, Subject subject, Side side) {
  if (subject.circumstances.is_unavailable[side]) return false;
  for (const Rule& rule : plan.rules) {
    for (const StatementClass as : {StatementClass::session, StatementClass::read}) {
      subject.statement_class = as;
      if (find_unmet(rule.match, subject) == Unmet::nothing) return may_stand_in(rule, side);
    }
  }
  return side == plan.default_writes;
}

/// What is, or opens a transaction for, more than reads. SET and the like concern the session wherever it is.
bool belongs_to_writes(const BatchFacts& batch) {
  if (batch.statement_class >= StatementClass::write) return true;
  return batch.statement_class == StatementClass::transaction_control &&
         (batch.transaction_effect == TransactionEffect::begin_read_write ||
          batch.transaction_effect == TransactionEffect::unclear);
}

/// Where a batch that is no read goes by the rules.
Side side_for_writes(const Plan& plan, const Subject& subject) {
  for (const Rule& rule : plan.rules) {
    if (find_unmet(rule.match, subject) == Unmet::nothing) return rule.writes;
  }
  return plan.default_writes;
}

/// A session that is tied to one side must not write there when its writes belong to the other: a write may be lost at
/// the next move, or is on neither side's books. Its transactions may begin there, to read. A stream of replication
/// is not a matter of rules.
bool is_misplaced(const Plan& plan, const Subject& subject, Side tied_to) {
  const Circumstances& circumstances = subject.circumstances;
  if (subject.batch.statement_class < StatementClass::write || circumstances.is_transaction_read_only) return false;
  if (circumstances.pin == protocol::PinReason::replication) return false;
  return side_for_writes(plan, subject) != tied_to;
}

/// Nobody knows which side has the authority: what may write is on neither side's books.
bool is_unowned(const Plan& plan, const Subject& subject) {
  return !plan.is_authority_known && subject.batch.statement_class >= StatementClass::write &&
         !subject.circumstances.is_transaction_read_only &&
         subject.circumstances.pin != protocol::PinReason::replication;
}

/// The one walk. What ties a session to a side comes before every rule.
template <class Recorder>
Route walk(const Plan& plan, const SessionFacts& session, const BatchFacts& batch,
           const Circumstances& circumstances, Recorder& recorder) {
  const Subject subject{session, batch, circumstances,
                        is_read(batch) ? StatementClass::read : batch.statement_class};
  const std::optional<Side> tied_to = circumstances.held_on ? circumstances.held_on : circumstances.current;
  if (is_unowned(plan, subject)) {
    recorder.tell("authority", [] { return std::string("nobody knows which side has it: refused until an operator says so"); });
    return {tied_to.value_or(plan.default_writes), RouteReason::write_refused, no_rule};
  }
  if (tied_to && circumstances.pin != protocol::PinReason::none) {
    if (is_misplaced(plan, subject, *tied_to)) {
      recorder.tell("pin", [&] {
        return "pinned by " + std::string(protocol::name_of(circumstances.pin)) + " to " + std::string(name_of(*tied_to)) +
               ", where its writes do not belong: refused until that ends";
      });
      return {*tied_to, RouteReason::write_refused, no_rule};
    }
    recorder.tell("pin", [&] {
      return "pinned by " + std::string(protocol::name_of(circumstances.pin)) + ", stays on " + std::string(name_of(*tied_to));
    });
    return {*tied_to, RouteReason::pinned, no_rule};
  }
  // A transaction is kept together with what it may undo, UNLISTEN say.
  const bool is_plain_read = is_read(batch) && batch.transaction_effect == TransactionEffect::none;
  const bool is_held_back = circumstances.held_on && !circumstances.is_transaction_open && !is_plain_read;
  if (is_held_back && (!belongs_to_writes(batch) || side_for_writes(plan, subject) == *circumstances.held_on)) {
    recorder.tell("held connection", [&] {
      return "not a plain read, and a connection holds what no other has, to " + std::string(name_of(*circumstances.held_on));
    });
    return {*circumstances.held_on, RouteReason::pinned, no_rule};
  }
  if (circumstances.current) {
    const Side current = *circumstances.current;
    const auto stay = [&](std::string_view about, RouteReason reason, const auto& why) -> Route {
      recorder.tell(about, [&] { return why() + ", stays on " + std::string(name_of(current)); });
      return {current, reason, no_rule};
    };
    if (circumstances.is_transaction_open && circumstances.is_transaction_misplaced && is_misplaced(plan, subject, current)) {
      return stay("transaction", RouteReason::write_refused,
                  [] { return std::string("a transaction is open that began where writes do not belong: refused until its end"); });
    }
    if (circumstances.is_transaction_open) {
      return stay("transaction", RouteReason::transaction_open,
                  [] { return std::string("a transaction is open"); });
    }
    if (batch.statement_class == StatementClass::session && !batch.has_differing_types && may_stay(plan, {session, batch, circumstances, {}}, current)) {
      return stay("session statement", RouteReason::session_statement,
                  [] { return std::string("concerns the session only"); });
    }
  }
  for (std::uint32_t index = 0; index < plan.rules.size(); ++index) {
    const Rule& rule = plan.rules[index];
    const Unmet unmet = find_unmet(rule.match, subject);
    recorder.tell_of_rule(rule, [&] { return unmet_words(unmet, rule.match, subject); });
    if (unmet == Unmet::nothing) return apply(rule, index, subject, recorder);
  }
  recorder.tell("pair", [&] {
    return "no rule matched, to the pair's side for writes: " + std::string(name_of(plan.default_writes));
  });
  return {plan.default_writes, RouteReason::no_rule_matched, no_rule};
}

}  // namespace

bool is_read(const BatchFacts& batch) {
  switch (batch.statement_class) {
    case StatementClass::read:
      return batch.transaction_effect == TransactionEffect::none ||
             batch.transaction_effect == TransactionEffect::begin_read_only;
    case StatementClass::transaction_control:
      return batch.transaction_effect == TransactionEffect::begin_read_only;
    case StatementClass::session:
    case StatementClass::write:
    case StatementClass::schema_change:
    case StatementClass::unknown:
      return false;
  }
  return false;
}

Route decide(const Plan& plan, const SessionFacts& session, const BatchFacts& batch,
             const Circumstances& circumstances) {
  Silent silent;
  return walk(plan, session, batch, circumstances, silent);
}

Explanation explain(const Plan& plan, const SessionFacts& session, const BatchFacts& batch,
                    const Circumstances& circumstances) {
  Telling telling;
  const Route route = walk(plan, session, batch, circumstances, telling);
  return {route, std::move(telling.steps)};
}

}  // namespace routing
