#pragma once

#include "protocol/console.hpp"
#include "protocol/postgres/error_response.hpp"
#include "protocol/postgres/message.hpp"
#include "protocol/wire/byte_reader.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace protocol::postgres {

/// The console in PostgreSQL's messages, simple and extended, so that every driver can ask: results in text or binary,
/// BEGIN and COMMIT of drivers that always send them, errors inside a batch up to its Sync. Statements take no
/// parameters.
/// Source: PostgreSQL 15 manual, 55.2.2 "Simple Query" and 55.2.3 "Extended Query".
class PostgresConsole final : public Console {
 public:
  void write_welcome(const CancelKey& key, Bytes& to_send) override;
  [[nodiscard]] Progress advance(ByteView received, Bytes& to_send) override;
  [[nodiscard]] const ConsoleCommand& command() const override { return asked_; }
  void answer(ConsoleAnswer answer, Bytes& to_send) override;
  [[nodiscard]] const Error& error() const override { return error_; }

  static constexpr std::size_t message_bytes_max = 65'536;
  static constexpr std::size_t statements_max = 256;  ///< prepared statements, and portals as many
  static constexpr std::size_t formats_max = 256;

 private:
  using Formats = std::vector<std::int16_t>;
  struct Portal {
    std::string statement;
    ConsoleCommand command;
    Formats formats;
    std::optional<ConsoleAnswer> answer;  ///< once it was asked
    std::size_t rows_sent = 0;
  };
  /// What the answer that is waited for is for.
  enum class Purpose : std::uint8_t { simple, describe_statement, describe_portal, execute };
  enum class Step : std::uint8_t { done, asking };

  [[nodiscard]] Step take(char tag, ByteReader reader, Bytes& to_send);
  [[nodiscard]] Step run_simple(Bytes& to_send);
  [[nodiscard]] Step take_describe(ByteReader& reader, Bytes& to_send);
  [[nodiscard]] Step take_execute(ByteReader& reader, Bytes& to_send);
  void take_parse(ByteReader& reader, Bytes& to_send);
  void take_bind(ByteReader& reader, Bytes& to_send);
  void take_close(ByteReader& reader, Bytes& to_send);
  /// Answers what concerns nobody but this session; nothing: somebody else must be asked.
  [[nodiscard]] std::optional<ConsoleAnswer> answer_alone(const ConsoleCommand& command);
  [[nodiscard]] Step ask(Purpose purpose, const ConsoleCommand& command);
  void describe(const ConsoleAnswer& answer, const Formats& formats, Bytes& to_send);
  void execute(Portal& portal, Bytes& to_send);
  void complete(const ConsoleCommand& command, const ConsoleAnswer& answer, Bytes& to_send);
  void refuse(const ConsoleAnswer& answer, Bytes& to_send);
  void refuse(std::string_view code, std::string message, Bytes& to_send, std::string hint = {});
  void write_ready(Bytes& to_send);

  enum class Transaction : char { none = 'I', open = 'T', failed = 'E' };
  Transaction transaction_ = Transaction::none;
  bool is_skipping_ = false;   ///< an error in the extended protocol: up to the next Sync
  bool is_extended_ = false;   ///< the message under way is of the extended protocol
  std::deque<ConsoleCommand> commands_;  ///< of a simple query, not yet run
  bool is_query_open_ = false;           ///< a simple query has not had its ReadyForQuery
  ConsoleCommand asked_;
  Purpose purpose_ = Purpose::simple;
  std::string asked_for_;                ///< the portal or statement
  std::uint32_t rows_max_ = 0;           ///< of the Execute under way; 0: all
  std::map<std::string, ConsoleCommand> statements_;
  std::map<std::string, Portal> portals_;
  std::map<std::string, ConsoleAnswer> described_;  ///< by statement, until the next Sync: its portal shows the same
  Error error_;
};

}  // namespace protocol::postgres
