#pragma once

#include "proxy/admin/access.hpp"
#include "proxy/admin/control.hpp"
#include "proxy/admin/http.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace proxy::admin {

/// A request on its way to its endpoint. Loans for the length of the call.
struct Call {
  Control& control;
  const Request& request;
  std::vector<std::string> names;  ///< what stood for {pair}, {rule} …, in the order of the path
};

/// Whether an endpoint calls `Control`, and so may have to wait for the workers.
enum class Reach { none, control };

/// One row of the routing table.
struct Endpoint {
  std::string_view method;
  std::string_view path;  ///< "/api/v1/pairs/{pair}/rollback"
  Guard guard;
  Reach reach;
  Response (*answer)(const Call& call);
};

/// Every endpoint there is; the only place that lists them.
[[nodiscard]] std::span<const Endpoint> endpoints();

/// Whether handle_request() would get as far as `Control`; without, it never waits.
[[nodiscard]] bool needs_control(const Request& request);

/// The whole endpoint without its socket: access, routing, method, media type, answer. Never throws; what is
/// thrown below becomes a 500 without details. A HEAD is answered as its GET; who sends it leaves the body out.
[[nodiscard]] Response handle_request(Control& control, const Access& access, const Request& request);

}  // namespace proxy::admin
