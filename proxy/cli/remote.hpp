#pragma once

#include "protocol/base/result.hpp"

#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>

namespace proxy::cli {

/// Where a running proxy listens for its admin API.
struct AdminAddress {
  std::string host;
  std::uint16_t port = 0;
  bool operator==(const AdminAddress&) const = default;
};

inline constexpr const char* default_admin_url = "http://127.0.0.1:7780";

/// "http://host:port", "http://[::1]:port/"; without a port 7780. Errors (blame operator): https, paths, nonsense.
[[nodiscard]] protocol::Result<AdminAddress> parse_admin_url(const std::string& url);

/// The first line of a token's file, without its end. Errors (blame operator): unreadable, empty, too long.
[[nodiscard]] protocol::Result<std::string> read_token_file(const std::string& path);

enum class Form : std::uint8_t { text, json };

/// A running proxy, and how its answers are shown.
struct Remote {
  AdminAddress address;
  std::string token;  ///< empty: none
  Form form = Form::text;
  std::chrono::milliseconds timeout{10'000};
  std::ostream& out;
  std::ostream& complaints;
};

/// A statement, and of whose session it would be; what is empty is not sent.
struct ExplainWish {
  std::string pair;  ///< empty: the only one there is
  std::string sql;
  std::string user;
  std::string database;
  std::string application_name;
  std::string client;
  std::optional<std::uint64_t> session_number;
};

/// A wish for new weights, in percent; at least one of the two.
struct ShiftWish {
  std::string pair;
  std::string rule;
  std::optional<double> blue;
  std::optional<double> green;
  std::string why;
};

enum class ReloadKind : std::uint8_t { real, dry_run };

/// The commands that talk to a running proxy. Each shows the answer, or the complaint, and returns the exit code.
[[nodiscard]] int show_status(const Remote& remote);
/// `pair` empty: the only one there is.
[[nodiscard]] int show_pins(const Remote& remote, const std::string& pair);
/// Types that the sides number differently.
[[nodiscard]] int show_types(const Remote& remote, const std::string& pair);
[[nodiscard]] int explain_statement(const Remote& remote, const ExplainWish& wish);
[[nodiscard]] int shift_reads(const Remote& remote, const ShiftWish& wish);
[[nodiscard]] int reload_configuration(const Remote& remote, ReloadKind kind);

}  // namespace proxy::cli
