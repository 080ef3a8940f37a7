#include "protocol/postgres/capture.hpp"

#include "protocol/postgres/error_response.hpp"
#include "protocol/postgres/frame_writer.hpp"
#include "protocol/wire/byte_reader.hpp"

#include <algorithm>
#include <charconv>
#include <string>
#include <system_error>
#include <utility>

// What comes back.
namespace protocol::postgres {

using Kind = CaptureStatement::Kind;

namespace {

/// The text of a CommandComplete.
std::string_view tag_of(ByteView frame) { return ByteReader(frame.subspan(frame_header_bytes)).read_text_z(); }

/// An idle session keeps no large buffer.
void release_empty(Bytes& buffer) {
  constexpr std::size_t retained_bytes_max = 4096;
  if (buffer.empty() && buffer.capacity() > retained_bytes_max) buffer.shrink_to_fit();
}

bool is_of_extended(FrontendMessage message) {
  return message != FrontendMessage::query && message != FrontendMessage::function_call;
}

}  // namespace

void PostgresCapture::take_replies(ByteView bytes) {
  const bool is_joined = !reply_rest_.empty();
  if (is_joined) {
    append(reply_rest_, bytes);
    bytes = reply_rest_;
  }
  std::size_t used = 0;
  while (used < bytes.size()) {
    const std::size_t taken = take_reply(bytes.subspan(used));
    if (taken == 0) break;
    used += taken;
  }
  if (is_joined) {  // a long message must not be copied with each piece of it
    reply_rest_.erase(reply_rest_.begin(), reply_rest_.begin() + static_cast<std::ptrdiff_t>(used));
  } else {
    append(reply_rest_, bytes.subspan(used));
  }
  release_empty(reply_rest_);
  work();
}

/// How many bytes of its front are used; none while a message is not whole.
std::size_t PostgresCapture::take_reply(ByteView bytes) {
  if (passing_reply_bytes_ > 0) {
    const std::size_t passed = std::min(passing_reply_bytes_, bytes.size());
    append(replies_, bytes.first(passed));
    passing_reply_bytes_ -= passed;
    return passed;
  }
  const std::optional<FrameHeader> header = scan_frame_header(bytes);
  if (!header) return 0;
  const auto message = static_cast<BackendMessage>(header->tag);
  const Tap* tap = current_tap();
  const bool is_of_interest = (tap != nullptr && tap->has_columns) || (!owed_.empty() && owed_.front().is_hidden());
  const bool passes = (message == BackendMessage::data_row && !is_of_interest) || message == BackendMessage::copy_data;
  if (passes) {
    give({});
    passing_reply_bytes_ = header->frame_bytes();
    return take_reply(bytes);
  }
  if (header->length < frame_length_min || header->frame_bytes() > bytes.size()) return 0;
  const ByteView frame = bytes.first(header->frame_bytes());
  switch (message) {
    case BackendMessage::ready_for_query: take_ready(static_cast<char>(frame.back()), frame); break;
    case BackendMessage::error_response: take_error(frame); break;
    case BackendMessage::command_complete: take_complete(frame); break;
    case BackendMessage::row_description: take_row_description(frame); break;
    case BackendMessage::data_row: take_data_row(frame); break;
    case BackendMessage::parameter_status: take_parameter(frame); break;
    case BackendMessage::copy_in_response: take_copy_in_response(frame); break;
    case BackendMessage::parse_complete: take_extended_reply(FrontendMessage::parse, frame); break;
    case BackendMessage::bind_complete: take_extended_reply(FrontendMessage::bind, frame); break;
    case BackendMessage::close_complete: take_extended_reply(FrontendMessage::close, frame); break;
    case BackendMessage::no_data: take_extended_reply(FrontendMessage::describe, frame); break;
    case BackendMessage::portal_suspended:
    case BackendMessage::empty_query_response: take_extended_reply(FrontendMessage::execute, frame); break;
    case BackendMessage::notice_response:
      // What the server has to say of a COMMIT concerns the client, of our other messages it does not.
      if (owed_.empty() || !owed_.front().is_hidden() || owed_.front().purpose == Purpose::commit ||
          owed_.front().purpose == Purpose::prepare) {
        give(without_insertions(frame));
      }
      break;
    case BackendMessage::parameter_description:
      if (owed_.empty() || !owed_.front().is_hidden()) give(frame);
      break;
    default: give(frame); break;
  }
  return frame.size();
}

/// The statement whose rows come now, or whose description; null: nobody is interested.
Tap* PostgresCapture::current_tap() {
  if (owed_.empty()) return nullptr;
  const Owed& owed = owed_.front();
  return owed.tap < owed.taps.size() ? owed.taps[owed.tap].get() : nullptr;
}

void PostgresCapture::give(ByteView frame) {
  Bytes& target = commit_.stage == CommitStage::telling ? commit_.ending : replies_;
  append(target, held_complete_);
  held_complete_.clear();
  append(target, frame);
}

/// A report whose place in the text is told in the client's own. Source: PostgreSQL 15 manual, 55.8, field P.
Bytes PostgresCapture::without_insertions(ByteView frame) const {
  Bytes same(frame.begin(), frame.end());
  if (owed_.empty() || owed_.front().insertions.empty()) return same;
  Bytes changed;
  FrameWriter report(changed, static_cast<BackendMessage>(std::to_integer<char>(frame.front())));
  ByteReader reader(frame.subspan(frame_header_bytes));
  for (std::uint8_t field = reader.read_u8(); reader.ok() && field != 0; field = reader.read_u8()) {
    std::string value(reader.read_text_z());
    std::size_t place = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), place);
    if (field == 'P' && error == std::errc()) {
      for (auto insertion = owed_.front().insertions.rbegin(); insertion != owed_.front().insertions.rend(); ++insertion) {
        std::size_t before = 0;
        for (auto other = std::next(insertion); other != owed_.front().insertions.rend(); ++other) before += other->length;
        if (place > insertion->place + before) place -= std::min(insertion->length, place - insertion->place - before);
      }
      value = std::to_string(place);
    }
    report.fields().write_u8(field);
    report.fields().write_text_z(value);
  }
  report.fields().write_u8(0);
  return reader.is_complete() && report.finish() ? changed : same;
}

