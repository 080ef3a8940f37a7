#pragma once

#include "protocol/statement.hpp"

#include <pg_query/pg_query.pb-c.h>

#include <vector>

namespace protocol::postgres {

/// Whose logins a statement changes: what they begin with, what they may do, or whether they succeed.
/// Source: PostgreSQL 15 manual, CREATE ROLE, ALTER ROLE, DROP ROLE, ALTER DATABASE, and REVOKE of the right to connect.
[[nodiscard]] std::vector<LoginChange> read_login_changes(const PgQuery__Node& statement);

}  // namespace protocol::postgres
