#include "protocol/postgres/client_half.hpp"

#include "protocol/wire/byte_reader.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace protocol::postgres {

namespace {

/// PQ_LARGE_MESSAGE_LIMIT and PQ_SMALL_MESSAGE_LIMIT of the server: what it would refuse is refused here.
/// Source: PostgreSQL 15 manual 55.7 gives lengths as Int32; the server's limits are observed behaviour.
constexpr std::uint32_t large_message_length_max = 0x3FFFFFFE;
constexpr std::uint32_t small_message_length_max = 10'000;

/// The names in a Bind must lie within its first bytes; a client that needs more is refused.
constexpr std::size_t bind_names_bytes_max = std::size_t{32} << 10;

const CommentTags& no_tags() {
  static const CommentTags none;
  return none;
}

const Analysis& unknown_analysis() {
  static const Analysis unknown{[] {
                                  auto facts = std::make_shared<StatementFacts>();
                                  facts->statement_count = 1;
                                  facts->transaction_effect = TransactionEffect::unclear;
                                  facts->may_leave_read_only = true;
                                  facts->because = "the text is too large, not whole, or in an encoding that cannot be read";
                                  return facts;
                                }(),
                                std::make_shared<const CommentTags>()};
  return unknown;
}

enum class Size : std::uint8_t { unknown_tag, small, large };

Size size_of(FrontendMessage tag) {
  switch (tag) {
    case FrontendMessage::bind:
    case FrontendMessage::copy_data:
    case FrontendMessage::function_call:
    case FrontendMessage::parse:
    case FrontendMessage::query: return Size::large;
    case FrontendMessage::close:
    case FrontendMessage::copy_done:
    case FrontendMessage::copy_fail:
    case FrontendMessage::describe:
    case FrontendMessage::execute:
    case FrontendMessage::flush:
    case FrontendMessage::sync:
    case FrontendMessage::terminate: return Size::small;
    case FrontendMessage::password: break;  // only during login
  }
  return Size::unknown_tag;
}

bool is_extended(FrontendMessage tag) {
  switch (tag) {
    case FrontendMessage::bind:
    case FrontendMessage::close:
    case FrontendMessage::describe:
    case FrontendMessage::execute:
    case FrontendMessage::flush:
    case FrontendMessage::parse:
    case FrontendMessage::sync: return true;
    default: return false;
  }
}

bool wants_sequence_value(const StatementFacts& facts) {
  return facts.pin == PinReason::sequence_value || facts.may_begin.has(PinReason::sequence_value);
}

ByteView payload_of(const ScannedRequest& scanned, ByteView unread) {
  return unread.subspan(scanned.offset + frame_header_bytes, scanned.available - frame_header_bytes);
}

/// Of a whole Query or Parse; nothing if it is not what the server would read to its end: then it answers with an error (08P01),
/// and the session goes on. Source: PostgreSQL 15 manual 55.7, Query and Parse; what the server does is observed.
std::optional<std::string_view> text_of(FrontendMessage tag, ByteView payload) {
  ByteReader reader(payload);
  if (tag == FrontendMessage::parse) reader.read_text_z();
  const std::string_view text = reader.read_text_z();
  if (tag == FrontendMessage::parse) {
    constexpr std::size_t type_bytes = 4;
    const std::uint16_t count = reader.read_u16_be();
    reader.read_bytes(count * type_bytes);
  }
  if (!reader.is_complete()) return std::nullopt;
  return text;
}

}  // namespace

PostgresClientHalf::PostgresClientHalf(const Login& login, Analyser& analyser, const ClientHalfOptions& options,
                                       StatementLibrary* library, Tenure tenure)
    : analyser_(analyser),
      options_(options),
      library_(library),
      is_sharing_(library != nullptr && options.prepared_statements_max != 0 && tenure == Tenure::shared),
      id_(fresh_number()),
      database_(login.database),
      application_name_(login.application_name) {
  if (login.is_replication) state_.pin_for(PinReason::replication);
}

PostgresClientHalf::ScanOutcome PostgresClientHalf::refuse(ErrorCode code, std::string detail) {
  error_ = failure(code, Blame::client, std::move(detail));
  return ScanOutcome::violation;
}

void PostgresClientHalf::ignore(const NextRequest& request) {
  if (ignored_remaining_ > 0) {
    ignored_remaining_ -= request.bytes;
  } else if (!scan_.empty()) {
    ignored_remaining_ = scan_.back().frame_bytes - scan_.back().available;
  }
}

