#include "protocol/postgres/quoting.hpp"

namespace protocol::postgres {

std::string quote_name(std::string_view name) {
  std::string quoted = "\"";
  for (const char c : name) {
    if (c == '"') quoted.push_back(c);
    quoted.push_back(c);
  }
  return quoted + "\"";
}

std::string quote_literal(std::string_view value) {
  std::string quoted = value.find('\\') == std::string_view::npos ? "'" : "E'";
  for (const char c : value) {
    if (c == '\'' || c == '\\') quoted.push_back(c);
    quoted.push_back(c);
  }
  return quoted + "'";
}

}  // namespace protocol::postgres
