#include "protocol/postgres/capture.hpp"

#include "protocol/postgres/capture_key.hpp"
#include "protocol/postgres/error_response.hpp"
#include "protocol/postgres/frame_writer.hpp"
#include "protocol/wire/byte_reader.hpp"

#include <algorithm>
#include <cctype>
#include <initializer_list>
#include <utility>

// What must be known, and done, before a write is let through.
namespace protocol::postgres {

using Kind = CaptureStatement::Kind;

namespace {

/// Under which a text is to be run again. The number of the transaction is asked for along with it.
constexpr std::string_view surroundings_query =
    "SELECT pg_catalog.current_setting('search_path'), current_user, pg_catalog.pg_current_xact_id()";

/// With less than 1, numbers are rounded to what people like to read. Source: PostgreSQL 15 manual, 20.11.2, extra_float_digits, lc_monetary.
constexpr std::string_view form_query =
    "SELECT pg_catalog.current_setting('extra_float_digits')::pg_catalog.int4 < 1, pg_catalog.current_setting('lc_monetary')";

/// Fails in every transaction, so that it is as broken as any refused statement makes it.
constexpr std::string_view failing_query = "SELECT 1/0";

/// Of UTF-8, as the server counts; in another encoding a place may be told a little wrong.
std::size_t count_characters(std::string_view text) {
  constexpr unsigned char continuation_mask = 0xC0;
  constexpr unsigned char continuation = 0x80;
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & continuation_mask) != continuation; }));
}

bool has_any(const std::vector<std::string>& names, const std::vector<std::string>& wanted) {
  return std::ranges::any_of(wanted, [&](const std::string& name) { return std::ranges::find(names, name) != names.end(); });
}

/// Its rows may have other keys than before. Where triggers shape rows that must be looked for, whatever is assigned.
bool needs_old_key(const CaptureStatement& statement, const CaptureTable& table) {
  const bool is_update = statement.change == RowChange::Kind::put && !statement.is_insert;
  return is_update && !table.key.empty() && table.obstacle.empty() && (has_any(table.key, statement.columns) || table.skips_triggers);
}

bool mentions_any(std::string_view folded_text, std::initializer_list<std::string_view> words) {
  return std::ranges::any_of(words, [&](std::string_view word) { return folded_text.find(word) != std::string_view::npos; });
}

}  // namespace

