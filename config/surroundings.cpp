#include "config/surroundings.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>

namespace config {

namespace {

/// Closes a descriptor at the end of a scope.
class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return value_; }

 private:
  int value_;
};

protocol::Error refuse(std::string why) {
  return {protocol::ErrorCode::configuration_invalid, protocol::Blame::operator_, std::move(why)};
}

std::string system_words() {
  return std::generic_category().message(errno);
}

/// A regular file, opened for reading, and what the system says of it.
struct RegularFile {
  Descriptor descriptor;
  struct stat status {};

  /// Not blocking, so that a pipe is found to be one instead of waited for.
  explicit RegularFile(const std::filesystem::path& path)
      : descriptor(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}

  /// To be asked first.
  [[nodiscard]] protocol::Status check() {
    if (descriptor.get() < 0 || fstat(descriptor.get(), &status) != 0) return refuse(system_words());
    if (S_ISREG(status.st_mode)) return {};
    return refuse(S_ISDIR(status.st_mode) ? "it is a directory" : "it is not a regular file");
  }
};

}  // namespace

protocol::Result<SecretFile> read_file(const std::filesystem::path& path, std::size_t bytes_max) {
  RegularFile source(path);
  if (const protocol::Status sound = source.check(); !sound) return sound.error();
  SecretFile file;
  file.is_readable_by_others = (source.status.st_mode & (S_IRGRP | S_IROTH)) != 0;
  std::string& content = file.content;
  // One byte beyond the bound tells "too long" from "just fits", whatever the size claims.
  content.resize(bytes_max + 1);
  std::size_t filled = 0;
  while (filled < content.size()) {
    const ssize_t count = read(source.descriptor.get(), content.data() + filled, content.size() - filled);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return refuse(system_words());
    if (count == 0) break;
    filled += static_cast<std::size_t>(count);
  }
  if (filled > bytes_max) return refuse("it is longer than " + std::to_string(bytes_max) + " bytes");
  content.resize(filled);
  return file;
}

protocol::Result<SecretFile> Machine::read_secret_file(const std::filesystem::path& path,
                                                       std::size_t bytes_max) const {
  return read_file(path, bytes_max);
}

protocol::Status Machine::check_file(const std::filesystem::path& path, Secrecy secrecy) const {
  RegularFile file(path);
  if (protocol::Status sound = file.check(); !sound) return sound;
  const struct stat& status = file.status;
  if (secrecy == Secrecy::open) return {};
  if (status.st_uid != geteuid() && status.st_uid != 0) return refuse("a key must belong to this user or to root");
  const bool is_own = status.st_uid == geteuid();
  const mode_t too_much = is_own ? S_IRWXG | S_IRWXO : S_IWGRP | S_IXGRP | S_IRWXO;
  if ((status.st_mode & too_much) != 0) {
    return refuse("a key must be closed to other users; `chmod 600` it, or 640 if it belongs to root");
  }
  return {};
}

std::optional<std::string> Machine::environment(const std::string& name) const {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

protocol::Status Machine::check_directory(const std::filesystem::path& path) const {
  std::error_code error;
  std::filesystem::path there = std::filesystem::absolute(path, error);
  while (!error && !std::filesystem::exists(there, error) && there.has_relative_path()) there = there.parent_path();
  if (!std::filesystem::is_directory(there, error)) return refuse("it is no folder, or lies in none");
  if (::access(there.c_str(), R_OK | W_OK | X_OK) != 0) return refuse("this user may not write there");
  return {};
}

protocol::Result<SecretFile> Nowhere::read_secret_file(const std::filesystem::path&, std::size_t) const {
  return refuse("No such file or directory");
}

protocol::Status Nowhere::check_file(const std::filesystem::path&, Secrecy) const {
  return refuse("No such file or directory");
}

std::optional<std::string> Nowhere::environment(const std::string&) const {
  return std::nullopt;
}

}  // namespace config
