#pragma once

#include "config/settings.hpp"
#include "proxy/session/session_terms.hpp"

namespace proxy {

/// The terms of a pair's sessions: what the pair says, then the database, then the user.
[[nodiscard]] session::TermsTable terms_table_from(const config::Pair& pair);

}  // namespace proxy
