#include "protocol/postgres/console.hpp"
#include "protocol/postgres/console_rows.hpp"
#include "protocol/postgres/frame_writer.hpp"
#include "protocol/postgres/sqlstate.hpp"

#include <algorithm>
#include <utility>

namespace protocol::postgres {

namespace {

void write_bare(BackendMessage tag, Bytes& to_send) { FrameWriter(to_send, tag).finish(); }

constexpr char of_statement = 'S';

}  // namespace

void PostgresConsole::take_parse(ByteReader& reader, Bytes& to_send) {
  const std::string name(reader.read_text_z());
  const std::vector<ConsoleCommand> commands = parse_console_commands(reader.read_text_z());
  if (!reader.ok()) return refuse(sqlstate::protocol_violation, "invalid Parse message", to_send);
  if (commands.size() > 1) {
    return refuse(sqlstate::syntax_error, "cannot insert multiple commands into a prepared statement", to_send);
  }
  if (commands[0].verb == ConsoleVerb::unknown || commands[0].verb == ConsoleVerb::unsupported) {
    return refuse(*answer_alone(commands[0]), to_send);
  }
  if (!name.empty() && statements_.contains(name)) {
    return refuse(sqlstate::duplicate_prepared_statement, "prepared statement \"" + name + "\" already exists", to_send);
  }
  if (statements_.size() >= statements_max) {
    return refuse(sqlstate::configuration_limit_exceeded, "too many prepared statements", to_send);
  }
  statements_.insert_or_assign(name, commands[0]);
  write_bare(BackendMessage::parse_complete, to_send);
}

void PostgresConsole::take_bind(ByteReader& reader, Bytes& to_send) {
  const std::string portal_name(reader.read_text_z());
  const std::string statement_name(reader.read_text_z());
  const std::size_t parameter_format_count = reader.read_u16_be();
  for (std::size_t i = 0; i < parameter_format_count && reader.ok(); ++i) reader.read_i16_be();
  const std::size_t parameter_count = reader.read_u16_be();
  if (!reader.ok()) return refuse(sqlstate::protocol_violation, "invalid Bind message", to_send);
  if (parameter_count != 0) return refuse(sqlstate::protocol_violation, "a command of the console takes no parameters", to_send);
  Portal portal;
  const std::size_t format_count = std::min<std::size_t>(reader.read_u16_be(), formats_max);
  for (std::size_t i = 0; i < format_count; ++i) portal.formats.push_back(reader.read_i16_be());
  if (!reader.is_complete()) return refuse(sqlstate::protocol_violation, "invalid Bind message", to_send);
  const auto statement = statements_.find(statement_name);
  if (statement == statements_.end()) {
    return refuse(sqlstate::invalid_sql_statement_name, "prepared statement \"" + statement_name + "\" does not exist", to_send);
  }
  if (portals_.size() >= statements_max) return refuse(sqlstate::configuration_limit_exceeded, "too many portals", to_send);
  portal.statement = statement_name;
  portal.command = statement->second;
  if (const auto known = described_.find(statement_name); known != described_.end()) portal.answer = known->second;
  portals_.insert_or_assign(portal_name, std::move(portal));
  write_bare(BackendMessage::bind_complete, to_send);
}

void PostgresConsole::take_close(ByteReader& reader, Bytes& to_send) {
  const auto kind = static_cast<char>(reader.read_u8());
  const std::string name(reader.read_text_z());
  if (kind == of_statement) {
    statements_.erase(name);
    described_.erase(name);
  } else {
    portals_.erase(name);
  }
  write_bare(BackendMessage::close_complete, to_send);
}

/// What SHOW returns is known when it has run: describing it runs it, which changes nothing, and the execution in the same
/// batch shows what was described.
PostgresConsole::Step PostgresConsole::take_describe(ByteReader& reader, Bytes& to_send) {
  const auto kind = static_cast<char>(reader.read_u8());
  asked_for_ = reader.read_text_z();
  if (kind == of_statement) {
    const auto statement = statements_.find(asked_for_);
    if (statement == statements_.end()) {
      refuse(sqlstate::invalid_sql_statement_name, "prepared statement \"" + asked_for_ + "\" does not exist", to_send);
      return Step::done;
    }
    if (statement->second.verb == ConsoleVerb::show) return ask(Purpose::describe_statement, statement->second);
    FrameWriter frame(to_send, BackendMessage::parameter_description);
    frame.fields().write_u16_be(0);
    frame.finish();
    write_bare(BackendMessage::no_data, to_send);
    return Step::done;
  }
  const auto portal = portals_.find(asked_for_);
  if (portal == portals_.end()) {
    refuse(sqlstate::invalid_cursor_name, "portal \"" + asked_for_ + "\" does not exist", to_send);
    return Step::done;
  }
  if (portal->second.command.verb != ConsoleVerb::show) {
    write_bare(BackendMessage::no_data, to_send);
    return Step::done;
  }
  if (!portal->second.answer) return ask(Purpose::describe_portal, portal->second.command);
  describe(*portal->second.answer, portal->second.formats, to_send);
  return Step::done;
}

PostgresConsole::Step PostgresConsole::take_execute(ByteReader& reader, Bytes& to_send) {
  asked_for_ = reader.read_text_z();
  rows_max_ = reader.read_u32_be();
  const auto portal = portals_.find(asked_for_);
  if (portal == portals_.end()) {
    refuse(sqlstate::invalid_cursor_name, "portal \"" + asked_for_ + "\" does not exist", to_send);
    return Step::done;
  }
  if (!portal->second.answer) {
    std::optional<ConsoleAnswer> own = answer_alone(portal->second.command);
    if (!own) return ask(Purpose::execute, portal->second.command);
    portal->second.answer = std::move(own);
  }
  execute(portal->second, to_send);
  return Step::done;
}

void PostgresConsole::describe(const ConsoleAnswer& answer, const Formats& formats, Bytes& to_send) {
  if (!answer.table) return write_bare(BackendMessage::no_data, to_send);
  if (!are_formats_valid(formats, answer.table->columns.size())) {
    return refuse(sqlstate::protocol_violation, "the result formats do not fit the columns", to_send);
  }
  write_row_description(*answer.table, formats, to_send);
}

void PostgresConsole::execute(Portal& portal, Bytes& to_send) {
  ConsoleAnswer& answer = *portal.answer;
  if (!answer.table) return complete(portal.command, answer, to_send);
  const ConsoleTable& table = *answer.table;
  if (!are_formats_valid(portal.formats, table.columns.size())) {
    return refuse(sqlstate::protocol_violation, "the result formats do not fit the columns", to_send);
  }
  for (std::uint32_t sent = 0; portal.rows_sent < table.rows.size(); ++sent) {
    if (rows_max_ != 0 && sent == rows_max_) return write_bare(BackendMessage::portal_suspended, to_send);
    write_data_row(table, portal.rows_sent++, portal.formats, to_send);
  }
  if (!answer.notice.empty()) {
    write_notice_response({"NOTICE", "00000", std::exchange(answer.notice, {}), answer.notice_detail, {}}, to_send);
  }
  FrameWriter frame(to_send, BackendMessage::command_complete);
  frame.fields().write_text_z("SHOW");
  frame.finish();
}

}  // namespace protocol::postgres
