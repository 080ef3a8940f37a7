#pragma once

#include <boost/json/value.hpp>

#include <string>

namespace proxy::admin {

/// The value as compact JSON. Other than boost::json::serialize() it writes 33.33 as a person would, not as 3.333E1.
[[nodiscard]] std::string json_text(const boost::json::value& value);

}  // namespace proxy::admin