/// Appends the frame at `offset` to scan_, analysed where it carries a text.
PostgresClientHalf::ScanOutcome PostgresClientHalf::scan_one(ByteView unread, std::size_t offset) {
  const ByteView rest = unread.subspan(offset);
  if (rest.empty()) return ScanOutcome::incomplete;
  const auto tag = static_cast<FrontendMessage>(rest[0]);
  const Size size = size_of(tag);
  if (size == Size::unknown_tag) return refuse(ErrorCode::message_unexpected, "invalid frontend message type");
  const std::optional<FrameHeader> header = scan_frame_header(rest);
  if (!header) return ScanOutcome::incomplete;
  const std::uint32_t length_max = size == Size::large ? large_message_length_max : small_message_length_max;
  if (header->length < frame_length_min || header->length > length_max) {
    return refuse(ErrorCode::frame_length_invalid, "invalid message length");
  }
  ScannedRequest scanned;
  scanned.tag = tag;
  scanned.offset = offset;
  scanned.frame_bytes = header->frame_bytes();
  scanned.available = std::min(rest.size(), scanned.frame_bytes);
  const bool has_text = tag == FrontendMessage::query || tag == FrontendMessage::parse;
  if (has_text && scanned.frame_bytes > options_.statement_bytes_max) {
    scanned.analysis = unknown_analysis();
  } else if (!scanned.is_whole()) {
    const bool may_stream = tag == FrontendMessage::copy_data || tag == FrontendMessage::function_call;
    if (tag == FrontendMessage::bind) {
      ByteReader reader(payload_of(scanned, unread));
      reader.read_text_z();
      reader.read_text_z();
      if (!reader.ok()) {
        if (scanned.available < bind_names_bytes_max) return ScanOutcome::incomplete;
        return refuse(ErrorCode::message_malformed, "names in a Bind message are too long");
      }
    } else if (!may_stream) {
      return ScanOutcome::incomplete;
    }
  } else if (has_text) {
    const std::optional<std::string_view> text = text_of(tag, payload_of(scanned, unread));
    scanned.is_malformed = !text;
    if (tag == FrontendMessage::parse && state_.statement_bytes() > options_.session_state_bytes_max) {
      return refuse(ErrorCode::memory_limit_reached, "more prepared statements than one session may have");
    }
    scanned.analysis = text && is_encoding_readable_ ? resolve_execute(analyser_.analyse(*text)) : unknown_analysis();
  }
  scan_.push_back(std::move(scanned));
  return ScanOutcome::scanned;
}

/// EXECUTE name is what the prepared statement is.
Analysis PostgresClientHalf::resolve_execute(Analysis analysis) const {
  if (analysis.facts->executes.empty()) return analysis;
  auto facts = std::make_shared<StatementFacts>(*analysis.facts);
  const PreparedStatementPointer statement = statement_known_as(facts->executes);
  // While a PREPARE or DEALLOCATE may be under way nobody knows what the name will mean.
  if (is_unsettled_ || !statement || !statement->facts) {
    facts->statement_class = StatementClass::unknown;
    facts->because = "EXECUTE of a statement that is not known";
  } else if (facts->statement_count > 1) {
    // What it is beside the EXECUTE was not kept apart.
  } else if (facts->statement_class == StatementClass::unknown) {
    std::string name = std::move(facts->executes);
    *facts = *statement->facts;
    facts->executes = std::move(name);
  } else {
    facts->statement_class = std::max(facts->statement_class, statement->facts->statement_class);
  }
  analysis.facts = std::move(facts);
  return analysis;
}

PreparedStatementPointer PostgresClientHalf::statement_known_as(std::string_view name) const {
  for (std::size_t i = proposed_.size(); i > 0; --i) {
    const PreparedStatementPointer& proposed = proposed_[i - 1].statement;
    if (concerns(*proposed, name)) return is_freed(*proposed) ? nullptr : proposed;
  }
  return state_.find_statement(name);
}

NextRequest PostgresClientHalf::next_request(ByteView unread, const BackendHalf* current) {
  scan_.clear();
  wants_sequence_value_ = false;
  if (unread.empty()) return {};
  const auto* backend = static_cast<const PostgresBackendHalf*>(current);
  has_backend_ = backend != nullptr;
  is_unsettled_ = has_backend_ && backend->tracker.is_transaction_unsettled();
  const std::size_t remaining = ignored_remaining_ > 0 || backend == nullptr ? ignored_remaining_ : backend->request_remaining;
  if (remaining > 0) {
    NextRequest request;
    request.verdict = ignored_remaining_ > 0 ? RequestVerdict::ignore : RequestVerdict::follow;
    request.bytes = std::min(unread.size(), remaining);
    return request;
  }
  if (backend == nullptr) return next_batch(unread, TransactionState::none);
  const ReplyTracker& tracker = backend->tracker;
  if (tracker.is_batch_open() || tracker.is_copy_in() || tracker.is_copy_both()) {
    return without_uncertain(follow_batch(unread, *backend), unread, *backend);
  }
  TransactionState transaction = TransactionState::none;
  if (tracker.is_transaction_unsettled()) {
    transaction = TransactionState::unsettled;
  } else if (tracker.status() != TransactionStatus::idle) {
    transaction = TransactionState::open;
  }
  NextRequest request = without_uncertain(next_batch(unread, transaction), unread, *backend);
  request.is_transaction_read_only = backend->is_transaction_read_only;
  return request;
}

