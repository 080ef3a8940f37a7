#pragma once

#include "proxy/cli/exit_code.hpp"
#include "proxy/cli/http_client.hpp"
#include "proxy/cli/remote.hpp"

#include <boost/json/object.hpp>

#include <functional>
#include <string>
#include <string_view>

namespace proxy::cli {

// What the commands that talk to a running proxy share.

[[nodiscard]] int complain(const Remote& remote, std::string_view complaint, ExitCode code);
/// Percent-encoding for a path segment: only unreserved characters stay. Source: RFC 3986, section 2.3.
[[nodiscard]] std::string path_segment(std::string_view name);
/// What the proxy says is wrong; for something that is not its way of saying it, the bare status.
[[nodiscard]] std::string complaint_of(const HttpReply& reply);
[[nodiscard]] protocol::Result<HttpReply> send(const Remote& remote, std::string method, std::string target, std::string body = "");
/// The complaint about an answer that is none, or no good one.
[[nodiscard]] int complain_of(const Remote& remote, const protocol::Result<HttpReply>& reply);
/// Does `action` with the name of a pair: `pair`, or the only one there is.
[[nodiscard]] int with_pair(const Remote& remote, const std::string& pair, const std::function<int(const std::string&)>& action);
/// How a good answer reads, and what it means for the exit code.
struct Showing {
  std::string (*text)(const boost::json::object&);
  ExitCode (*verdict)(const boost::json::object&);
};
[[nodiscard]] int show_outcome(const Remote& remote, const protocol::Result<HttpReply>& reply, const Showing& showing);
[[nodiscard]] ExitCode done_if_acknowledged(const boost::json::object& change);

}  // namespace proxy::cli
