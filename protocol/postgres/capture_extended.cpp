#include "protocol/postgres/capture.hpp"

#include "protocol/postgres/frame_writer.hpp"
#include "protocol/wire/byte_reader.hpp"

#include <algorithm>
#include <utility>

// The extended protocol as the client speaks it.
namespace protocol::postgres {

using Kind = CaptureStatement::Kind;

namespace {

std::shared_ptr<Tap> tap_of_control(const CaptureStatement& statement) {
  auto tap = std::make_shared<Tap>();
  tap->statement = statement;
  return tap;
}

}  // namespace

/// As it will be when the messages before are done: the last that names it counts, answered or not.
std::shared_ptr<Tap> PostgresCapture::statement_named(std::string_view name) const {
  for (auto owed = owed_.rbegin(); owed != owed_.rend(); ++owed) {
    if (owed->name != name) continue;
    if (owed->message == FrontendMessage::close && owed->closed_kind == 'S') return nullptr;
    if (owed->message == FrontendMessage::parse) return owed->taps.empty() ? nullptr : owed->taps.front();
  }
  const auto known = statements_.find(name);
  return known == statements_.end() ? nullptr : known->second;
}

std::shared_ptr<Tap> PostgresCapture::portal_named(std::string_view name) const {
  for (auto owed = owed_.rbegin(); owed != owed_.rend(); ++owed) {
    if (owed->name != name) continue;
    if (owed->message == FrontendMessage::close && owed->closed_kind == 'P') return nullptr;
    if (owed->message == FrontendMessage::bind) return owed->taps.empty() ? nullptr : owed->taps.front();
  }
  const auto known = portals_.find(name);
  return known == portals_.end() ? nullptr : known->second;
}

/// A query of ours has destroyed the unnamed statement: it is prepared once more before it is used.
void PostgresCapture::bring_back_unnamed() {
  if (!std::exchange(is_unnamed_lost_, false) || unnamed_parse_.empty()) return;
  Owed owed{FrontendMessage::parse, Purpose::prepare_again};
  if (std::shared_ptr<Tap> tap = statement_named({})) owed.taps.push_back(std::move(tap));
  forward(unnamed_parse_, std::move(owed));
}

/// A transaction is open, and what is needed to carry a text was asked.
PostgresCapture::Step PostgresCapture::make_ready(const std::shared_ptr<Tap>& tap) {
  if (tap == nullptr || !tap->is_carried() || status_ == 'E') return Step::done;
  if (wrap() == Step::stuck) return Step::stuck;
  if (!has_asked_form_) {
    if (!is_wrapped_ && await_quiet() == Step::stuck) return Step::stuck;
    ask_form();
  }
  if (tap->needs_surroundings() && !has_surroundings_) {
    if (await_quiet() == Step::stuck) return Step::stuck;
    ask_surroundings();
    has_surroundings_ = true;
  }
  return Step::done;
}

PostgresCapture::Step PostgresCapture::take_parse(ByteView frame) {
  ByteReader reader(frame.subspan(frame_header_bytes));
  const std::string_view name = reader.read_text_z();
  const std::string_view text = reader.read_text_z();
  const ByteView types = reader.read_bytes(reader.remaining());
  if (!reader.ok()) {  // the server refuses it
    forward(frame, Owed{FrontendMessage::parse});
    return Step::done;
  }
  const CaptureReader::Reading reading = read(text);
  Owed owed{FrontendMessage::parse, Purpose::none, std::string(name)};
  Bytes rewritten(frame.begin(), frame.end());
  const bool is_one = reading.text->statements.size() == 1;  // the server refuses several
  if (!reading.text->is_plain && is_one && reading.text->statements.front().is_control()) {
    owed.taps.push_back(tap_of_control(reading.text->statements.front()));
  } else if (!reading.text->is_plain && is_one && status_ != 'E') {
    std::vector<std::shared_ptr<Tap>> taps;
    if (make_taps(reading, text, taps) == Step::stuck) return Step::stuck;
    if (is_refused(*taps.front())) {
      if (await_quiet() == Step::stuck) return Step::stuck;
      refuse(FrontendMessage::parse);
      return Step::done;
    }
    if (name.empty() && make_ready(taps.front()) == Step::stuck) return Step::stuck;
    if (taps.front()->has_columns) {
      rewritten.clear();
      FrameWriter parse(rewritten, FrontendMessage::parse);
      parse.fields().write_text_z(name);
      parse.fields().write_text_z(with_clauses(reading, text, taps));
      parse.fields().write_bytes(types);
      parse.finish();
    }
    owed.taps = std::move(taps);
  }
  if (name.empty()) {
    is_unnamed_lost_ = false;
    unnamed_parse_ = rewritten;
  }
  if (!reading.is_read) note_names(text);
  forward(rewritten, std::move(owed));
  return Step::done;
}

PostgresCapture::Step PostgresCapture::take_bind(ByteView frame) {
  const ByteView payload = frame.subspan(frame_header_bytes);
  ByteReader reader(payload);
  const std::string portal(reader.read_text_z());
  const std::string statement(reader.read_text_z());
  if (!reader.ok()) {
    append(requests_, frame);
    return Step::done;
  }
  std::shared_ptr<Tap> tap = statement_named(statement);
  if (renew(tap) == Step::stuck || make_ready(tap) == Step::stuck) return Step::stuck;
  if (statement.empty()) bring_back_unnamed();
  Owed owed{FrontendMessage::bind, Purpose::none, portal};
  if (tap == nullptr || !tap->has_columns) {
    if (tap != nullptr) owed.taps.push_back(std::move(tap));
    forward(frame, std::move(owed));
    return Step::done;
  }
  const std::optional<Bytes> rewritten = tap->statement.has_returning ? rewrite_bind(payload) : std::nullopt;
  owed.taps.push_back(std::move(tap));
  forward(rewritten ? ByteView(*rewritten) : frame, std::move(owed));
  return Step::done;
}

PostgresCapture::Step PostgresCapture::take_describe(ByteView frame) {
  ByteReader reader(frame.subspan(frame_header_bytes));
  const char kind = static_cast<char>(reader.read_u8());
  const std::string_view name = reader.read_text_z();
  const bool is_statement = kind == 'S';
  std::shared_ptr<Tap> tap = is_statement ? statement_named(name) : portal_named(name);
  if (is_statement && name.empty()) bring_back_unnamed();
  Owed owed{FrontendMessage::describe};
  if (tap != nullptr) owed.taps.push_back(std::move(tap));
  forward(frame, std::move(owed));
  return Step::done;
}

PostgresCapture::Step PostgresCapture::take_execute(ByteView frame) {
  ByteReader reader(frame.subspan(frame_header_bytes));
  const std::string_view portal = reader.read_text_z();
  const std::int32_t rows_max = reader.read_i32_be();
  std::shared_ptr<Tap> tap = portal_named(portal);
  Owed owed{FrontendMessage::execute, Purpose::none, std::string(portal)};
  if (tap == nullptr) {
    forward(frame, std::move(owed));
    return Step::done;
  }
  if (tap->statement.kind == Kind::commit || tap->statement.kind == Kind::prepare_transaction) {
    if (await_quiet() == Step::stuck) return Step::stuck;
    if (is_open() && unit_.has_items()) {
      begin_commit(false, FrontendMessage::execute, frame, tap->statement.may_be_phased());
      return Step::done;
    }
  }
  switch (tap->statement.kind) {
    case Kind::begin: expects_open_ = true; break;
    case Kind::commit:
    case Kind::rollback:
    case Kind::prepare_transaction: expects_open_ = tap->statement.chains; break;
    default: break;
  }
  owed.taps.push_back(tap);
  // Without a RETURNING of its own it has no rows for the client, which cannot have meant to get them in parts.
  if (tap->has_columns && !tap->statement.has_returning && rows_max != 0) {
    Bytes whole;
    FrameWriter execute(whole, FrontendMessage::execute);
    execute.fields().write_text_z(portal);
    execute.fields().write_i32_be(0);
    execute.finish();
    forward(whole, std::move(owed));
    return Step::done;
  }
  forward(frame, std::move(owed));
  return Step::done;
}

PostgresCapture::Step PostgresCapture::take_close(ByteView frame) {
  ByteReader reader(frame.subspan(frame_header_bytes));
  Owed owed{FrontendMessage::close};
  owed.closed_kind = static_cast<char>(reader.read_u8());
  owed.name = reader.read_text_z();
  if (owed.closed_kind == 'S' && owed.name.empty()) unnamed_parse_.clear();
  forward(frame, std::move(owed));
  return Step::done;
}

PostgresCapture::Step PostgresCapture::take_sync(ByteView frame) {
  skips_to_sync_ = false;
  drops_to_sync_ = false;
  forward(frame, Owed{FrontendMessage::sync});
  return Step::done;
}

}  // namespace protocol::postgres
