#include "proxy/cli/convert/command.hpp"

#include "proxy/cli/convert/convert.hpp"
#include "proxy/cli/exit_code.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ostream>

namespace proxy::cli {

namespace {

/// Closed to others, for passwords may stand in it. An existing file is not overwritten.
bool write_file(const std::string& path, const std::string& text) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (file < 0) return false;
  std::size_t written = 0;
  while (written < text.size()) {
    const ssize_t count = write(file, text.data() + written, text.size() - written);
    if (count < 0 && errno != EINTR) break;
    if (count > 0) written += static_cast<std::size_t>(count);
  }
  return close(file) == 0 && written == text.size();
}

}  // namespace

int convert(const std::string& source, const std::string& target, std::ostream& out, std::ostream& complaints) {
  const auto entries = read_ini(source);
  const auto conversion = entries ? convert_pgbouncer(*entries, source.substr(source.rfind('/') + 1))
                                  : protocol::Result<Conversion>(entries.error());
  if (!conversion) {
    complaints << "crossfade: " << conversion.error().detail << "\n";
    return static_cast<int>(ExitCode::configuration_invalid);
  }
  if (target.empty()) {
    out << conversion->yaml;
  } else if (!write_file(target, conversion->yaml)) {
    complaints << "crossfade: " << target << " cannot be written: " << std::strerror(errno) << "\n";
    return static_cast<int>(ExitCode::usage);
  }
  for (const std::string& lost : conversion->lost) complaints << "not carried over: " << lost << "\n";
  return static_cast<int>(conversion->lost.empty() ? ExitCode::done : ExitCode::refused);
}

}  // namespace proxy::cli
