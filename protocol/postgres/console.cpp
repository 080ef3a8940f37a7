#include "protocol/postgres/console.hpp"

#include "protocol/postgres/console_rows.hpp"
#include "protocol/postgres/frame_writer.hpp"
#include "protocol/postgres/sqlstate.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace protocol::postgres {

namespace {

/// What drivers look for in a server. The version is that of the protocol's manual, so that none of them falls back on
/// what servers of long ago needed; the words behind it say who answers.
constexpr std::array<std::pair<std::string_view, std::string_view>, 8> parameters{{
    {"server_version", "15.0 (Crossfade console)"},
    {"server_encoding", "UTF8"},
    {"client_encoding", "UTF8"},
    {"DateStyle", "ISO, MDY"},
    {"TimeZone", "UTC"},
    {"integer_datetimes", "on"},
    {"standard_conforming_strings", "on"},
    {"is_superuser", "off"},
}};

void write_bare(BackendMessage tag, Bytes& to_send) { FrameWriter(to_send, tag).finish(); }

void write_no_parameters(Bytes& to_send) {
  FrameWriter frame(to_send, BackendMessage::parameter_description);
  frame.fields().write_u16_be(0);
  frame.finish();
}

std::string_view tag_of(ConsoleVerb verb) {
  switch (verb) {
    case ConsoleVerb::show: return "SHOW";
    case ConsoleVerb::pause: return "PAUSE";
    case ConsoleVerb::resume: return "RESUME";
    case ConsoleVerb::wait_close: return "WAIT_CLOSE";
    case ConsoleVerb::reload: return "RELOAD";
    case ConsoleVerb::shut_down: return "SHUTDOWN";
    case ConsoleVerb::set: return "SET";
    case ConsoleVerb::begin: return "BEGIN";
    case ConsoleVerb::commit: return "COMMIT";
    case ConsoleVerb::rollback: return "ROLLBACK";
    case ConsoleVerb::unsupported:
    case ConsoleVerb::nothing:
    case ConsoleVerb::unknown: break;
  }
  return "";
}

std::string_view code_of(ConsoleRefusal refusal) {
  switch (refusal) {
    case ConsoleRefusal::syntax: return sqlstate::syntax_error;
    case ConsoleRefusal::not_permitted: return sqlstate::insufficient_privilege;
    case ConsoleRefusal::wrong_state: return sqlstate::object_not_in_prerequisite_state;
    case ConsoleRefusal::unsupported: return sqlstate::feature_not_supported;
    case ConsoleRefusal::cancelled: return sqlstate::query_canceled;
    case ConsoleRefusal::unavailable: return sqlstate::cannot_connect_now;
    case ConsoleRefusal::none: break;
  }
  return sqlstate::internal_error;
}

/// Settings that drivers and psql send unasked; there is nothing that they could change here.
constexpr std::array<std::string_view, 13> settings_ignored{
    "application_name", "bytea_output", "client_encoding", "client_min_messages", "datestyle", "extra_float_digits",
    "intervalstyle", "lock_timeout", "search_path", "standard_conforming_strings", "statement_timeout", "time", "timezone"};

}  // namespace

void PostgresConsole::write_welcome(const CancelKey& key, Bytes& to_send) {
  for (const auto& [name, value] : parameters) {
    FrameWriter frame(to_send, BackendMessage::parameter_status);
    frame.fields().write_text_z(name);
    frame.fields().write_text_z(value);
    frame.finish();
  }
  FrameWriter frame(to_send, BackendMessage::backend_key_data);
  frame.fields().write_u32_be(key.process_id);
  frame.fields().write_bytes(key.secret);
  frame.finish();
  write_ready(to_send);
}

