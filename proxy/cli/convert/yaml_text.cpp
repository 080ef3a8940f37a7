#include "proxy/cli/convert/yaml_text.hpp"

namespace proxy::cli {

std::string yaml_quoted(std::string_view text) {
  constexpr char hexadecimal[] = "0123456789abcdef";
  std::string result = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (byte < 0x20 || byte == 0x7F) {
      result += "\\x";
      result += hexadecimal[byte >> 4];
      result += hexadecimal[byte & 0xF];
    } else {
      result += c;
    }
  }
  return result + "\"";
}

std::string yaml_list(const std::vector<std::string>& texts) {
  std::string result = "[";
  for (const std::string& text : texts) result += (result.size() > 1 ? ", " : "") + yaml_quoted(text);
  return result + "]";
}

}  // namespace proxy::cli
