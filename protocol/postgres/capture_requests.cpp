#include "protocol/postgres/capture.hpp"

#include "protocol/postgres/client_encoding.hpp"
#include "protocol/postgres/frame_writer.hpp"
#include "protocol/wire/byte_reader.hpp"

#include <algorithm>
#include <utility>

// What the client sends.
namespace protocol::postgres {

using Kind = CaptureStatement::Kind;

namespace {

bool is_control(const CaptureStatement& statement) { return statement.is_control(); }
bool is_writing(const CaptureStatement& statement) { return statement.is_writing(); }
bool needs_surroundings(const std::shared_ptr<Tap>& tap) { return tap->needs_surroundings(); }

}  // namespace

PostgresCapture::PostgresCapture(CaptureOptions options, const Login& login, CaptureShelf& shelf,
                                 const std::atomic<std::uint64_t>& schema_version)
    : options_(std::move(options)),
      shelf_(shelf),
      schema_version_(schema_version),
      user_(login.user),
      database_(login.database),
      has_own_names_(login.parameters.contains("options") || login.parameters.contains("search_path")),
      unit_(options_.unit_bytes_max) {}

void PostgresCapture::take_requests(ByteView bytes) {
  append(inbox_, bytes);
  work();
}

void PostgresCapture::work() {
  is_stuck_ = false;
  std::size_t used = 0;
  while (used < inbox_.size()) {
    const ByteView rest = ByteView(inbox_).subspan(used);
    if (passing_request_bytes_ > 0) {
      const std::size_t passed = std::min(passing_request_bytes_, rest.size());
      append(requests_, rest.first(passed));
      passing_request_bytes_ -= passed;
      used += passed;
      continue;
    }
    const std::optional<FrameHeader> header = scan_frame_header(rest);
    if (!header) break;
    if (header->length < frame_length_min) {  // the half finds fault with it
      append(requests_, rest);
      used += rest.size();
      break;
    }
    if (header->frame_bytes() > options_.frame_bytes_max) {
      unit_.note(UnmirroredWrite{{}, 0, "a message longer than the mirror reads"});
      passing_request_bytes_ = header->frame_bytes();
      continue;
    }
    if (header->frame_bytes() > rest.size()) break;
    if (take_message(header->tag, rest.first(header->frame_bytes())) == Step::stuck) {
      is_stuck_ = true;
      break;
    }
    last_answer_.reset();
    used += header->frame_bytes();
  }
  inbox_.erase(inbox_.begin(), inbox_.begin() + static_cast<std::ptrdiff_t>(used));
  constexpr std::size_t retained_bytes_max = 4096;
  if (inbox_.empty() && inbox_.capacity() > retained_bytes_max) inbox_.shrink_to_fit();
}

PostgresCapture::Step PostgresCapture::take_message(char tag, ByteView frame) {
  const auto message = static_cast<FrontendMessage>(tag);
  if (drops_to_sync_ && message != FrontendMessage::sync && message != FrontendMessage::terminate) return Step::done;
  if (skips_to_sync_ && message != FrontendMessage::sync) {
    append(requests_, frame);
    return Step::done;
  }
  const bool is_commit_waiting = commit_.stage != CommitStage::none && commit_.stage != CommitStage::sent;
  if (is_commit_waiting || refused_message_) return Step::stuck;
  // What ends the transaction that we began must be done before anything else begins.
  const auto is_clients_settling = [](const Owed& owed) {
    return !owed.is_hidden() && (owed.message == FrontendMessage::query || owed.message == FrontendMessage::sync);
  };
  if (is_wrapped_ && std::ranges::any_of(owed_, is_clients_settling) && message != FrontendMessage::copy_data &&
      message != FrontendMessage::copy_done && message != FrontendMessage::copy_fail) {
    return await_quiet();
  }
  const bool may_follow_commit = message == FrontendMessage::sync || message == FrontendMessage::flush;
  const bool must_come_alone = commit_.is_own || commit_.is_in_phases() || !may_follow_commit;
  if (commit_.stage == CommitStage::sent && must_come_alone) return await_quiet();
  switch (message) {
    case FrontendMessage::query: return take_query(frame);
    case FrontendMessage::parse: return take_parse(frame);
    case FrontendMessage::bind: return take_bind(frame);
    case FrontendMessage::describe: return take_describe(frame);
    case FrontendMessage::execute: return take_execute(frame);
    case FrontendMessage::close: return take_close(frame);
    case FrontendMessage::sync: return take_sync(frame);
    case FrontendMessage::copy_data:
    case FrontendMessage::copy_done:
    case FrontendMessage::copy_fail: return take_copy_bytes(tag, frame);
    case FrontendMessage::function_call: {
      if (await_quiet() == Step::stuck) return Step::stuck;
      auto tap = std::make_shared<Tap>();
      tap->statement.kind = Kind::unsafe;
      tap->unsafe_because = "a function was called by number";
      forward(frame, Owed{message, Purpose::none, {}, {std::move(tap)}});
      return Step::done;
    }
    default: append(requests_, frame); return Step::done;
  }
}

void PostgresCapture::forward(ByteView frame, Owed owed) {
  append(requests_, frame);
  owed_.push_back(std::move(owed));
  has_asked_flush_ = false;
}

void PostgresCapture::send_query(std::string_view text, Owed owed) {
  Bytes message;
  FrameWriter frame(message, FrontendMessage::query);
  frame.fields().write_text_z(text);
  frame.finish();
  forward(message, std::move(owed));
}

/// A simple query destroys the unnamed statement. Source: PostgreSQL 15 manual, 55.2.3 "Extended Query".
void PostgresCapture::send_hidden(std::string_view text, Purpose purpose) {
  is_unnamed_lost_ = true;
  send_query(text, Owed{FrontendMessage::query, purpose});
}

/// Done when nothing is owed; before that, the server is made to answer.
PostgresCapture::Step PostgresCapture::await_quiet() {
  if (is_quiet()) return Step::done;
  const FrontendMessage last = owed_.back().message;
  const bool is_answered_anyway =
      last == FrontendMessage::query || last == FrontendMessage::sync || last == FrontendMessage::function_call;
  if (!is_answered_anyway && !has_asked_flush_) {
    FrameWriter(requests_, FrontendMessage::flush).finish();
    has_asked_flush_ = true;
  }
  return Step::stuck;
}

CaptureReader::Reading PostgresCapture::read(std::string_view text) {
  const auto encoding = parameters_.find("client_encoding");
  const bool is_readable = encoding == parameters_.end() || is_readable_encoding(encoding->second);
  return is_readable ? shelf_.reader.read(text) : CaptureReader::unreadable(text, "its encoding cannot be read");
}

PostgresCapture::Step PostgresCapture::take_query(ByteView frame) {
  ByteReader reader(frame.subspan(frame_header_bytes));
  const std::string_view text = reader.read_text_z();
  if (!reader.is_complete()) {  // the server refuses it
    forward(frame, Owed{FrontendMessage::query});
    return Step::done;
  }
  const CaptureReader::Reading reading = read(text);
  const std::vector<CaptureStatement>& statements = reading.text->statements;
  if (!reading.text->is_plain && await_quiet() == Step::stuck) return Step::stuck;
  const bool has_control = std::ranges::any_of(statements, is_control);
  const bool has_writes = std::ranges::any_of(statements, is_writing);
  Step step = Step::done;
  if (has_control && statements.size() > 1) {
    step = take_mixed_query(reading, text, frame);
  } else if (has_control) {
    step = take_control(statements.front(), frame);
  } else if (has_writes && status_ != 'E') {
    step = take_writing_query(reading, text);
  } else {
    forward(frame, Owed{FrontendMessage::query});
  }
  if (step == Step::stuck) return step;
  if (!reading.is_read) note_names(text);
  for (const CaptureStatement& statement : statements) has_own_names_ = has_own_names_ || statement.makes_temporary;
  // It is gone at the server too.
  unnamed_parse_.clear();
  statements_.erase(std::string());
  return Step::done;
}

PostgresCapture::Step PostgresCapture::take_writing_query(const CaptureReader::Reading& reading, std::string_view text) {
  std::vector<std::shared_ptr<Tap>> taps;
  if (make_taps(reading, text, taps) == Step::stuck) return Step::stuck;
  for (const std::shared_ptr<Tap>& tap : taps) {
    if (!is_refused(*tap)) continue;
    refuse(FrontendMessage::query);
    return Step::done;
  }
  const auto stands_alone = [](const std::shared_ptr<Tap>& tap) { return !tap->statement.is_transactional; };
  const bool is_carried = std::ranges::any_of(taps, [](const std::shared_ptr<Tap>& tap) { return tap->is_carried(); });
  if (is_carried && status_ == 'I' && !std::ranges::any_of(taps, stands_alone)) {
    if (wrap() == Step::stuck) return Step::stuck;
  }
  if (is_carried) ask_form();
  if (std::ranges::any_of(taps, needs_surroundings)) ask_surroundings();
  Owed owed{FrontendMessage::query, Purpose::none, {}, taps};
  owed.insertions = insertions_of(reading, text, taps);
  send_query(with_clauses(reading, text, taps), std::move(owed));
  return Step::done;
}

/// Transaction control in a text of its own. Precondition: nothing is owed.
PostgresCapture::Step PostgresCapture::take_control(const CaptureStatement& statement, ByteView frame) {
  const bool ends_it = statement.kind == Kind::commit || statement.kind == Kind::prepare_transaction;
  if (ends_it && status_ == 'T' && unit_.has_items()) {
    begin_commit(false, FrontendMessage::query, frame, statement.may_be_phased());
    return Step::done;
  }
  auto tap = std::make_shared<Tap>();
  tap->statement = statement;
  forward(frame, Owed{FrontendMessage::query, Purpose::none, {}, {std::move(tap)}});
  return Step::done;
}

/// Several statements with transaction control among them: where a transaction ends with the text, that end is made a message
/// of its own, as if the client had sent it so. Otherwise what is written cannot be told apart by transactions.
PostgresCapture::Step PostgresCapture::take_mixed_query(const CaptureReader::Reading& reading, std::string_view text,
                                                        ByteView frame) {
  const std::vector<CaptureStatement>& statements = reading.text->statements;
  const auto inner_begin = statements.begin() + (statements.front().kind == Kind::begin ? 1 : 0);
  const bool ends_with_commit = statements.back().kind == Kind::commit;
  const auto inner_end = statements.end() - (ends_with_commit ? 1 : 0);
  const bool is_simple = inner_begin <= inner_end && std::none_of(inner_begin, inner_end, is_control) &&
                         (statements.front().kind == Kind::begin || status_ == 'T');
  const bool has_writes = std::ranges::any_of(statements, is_writing);
  if (!has_writes && !unit_.has_items()) {
    std::vector<std::shared_ptr<Tap>> taps;
    for (const CaptureStatement& statement : statements) {
      taps.push_back(std::make_shared<Tap>());
      taps.back()->statement = statement;
    }
    forward(frame, Owed{FrontendMessage::query, Purpose::none, {}, std::move(taps)});
    return Step::done;
  }
  const bool chains = ends_with_commit && statements.back().chains;
  if (!is_simple || status_ == 'E' || (options_.is_two_phase && chains)) {
    auto tap = std::make_shared<Tap>();
    tap->statement.kind = Kind::unsafe;
    tap->tables = reading.text->tables;
    tap->fingerprint = reading.text->fingerprint;
    tap->unsafe_because = "several statements with transaction control among them";
    if (options_.is_two_phase) {
      refuse(FrontendMessage::query);
      return Step::done;
    }
    note_unit_lost(tap->unsafe_because);
    note_unmirrored(*tap);
    forward(frame, Owed{FrontendMessage::query});
    return Step::done;
  }
  std::vector<std::shared_ptr<Tap>> taps;
  if (make_taps(reading, text, taps) == Step::stuck) return Step::stuck;
  for (const std::shared_ptr<Tap>& tap : taps) {
    if (!is_refused(*tap)) continue;
    refuse(FrontendMessage::query);
    return Step::done;
  }
  std::string front = with_clauses(reading, text, taps);
  if (ends_with_commit) {
    const std::string_view last = text.substr(statements.back().begin);
    front.resize(front.size() - last.size());
    taps.pop_back();
    Bytes ending;
    FrameWriter query(ending, FrontendMessage::query);
    query.fields().write_text_z(last);
    query.finish();
    commit_behind_ = std::move(ending);
  }
  ask_form();
  if (std::ranges::any_of(taps, needs_surroundings)) ask_surroundings();
  Owed owed{FrontendMessage::query, Purpose::none, {}, taps};
  owed.insertions = insertions_of(reading, text, taps);
  send_query(front, std::move(owed));
  return Step::done;
}

/// The COPY FROM STDIN whose data come now; its turn to be answered may not have come yet. Null: nobody is interested.
Tap* PostgresCapture::copying_tap() {
  for (const Owed& owed : owed_) {
    for (std::size_t i = owed.tap; i < owed.taps.size() && owed.message != FrontendMessage::parse && owed.message != FrontendMessage::bind; ++i) {
      if (owed.taps[i]->statement.kind == Kind::copy_in) return owed.taps[i].get();
    }
  }
  return nullptr;
}

PostgresCapture::Step PostgresCapture::take_copy_bytes(char tag, ByteView frame) {
  append(requests_, frame);
  if (tag != static_cast<char>(FrontendMessage::copy_data)) return Step::done;
  Tap* tap = copying_tap();
  if (tap == nullptr || !tap->unsafe_because.empty() || !tap->trouble.empty()) return Step::done;
  change_bytes_ += frame.size();
  if (change_bytes_ > options_.unit_bytes_max) {
    tap->trouble = "a COPY larger than the mirror carries";
    copy_data_.clear();
    copy_data_.shrink_to_fit();
    return Step::done;
  }
  copy_data_.append(as_text(frame.subspan(frame_header_bytes)));
  return Step::done;
}

}  // namespace protocol::postgres