/// `request` up to the first message whose statement `current` may or may not hold; replies are awaited before that.
NextRequest PostgresClientHalf::without_uncertain(NextRequest request, ByteView unread,
                                                  const PostgresBackendHalf& current) {
  if (request.verdict != RequestVerdict::route && request.verdict != RequestVerdict::follow) return request;
  // What others have drawn here is thrown away first, and not behind what may fail.
  if (wants_sequence_value_ && holds_anothers_values(current) && current.tracker.is_owing() && !current.tracker.is_batch_open()) {
    NextRequest later;
    later.verdict = RequestVerdict::await_reply;
    return later;
  }
  const std::size_t certain_count = count_certain(unread, current);
  if (certain_count == scan_.size()) return request;
  if (request.verdict == RequestVerdict::follow && certain_count != 0) {
    request.bytes = scan_[certain_count].offset;
    scan_.resize(certain_count);
    return request;
  }
  NextRequest later;
  later.verdict = RequestVerdict::await_reply;
  return later;
}

/// More of a batch whose side is decided: everything that is there, up to where it ends.
NextRequest PostgresClientHalf::follow_batch(ByteView unread, const PostgresBackendHalf& current) {
  NextRequest request;
  std::size_t offset = 0;
  while (offset < unread.size()) {
    const ScanOutcome outcome = scan_one(unread, offset);
    if (outcome == ScanOutcome::violation && scan_.empty()) {
      request.verdict = RequestVerdict::violation;
      return request;
    }
    if (outcome != ScanOutcome::scanned) break;  // what came before goes first
    const ScannedRequest& scanned = scan_.back();
    if (scanned.tag == FrontendMessage::terminate) {
      scan_.pop_back();
      if (scan_.empty()) request.verdict = RequestVerdict::terminate;
      break;
    }
    offset += scanned.available;
    const bool ends_batch = scanned.tag == FrontendMessage::sync || scanned.tag == FrontendMessage::query ||
                            scanned.tag == FrontendMessage::function_call;
    if (ends_batch && !current.tracker.is_copy_both()) break;
  }
  if (scan_.empty()) return request;
  request.verdict = RequestVerdict::follow;
  request.bytes = offset;
  return request;
}

NextRequest PostgresClientHalf::next_batch(ByteView unread, TransactionState transaction) {
  NextRequest request;
  request.transaction = transaction;
  const ScanOutcome outcome = scan_one(unread, 0);
  if (outcome == ScanOutcome::violation) request.verdict = RequestVerdict::violation;
  if (outcome != ScanOutcome::scanned) return request;
  const ScannedRequest& first = scan_.front();
  if (is_extended(first.tag)) return next_extended_batch(unread, transaction);
  request.bytes = first.available;
  request.verdict = RequestVerdict::route;
  if (first.tag == FrontendMessage::query) {
    request.facts = batch_facts_of(*first.analysis.facts, *first.analysis.tags);
    request.facts.has_differing_types = has_differing_types(*first.analysis.facts);
    wants_sequence_value_ = wants_sequence_value(*first.analysis.facts);
    return request;
  }
  if (first.tag == FrontendMessage::terminate) {
    request.verdict = RequestVerdict::terminate;
  } else if (first.tag == FrontendMessage::function_call) {
    tables_.clear();
    request.facts.statement_class = StatementClass::write;
    request.facts.tables = &tables_;
    request.facts.tags = &no_tags();
  } else {
    // CopyData, CopyDone and CopyFail outside COPY are ignored by the backend: they follow if there is one.
    request.verdict = has_backend_ ? RequestVerdict::follow : RequestVerdict::ignore;
  }
  return request;
}