void PostgresCapture::take_extended_reply(FrontendMessage message, ByteView frame) {
  if (owed_.empty() || owed_.front().message != message) {
    give(frame);  // of an empty simple query
    return;
  }
  Owed owed = std::move(owed_.front());
  owed_.pop_front();
  std::shared_ptr<Tap> tap = owed.taps.empty() ? nullptr : owed.taps.front();
  switch (message) {
    case FrontendMessage::parse:
      if (owed.purpose == Purpose::none) statements_.insert_or_assign(owed.name, tap);
      break;
    case FrontendMessage::bind: portals_.insert_or_assign(owed.name, tap); break;
    case FrontendMessage::close:
      if (owed.closed_kind == 'S') statements_.erase(owed.name);
      if (owed.closed_kind == 'P') portals_.erase(owed.name);
      break;
    case FrontendMessage::execute:
      if (static_cast<BackendMessage>(std::to_integer<char>(frame.front())) == BackendMessage::portal_suspended && tap != nullptr &&
          tap->has_columns) {
        suspended_tap_ = tap;
      }
      break;
    default: break;
  }
  if (!owed.is_hidden()) give(frame);
}

void PostgresCapture::take_row_description(ByteView frame) {
  Tap* tap = current_tap();
  const bool is_description = !owed_.empty() && owed_.front().message == FrontendMessage::describe;
  const bool is_hidden = !owed_.empty() && owed_.front().is_hidden();
  if (tap == nullptr || !tap->has_columns) {
    if (is_description) owed_.pop_front();
    if (!is_hidden) give(frame);
    return;
  }
  const ByteView payload = frame.subspan(frame_header_bytes);
  const std::shared_ptr<Tap> kept = owed_.front().taps[owed_.front().tap];
  if (is_description) owed_.pop_front();
  const std::optional<Bytes> stripped = strip_row_description(payload);
  if (!stripped) {
    give(frame);
  } else if (!is_ours_alone(payload) || kept->statement.has_returning) {
    give(*stripped);
  } else if (is_description) {
    Bytes no_data;
    FrameWriter(no_data, BackendMessage::no_data).finish();
    give(no_data);
  }
}