Console::Progress PostgresConsole::advance(ByteView received, Bytes& to_send) {
  std::size_t consumed = 0;
  if (is_query_open_ && run_simple(to_send) == Step::asking) return {State::asking, 0};
  while (true) {
    const ByteView rest = received.subspan(consumed);
    const std::optional<FrameHeader> header = scan_frame_header(rest);
    if (!header) return {State::reading, consumed};
    if (header->length < frame_length_min || header->length > message_bytes_max) {
      error_ = {ErrorCode::frame_length_invalid, Blame::client, "a message of an invalid length to the console"};
      return {State::failed, consumed};
    }
    if (rest.size() < header->frame_bytes()) return {State::reading, consumed};
    consumed += header->frame_bytes();
    if (header->tag == static_cast<char>(FrontendMessage::terminate)) return {State::finished, consumed};
    const Step step = take(header->tag, ByteReader(rest.subspan(frame_header_bytes, header->payload_bytes())), to_send);
    if (error_.code != ErrorCode::internal) return {State::failed, consumed};
    if (step == Step::asking) return {State::asking, consumed};
  }
}

PostgresConsole::Step PostgresConsole::take(char tag, ByteReader reader, Bytes& to_send) {
  const auto message = static_cast<FrontendMessage>(tag);
  is_extended_ = message != FrontendMessage::query;
  if (is_skipping_ && message != FrontendMessage::sync) return Step::done;
  switch (message) {
    case FrontendMessage::query: {
      const std::vector<ConsoleCommand> commands = parse_console_commands(reader.read_text_z());
      if (!reader.ok()) break;
      statements_.erase("");
      commands_.assign(commands.begin(), commands.end());
      is_query_open_ = true;
      return run_simple(to_send);
    }
    case FrontendMessage::parse: take_parse(reader, to_send); return Step::done;
    case FrontendMessage::bind: take_bind(reader, to_send); return Step::done;
    case FrontendMessage::describe: return take_describe(reader, to_send);
    case FrontendMessage::execute: return take_execute(reader, to_send);
    case FrontendMessage::close: take_close(reader, to_send); return Step::done;
    case FrontendMessage::flush: return Step::done;
    case FrontendMessage::sync:
      is_skipping_ = false;
      portals_.clear();
      described_.clear();
      write_ready(to_send);
      return Step::done;
    // What came too late for a COPY that there never was; the server ignores it too.
    case FrontendMessage::copy_data:
    case FrontendMessage::copy_done:
    case FrontendMessage::copy_fail: return Step::done;
    case FrontendMessage::function_call:
      is_extended_ = false;
      refuse(sqlstate::feature_not_supported, "the console has no functions", to_send);
      write_ready(to_send);
      return Step::done;
    case FrontendMessage::password:
    case FrontendMessage::terminate: break;
  }
  error_ = {ErrorCode::message_malformed, Blame::client, "a message that the console cannot read"};
  return Step::done;
}

PostgresConsole::Step PostgresConsole::ask(Purpose purpose, const ConsoleCommand& command) {
  purpose_ = purpose;
  asked_ = command;
  return Step::asking;
}

/// The commands of a simple query, up to the first that somebody else must answer, or the end.
PostgresConsole::Step PostgresConsole::run_simple(Bytes& to_send) {
  while (!commands_.empty()) {
    const ConsoleCommand command = std::move(commands_.front());
    commands_.pop_front();
    std::optional<ConsoleAnswer> own = answer_alone(command);
    if (!own) return ask(Purpose::simple, command);
    complete(command, *own, to_send);
  }
  is_query_open_ = false;
  write_ready(to_send);
  return Step::done;
}

