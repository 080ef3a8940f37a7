#pragma once

#include "config/settings.hpp"
#include "protocol/postgres/apply_text.hpp"
#include "proxy/migrate/postgres_follower.hpp"
#include "proxy/mirror/mirror.hpp"
#include "proxy/session/capture_stream.hpp"
#include "proxy/telemetry/log.hpp"

namespace proxy {

/// What sessions obey. Lifetime: a loan from `desk`.
[[nodiscard]] session::MirrorTerms mirror_terms_from(const config::Mirror& mirror, mirror::Desk& desk);

/// Part of the composition root: the mirror of one pair with the dialect and the client library behind it.
class AppMirror {
 public:
  /// `pair` has a mirror.
  AppMirror(const config::Pair& pair, telemetry::Log& log);
  [[nodiscard]] mirror::Mirror& mirror() { return mirror_; }

 private:
  protocol::postgres::PostgresApplyText text_;
  migrate::PostgresFollowerDoor door_;
  mirror::Mirror mirror_;
};

}  // namespace proxy
