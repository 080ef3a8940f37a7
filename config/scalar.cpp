#include "config/scalar.hpp"

#include "config/findings.hpp"
#include "routing/network.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string>

namespace config {

namespace {

protocol::Error invalid(std::string detail) {
  return {protocol::ErrorCode::configuration_invalid, protocol::Blame::operator_, std::move(detail)};
}

bool is_digit(char character) {
  return character >= '0' && character <= '9';
}

/// A number with up to three places after the point, in thousandths, and what follows it.
struct Quantity {
  std::uint64_t thousandths = 0;
  std::string_view unit;
};

std::optional<Quantity> split(std::string_view text) {
  constexpr std::size_t digits_max = 12;  // thousandths then fit 64 bits with room for a factor
  std::size_t whole = 0;
  std::uint64_t value = 0;
  while (whole < text.size() && is_digit(text[whole])) {
    if (whole == digits_max) return std::nullopt;
    value = value * 10 + static_cast<std::uint64_t>(text[whole++] - '0');
  }
  if (whole == 0) return std::nullopt;
  std::string_view rest = text.substr(whole);
  std::uint64_t places = 0;
  if (rest.size() > 1 && rest[0] == '.' && is_digit(rest[1])) {
    rest.remove_prefix(1);
    for (; !rest.empty() && is_digit(rest[0]); rest.remove_prefix(1)) {
      if (++places > 3) return std::nullopt;
      value = value * 10 + static_cast<std::uint64_t>(rest[0] - '0');
    }
  }
  for (; places < 3; ++places) value *= 10;
  return Quantity{value, rest};
}

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr std::array<Unit, 4> duration_units{{{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}}};
constexpr std::array<Unit, 4> size_units{{{"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}}};

template <std::size_t count>
const Unit* find_unit(const std::array<Unit, count>& units, std::string_view name) {
  const auto found =
      std::find_if(units.begin(), units.end(), [&](const Unit& unit) { return unit.name == name; });
  return found == units.end() ? nullptr : &*found;
}

/// What a unit in other words most likely means; empty if there is no telling.
std::string_view guess_unit(std::string_view written) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 26> guesses{{
      {"sec", "s"},   {"secs", "s"},    {"second", "s"}, {"seconds", "s"}, {"S", "s"},    {" s", "s"},
      {"min", "m"},   {"mins", "m"},    {"minute", "m"}, {"minutes", "m"}, {"hour", "h"}, {"hours", "h"},
      {"msec", "ms"}, {"millis", "ms"}, {" ms", "ms"},   {"k", "KiB"},     {"K", "KiB"},  {"kB", "KiB"},
      {"KB", "KiB"},  {"kb", "KiB"},    {"kib", "KiB"},  {"M", "MiB"},     {"MB", "MiB"}, {"mb", "MiB"},
      {"G", "GiB"},   {"GB", "GiB"},
  }};
  const auto found =
      std::find_if(guesses.begin(), guesses.end(), [&](const auto& guess) { return guess.first == written; });
  return found == guesses.end() ? std::string_view{} : found->second;
}

template <std::size_t count>
std::string with_guess(std::string_view text, std::string_view unit, const std::array<Unit, count>& units,
                       std::string words) {
  const std::string_view guess = guess_unit(unit);
  if (find_unit(units, guess) == nullptr) return words;
  const std::string number(text.substr(0, text.size() - unit.size()));
  return words + " (did you mean " + quote(number + std::string(guess)) + "?)";
}

/// `text` in thousandths of the smallest unit, or the words for why not.
template <std::size_t count>
protocol::Result<std::uint64_t> parse_quantity(std::string_view text, const std::array<Unit, count>& units,
                                               std::string_view noun, std::string_view sample,
                                               std::uint64_t value_max) {
  std::string names;
  for (const Unit& unit : units) names += (names.empty() ? "" : ", ") + std::string(unit.name);
  const auto quantity = split(text);
  const std::string wanted = "; write a number with one of the units " + names + ", such as " + quote(sample);
  if (!quantity) return invalid("is not " + std::string(noun) + wanted);
  if (quantity->unit.empty()) return invalid("has no unit" + wanted);
  const Unit* unit = find_unit(units, quantity->unit);
  if (unit == nullptr) {
    return invalid(
        with_guess(text, quantity->unit, units, "has the unknown unit " + quote(quantity->unit) + wanted));
  }
  if (quantity->thousandths / 1'000 > value_max / unit->factor) return invalid("is too large");
  const std::uint64_t value = quantity->thousandths * unit->factor;
  if (value % 1'000 != 0) return invalid("is finer than the smallest unit, " + std::string(units[0].name));
  return value / 1'000;
}

bool is_base64(std::string_view text, std::size_t decoded_bytes_min, std::size_t decoded_bytes_max) {
  if (text.empty() || text.size() % 4 != 0) return false;
  std::size_t padding = 0;
  while (padding < 2 && text[text.size() - 1 - padding] == '=') ++padding;
  const std::string_view digits = text.substr(0, text.size() - padding);
  const bool is_valid = std::all_of(digits.begin(), digits.end(), [](char character) {
    return is_digit(character) || (character >= 'A' && character <= 'Z') ||
           (character >= 'a' && character <= 'z') || character == '+' || character == '/';
  });
  const std::size_t decoded = text.size() / 4 * 3 - padding;
  return is_valid && decoded >= decoded_bytes_min && decoded <= decoded_bytes_max;
}

template <std::size_t count>
std::string format_in(std::uint64_t value, const std::array<Unit, count>& units) {
  const Unit* best = &units[0];
  for (const Unit& unit : units) {
    if (value >= unit.factor && value % unit.factor == 0) best = &unit;
  }
  return std::to_string(value / best->factor) + std::string(best->name);
}

}  // namespace

protocol::Result<std::chrono::milliseconds> parse_duration(std::string_view text) {
  constexpr std::uint64_t year = 365ULL * 24 * 3'600'000;
  const auto value = parse_quantity(text, duration_units, "a duration", "30s", year);
  if (!value) return value.error();
  return std::chrono::milliseconds(*value);
}

protocol::Result<std::uint64_t> parse_size(std::string_view text) {
  return parse_quantity(text, size_units, "a size", "64KiB", std::uint64_t{1} << 40);
}

protocol::Result<std::uint32_t> parse_percent(std::string_view text) {
  const auto quantity = split(text);
  if (!quantity || (!quantity->unit.empty() && quantity->unit != "%" && quantity->unit != " %")) {
    return invalid("is not a percentage; write a number from 0 to 100, such as `12.5`");
  }
  if (quantity->thousandths > 100'000) return invalid("is more than 100 %");
  if (quantity->thousandths % 10 != 0) return invalid("is finer than a hundredth of a percent");
  return static_cast<std::uint32_t>(quantity->thousandths / 10);
}

protocol::Result<std::uint32_t> parse_count(std::string_view text) {
  std::uint32_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || parsed.ec == std::errc::invalid_argument || parsed.ptr != text.data() + text.size()) {
    return invalid("is not a whole number");
  }
  if (parsed.ec != std::errc{}) return invalid("is too large");
  return value;
}

protocol::Result<ListenAddress> parse_listen(std::string_view text) {
  const std::string wanted = "; write an address and a port, such as `127.0.0.1:6432` or `\"[::1]:6432\"`";
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return invalid("is not an address with a port" + wanted);
  std::string_view host = text.substr(0, colon);
  const auto port = parse_count(text.substr(colon + 1));
  if (!port || *port > 65'535) return invalid("does not end in a port from 0 to 65535" + wanted);
  const auto listen_port = static_cast<std::uint16_t>(*port);
  if (host == "localhost") return ListenAddress{"127.0.0.1", listen_port};
  if (host.empty() || host == "*") {
    const std::string digits(text.substr(colon + 1));
    return invalid("names no address; for all of them write `0.0.0.0:" + digits + "` or `\"[::]:" + digits +
                   "\"`");
  }
  const bool is_bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (is_bracketed) host = host.substr(1, host.size() - 2);
  const bool is_ipv6 = host.find(':') != std::string_view::npos;
  const auto address = routing::parse_address(host);
  if (!address) return invalid("has no literal IPv4 or IPv6 address in front of the port" + wanted);
  if (is_ipv6 && !is_bracketed) return invalid("needs brackets around the IPv6 address" + wanted);
  if (!is_ipv6 && is_bracketed) return invalid("has brackets around an IPv4 address" + wanted);
  return ListenAddress{std::string(host), listen_port};
}

std::string format_listen(const ListenAddress& address) {
  const bool is_ipv6 = address.host.find(':') != std::string::npos;
  return (is_ipv6 ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
}

std::string format_duration(std::chrono::milliseconds duration) {
  return format_in(static_cast<std::uint64_t>(duration.count()), duration_units);
}

std::string format_size(std::uint64_t bytes) {
  return format_in(bytes, size_units);
}

protocol::Status check_scram_verifier(std::string_view text) {
  constexpr std::string_view prefix = "SCRAM-SHA-256$";
  const auto refuse = [] {
    return invalid(
        "is not a stored verifier; it must read SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>");
  };
  if (!text.starts_with(prefix)) return refuse();
  text.remove_prefix(prefix.size());
  const std::size_t dollar = text.find('$');
  if (dollar == std::string_view::npos) return refuse();
  const std::string_view first = text.substr(0, dollar);
  const std::string_view keys = text.substr(dollar + 1);
  const std::size_t first_colon = first.find(':');
  const std::size_t keys_colon = keys.find(':');
  if (first_colon == std::string_view::npos || keys_colon == std::string_view::npos) return refuse();
  const auto iterations = parse_count(first.substr(0, first_colon));
  constexpr std::size_t digest_bytes = 32;
  if (!iterations || *iterations == 0 || !is_base64(first.substr(first_colon + 1), 1, 1024) ||
      !is_base64(keys.substr(0, keys_colon), digest_bytes, digest_bytes) ||
      !is_base64(keys.substr(keys_colon + 1), digest_bytes, digest_bytes)) {
    return refuse();
  }
  return {};
}

protocol::Status check_verifier_text(std::string_view text) {
  constexpr std::string_view md5 = "md5";
  constexpr std::size_t md5_digits = 32;
  const bool is_md5 = text.starts_with(md5) && text.size() == md5.size() + md5_digits &&
                      text.substr(md5.size()).find_first_not_of("0123456789abcdef") == std::string_view::npos;
  return is_md5 ? protocol::Status{} : check_scram_verifier(text);
}

}  // namespace config