std::optional<ConsoleAnswer> PostgresConsole::answer_alone(const ConsoleCommand& command) {
  ConsoleAnswer answer;
  const bool is_end = command.verb == ConsoleVerb::commit || command.verb == ConsoleVerb::rollback;
  if (transaction_ == Transaction::failed && !is_end) {
    answer.refusal = ConsoleRefusal::wrong_state;
    answer.words = "current transaction is aborted, commands ignored until end of transaction block";
    return answer;
  }
  switch (command.verb) {
    case ConsoleVerb::begin: transaction_ = Transaction::open; return answer;
    case ConsoleVerb::commit:
    case ConsoleVerb::rollback: transaction_ = Transaction::none; return answer;
    case ConsoleVerb::nothing: return answer;
    case ConsoleVerb::set:
      if (std::ranges::find(settings_ignored, command.subject) != settings_ignored.end()) {
        answer.notice = "SET ignored";
        return answer;
      }
      answer.refusal = ConsoleRefusal::unsupported;
      answer.words = "nothing can be set here";
      answer.hint = "Change the configuration file, then RELOAD.";
      return answer;
    case ConsoleVerb::unsupported:
      answer.refusal = ConsoleRefusal::unsupported;
      answer.words = "there is no " + command.subject + " here";
      answer.hint = "SHOW HELP lists what there is.";
      return answer;
    case ConsoleVerb::unknown:
      answer.refusal = ConsoleRefusal::syntax;
      answer.words = "invalid command '" + command.subject + "', use SHOW HELP;";
      return answer;
    case ConsoleVerb::show:
    case ConsoleVerb::pause:
    case ConsoleVerb::resume:
    case ConsoleVerb::wait_close:
    case ConsoleVerb::reload:
    case ConsoleVerb::shut_down: break;
  }
  return std::nullopt;
}

void PostgresConsole::answer(ConsoleAnswer answer, Bytes& to_send) {
  switch (purpose_) {
    case Purpose::simple: complete(asked_, answer, to_send); return;
    case Purpose::describe_statement:
      if (answer.refusal != ConsoleRefusal::none) return refuse(answer, to_send);
      write_no_parameters(to_send);
      describe(answer, {}, to_send);
      described_.insert_or_assign(asked_for_, std::move(answer));
      return;
    case Purpose::describe_portal:
    case Purpose::execute: break;
  }
  const auto place = portals_.find(asked_for_);
  if (place == portals_.end()) return;
  if (answer.refusal != ConsoleRefusal::none) return refuse(answer, to_send);
  place->second.answer = std::move(answer);
  if (purpose_ == Purpose::describe_portal) return describe(*place->second.answer, place->second.formats, to_send);
  execute(place->second, to_send);
}

/// One command of a simple query.
void PostgresConsole::complete(const ConsoleCommand& command, const ConsoleAnswer& answer, Bytes& to_send) {
  if (answer.refusal != ConsoleRefusal::none) {
    commands_.clear();
    refuse(answer, to_send);
    return;
  }
  if (!answer.notice.empty()) {
    write_notice_response({"NOTICE", "00000", answer.notice, answer.notice_detail, {}}, to_send);
  }
  if (command.verb == ConsoleVerb::nothing) {
    write_bare(BackendMessage::empty_query_response, to_send);
    return;
  }
  if (answer.table) {
    write_row_description(*answer.table, {}, to_send);
    for (std::size_t i = 0; i < answer.table->rows.size(); ++i) write_data_row(*answer.table, i, {}, to_send);
  }
  FrameWriter frame(to_send, BackendMessage::command_complete);
  frame.fields().write_text_z(tag_of(command.verb));
  frame.finish();
}

void PostgresConsole::refuse(const ConsoleAnswer& answer, Bytes& to_send) {
  const bool is_aborted = transaction_ == Transaction::failed;
  refuse(is_aborted ? sqlstate::in_failed_sql_transaction : code_of(answer.refusal), answer.words, to_send, answer.hint);
}

void PostgresConsole::refuse(std::string_view code, std::string message, Bytes& to_send, std::string hint) {
  write_error_response({"ERROR", std::string(code), std::move(message), {}, std::move(hint)}, to_send);
  if (transaction_ == Transaction::open) transaction_ = Transaction::failed;
  is_skipping_ = is_extended_;
}

void PostgresConsole::write_ready(Bytes& to_send) {
  FrameWriter frame(to_send, BackendMessage::ready_for_query);
  frame.fields().write_u8(static_cast<std::uint8_t>(transaction_));
  frame.finish();
}

}  // namespace protocol::postgres
