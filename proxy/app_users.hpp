#pragma once

#include "config/settings.hpp"
#include "proxy/secrets/question_session.hpp"
#include "routing/side.hpp"

#include <iosfwd>
#include <string>

namespace proxy {

/// Where libpq finds an endpoint: of a local socket it wants the folder, and the number at the end of the socket's name.
[[nodiscard]] config::EndpointAddress libpq_address(const config::EndpointAddress& endpoint);

/// A side, as somebody who asks it about users sees it: with the TLS that is configured for it.
[[nodiscard]] secrets::QuestionTarget question_target(const config::Pair& pair, routing::Side side,
                                                      const config::BackendLogin& login, const std::string& database);

/// `crossfade check --users`: asks both sides of each pair what they hold of each user, and tells whether a login through
/// Crossfade can go on to both. True when nothing is wrong. Blocks for as long as the sides take.
[[nodiscard]] bool check_users(const config::Settings& settings, std::ostream& out);

}  // namespace proxy