NextRequest PostgresClientHalf::next_extended_batch(ByteView unread, TransactionState transaction) {
  NextRequest request;
  request.transaction = transaction;
  BatchFacts& facts = request.facts;
  facts.statement_class = StatementClass::read;
  tables_.clear();
  facts.tables = &tables_;
  facts.tags = &no_tags();
  bool has_text = false;
  enum class End : std::uint8_t { unfinished, sync, flush, decided };
  End end = End::unfinished;
  std::size_t offset = 0;
  for (std::size_t i = 0; end == End::unfinished; ++i) {
    if (i == scan_.size()) {
      const ScanOutcome outcome = scan_one(unread, offset);
      // A violation behind complete messages is answered after them, as the backend would.
      if (outcome == ScanOutcome::violation) end = End::decided;
      if (outcome != ScanOutcome::scanned) break;
    }
    if (scan_[i].tag == FrontendMessage::terminate) {
      scan_.pop_back();
      end = End::decided;
      break;
    }
    offset += scan_[i].available;
    take_into_account(scan_[i], unread, facts, has_text);
    if (scan_[i].tag == FrontendMessage::sync) {
      end = End::sync;
    } else if (scan_[i].tag == FrontendMessage::flush) {
      end = End::flush;  // the client may wait for replies now, so no more can be waited for
    } else if (facts.statement_class > StatementClass::transaction_control || !is_extended(scan_[i].tag)) {
      end = End::decided;  // it goes where writes go, whatever follows
    } else if (!scan_[i].is_whole()) {
      break;
    }
  }
  if (end == End::unfinished && transaction != TransactionState::open && unread.size() < options_.batch_bytes_max) {
    return {};  // it may still turn out to be all reads
  }
  if (end != End::sync) {
    facts.statement_class = std::max(facts.statement_class, StatementClass::write);
  } else if (!has_text) {
    facts.statement_class = StatementClass::session;
  }
  request.verdict = RequestVerdict::route;
  request.bytes = offset;
  return request;
}

void PostgresClientHalf::take_into_account(const ScannedRequest& scanned, ByteView unread, BatchFacts& facts,
                                           bool& has_text) {
  if (scanned.tag == FrontendMessage::bind) {
    take_bound_into_account(scanned, unread, facts, has_text);
  } else if (scanned.tag == FrontendMessage::describe) {
    take_described_into_account(scanned, unread, facts);
  } else if (scanned.analysis.facts) {
    take_into_account(scanned.analysis, facts, has_text);
    if (scanned.tag == FrontendMessage::parse && scanned.is_whole() && !facts.has_differing_types) {
      facts.has_differing_types = is_any_type_differing(assigned_types_of(unread.subspan(scanned.offset, scanned.available)));
    }
  }
}

void PostgresClientHalf::take_into_account(Analysis analysis, BatchFacts& facts, bool& has_text) {
  wants_sequence_value_ = wants_sequence_value_ || wants_sequence_value(*analysis.facts);
  const bool is_differing = facts.has_differing_types || has_differing_types(*analysis.facts);
  if (!has_text) {
    facts = batch_facts_of(*analysis.facts, analysis.tags ? *analysis.tags : no_tags());
    batch_analysis_ = std::move(analysis);  // what `facts` points into lives until the next batch
  } else {
    merge_into(facts, *analysis.facts, tables_);
  }
  facts.has_differing_types = is_differing;
  has_text = true;
}

/// A name may mean something else by the time its Bind is run: a Close or Parse before it that is still unanswered may
/// be skipped for an error. So everything counts that the name means or may mean, and a name that means nothing yet
/// (a PREPARE may be under way) counts as a write.
void PostgresClientHalf::take_bound_into_account(const ScannedRequest& bound, ByteView unread, BatchFacts& facts,
                                                 bool& has_text) {
  ByteReader reader(payload_of(bound, unread));
  reader.read_text_z();
  const std::string_view name = reader.read_text_z();
  for (const ScannedRequest& earlier : scan_) {
    // Prepared in this very batch: already counted, and skipped together with the Bind.
    if (earlier.tag != FrontendMessage::parse || earlier.offset >= bound.offset) continue;
    ByteReader parsed(payload_of(earlier, unread));
    if (parsed.read_text_z() == name) return;
  }
  bool is_known = false;
  const auto count = [&](const PreparedStatement& statement) {
    is_known = true;
    take_into_account(statement.facts ? resolve_execute({statement.facts, statement.tags}) : unknown_analysis(), facts,
                      has_text);
    facts.has_differing_types = facts.has_differing_types || is_any_type_differing(statement.assigned_types);
  };
  for (const UnderWay& way : proposed_) {
    if (way.statement->name == name && !is_freed(*way.statement)) count(*way.statement);
  }
  if (const PreparedStatementPointer committed = state_.find_statement(name)) count(*committed);
  if (!is_known) take_into_account(unknown_analysis(), facts, has_text);
}

}  // namespace protocol::postgres
