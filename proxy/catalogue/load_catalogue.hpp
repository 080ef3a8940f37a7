#pragma once

#include "protocol/base/result.hpp"
#include "protocol/catalogue_rows.hpp"

#include <chrono>
#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

namespace proxy::catalogue {

/// How the connection is encrypted, in libpq's words and with files for it; an empty text leaves it to libpq.
struct CatalogueTls {
  std::string mode;  ///< sslmode
  std::string ca_file;
  std::string crl_file;
  std::string certificate_file;
  std::string key_file;
  std::string version_min;  ///< "TLSv1.2"
  bool operator==(const CatalogueTls&) const = default;
};

/// Where a catalogue is read and as whom.
struct CatalogueSource {
  std::string host;
  std::uint16_t port = 5432;
  std::string user;
  std::string password;  ///< empty: none configured; never logged
  std::string database;
  CatalogueTls tls = {};
  std::string query = {};    ///< empty: what everybody else is asked
  std::string address = {};  ///< when `host` is only what the certificate must be made out to: where it is
  bool operator==(const CatalogueSource&) const = default;
};

/// More rows than any sensible database has; beyond it the load fails.
inline constexpr int catalogue_rows_max = 500'000;

/// Logs in as an ordinary client, runs `query` in a read-only transaction with search_path set to the
/// system's schema alone, and reads five columns per row: kind, schema, name, detail, is_stable. Blocks up to
/// `timeout`; a name that has to be looked up may take the resolver's own time on top. Ends early when `stop`
/// is asked for. Errors: backend_unreachable, backend_refused, backend_timeout, backend_misbehaved; their
/// detail is the server's or libpq's message, without the password.
[[nodiscard]] protocol::Result<std::vector<protocol::CatalogueRow>> load_catalogue(
    const CatalogueSource& source, const std::string& query, std::chrono::milliseconds timeout,
    const std::stop_token& stop = {});

}  // namespace proxy::catalogue
