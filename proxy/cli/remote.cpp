#include "proxy/cli/remote.hpp"

#include "proxy/cli/answers.hpp"
#include "proxy/cli/exit_code.hpp"
#include "proxy/cli/http_client.hpp"
#include "proxy/cli/remote_call.hpp"
#include "proxy/cli/table.hpp"

#include <boost/json.hpp>

#include <charconv>
#include <cstdint>
#include <exception>
#include <fstream>
#include <ostream>
#include <string_view>

namespace proxy::cli {

namespace json = boost::json;

namespace {

constexpr std::uint16_t default_admin_port = 7780;
constexpr std::size_t token_bytes_max = 4096;

protocol::Error refused(std::string detail) {
  return protocol::failure(protocol::ErrorCode::configuration_invalid, protocol::Blame::operator_, std::move(detail));
}

protocol::Error bad_url(const std::string& url) {
  return refused("\"" + url + "\" is no admin address; it looks like " + default_admin_url);
}

std::string place_of(const AdminAddress& address) { return address.host + " port " + std::to_string(address.port); }

ExitCode always_done(const json::object&) { return ExitCode::done; }

int show(const Remote& remote, const HttpReply& reply, const Showing& showing) {
  try {
    const json::value value = json::parse(reply.body);
    const std::string text = showing.text(value.as_object());  // also proves that it is such an answer
    remote.out << (remote.form == Form::json ? reply.body : text) << std::flush;
    return static_cast<int>(showing.verdict(value.as_object()));
  } catch (const std::exception&) {
    return complain(remote, "what answers at " + place_of(remote.address) + " is not Crossfade", ExitCode::unreachable);
  }
}

/// The name of the only pair; empty if there are several, or none.
std::string only_pair(const HttpReply& status) {
  boost::system::error_code error;
  const json::value value = json::parse(status.body, error);
  const json::value* pairs = error ? nullptr : value.find_pointer("/pairs", error);
  if (pairs == nullptr || !pairs->is_array() || pairs->get_array().size() != 1) return "";
  const json::value* name = pairs->get_array()[0].find_pointer("/name", error);
  return name != nullptr && name->is_string() ? std::string(name->get_string()) : "";
}

std::string explain_body(const ExplainWish& wish) {
  json::object body{{"pair", wish.pair}, {"sql", wish.sql}};
  if (!wish.user.empty()) body["user"] = wish.user;
  if (!wish.database.empty()) body["database"] = wish.database;
  if (!wish.application_name.empty()) body["application_name"] = wish.application_name;
  if (!wish.client.empty()) body["client"] = wish.client;
  if (wish.session_number) body["session_number"] = *wish.session_number;
  return json::serialize(body);
}

}  // namespace

int complain(const Remote& remote, std::string_view complaint, ExitCode code) {
  remote.complaints << "crossfade: " << printable(complaint) << "\n";
  return static_cast<int>(code);
}

std::string path_segment(std::string_view name) {
  static constexpr std::string_view digits = "0123456789ABCDEF";
  static constexpr std::string_view unreserved =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  std::string encoded;
  for (const char c : name) {
    if (unreserved.find(c) != std::string_view::npos) {
      encoded += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    encoded += {'%', digits[byte >> 4], digits[byte & 0x0F]};
  }
  return encoded;
}

std::string complaint_of(const HttpReply& reply) {
  boost::system::error_code error;
  const json::value value = json::parse(reply.body, error);
  const json::value* message = error ? nullptr : value.find_pointer("/error/message", error);
  if (message == nullptr || !message->is_string()) return "the admin endpoint answered " + std::to_string(reply.status);
  std::string text(message->get_string());
  if (reply.status == 401) text += " (give it with --token-file or CROSSFADE_TOKEN)";
  return text;
}

protocol::Result<HttpReply> send(const Remote& remote, std::string method, std::string target, std::string body) {
  const HttpRequest request{std::move(method), std::move(target), std::move(body), remote.token};
  return send_http(remote.address.host, remote.address.port, request, remote.timeout);
}

ExitCode done_if_acknowledged(const json::object& change) {
  return change.at("acknowledged_by_all").as_bool() ? ExitCode::done : ExitCode::refused;
}

int complain_of(const Remote& remote, const protocol::Result<HttpReply>& reply) {
  if (!reply) {
    return complain(remote, "no answer from " + place_of(remote.address) + ": " + reply.error().detail,
                    ExitCode::unreachable);
  }
  if (remote.form == Form::json) remote.out << reply->body << std::flush;
  return complain(remote, complaint_of(*reply), ExitCode::refused);
}

int show_outcome(const Remote& remote, const protocol::Result<HttpReply>& reply, const Showing& showing) {
  if (reply && reply->status == 200) return show(remote, *reply, showing);
  return complain_of(remote, reply);
}

int with_pair(const Remote& remote, const std::string& pair, const std::function<int(const std::string&)>& action) {
  if (!pair.empty()) return action(pair);
  const auto status = send(remote, "GET", "/api/v1/status");
  if (!status || status->status != 200) return show_outcome(remote, status, {status_text, always_done});
  const std::string only = only_pair(*status);
  if (only.empty()) return complain(remote, "there are several pairs: say --pair NAME", ExitCode::usage);
  return action(only);
}

protocol::Result<AdminAddress> parse_admin_url(const std::string& url) {
  static constexpr std::string_view scheme = "http://";
  if (url.starts_with("https://")) return refused("the admin endpoint speaks plain HTTP; use an http:// address");
  if (!url.starts_with(scheme)) return bad_url(url);
  std::string_view authority = std::string_view(url).substr(scheme.size());
  if (authority.ends_with('/')) authority.remove_suffix(1);
  const bool is_bracketed = authority.starts_with('[');
  const std::size_t host_end = is_bracketed ? authority.find(']') : authority.find(':');
  if (is_bracketed && host_end == std::string_view::npos) return bad_url(url);
  const std::string_view host = is_bracketed ? authority.substr(1, host_end - 1) : authority.substr(0, host_end);
  std::string_view rest = host_end == std::string_view::npos ? "" : authority.substr(host_end + (is_bracketed ? 1 : 0));
  if (host.empty() || host.find_first_of("/@?# ") != std::string_view::npos) return bad_url(url);
  if (rest.empty()) return AdminAddress{std::string(host), default_admin_port};
  if (!rest.starts_with(':')) return bad_url(url);
  rest.remove_prefix(1);
  std::uint16_t port = 0;
  const auto parsed = std::from_chars(rest.data(), rest.data() + rest.size(), port);
  if (parsed.ec != std::errc{} || parsed.ptr != rest.data() + rest.size() || port == 0) return bad_url(url);
  return AdminAddress{std::string(host), port};
}

protocol::Result<std::string> read_token_file(const std::string& path) {
  std::ifstream file(path);
  std::string token;
  if (!std::getline(file, token)) return refused("no token can be read from " + path);
  while (token.ends_with('\r') || token.ends_with(' ')) token.pop_back();
  if (token.empty()) return refused("the first line of " + path + " is empty");
  if (token.size() > token_bytes_max) return refused("the token in " + path + " is too long");
  return token;
}

int show_status(const Remote& remote) {
  return show_outcome(remote, send(remote, "GET", "/api/v1/status"), {status_text, always_done});
}

int show_pins(const Remote& remote, const std::string& pair) {
  return with_pair(remote, pair, [&](const std::string& name) {
    return show_outcome(remote, send(remote, "GET", "/api/v1/pairs/" + path_segment(name) + "/pins"),
                        {pinned_sessions_text, always_done});
  });
}

int show_types(const Remote& remote, const std::string& pair) {
  return with_pair(remote, pair, [&](const std::string& name) {
    return show_outcome(remote, send(remote, "GET", "/api/v1/pairs/" + path_segment(name) + "/types"), {types_text, always_done});
  });
}

int explain_statement(const Remote& remote, const ExplainWish& wish) {
  return with_pair(remote, wish.pair, [&](const std::string& name) {
    ExplainWish complete = wish;
    complete.pair = name;
    return show_outcome(remote, send(remote, "POST", "/api/v1/explain", explain_body(complete)),
                        {explain_text, always_done});
  });
}

int shift_reads(const Remote& remote, const ShiftWish& wish) {
  json::object reads;
  if (wish.blue) reads["blue"] = *wish.blue;
  if (wish.green) reads["green"] = *wish.green;
  json::object body{{"reads", reads}};
  if (!wish.why.empty()) body["why"] = wish.why;
  const std::string target =
      "/api/v1/pairs/" + path_segment(wish.pair) + "/rules/" + path_segment(wish.rule) + "/weights";
  return show_outcome(remote, send(remote, "PUT", target, json::serialize(body)), {change_text, done_if_acknowledged});
}

int reload_configuration(const Remote& remote, ReloadKind kind) {
  const std::string body = kind == ReloadKind::dry_run ? R"({"dry_run": true})" : "{}";
  const auto reply = send(remote, "POST", "/api/v1/reload", body);
  const int code = show_outcome(remote, reply, {reload_text, always_done});
  if (!reply || reply->status != 409 || remote.form == Form::json) return code;
  boost::system::error_code error;
  const json::value value = json::parse(reply->body, error);
  const json::value* problems = error ? nullptr : value.find_pointer("/problems", error);
  if (problems == nullptr || !problems->is_array()) return code;
  for (const json::value& problem : problems->get_array()) {
    if (problem.is_string()) remote.complaints << printable(std::string_view(problem.get_string())) << "\n";
  }
  return static_cast<int>(ExitCode::configuration_invalid);
}

}  // namespace proxy::cli
