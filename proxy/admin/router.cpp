#include "proxy/admin/router.hpp"

#include "proxy/admin/text.hpp"

#include <algorithm>
#include <cstddef>
#include <exception>
#include <optional>

namespace proxy::admin {

namespace {

using Segments = std::vector<std::string>;

bool is_placeholder(std::string_view segment) { return segment.starts_with('{'); }

/// What stands for the placeholders of `pattern`, or nothing if the path is another one.
std::optional<Segments> matched_names(std::string_view pattern, const Segments& path) {
  Segments names;
  pattern.remove_prefix(1);
  for (std::size_t i = 0; i < path.size(); ++i) {
    const std::size_t slash = pattern.find('/');
    const std::string_view wanted = pattern.substr(0, slash);
    if (is_placeholder(wanted) ? path[i].empty() : path[i] != wanted) return std::nullopt;
    if (is_placeholder(wanted)) names.push_back(path[i]);
    if (slash == std::string_view::npos) return i + 1 == path.size() ? std::optional(names) : std::nullopt;
    pattern.remove_prefix(slash + 1);
  }
  return std::nullopt;
}

/// The endpoints of one path: same path, one per method.
struct Resource {
  std::vector<const Endpoint*> methods;
  Segments names;
};

Resource find_resource(const Segments& path) {
  Resource resource;
  for (const Endpoint& endpoint : endpoints()) {
    auto names = matched_names(endpoint.path, path);
    if (!names) continue;
    resource.methods.push_back(&endpoint);
    resource.names = std::move(*names);
  }
  return resource;
}

const Endpoint* find_method(const Resource& resource, std::string_view method) {
  const std::string_view wanted = method == "HEAD" ? "GET" : method;
  const auto found = std::ranges::find(resource.methods, wanted, &Endpoint::method);
  return found == resource.methods.end() ? nullptr : *found;
}

Response method_not_allowed(const Resource& resource) {
  std::vector<std::string> allowed;
  for (const Endpoint* endpoint : resource.methods) {
    allowed.emplace_back(endpoint->method);
    if (endpoint->method == "GET") allowed.emplace_back("HEAD");
  }
  Response response = error_response(405, "this path answers to " + listed(allowed));
  response.fields.emplace_back("Allow", listed(allowed));
  return response;
}

Response not_found() {
  std::vector<std::string> paths;
  for (const Endpoint& endpoint : endpoints()) {
    if (std::ranges::find(paths, endpoint.path) == paths.end()) paths.emplace_back(endpoint.path);
  }
  return error_response(404, "there is nothing at this path; the paths are " + listed(paths));
}

Response route_request(Control& control, const Access& access, const Request& request) {
  const auto path = parse_target(request.target);
  if (!path) return error_response(400, path.error().detail);
  Resource resource = find_resource(*path);
  const Endpoint* endpoint = find_method(resource, request.method);
  // Whoever may not come in learns nothing of what there is: access is asked before 404 and 405.
  const Guard guard = endpoint == nullptr ? Guard::guarded : endpoint->guard;
  if (auto refusal = access.refusal(request, guard)) return std::move(*refusal);
  if (resource.methods.empty()) return not_found();
  if (endpoint == nullptr) return method_not_allowed(resource);
  // The media type is not looked at: `curl -d` calls everything a form, and a page of another origin, which could
  // send one unasked, is refused by its Origin.
  return endpoint->answer(Call{control, request, std::move(resource.names)});
}

}  // namespace

bool needs_control(const Request& request) {
  const auto path = parse_target(request.target);
  if (!path) return false;
  const Endpoint* endpoint = find_method(find_resource(*path), request.method);
  return endpoint != nullptr && endpoint->reach == Reach::control;
}

Response handle_request(Control& control, const Access& access, const Request& request) {
  try {
    return route_request(control, access, request);
  } catch (const std::exception&) {
    return error_response(500, "the request failed inside the proxy; the log may say more");
  }
}

}  // namespace proxy::admin