void PostgresCapture::take_data_row(ByteView frame) {
  const ByteView payload = frame.subspan(frame_header_bytes);
  if (owed_.front().is_hidden()) {
    if (owed_.front().purpose == Purpose::look_up) {
      if (std::optional<CaptureTable> table = read_capture_table(payload)) answer_ = std::move(*table);
    } else if (owed_.front().purpose == Purpose::surroundings) {
      take_surroundings(payload);
    } else if (owed_.front().purpose == Purpose::form) {
      take_form(payload);
    }
    return;
  }
  Tap& tap = *current_tap();
  std::optional<TappedRow> row = read_tapped_row(payload);
  if (!row) {
    tap.trouble = "its rows were not as described";
    tap.change = RowChange{};
    give(frame);
    return;
  }
  unit_.set_transaction_id(row->transaction_id);
  change_bytes_ += frame.size();
  if (is_form_lossy_) {
    tap.trouble = "extra_float_digits is below 1, so that numbers are not told exactly";
  } else if (tap.table.is_key_deferrable && may_defer_) {
    tap.trouble = "its primary key is deferred";
  } else if (change_bytes_ > options_.unit_bytes_max) {
    tap.trouble = "a statement larger than the mirror carries";
    tap.change = RowChange{};
  } else if (tap.trouble.empty() && (tap.unsafe_because.empty() || tap.unsafe_because == tap.statement.reason)) {
    if (!add_row(tap, std::move(*row))) {
      // The schema was changed where nobody here saw it: what is known of tables is asked for again.
      tap.trouble = "its rows do not fit what is known of its table";
      tap.change = RowChange{};
      tap.schema_version = schema_version_.load(std::memory_order_relaxed) + 1;
      shelf_.tables.clear();
      own_tables_.clear();
    }
  }
  if (tap.statement.has_returning) give(strip_data_row(payload));
}

void PostgresCapture::take_form(ByteView payload) {
  ByteReader reader(payload);
  reader.read_u16_be();
  reader.read_i32_be();
  is_form_lossy_ = reader.read_u8() != 'f';
  const std::int32_t length = reader.read_i32_be();
  if (length > 0) money_form_ = as_text(reader.read_bytes(static_cast<std::size_t>(length)));
}

/// search_path, the role, and the transaction's number, if it has one.
void PostgresCapture::take_surroundings(ByteView payload) {
  ByteReader reader(payload);
  std::vector<std::string_view> values;
  for (std::uint16_t count = reader.read_u16_be(); count > 0 && reader.ok(); --count) {
    const std::int32_t length = reader.read_i32_be();
    values.push_back(length < 0 ? std::string_view() : as_text(reader.read_bytes(static_cast<std::size_t>(length))));
  }
  if (values.size() != 3) return;
  if (status_ != 'I') unit_.set_transaction_id(values[2]);
  surroundings_ = {{"search_path", std::string(values[0])}, {"role", std::string(values[1])}};
  has_surroundings_ = true;
}

void PostgresCapture::take_parameter(ByteView frame) {
  ByteReader reader(frame.subspan(frame_header_bytes));
  const std::string name(reader.read_text_z());
  parameters_.insert_or_assign(name, std::string(reader.read_text_z()));
  give(frame);
}

/// The server reads on until CopyDone, and takes no notice of a Sync that was sent before it.
/// Source: PostgreSQL 15 manual, 55.2.6 "COPY Operations".
void PostgresCapture::take_copy_in_response(ByteView frame) {
  if (!owed_.empty() && owed_.front().message == FrontendMessage::execute) {
    std::erase_if(owed_, [](const Owed& owed) { return owed.message == FrontendMessage::sync; });
  }
  give(frame);
}

