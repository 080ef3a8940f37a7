#include "protocol/postgres/client_half.hpp"

#include "protocol/wire/byte_reader.hpp"

#include <algorithm>

namespace protocol::postgres {

namespace {

ByteView payload_of(ByteView frame) { return frame.subspan(frame_header_bytes); }

bool ends_segment(const ExpectedReply& entry) {
  return entry.kind == ExpectedReply::Kind::query || entry.kind == ExpectedReply::Kind::function_call ||
         entry.kind == ExpectedReply::Kind::sync;
}

bool changes_statements(const ExpectedReply& entry) {
  return entry.effects && std::any_of(entry.effects->changes.begin(), entry.effects->changes.end(),
                                      [](const SessionChange& change) { return is_lasting(change.kind); });
}

}  // namespace

/// How many messages of scan_, from its start, can be forwarded to `target` without waiting for a reply.
std::size_t PostgresClientHalf::count_certain(ByteView unread, const PostgresBackendHalf& target) const {
  if (proposed_.empty() && target.provisions.empty() && !target.tracker.is_transaction_unsettled()) return scan_.size();
  const auto place = std::find_if(scan_.begin(), scan_.end(), [&](const ScannedRequest& scanned) {
    return is_holding_uncertain(scanned, unread, target);
  });
  return static_cast<std::size_t>(place - scan_.begin());
}

bool PostgresClientHalf::is_holding_uncertain(const ScannedRequest& scanned, ByteView unread,
                                              const PostgresBackendHalf& target) const {
  ByteReader reader(payload_of(unread.subspan(scanned.offset, scanned.available)));
  switch (scanned.tag) {
    case FrontendMessage::bind: {
      reader.read_text_z();
      const std::string_view name = reader.read_text_z();
      bool is_uncertain = is_holding_uncertain(name, target);
      // It needs what its text names.
      if (const PreparedStatementPointer statement = statement_known_as(name); statement && statement->facts) {
        for_each_named_in(*statement->facts, [&](const std::string& named) {
          is_uncertain = is_uncertain || is_holding_uncertain(named, target);
        });
      }
      return is_uncertain;
    }
    case FrontendMessage::describe:
      return reader.read_u8() == 'S' && is_holding_uncertain(reader.read_text_z(), target);
    case FrontendMessage::parse:
    case FrontendMessage::query: {
      const std::string_view parsed = scanned.tag == FrontendMessage::parse ? reader.read_text_z() : std::string_view{};
      bool is_uncertain = !parsed.empty() && is_holding_uncertain(parsed, target);
      for_each_named_in(*scanned.analysis.facts,
                        [&](const std::string& name) { is_uncertain = is_uncertain || is_holding_uncertain(name, target); });
      return is_uncertain;
    }
    default: return false;
  }
}

/// What was sent up to an earlier Sync and is not answered yet may be skipped, or not, and with it what would make
/// `target` hold the statement `name` of the session or no longer need to. (Within a batch that is not ended a
/// DEALLOCATE may be unanswered for as long as its Sync is missing, so there nobody waits for it.)
bool PostgresClientHalf::is_holding_uncertain(std::string_view name, const PostgresBackendHalf& target) const {
  const auto is_under_way = [&](const std::vector<UnderWay>& ways) {
    return std::any_of(ways.begin(), ways.end(), [&](const UnderWay& way) {
      return way.statement->name == name && way.segment != target.segment;
    });
  };
  if (is_under_way(target.provisions) || is_shared_uncertain(name, target)) return true;
  const PreparedStatementPointer statement = state_.find_statement(name);
  const auto held = target.statements.find(name);
  const bool is_any_held = held != target.statements.end();
  if (statement && is_any_held && is_same(*held->second, *statement)) return false;
  const bool must_be_closed = name.empty() && is_any_held;
  if (!must_be_closed && (!statement || statement->parse_message.empty())) return false;
  const ReplyTracker& tracker = target.tracker;
  return (tracker.is_transaction_unsettled() && !tracker.is_batch_open()) || is_under_way(proposed_);
}

/// Whether a shared statement may stand for `name` of the session depends on replies that are still to come.
bool PostgresClientHalf::is_shared_uncertain(std::string_view name, const PostgresBackendHalf& target) const {
  if (!is_sharing() || name.empty()) return false;
  const auto is_earlier = [&](const UnderWay& way) { return way.segment != target.segment; };
  const bool is_proposed = std::any_of(proposed_.begin(), proposed_.end(), [&](const UnderWay& way) {
    return is_earlier(way) && way.statement->name == name;
  });
  if (is_proposed) return true;
  const ReplyTracker& tracker = target.tracker;
  if (tracker.is_transaction_unsettled() && !tracker.is_batch_open() && tracker.is_any_owed(changes_statements)) return true;
  const PreparedStatementPointer statement = statement_known_as(name);
  if (!statement || !statement->shared) return false;
  const HeldStatement* held = target.held.find(*statement->shared);
  if (held != nullptr && !held->is_confirmed && held->prepared_segment != target.segment) return true;
  return std::any_of(target.provisions.begin(), target.provisions.end(), [&](const UnderWay& way) {
    return is_earlier(way) && way.statement == statement->shared;
  });
}

/// A Parse on its way to `target` now will not be refused because its transaction has failed.
bool PostgresClientHalf::is_transaction_sound(const PostgresBackendHalf& target) {
  const ReplyTracker& tracker = target.tracker;
  switch (tracker.status()) {
    case TransactionStatus::idle: return !tracker.is_transaction_unsettled();
    case TransactionStatus::open: return !tracker.is_any_owed(ends_segment);
    case TransactionStatus::failed: break;
  }
  return false;
}

}  // namespace protocol::postgres
