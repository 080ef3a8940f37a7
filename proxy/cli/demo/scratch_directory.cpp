#include "proxy/cli/demo/scratch_directory.hpp"

#include "proxy/cli/demo/failure.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <system_error>

namespace proxy::cli {
namespace {

/// A local socket's whole path must fit sockaddr_un (108 bytes); ours adds "/blue/.s.PGSQL.65535" to this.
constexpr std::size_t path_bytes_max = 80;

std::filesystem::path base_directory() {
  const char* wish = std::getenv("TMPDIR");
  if (wish != nullptr && *wish == '/' && std::strlen(wish) < path_bytes_max / 2) return wish;
  return "/tmp";
}

}  // namespace

ScratchDirectory::ScratchDirectory(const std::optional<Account>& owner) {
  std::string name = (base_directory() / "crossfade-demo-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) {
    throw DemoFailure("cannot make a directory " + name + ": " + std::strerror(errno));
  }
  path_ = name;
  if (owner && ::chown(name.c_str(), owner->uid, owner->gid) != 0) {
    const std::string why = std::strerror(errno);
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
    throw DemoFailure("cannot give " + name + " to user " + owner->name + ": " + why);
  }
}

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void write_file(const std::filesystem::path& path, std::string_view text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file) throw DemoFailure("cannot write " + path.string());
  ::chmod(path.c_str(), 0644);
}

std::string last_lines(const std::filesystem::path& path, std::size_t line_count_max) {
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  while (!text.empty() && text.back() == '\n') text.pop_back();
  std::size_t start = text.size();
  for (std::size_t line = 0; line < line_count_max && start != std::string::npos && start > 0; ++line) {
    start = text.rfind('\n', start - 1);
  }
  return start == std::string::npos || start == 0 ? text : text.substr(start + 1);
}

}  // namespace proxy::cli
