#pragma once

#include "config/settings.hpp"
#include "protocol/postgres/dialect.hpp"
#include "proxy/backend/connection_counts.hpp"
#include "proxy/backend/pool.hpp"
#include "proxy/net/connector.hpp"
#include "proxy/net/socket.hpp"
#include "proxy/secrets/failed_logins.hpp"
#include "proxy/session/environment.hpp"
#include "routing/side.hpp"

#include <cstdint>
#include <string>

/// Part of the composition root: what the configuration of a pair means to those who carry it out.
namespace proxy {

[[nodiscard]] session::SessionOptions session_options_from(const config::Limits& limits, const config::Pair& pair);
[[nodiscard]] protocol::postgres::PostgresDialect::Options dialect_options_from(const config::Limits& limits,
                                                                                const config::Pair& pair);
[[nodiscard]] secrets::FailedLogins::Options failed_login_options_from(const config::Limits& limits);
[[nodiscard]] backend::Pool::Options pool_options_from(const config::Pool& pool);
[[nodiscard]] backend::ConnectionLimits connection_limits_from(const config::Pool& pool);
[[nodiscard]] net::TcpOptions tcp_options_from(const config::Limits& limits);
[[nodiscard]] routing::PerSide<net::Endpoint> endpoints_from(const config::Pair& pair);
[[nodiscard]] std::string endpoint_text(const std::string& host, std::uint16_t port);

}  // namespace proxy
