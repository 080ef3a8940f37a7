#pragma once

#include <string>
#include <string_view>

/// Names and values as SQL spells them. Source: PostgreSQL 15 manual, 4.1.1 "Identifiers and Key Words", 4.1.2.1 "String Constants".
namespace protocol::postgres {

[[nodiscard]] std::string quote_name(std::string_view name);
/// A literal that means `value` whatever standard_conforming_strings says.
[[nodiscard]] std::string quote_literal(std::string_view value);

}  // namespace protocol::postgres
