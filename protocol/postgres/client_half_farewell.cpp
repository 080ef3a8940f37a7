#include "protocol/postgres/client_half.hpp"
#include "protocol/postgres/reply_look.hpp"

#include <utility>

// A backend that goes away in the middle of a request, of which the client need not know if the request is made again.
// What it has said of its reply so far, a RowDescription say, leaves its buffer together with its last words.
namespace protocol::postgres {

/// Puts a message that is the client's into what it is sent.
void PostgresClientHalf::pass_on(PostgresBackendHalf& source, BackendMessage tag, ByteView frame, Gather& to_client,
                                 ReplyProgress& progress) {
  // The backend goes on, or says more of its end.
  if (!source.held_back.empty()) to_client.own(std::exchange(source.held_back, {}));
  to_client.borrow(frame);
  // With ReadyForQuery the batch is answered, and the next one not yet.
  const bool is_answered = tag == BackendMessage::ready_for_query && !source.tracker.is_in_doubt();
  source.has_answered = !is_answered;
  if (is_answered) {
    const bool is_given_at_once = source.answer_start != PostgresBackendHalf::in_part;
    const bool is_worth_it = std::exchange(source.is_worth_another_try, false) && is_given_at_once;
    if (is_worth_it) progress.retry_bytes = to_client.total_bytes() - source.answer_start;
    source.answer_start = to_client.total_bytes();
  }
  if (progress.farewell_bytes == 0) return;
  const bool is_in_part = source.answer_start == PostgresBackendHalf::in_part;
  progress.farewell_bytes = is_in_part ? 0 : to_client.total_bytes() - source.answer_start;
  if (!is_in_part) source.has_answered = false;
}

/// Whoever is stopped at once, or crashes with its neighbour, says so in a warning and goes.
/// Source: PostgreSQL 15's quickdie(); manual 19.5 "Shutting Down the Server", immediate shutdown.
bool PostgresClientHalf::holds_back(PostgresBackendHalf& source, ByteView notice, Gather& to_client) {
  if (!source.tracker.is_owing()) return false;
  const bool is_in_part = source.answer_start == PostgresBackendHalf::in_part;
  if (is_in_part || !summarise_error(notice.subspan(frame_header_bytes)).is_of_its_own) {
    source.has_answered = true;
    return false;
  }
  hold_back_reply(source, notice, to_client);
  return true;
}

/// What was said of the reply so far waits, and `last` behind it, for what comes next: a server sends an error at once, and
/// ReadyForQuery, with which there can be another try, by itself. Precondition: none of it was given earlier.
void PostgresClientHalf::hold_back_reply(PostgresBackendHalf& source, ByteView last, Gather& to_client) {
  const std::size_t bytes = to_client.total_bytes() - source.answer_start;
  append(source.held_back, to_client.tail(bytes));
  append(source.held_back, last);
  to_client.shorten(bytes);
  source.has_answered = false;
}

/// The client is told something that is no part of the reply, and that must not be taken back.
void PostgresClientHalf::note_told_between(PostgresBackendHalf& source, const Gather& to_client) {
  if (source.answer_start == PostgresBackendHalf::in_part) return;
  source.answer_start = source.has_answered ? PostgresBackendHalf::in_part : to_client.total_bytes();
}

/// What it has prepared is free again; all else of it was rolled back. Source: PostgreSQL 15 manual 55.2.3.
void PostgresClientHalf::take_back(BackendHalf& backend) {
  auto& source = static_cast<PostgresBackendHalf&>(backend);
  for (const std::string& name : source.prepared_names) state_.on_closed(name);
  source.prepared_names.clear();
  portals_.clear();
}

/// What was sent to `lost` is as if it had never been: nothing of it was answered, so nothing of it was committed to.
void PostgresClientHalf::abandon(BackendHalf& lost) {
  if (current_ != &lost) return;
  current_ = nullptr;
  proposed_.clear();
  portals_.clear();
  is_in_doubt_ = false;
}

}  // namespace protocol::postgres
