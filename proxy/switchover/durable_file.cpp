#include "proxy/switchover/durable_file.hpp"

#include <xxhash.h>

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

namespace proxy::switchover {

using routing::SwitchoverOutcome;

namespace {

constexpr std::string_view checksum_key = "checksum ";

std::string checksum_of(std::string_view text) {
  std::array<char, 17> digits{};
  std::snprintf(digits.data(), digits.size(), "%016llx", static_cast<unsigned long long>(XXH64(text.data(), text.size(), 0)));
  return digits.data();
}

protocol::Error unreadable(std::string detail) {
  return protocol::failure(protocol::ErrorCode::configuration_invalid, protocol::Blame::operator_, std::move(detail));
}

/// A descriptor for the length of a scope.
class Opened {
 public:
  explicit Opened(int descriptor) : descriptor_(descriptor) {}
  ~Opened() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;
  [[nodiscard]] int get() const { return descriptor_; }
  [[nodiscard]] bool is_open() const { return descriptor_ >= 0; }

 private:
  int descriptor_;
};

std::string words_of(const std::string& what) { return what + ": " + std::strerror(errno); }

bool write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(descriptor, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

}  // namespace

protocol::Result<std::optional<std::string>> DurableFile::read() const {
  const Opened file(open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) {
    if (errno == ENOENT) return std::optional<std::string>();
    return unreadable(words_of(path_ + " cannot be opened"));
  }
  std::array<char, 4096> buffer{};
  std::string text;
  for (;;) {
    const ssize_t count = ::read(file.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return unreadable(words_of(path_ + " cannot be read"));
    if (count == 0) return std::optional<std::string>(std::move(text));
    text.append(buffer.data(), static_cast<std::size_t>(count));
    if (text.size() > bytes_max) return unreadable(path_ + " is longer than such a file can be");
  }
}

DurableFile::Written DurableFile::write_beside(const std::string& unfinished, std::string_view text) const {
  const Opened file(open(unfinished.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file.is_open()) return {SwitchoverOutcome::failed, words_of(unfinished + " cannot be made")};
  if (write_all(file.get(), text) && fsync(file.get()) == 0) return {};
  return {SwitchoverOutcome::failed, words_of(unfinished + " cannot be written")};
}

DurableFile::Written DurableFile::rename_over(const std::string& unfinished) const {
  const Opened folder(open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.is_open()) return {SwitchoverOutcome::failed, words_of(folder_ + " cannot be opened")};
  if (std::rename(unfinished.c_str(), path_.c_str()) != 0) {
    return {SwitchoverOutcome::failed, words_of(path_ + " cannot be replaced")};
  }
  if (fsync(folder.get()) == 0) return {};
  return {SwitchoverOutcome::in_doubt, words_of(folder_ + " cannot be brought to the disk")};
}

DurableFile::Written DurableFile::write(std::string_view text) const {
  const std::string unfinished = path_ + ".part";
  Written written = write_beside(unfinished, text);
  return written.outcome == SwitchoverOutcome::done ? rename_over(unfinished) : written;
}

DurableFile::Written DurableFile::prepare(std::string_view text) const { return write_beside(path_ + ".next", text); }

DurableFile::Written DurableFile::publish() const { return rename_over(path_ + ".next"); }

std::string with_checksum(std::string text) {
  const std::string checksum = checksum_of(text);
  return std::move(text) + std::string(checksum_key) + checksum + "\n";
}

protocol::Result<std::string_view> without_checksum(std::string_view text) {
  const std::size_t end = text.rfind(checksum_key);
  if (end == std::string_view::npos || end == 0 || text[end - 1] != '\n') return unreadable("it has no checksum at its end");
  const std::string_view said = text.substr(0, end);
  if (text.substr(end) != std::string(checksum_key) + checksum_of(said) + "\n") return unreadable("its checksum does not fit");
  return said;
}

}  // namespace proxy::switchover
