#include "proxy/lifecycle/successor.hpp"

#include <signal.h>
#include <spawn.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <string_view>

namespace proxy::lifecycle {

namespace {

constexpr std::size_t path_bytes_max = 4096;
constexpr std::array<std::string_view, 4> private_variables{"WATCHDOG_PID=", "LISTEN_PID=", "LISTEN_FDS=", "LISTEN_FDNAMES="};

/// Where this program was started from. A file that was replaced meanwhile shows as deleted: what replaced it is meant.
/// Source: Linux manual, proc(5), /proc/pid/exe.
std::string program_path() {
  static constexpr std::string_view mark = " (deleted)";
  std::string path(path_bytes_max, '\0');
  const ssize_t length = ::readlink("/proc/self/exe", path.data(), path.size());
  path.resize(length < 0 ? 0 : static_cast<std::size_t>(length));
  if (path.ends_with(mark)) path.resize(path.size() - mark.size());
  return path;
}

bool is_private(std::string_view entry) {
  for (const std::string_view variable : private_variables) {
    if (entry.starts_with(variable)) return true;
  }
  return false;
}

}  // namespace

protocol::Result<long> start_successor(const std::vector<std::string>& words) {
  const std::string path = program_path();
  std::vector<std::string> copies = words;
  std::string name = path;
  std::vector<char*> arguments{name.data()};
  for (std::string& word : copies) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  std::vector<char*> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (!is_private(*entry)) environment.push_back(*entry);
  }
  environment.push_back(nullptr);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t nothing;
  sigemptyset(&nothing);
  posix_spawnattr_setsigmask(&attributes, &nothing);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  pid_t process = 0;
  const int failed = ::posix_spawn(&process, path.c_str(), nullptr, &attributes, arguments.data(), environment.data());
  posix_spawnattr_destroy(&attributes);
  if (failed == 0) return static_cast<long>(process);
  return protocol::failure(protocol::ErrorCode::configuration_invalid, protocol::Blame::operator_,
                           path + " cannot be started: " + std::strerror(failed));
}

}  // namespace proxy::lifecycle