void PostgresCapture::take_complete(ByteView frame) {
  if (owed_.empty()) {
    give(frame);
    return;
  }
  Owed& owed = owed_.front();
  const std::string_view tag = tag_of(frame);
  if (commit_.stage == CommitStage::sent && (owed.purpose == Purpose::commit || owed.is_clients_commit)) {
    const bool is_own = owed.purpose == Purpose::commit;
    if (owed.message == FrontendMessage::execute) owed_.pop_front();
    note_commit_ended(tag == "COMMIT" ? End::committed : tag == "PREPARE TRANSACTION" ? End::prepared : End::rolled_back);
    if (!is_own) give(frame);
    return;
  }
  if (take_phase_complete(owed, tag) || owed.is_hidden()) return;
  if (owed.tap < owed.taps.size()) {
    const std::shared_ptr<Tap> tap = owed.taps[owed.tap];
    note_done(*tap, tag);
    if (tap == suspended_tap_) suspended_tap_.reset();
  }
  ++owed.tap;
  const bool is_query = owed.message == FrontendMessage::query;
  if (!is_query) owed_.pop_front();
  if (is_query && (is_wrapped_ || !commit_behind_.empty())) {
    give({});
    held_complete_.assign(frame.begin(), frame.end());
  } else {
    give(frame);
  }
}

void PostgresCapture::take_error(ByteView frame) {
  change_bytes_ = 0;
  copy_data_.clear();
  const Result<ErrorReport> report = decode_error_report(frame.subspan(frame_header_bytes));
  if (owed_.empty() || (report && report->is_fatal())) {
    if (report && report->is_fatal() && is_commit_under_way()) {
      // Whoever goes away now leaves it open.
      write_error_response({"FATAL", "08007", "the connection was lost during COMMIT, and whether it succeeded is not known", {},
                            "Look whether the transaction's effects are there before it is made again."},
                           replies_);
      return;
    }
    held_complete_.clear();  // its COMMIT was not sent: what it speaks of goes with the connection
    give(frame);
    return;
  }
  Owed& owed = owed_.front();
  if (Tap* tap = current_tap()) {
    tap->change = RowChange{};
    tap->trouble.clear();
  }
  if (report && take_phase_error(owed, report->code, frame)) return;
  if (commit_.stage == CommitStage::sent && (owed.purpose == Purpose::commit || owed.is_clients_commit)) {
    held_complete_.clear();
    note_commit_ended(End::rolled_back);
    give(frame);
  } else if (owed.is_hidden() && !is_of_extended(owed.message)) {
    if (hidden_error_.empty() && owed.purpose != Purpose::fail) hidden_error_.assign(frame.begin(), frame.end());
  } else {
    give(hidden_error_.empty() ? without_insertions(frame) : std::exchange(hidden_error_, {}));
  }
  if (is_of_extended(owed.message)) drop_owed_to_sync();
}

/// Source: PostgreSQL 15 manual, 55.2.3: after an error, messages are read and thrown away until Sync.
void PostgresCapture::drop_owed_to_sync() {
  while (!owed_.empty() && owed_.front().message != FrontendMessage::sync) owed_.pop_front();
  if (owed_.empty()) skips_to_sync_ = true;
}

void PostgresCapture::take_ready(char status, ByteView frame) {
  status_ = status;
  if (owed_.empty()) {
    give(frame);
    return;
  }
  const Owed owed = std::move(owed_.front());
  owed_.pop_front();
  if (owed_.empty()) expects_open_.reset();
  if (status == 'I') portals_.clear();
  switch (owed.purpose) {
    case Purpose::begin:
      if (is_wrapped_) expects_open_ = status != 'I';
      return;
    case Purpose::frame:
    case Purpose::form:
    case Purpose::surroundings:
    case Purpose::look_up:
      if (asked_table_ && owed_.empty()) note_table();
      return;
    case Purpose::fail:
      give_refusal(*std::exchange(refused_message_, std::nullopt));
      return;
    case Purpose::rollback: end_rollback(frame); return;
    case Purpose::prepare: end_prepare(frame); return;
    case Purpose::commit_prepared:
    case Purpose::rollback_prepared: end_decision(owed.purpose, frame); return;
    case Purpose::commit:
      give(frame);
      return;
    default: break;
  }
  hidden_error_.clear();
  if (is_wrapped_ && owed_.empty()) {
    finish_wrapped(status, frame);
    return;
  }
  if (!commit_behind_.empty()) {
    Bytes ending = std::exchange(commit_behind_, {});
    if (status == 'T') {
      begin_commit(false, FrontendMessage::query, ending);
      return;
    }
  }
  give(frame);
  if (status == 'I') {
    if (unit_.has_items()) note_unit_lost("a transaction ended unseen");
    flush_notes();
    reset_unit();
  }
}

}  // namespace protocol::postgres
