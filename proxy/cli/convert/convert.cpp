#include "proxy/cli/convert/convert.hpp"

#include "proxy/cli/convert/converter.hpp"

namespace proxy::cli {

protocol::Result<Conversion> convert_pgbouncer(const std::vector<IniEntry>& entries, const std::string& title) {
  return Converter(entries, title).convert();
}

}  // namespace proxy::cli
