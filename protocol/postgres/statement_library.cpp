#include "protocol/postgres/statement_library.hpp"

#include "protocol/postgres/frame_writer.hpp"
#include "protocol/postgres/message.hpp"
#include "protocol/postgres/type_comparison.hpp"
#include "protocol/wire/byte_reader.hpp"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <utility>

namespace protocol::postgres {

namespace {

constexpr std::size_t entries_max = 4096;
constexpr std::size_t bytes_max = std::size_t{4} << 20;
/// Longer messages are mostly made up of literals, and come once.
constexpr std::size_t frame_bytes_max = std::size_t{8} << 10;
/// Sessions with so many different settings share little anyway.
constexpr std::size_t surroundings_max = 1024;

/// Settings that change what a statement does or how its result is sent, but never how its text is understood.
/// Source: PostgreSQL 15 manual 20.7, 20.11 and 20.16.
constexpr std::array<std::string_view, 9> without_say{
    "application_name", "client_min_messages", "extra_float_digits", "idle_in_transaction_session_timeout",
    "idle_session_timeout", "lock_timeout", "statement_timeout", "synchronous_commit", "work_mem"};
/// Reported parameters that a session may have set.
constexpr std::array<std::string_view, 6> with_say{"client_encoding", "DateStyle", "IntervalStyle",
                                                   "TimeZone", "search_path", "standard_conforming_strings"};

std::uint64_t hash_of(std::string_view text, SurroundingsNumber surroundings) {
  return XXH3_64bits_withSeed(text.data(), text.size(), surroundings);
}

void append_fact(std::string& key, std::string_view name, std::string_view value) {
  key += name;
  key += '\0';
  key += value;
  key += '\0';
}

/// Where the text begins in a Parse message: behind the name.
std::size_t body_of(ByteView frame) {
  const std::string_view rest = as_text(frame.subspan(frame_header_bytes));
  return frame_header_bytes + rest.find('\0') + 1;
}

}  // namespace

Bytes renamed_parse(ByteView parse_message, std::string_view name) {
  Bytes message;
  FrameWriter frame(message, FrontendMessage::parse);
  frame.fields().write_text_z(name);
  frame.fields().write_bytes(parse_message.subspan(body_of(parse_message)));
  frame.finish();
  return message;
}

/// Source: PostgreSQL 15 manual 55.7, Parse: name, text, and the numbers of the parameters' types; 0 leaves one open.
std::vector<std::uint32_t> assigned_types_of(ByteView parse_message) {
  std::vector<std::uint32_t> assigned;
  ByteReader reader(parse_message.subspan(frame_header_bytes));
  reader.read_text_z();
  reader.read_text_z();
  const std::uint16_t count = reader.read_u16_be();
  for (std::uint16_t i = 0; i < count && reader.ok(); ++i) {
    const std::uint32_t type = reader.read_u32_be();
    if (reader.ok() && type >= assigned_type_min) assigned.push_back(type);
  }
  return assigned;
}

StatementLibrary::StatementLibrary(std::atomic<std::uint64_t>& schema_version, std::string name_prefix)
    : schema_version_(schema_version), name_prefix_(std::move(name_prefix)), statements_(entries_max, bytes_max), shared_(entries_max, bytes_max) {}

PreparedStatementPointer StatementLibrary::find_or_make(ByteView frame, const Analysis& analysis,
                                                        SurroundingsNumber surroundings, Sharing sharing) {
  const std::string_view text = as_text(frame);
  const std::uint64_t hash = hash_of(text, surroundings);
  const bool is_shared = sharing == Sharing::shared;
  const bool is_kept = frame.size() <= frame_bytes_max;
  const Known* known = is_kept ? statements_.find(text, hash) : nullptr;
  const bool is_of_use = known != nullptr && known->surroundings == surroundings &&
                         (known->statement->shared != nullptr) == is_shared;
  if (is_of_use && known->statement->facts == analysis.facts && known->statement->tags == analysis.tags) {
    return known->statement;
  }
  auto statement = std::make_shared<PreparedStatement>();
  const std::size_t body_at = body_of(frame);
  statement->name = text.substr(frame_header_bytes, body_at - frame_header_bytes - 1);
  statement->facts = analysis.facts;
  statement->tags = analysis.tags;
  statement->assigned_types = assigned_types_of(frame);
  if (!is_shared) {
    statement->parse_message.assign(frame.begin(), frame.end());
  } else {
    statement->shared = is_of_use ? known->statement->shared : find_or_make_shared(frame, body_at, surroundings);
  }
  if (is_of_use) {
    known->statement = statement;
  } else if (known == nullptr && is_kept) {
    statements_.insert(text, hash, Known{statement, surroundings}, sizeof(PreparedStatement));
  }
  return statement;
}

PreparedStatementPointer StatementLibrary::find_or_make_shared(ByteView frame, std::size_t body_at,
                                                               SurroundingsNumber surroundings) {
  const std::string_view body = as_text(frame.subspan(body_at));
  const std::uint64_t hash = hash_of(body, surroundings);
  const Known* known = shared_.find(body, hash);
  if (known != nullptr && known->surroundings == surroundings) return known->statement;
  auto statement = std::make_shared<PreparedStatement>();
  statement->name = name_prefix_ + std::to_string(++last_name_);
  statement->origin = PreparedStatement::Origin::shared;
  statement->parse_message = renamed_parse(frame, statement->name);
  if (known == nullptr) {
    shared_.insert(body, hash, Known{statement, surroundings}, statement->parse_message.size() + sizeof(PreparedStatement));
  }
  return statement;
}

SurroundingsNumber StatementLibrary::surroundings_of(std::string_view database, const Settings& settings,
                                                     const ParameterMap& parameters) {
  key_.clear();
  append_fact(key_, "", database);
  for (const auto& [name, text] : settings) {
    if (std::find(without_say.begin(), without_say.end(), name) == without_say.end()) append_fact(key_, name, text);
  }
  for (const std::string_view name : with_say) {
    const auto place = parameters.find(std::string(name));
    if (place != parameters.end()) append_fact(key_, name, place->second);
  }
  const auto known = surroundings_.find(key_);
  if (known != surroundings_.end()) return known->second;
  if (surroundings_.size() >= surroundings_max) surroundings_.clear();
  return surroundings_.emplace(key_, ++last_surroundings_).first->second;
}

}  // namespace protocol::postgres