/// By words in a text: after it names may mean something else to the session, or values be written in another form.
void PostgresCapture::note_names(std::string_view text) {
  constexpr std::size_t looked_at_max = 64 * 1024;
  const bool is_looked_at = text.size() <= looked_at_max;
  std::string folded(is_looked_at ? text : std::string_view());
  std::ranges::transform(folded, folded.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (!is_looked_at || mentions_any(folded, {"search_path", "role", "authorization", "discard", "temp", "reset", "set_config"})) {
    has_own_names_ = true;
    has_surroundings_ = false;
    own_tables_.clear();
  }
  if (!is_looked_at || mentions_any(folded, {"extra_float_digits", "lc_monetary", "role", "authorization", "discard", "reset", "set_config"})) {
    has_asked_form_ = false;
    has_changed_form_ = true;
  }
  may_defer_ = may_defer_ || !is_looked_at || mentions_any(folded, {"constraints"});
}

PostgresCapture::Step PostgresCapture::make_taps(const CaptureReader::Reading& reading, std::string_view text,
                                                 std::vector<std::shared_ptr<Tap>>& taps) {
  for (std::size_t i = 0; i < reading.text->statements.size(); ++i) {
    const CaptureStatement& statement = reading.text->statements[i];
    const CaptureTable* table = nullptr;
    if (statement.kind == Kind::execute) {
      const auto prepared = prepared_.find(statement.name);
      if (prepared != prepared_.end() && renew(prepared->second) == Step::stuck) return Step::stuck;
    }
    if (statement.kind == Kind::rows || statement.kind == Kind::copy_in) {
      table = find_table(statement);
      if (table == nullptr) {
        if (await_quiet() == Step::stuck) return Step::stuck;
        look_up(statement);
        return Step::stuck;
      }
    }
    const std::string_view source = text.substr(statement.begin, reading.end_of(i) - statement.begin);
    taps.push_back(make_tap(statement, reading.text, source, table));
  }
  return Step::done;
}

const CaptureTable* PostgresCapture::find_table(const CaptureStatement& statement) {
  const std::pair<std::string, std::string> name(statement.schema, statement.table);
  if (last_answer_ && last_answer_->first == name) return &last_answer_->second;
  const std::uint64_t version = schema_version_.load(std::memory_order_relaxed);
  if (!has_own_names_ && !has_changed_schema_) return shelf_.tables.find(version, user_, name.first, name.second);
  if (std::exchange(own_version_, version) != version) own_tables_.clear();
  const auto own = own_tables_.find(name);
  return own == own_tables_.end() ? nullptr : &own->second;
}

/// Precondition: nothing is owed.
void PostgresCapture::look_up(const CaptureStatement& statement) {
  asked_table_ = {statement.schema, statement.table};
  answer_ = CaptureTable{};
  ask(capture_table_query(statement.schema, statement.table), Purpose::look_up);
}

/// Inside a transaction that may write, so that the question goes where writes go, and sees what this session has made.
void PostgresCapture::ask(std::string_view question, Purpose purpose) {
  const bool is_framed = !is_open();
  if (is_framed) send_hidden("BEGIN READ WRITE", Purpose::frame);
  send_hidden(question, purpose);
  if (is_framed) send_hidden("ROLLBACK", Purpose::frame);
}

/// Once, and again when it may have changed.
void PostgresCapture::ask_form() {
  if (std::exchange(has_asked_form_, true)) return;
  ask(form_query, Purpose::form);
}

void PostgresCapture::note_table() {
  const bool is_shared = answer_->is_found && !answer_->is_temporary && !has_own_names_ && !has_changed_schema_;
  if (is_shared) shelf_.tables.insert(user_, asked_table_->first, asked_table_->second, *answer_);
  if (answer_->is_found && !is_shared) own_tables_.insert_or_assign(*asked_table_, *answer_);
  last_answer_ = {std::move(*asked_table_), std::move(*answer_)};
  asked_table_.reset();
  answer_.reset();
}

std::shared_ptr<Tap> PostgresCapture::make_tap(const CaptureStatement& statement,
                                               const std::shared_ptr<const CaptureText>& text, std::string_view source,
                                               const CaptureTable* table) {
  auto tap = std::make_shared<Tap>();
  tap->statement = statement;
  tap->tables = text->tables;
  tap->fingerprint = text->fingerprint;
  tap->unsafe_because = statement.reason;
  if (table != nullptr) tap->table = *table;
  tap->schema_version = schema_version_.load(std::memory_order_relaxed);
  if (table != nullptr && table->is_found) tap->tables = {table->schema + "." + table->name};
  switch (statement.kind) {
    case Kind::rows:
      if (table != nullptr && needs_old_key(statement, *table)) {
        tap->old_key = old_key_expression(source, statement, *table);
        tap->old_key_columns = table->key;
      }
      judge_rows(*tap);
      break;
    case Kind::copy_in: judge_copy(*tap); break;
    case Kind::text: judge_text(*tap, source); break;
    case Kind::execute: {
      const auto prepared = prepared_.find(statement.name);
      if (prepared == prepared_.end()) {
        tap->unsafe_because = "EXECUTE of a statement that was not seen";
      } else {
        *tap = *prepared->second;
        tap->statement.is_prepare = false;
      }
      break;
    }
    default: break;
  }
  return tap;
}

/// The schema has changed since a prepared statement was looked at: what is known of its table is asked for again.
PostgresCapture::Step PostgresCapture::renew(const std::shared_ptr<Tap>& tap) {
  const std::uint64_t version = schema_version_.load(std::memory_order_relaxed);
  if (tap == nullptr || !tap->has_columns || (tap->schema_version == version && !has_changed_schema_) || status_ == 'E') {
    return Step::done;
  }
  const CaptureTable* table = find_table(tap->statement);
  if (table == nullptr) {
    if (await_quiet() == Step::stuck) return Step::stuck;
    look_up(tap->statement);
    return Step::stuck;
  }
  tap->table = *table;
  tap->schema_version = version;
  // Our columns are in its text for good; whether its rows can still be carried is judged anew.
  tap->unsafe_because = tap->statement.reason;
  judge_rows(*tap);
  tap->has_columns = true;
  return Step::done;
}

void PostgresCapture::judge_rows(Tap& tap) const {
  const CaptureTable& table = tap.table;
  if (table.is_temporary) {
    tap.statement.kind = Kind::plain;
    tap.unsafe_because.clear();
    return;
  }
  const bool is_insert_alone = tap.statement.change == RowChange::Kind::put && tap.statement.columns.empty();
  if (!table.is_found) {
    tap.unsafe_because = "its table is not known";
  } else if (!table.obstacle.empty()) {
    tap.unsafe_because = table.obstacle;
  } else if (table.key.empty() && !tap.statement.is_insert) {
    tap.unsafe_because = "its table has no primary key";
  } else if (table.key.empty() && !is_insert_alone) {
    tap.unsafe_because = "its table has no primary key, and the statement may change rows";
  } else if (tap.statement.change == RowChange::Kind::put && has_any(table.fixed, tap.statement.columns)) {
    tap.unsafe_because = "it changes an identity column";
  } else if (tap.statement.change == RowChange::Kind::put && has_any(table.key, tap.statement.columns) && (tap.old_key.empty() || tap.old_key_columns != table.key)) {
    tap.unsafe_because = tap.statement.is_insert ? "it changes a key" : "it changes a key in a way that does not tell the old one";
  } else if (!table.action_obstacle.empty() &&
             (tap.statement.change == RowChange::Kind::remove || has_any(table.acted_columns, tap.statement.columns))) {
    tap.unsafe_because = table.action_obstacle;
  } else {
    tap.has_columns = true;
  }
}

void PostgresCapture::judge_copy(Tap& tap) const {
  const CaptureTable& table = tap.table;
  if (table.is_temporary) {
    tap.statement.kind = Kind::plain;
    return;
  }
  const std::vector<std::string>& given = tap.statement.columns;
  const auto is_left_out = [&](const std::string& column) {
    return !given.empty() && std::ranges::find(given, column) == given.end();
  };
  if (!table.is_found) {
    tap.unsafe_because = "its table is not known";
  } else if (table.skips_triggers || table.obstacle == "it has triggers that may write elsewhere") {
    tap.unsafe_because = "COPY into a table with triggers";
  } else if (!table.obstacle.empty() && table.obstacle != "its user may not read it") {
    tap.unsafe_because = table.obstacle;
  } else if (std::ranges::any_of(table.computed_defaults, is_left_out)) {
    tap.unsafe_because = "COPY leaves out a column whose default is computed";
  }
}

void PostgresCapture::judge_text(Tap& tap, std::string_view source) const {
  if (options_.schema_changes == SchemaPolicy::authority_only) {
    tap.statement.kind = Kind::plain;
    return;
  }
  if (!tap.statement.is_transactional) {
    tap.unsafe_because = "it cannot run inside a transaction";
    return;
  }
  tap.text = source;
}

bool PostgresCapture::is_refused(const Tap& tap) const {
  if (tap.statement.kind == Kind::text && options_.schema_changes == SchemaPolicy::reject) return true;
  return !tap.unsafe_because.empty() && options_.unsafe_statements == UnsafePolicy::reject;
}

/// The client is told that the mirror's policy forbids the statement; its transaction, if one is open, is made to fail.
/// Precondition: nothing is owed.
void PostgresCapture::refuse(FrontendMessage message) {
  if (is_open()) {
    refused_message_ = message;
    send_hidden(failing_query, Purpose::fail);
    return;
  }
  give_refusal(message);
}

void PostgresCapture::give_refusal(FrontendMessage message) {
  write_error_response({"ERROR", "0A000", "this statement cannot be carried to the other side", {},
                        "The policy of the mirror is to reject such statements."},
                       replies_);
  if (message != FrontendMessage::query) {
    drops_to_sync_ = true;
    return;
  }
  FrameWriter frame(replies_, BackendMessage::ready_for_query);
  frame.fields().write_u8(static_cast<std::uint8_t>(status_));
  frame.finish();
}

/// Behind the last statement first, so that the places of the others stay.
std::string PostgresCapture::with_clauses(const CaptureReader::Reading& reading, std::string_view text,
                                          const std::vector<std::shared_ptr<Tap>>& taps) {
  std::string result(text);
  for (std::size_t i = taps.size(); i-- > 0;) {
    if (!taps[i]->has_columns || reading.text->statements[i].kind == Kind::execute) continue;
    result.insert(reading.end_of(i), tap_clause(taps[i]->statement, taps[i]->old_key));
  }
  return result;
}

/// Nothing for a single statement: what is put in stands behind everything that can be found fault with.
std::vector<PostgresCapture::Insertion> PostgresCapture::insertions_of(const CaptureReader::Reading& reading, std::string_view text,
                                                                       const std::vector<std::shared_ptr<Tap>>& taps) {
  std::vector<Insertion> insertions;
  for (std::size_t i = 0; i + 1 < taps.size(); ++i) {
    if (!taps[i]->has_columns || reading.text->statements[i].kind == Kind::execute) continue;
    insertions.push_back({count_characters(text.substr(0, reading.end_of(i))),
                          count_characters(tap_clause(taps[i]->statement, taps[i]->old_key))});
  }
  return insertions;
}

void PostgresCapture::ask_surroundings() {
  if (!has_surroundings_) ask(surroundings_query, Purpose::surroundings);
}

/// A transaction is open for what comes next: the client's own, or one put around it.
PostgresCapture::Step PostgresCapture::wrap() {
  if (is_wrapped_) return Step::done;
  const auto settles = [](const Owed& owed) {
    return owed.message == FrontendMessage::query || owed.message == FrontendMessage::sync;
  };
  if (std::ranges::any_of(owed_, settles) && await_quiet() == Step::stuck) return Step::stuck;
  if (is_open()) return Step::done;
  send_hidden("BEGIN", Purpose::begin);
  is_wrapped_ = true;
  expects_open_ = true;
  return Step::done;
}

}  // namespace protocol::postgres
