#pragma once

#include "proxy/admin/http.hpp"

#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace proxy::admin {

/// Whether an endpoint answers without a token. Open ones tell a probe of a load balancer "yes" or "no" and
/// nothing else; /metrics is guarded, because names of pairs and rates of traffic are worth hiding.
enum class Guard { open, guarded };

/// Who may use the endpoint.
///
/// Without tokens the listener is bound to loopback, and what remains to fear is a web page in the operator's
/// browser: it can be made to send requests to 127.0.0.1, by its own name (DNS rebinding: the Host field then
/// is that name) or across origins (then there is an Origin field of another host). Both are refused.
/// With tokens neither matters, because no browser adds a bearer token by itself.
class Access {
 public:
  explicit Access(std::vector<std::string> tokens) : tokens_(std::move(tokens)) {}

  /// Other tokens, for what is asked from now on. Any thread.
  void set_tokens(std::vector<std::string> tokens);

  /// Nothing: go ahead. Otherwise the refusal to send.
  [[nodiscard]] std::optional<Response> refusal(const Request& request, Guard guard) const;

 private:
  [[nodiscard]] static std::optional<Response> refusal_by_token(const std::vector<std::string>& tokens,
                                                                const Request& request);
  [[nodiscard]] static bool is_token_known(const std::vector<std::string>& tokens, std::string_view presented);

  [[nodiscard]] std::vector<std::string> tokens() const;

  mutable std::mutex mutex_;
  std::vector<std::string> tokens_;  ///< under mutex_
};

/// "127.0.0.1", "::1", "[::1]" and "localhost", without a port.
[[nodiscard]] bool is_loopback_host(std::string_view host);

}  // namespace proxy::admin
