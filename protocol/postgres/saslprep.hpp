#pragma once

#include "protocol/base/secret_text.hpp"

#include <string_view>

namespace protocol::postgres {

/// A password as SCRAM uses it: prepared by SASLprep, so that it does not matter how a keyboard composes its letters.
/// What is not UTF-8, or holds what SASLprep prohibits, is used as it was given, as the server and libpq do.
/// Source: RFC 4013; RFC 5802, 2.2 "Normalize"; PostgreSQL 15 manual, 55.3.1 "SCRAM-SHA-256 Authentication".
[[nodiscard]] SecretText prepare_password(std::string_view password);

}  // namespace protocol::postgres
