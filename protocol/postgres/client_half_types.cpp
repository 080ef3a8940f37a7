#include "protocol/postgres/client_half.hpp"

#include "protocol/wire/byte_reader.hpp"

#include <algorithm>

/// What a client has learnt of the numbers of types, it has learnt where writes go; reads that would mix them with another side's stay there.
namespace protocol::postgres {

bool PostgresClientHalf::has_differing_types(const StatementFacts& facts) const {
  const TypeComparison* types = analyser_.types();
  return types != nullptr && !options_.moves_differing_types && types->concerns(facts);
}

/// A number of which it is not known that both sides mean the same by it may be of one side only.
bool PostgresClientHalf::is_any_type_differing(std::span<const std::uint32_t> assigned_types) const {
  if (assigned_types.empty() || options_.moves_differing_types) return false;
  const TypeComparison* types = analyser_.types();
  return types == nullptr || std::ranges::any_of(assigned_types, [types](std::uint32_t type) { return !types->is_common(type); });
}

bool PostgresClientHalf::has_differing_types(const PreparedStatement& statement) const {
  return is_any_type_differing(statement.assigned_types) || (statement.facts && has_differing_types(*statement.facts));
}

/// A description tells the numbers as much as a result does.
void PostgresClientHalf::take_described_into_account(const ScannedRequest& described, ByteView unread, BatchFacts& facts) const {
  ByteReader reader(unread.subspan(described.offset + frame_header_bytes, described.available - frame_header_bytes));
  if (reader.read_u8() != 'S') return;
  const PreparedStatementPointer statement = statement_known_as(reader.read_text_z());
  if (statement && has_differing_types(*statement)) facts.has_differing_types = true;
}

}  // namespace protocol::postgres
