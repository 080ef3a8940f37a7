#pragma once

#include <boost/json/object.hpp>

#include <string>

namespace proxy::cli {

/// The answers of the admin API as text for a person. They throw std::exception for an object that is not such an
/// answer. What came from outside is printed without its control characters: a terminal would obey them.
[[nodiscard]] std::string status_text(const boost::json::object& status);
[[nodiscard]] std::string explain_text(const boost::json::object& explanation);
[[nodiscard]] std::string pinned_sessions_text(const boost::json::object& pinned);
[[nodiscard]] std::string types_text(const boost::json::object& report);
[[nodiscard]] std::string reload_text(const boost::json::object& reload);
[[nodiscard]] std::string change_text(const boost::json::object& change);

}  // namespace proxy::cli
