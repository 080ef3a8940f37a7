#include "proxy/switchover/state_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace proxy::switchover {

using routing::SwitchoverOutcome;

namespace {

constexpr std::size_t file_bytes_max = 4096;

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

protocol::Result<std::optional<AuthorityRecord>> StateFile::read() const {
  const auto unreadable = [this](const std::string& words) {
    return protocol::failure(protocol::ErrorCode::configuration_invalid, protocol::Blame::operator_, path_ + " " + words);
  };
  const Opened file(open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) {
    if (errno == ENOENT) return std::optional<AuthorityRecord>();
    return unreadable(words_of("cannot be opened"));
  }
  std::array<char, file_bytes_max> buffer{};
  std::string text;
  for (;;) {
    const ssize_t count = ::read(file.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return unreadable(words_of("cannot be read"));
    if (count == 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(count));
    if (text.size() > file_bytes_max) return unreadable("is longer than such a file can be");
  }
  protocol::Result<AuthorityRecord> record = decode_record(text);
  if (!record) return unreadable("is damaged: " + record.error().detail);
  return std::optional<AuthorityRecord>(*std::move(record));
}

StateFile::Written StateFile::write_beside(const std::string& unfinished, const AuthorityRecord& record) const {
  const Opened file(open(unfinished.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file.is_open()) return {SwitchoverOutcome::failed, words_of(unfinished + " cannot be made")};
  if (write_all(file.get(), encode_record(record)) && fsync(file.get()) == 0) return {};
  return {SwitchoverOutcome::failed, words_of(unfinished + " cannot be written")};
}

StateFile::Written StateFile::rename_over(const std::string& unfinished) const {
  const Opened folder(open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.is_open()) return {SwitchoverOutcome::failed, words_of(folder_ + " cannot be opened")};
  if (std::rename(unfinished.c_str(), path_.c_str()) != 0) {
    return {SwitchoverOutcome::failed, words_of(path_ + " cannot be replaced")};
  }
  if (fsync(folder.get()) == 0) return {};
  return {SwitchoverOutcome::in_doubt, words_of(folder_ + " cannot be brought to the disk")};
}

StateFile::Written StateFile::write(const AuthorityRecord& record) const {
  const std::string unfinished = path_ + ".part";
  Written written = write_beside(unfinished, record);
  return written.outcome == SwitchoverOutcome::done ? rename_over(unfinished) : written;
}

void StateFile::prepare(const AuthorityRecord& record) {
  prepared_.reset();
  if (write_beside(prepared_path(), record).outcome == SwitchoverOutcome::done) prepared_ = record;
}

StateFile::Written StateFile::publish(const AuthorityRecord& record) {
  const bool is_prepared = prepared_ == record;
  prepared_.reset();
  return is_prepared ? rename_over(prepared_path()) : write(record);
}

}  // namespace proxy::switchover
