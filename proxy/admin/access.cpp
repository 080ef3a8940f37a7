#include "proxy/admin/access.hpp"

#include "proxy/admin/text.hpp"

#include <arpa/inet.h>

#include <cstddef>
#include <cstdint>

namespace proxy::admin {

namespace {

constexpr std::string_view bearer_scheme = "bearer ";

/// Time depends on the length of what was presented only.
bool equals_in_constant_time(std::string_view secret, std::string_view presented) {
  std::size_t difference = secret.size() ^ presented.size();
  for (std::size_t i = 0; i < presented.size(); ++i) {
    const char expected = secret.empty() ? '\0' : secret[i % secret.size()];
    difference |= static_cast<std::uint8_t>(expected ^ presented[i]);
  }
  const volatile std::size_t result = difference;  // keeps the loop from being turned into an early exit
  return result == 0;
}

/// "host:port" and "[v6]:port" without the port.
std::string_view without_port(std::string_view authority) {
  if (authority.starts_with('[')) {
    const std::size_t end = authority.find(']');
    return end == std::string_view::npos ? authority : authority.substr(0, end + 1);
  }
  return authority.substr(0, authority.find(':'));
}

/// The authority of "http://127.0.0.1:7780"; empty for anything else, "null" included.
std::string_view authority_of(std::string_view origin) {
  const std::size_t scheme_end = origin.find("://");
  if (scheme_end == std::string_view::npos) return {};
  const std::string_view scheme = origin.substr(0, scheme_end);
  if (scheme != "http" && scheme != "https") return {};
  return origin.substr(scheme_end + 3);
}

Response unauthorized(std::string_view message, std::string challenge) {
  Response response = error_response(401, message);
  response.fields.emplace_back("WWW-Authenticate", std::move(challenge));
  return response;
}

std::optional<Response> refusal_by_browser(const Request& request) {
  if (!request.host.empty() && !is_loopback_host(without_port(request.host))) {
    return error_response(403, "without a token this endpoint answers to loopback names only, not to Host \"" +
                                   request.host + "\"");
  }
  if (request.origin && !equals_ignoring_case(authority_of(*request.origin), request.host)) {
    return error_response(403, "a web page of another origin may not use this endpoint");
  }
  return std::nullopt;
}

}  // namespace

bool is_loopback_host(std::string_view host) {
  if (equals_ignoring_case(host, "localhost")) return true;
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const std::string text(host);
  in_addr v4{};
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  return inet_pton(AF_INET6, text.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

void Access::set_tokens(std::vector<std::string> tokens) {
  const std::lock_guard lock(mutex_);
  tokens_ = std::move(tokens);
}

std::vector<std::string> Access::tokens() const {
  const std::lock_guard lock(mutex_);
  return tokens_;
}

std::optional<Response> Access::refusal(const Request& request, Guard guard) const {
  const std::vector<std::string> accepted = tokens();
  if (accepted.empty()) return refusal_by_browser(request);
  if (guard == Guard::open) return std::nullopt;
  return refusal_by_token(accepted, request);
}

std::optional<Response> Access::refusal_by_token(const std::vector<std::string>& tokens, const Request& request) {
  if (!request.authorization) {
    return unauthorized("a bearer token is needed: Authorization: Bearer …", "Bearer realm=\"crossfade\"");
  }
  const std::string_view field = *request.authorization;
  const bool is_bearer = equals_ignoring_case(field.substr(0, bearer_scheme.size()), bearer_scheme);
  if (is_bearer && is_token_known(tokens, field.substr(bearer_scheme.size()))) return std::nullopt;
  return unauthorized("the token is not known here", "Bearer realm=\"crossfade\", error=\"invalid_token\"");
}

bool Access::is_token_known(const std::vector<std::string>& tokens, std::string_view presented) {
  bool is_known = false;
  for (const std::string& token : tokens) is_known |= equals_in_constant_time(token, presented);
  return is_known;
}

}  // namespace proxy::admin
