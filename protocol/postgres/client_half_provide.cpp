#include "protocol/postgres/client_half.hpp"

#include "protocol/postgres/frame_writer.hpp"
#include "protocol/postgres/statement_library.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

/// What a backend lacks of the session's prepared statements, for a message that needs it.
namespace protocol::postgres {

namespace {

ByteView payload_of(ByteView frame) { return frame.subspan(frame_header_bytes); }

void write_length(std::span<std::byte> header, std::size_t length) {
  for (std::size_t i = 1; i < frame_header_bytes; ++i) {
    header[i] = static_cast<std::byte>(length >> (8 * (frame_header_bytes - 1 - i)));
  }
}

/// Source: PostgreSQL 15 manual 55.7, Parse: name, text, and how many types of parameters are given.
Bytes empty_parse(std::string_view name) {
  Bytes message;
  FrameWriter frame(message, FrontendMessage::parse);
  frame.fields().write_text_z(name);
  frame.fields().write_text_z({});
  frame.fields().write_u16_be(0);
  frame.finish();
  return message;
}

}  // namespace

void PostgresClientHalf::propose(PreparedStatementPointer statement, const PostgresBackendHalf& target) {
  proposed_.push_back(UnderWay{std::move(statement), target.segment});
}

PostgresClientHalf::Provision PostgresClientHalf::provide_named_in(const StatementFacts& facts,
                                                                   PostgresBackendHalf& target, Gather& to_backend,
                                                                   Disposition disposition) {
  const bool is_freeing = facts.statement_count == 1 && facts.executes.empty() && facts.changes.size() == 1 &&
                          facts.changes.front().kind == SessionChange::Kind::deallocate;
  if (is_freeing) return provide_stand_in(facts.changes.front().name, target, to_backend, disposition);
  Provision provision = Provision::not_needed;
  for_each_named_in(facts, [&](const std::string& name) {
    if (provide_statement(name, target, to_backend, disposition) == Provision::injected) provision = Provision::injected;
  });
  return provision;
}

/// DEALLOCATE needs a statement of that name, not the one that the client means: that one can perhaps not be prepared any
/// more, since its table is gone. An empty text is prepared in its place. Source: PostgreSQL 15 manual, DEALLOCATE; 55.2.3.
PostgresClientHalf::Provision PostgresClientHalf::provide_stand_in(std::string_view name, PostgresBackendHalf& target,
                                                                   Gather& to_backend, Disposition disposition) {
  const PreparedStatementPointer statement = statement_known_as(name);
  const bool is_needed = statement && target.statements.find(name) == target.statements.end() &&
                         (statement->shared || !statement->parse_message.empty());
  const bool is_on_its_way = statement && !statement->shared && state_.find_statement(name) != statement;
  if (!is_needed || is_on_its_way) return Provision::not_needed;
  auto stand_in = std::make_shared<PreparedStatement>();
  stand_in->name = name;
  stand_in->parse_message = empty_parse(name);
  target.has_lent_names = true;
  return inject(std::move(stand_in), target, to_backend, disposition);
}

/// Prepares on `target`, under its own name, what the session has prepared on another backend.
PostgresClientHalf::Provision PostgresClientHalf::provide_statement(std::string_view name, PostgresBackendHalf& target,
                                                                    Gather& to_backend, Disposition disposition) {
  const auto proposed = std::find_if(proposed_.rbegin(), proposed_.rend(),
                                     [&](const UnderWay& way) { return concerns(*way.statement, name); });
  const bool is_proposed = proposed != proposed_.rend();
  // On its way to this very backend; but not under its own name, if it is shared.
  if (is_proposed && proposed->statement->shared == nullptr) return Provision::not_needed;
  PreparedStatementPointer statement = is_proposed ? proposed->statement : state_.find_statement(name);
  if (statement && statement->shared) return provide_own_name(*statement, target, to_backend, disposition);
  const auto held = target.statements.find(name);
  const bool is_held = held != target.statements.end();
  if (statement && is_held && is_same(*held->second, *statement)) return Provision::not_needed;
  if (!statement || statement->parse_message.empty()) {
    if (name.empty()) close_held(name, target, to_backend);
    return Provision::not_needed;
  }
  return inject(std::move(statement), target, to_backend, disposition);
}

/// A text names a statement that servers know by a name of ours.
PostgresClientHalf::Provision PostgresClientHalf::provide_own_name(const PreparedStatement& statement,
                                                                   PostgresBackendHalf& target, Gather& to_backend,
                                                                   Disposition disposition) {
  auto own = std::make_shared<PreparedStatement>();
  own->name = statement.name;
  own->parse_message = renamed_parse(statement.shared->parse_message, statement.name);
  own->facts = statement.facts;
  own->tags = statement.tags;
  own->assigned_types = statement.assigned_types;
  const auto held = target.statements.find(statement.name);
  if (held != target.statements.end() && is_same(*held->second, *own)) return Provision::not_needed;
  target.has_lent_names = true;
  return inject(std::move(own), target, to_backend, disposition);
}

PostgresClientHalf::Provision PostgresClientHalf::inject(PreparedStatementPointer statement, PostgresBackendHalf& target,
                                                         Gather& to_backend, Disposition disposition) {
  if (!statement->name.empty()) close_held(statement->name, target, to_backend);
  to_backend.own(statement->parse_message);
  const ReplyTracker::Noted noted =
      target.tracker.expect(ExpectedReply{Kind::parse, disposition, false, statement, nullptr});
  // Taken as held at once, so that a second Bind behind this one does not prepare it again; an error takes it back.
  if (noted == ReplyTracker::Noted::yes) {
    target.provisions.push_back(UnderWay{statement, target.segment});
    target.statements.insert_or_assign(statement->name, statement);
  }
  return Provision::injected;
}

/// The client's message with another name in it, which stands `name_at` bytes into its payload. What follows the name is
/// not copied.
void PostgresClientHalf::write_renamed(ByteView frame, std::size_t name_at, std::string_view name,
                                       const std::string& new_name, Gather& to_backend) {
  const std::size_t length = scan_frame_header(frame)->length - name.size() + new_name.size();
  std::array<std::byte, frame_header_bytes> header{frame[0]};
  write_length(header, length);
  const ByteView payload = payload_of(frame);
  to_backend.own(header);
  to_backend.own(payload.first(name_at));
  to_backend.own(as_bytes(std::string_view(new_name.c_str(), new_name.size() + 1)));
  to_backend.borrow(payload.subspan(name_at + name.size() + 1));
}

void PostgresClientHalf::write_close(std::string_view name, Gather& to_backend) {
  const std::size_t length = frame_length_min + 1 + name.size() + 1;
  std::array<std::byte, frame_header_bytes + 1> header{static_cast<std::byte>(FrontendMessage::close)};
  write_length(header, length);
  header.back() = std::byte{'S'};
  constexpr std::array<std::byte, 1> end{};
  to_backend.own(header);
  to_backend.own(as_bytes(name));
  to_backend.own(end);
}

/// What `target` holds by that name is not what the session means by it: an unnamed statement of another session, one that
/// this session has freed elsewhere, or what stood in for it.
void PostgresClientHalf::close_held(std::string_view name, PostgresBackendHalf& target, Gather& to_backend) {
  const auto held = target.statements.find(name);
  if (held == target.statements.end()) return;
  write_close(name, to_backend);
  PreparedStatementPointer statement = held->second;
  const ReplyTracker::Noted noted =
      target.tracker.expect(ExpectedReply{Kind::close, Disposition::swallow, false, statement, nullptr});
  if (noted != ReplyTracker::Noted::yes) return;
  target.provisions.push_back(UnderWay{std::move(statement), target.segment});
  target.statements.erase(held);
}

}  // namespace protocol::postgres
