#include "protocol/statement.hpp"

#include <algorithm>

namespace protocol {

std::string_view name_of(StatementClass statement_class) {
  switch (statement_class) {
    case StatementClass::read: return "read";
    case StatementClass::session: return "session";
    case StatementClass::transaction_control: return "transaction_control";
    case StatementClass::write: return "write";
    case StatementClass::schema_change: return "schema_change";
    case StatementClass::unknown: return "unknown";
  }
  return "unknown";
}

std::string_view name_of(PinReason reason) {
  switch (reason) {
    case PinReason::none: return "none";
    case PinReason::temporary_object: return "temporary_object";
    case PinReason::advisory_lock: return "advisory_lock";
    case PinReason::listen: return "listen";
    case PinReason::hold_cursor: return "hold_cursor";
    case PinReason::replication: return "replication";
    case PinReason::loaded_library: return "loaded_library";
    case PinReason::sequence_value: return "sequence_value";
    case PinReason::random_seed: return "random_seed";
    case PinReason::external_link: return "external_link";
    case PinReason::untracked_state: return "untracked_state";
    case PinReason::restore_failed: return "restore_failed";
    case PinReason::login_refused: return "login_refused";
  }
  return "unknown";
}

bool binds_reads(PinReason reason) {
  switch (reason) {
    case PinReason::none:
    case PinReason::listen:
    case PinReason::sequence_value:
    case PinReason::random_seed:
    case PinReason::external_link: return false;
    case PinReason::temporary_object:
    case PinReason::advisory_lock:
    case PinReason::hold_cursor:
    case PinReason::replication:
    case PinReason::loaded_library:
    case PinReason::untracked_state:
    case PinReason::restore_failed:
    case PinReason::login_refused: break;
  }
  return true;
}

namespace {

StatementClass routed_class(const StatementFacts& facts) {
  if (facts.pin == PinReason::none) return facts.statement_class;
  return std::max(facts.statement_class, StatementClass::write);
}

const std::vector<LoginChange>& everybody() {
  static const std::vector<LoginChange> any(1);
  return any;
}

}  // namespace

BatchFacts batch_facts_of(const StatementFacts& facts, const CommentTags& tags) {
  BatchFacts batch;
  batch.statement_class = routed_class(facts);
  batch.transaction_effect = facts.transaction_effect;
  batch.tables = &facts.tables;
  batch.tags = &tags;
  batch.fingerprint = facts.fingerprint;
  batch.wants_empty_database = facts.wants_empty_database;
  if (!facts.login_changes.empty()) batch.login_changes = &facts.login_changes;
  return batch;
}

void merge_into(BatchFacts& batch, const StatementFacts& facts, std::vector<std::string>& table_storage) {
  const StatementClass further = routed_class(facts);
  // A BEGIN READ ONLY with more in the same batch is no longer only that: whoever mixes transaction control
  // with anything that is not a read in one batch goes where writes go.
  if (further != StatementClass::read && batch.transaction_effect == TransactionEffect::begin_read_only) {
    batch.transaction_effect = TransactionEffect::unclear;
  }
  if (facts.transaction_effect != TransactionEffect::none) {
    batch.transaction_effect = batch.transaction_effect == TransactionEffect::none &&
                                       batch.statement_class <= StatementClass::read
                                   ? facts.transaction_effect
                                   : TransactionEffect::unclear;
  }
  batch.statement_class = std::max(batch.statement_class, further);
  batch.wants_empty_database = batch.wants_empty_database || facts.wants_empty_database;
  if (!facts.login_changes.empty()) batch.login_changes = batch.login_changes == nullptr ? &facts.login_changes : &everybody();
  if (facts.tables.empty()) return;
  if (batch.tables != &table_storage) {
    table_storage.assign(batch.tables->begin(), batch.tables->end());
    batch.tables = &table_storage;
  }
  for (const std::string& table : facts.tables) {
    const auto place = std::lower_bound(table_storage.begin(), table_storage.end(), table);
    if (place == table_storage.end() || *place != table) table_storage.insert(place, table);
  }
}

}  // namespace protocol
