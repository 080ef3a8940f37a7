#pragma once

#include "protocol/console.hpp"
#include "proxy/console/tables.hpp"
#include "routing/facts.hpp"

#include <chrono>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace proxy::console {

/// A row under construction: texts and numbers in the order of the columns.
class Row {
 public:
  Row& operator<<(std::string_view text) { return add(std::string(text)); }
  Row& operator<<(const char* text) { return add(text); }
  template <class Number>
    requires std::is_integral_v<Number>
  Row& operator<<(Number number) {
    return add(std::to_string(number));
  }
  Row& operator<<(std::chrono::microseconds time) { return add(std::to_string(time.count())); }
  [[nodiscard]] std::vector<std::optional<std::string>> take() { return std::move(values_); }

 private:
  Row& add(std::string text) {
    std::erase(text, '\0');
    values_.emplace_back(std::move(text));
    return *this;
  }
  std::vector<std::optional<std::string>> values_;
};

[[nodiscard]] std::string address_text(const routing::ClientAddress& address);
/// "2026-11-24 16:40:57 UTC".
[[nodiscard]] std::string time_text(std::chrono::system_clock::time_point time);

// The tables by topic: tables_sockets.cpp, tables_stats.cpp, tables_settings.cpp.
[[nodiscard]] protocol::ConsoleTable pools_table(const Moment& moment);
[[nodiscard]] protocol::ConsoleTable clients_table(const Moment& moment);
[[nodiscard]] protocol::ConsoleTable servers_table(const Moment& moment);
[[nodiscard]] protocol::ConsoleTable pins_table(const Moment& moment);
[[nodiscard]] protocol::ConsoleTable stats_table(const Moment& moment);
[[nodiscard]] protocol::ConsoleTable stats_totals_table(const Moment& moment);
[[nodiscard]] protocol::ConsoleTable stats_averages_table(const Moment& moment);
[[nodiscard]] protocol::ConsoleTable totals_table(const Moment& moment);
[[nodiscard]] protocol::ConsoleTable lists_table(const Moment& moment);
[[nodiscard]] protocol::ConsoleTable databases_table(const Moment& moment);
[[nodiscard]] protocol::ConsoleTable users_table(const Moment& moment);
[[nodiscard]] protocol::ConsoleTable config_table(const Moment& moment);
[[nodiscard]] protocol::ConsoleTable state_table(const Moment& moment);
[[nodiscard]] protocol::ConsoleTable version_table(const Moment& moment);
[[nodiscard]] protocol::ConsoleTable rules_table(const Moment& moment);
[[nodiscard]] protocol::ConsoleTable types_table(const Moment& moment);

}  // namespace proxy::console
