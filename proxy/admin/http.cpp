#include "proxy/admin/http.hpp"

#include "proxy/admin/text.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <array>

namespace proxy::admin {

namespace {

struct StatusName {
  unsigned status;
  std::string_view code;
};

constexpr std::array<StatusName, 13> status_names{{
    {400, "bad_request"},
    {401, "unauthorized"},
    {403, "forbidden"},
    {404, "not_found"},
    {405, "method_not_allowed"},
    {408, "request_timeout"},
    {409, "conflict"},
    {413, "body_too_large"},
    {431, "header_too_large"},
    {500, "internal"},
    {503, "unavailable"},
    {505, "version_unsupported"},
}};

}  // namespace

std::string_view code_of(unsigned status) {
  const auto known = std::ranges::find(status_names, status, &StatusName::status);
  return known == status_names.end() ? "error" : known->code;
}

Response error_response(unsigned status, std::string_view message) {
  const boost::json::object error{{"status", status}, {"code", code_of(status)}, {"message", valid_utf8(message)}};
  Response response;
  response.status = status;
  response.body = boost::json::serialize(boost::json::object{{"error", error}}) + "\n";
  return response;
}

}  // namespace proxy::admin
