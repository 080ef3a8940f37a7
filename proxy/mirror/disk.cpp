#include "proxy/mirror/disk.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

namespace proxy::mirror {

namespace {

using protocol::Blame;
using protocol::ErrorCode;
using protocol::Status;

constexpr unsigned own_file_mode = 0600;
constexpr unsigned own_directory_mode = 0700;

protocol::Error failed(const std::string& what, int error) {
  return protocol::failure(ErrorCode::internal, Blame::self, what + ": " + std::generic_category().message(error));
}

}  // namespace

protocol::Result<net::FileDescriptor> open_file(const std::string& path, Creation creation) {
  int flags = O_RDWR | O_CLOEXEC;
  if (creation != Creation::never) flags |= O_CREAT;
  if (creation == Creation::must) flags |= O_EXCL;
  const int file = ::open(path.c_str(), flags, own_file_mode);
  if (file < 0) return failed("cannot open " + path, errno);
  return net::FileDescriptor(file);
}

Status write_at(int file, protocol::ByteView bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return failed("cannot write", errno);
    if (written == 0) return failed("cannot write", ENOSPC);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
  return {};
}

protocol::Result<protocol::Bytes> read_at(int file, std::uint64_t offset, std::size_t count) {
  protocol::Bytes bytes(count);
  std::size_t filled = 0;
  while (filled < count) {
    const ssize_t taken = ::pread(file, bytes.data() + filled, count - filled, static_cast<off_t>(offset + filled));
    if (taken < 0 && errno == EINTR) continue;
    if (taken < 0) return failed("cannot read", errno);
    if (taken == 0) break;
    filled += static_cast<std::size_t>(taken);
  }
  bytes.resize(filled);
  return bytes;
}

protocol::Result<std::uint64_t> size_of_file(int file) {
  struct stat facts {};
  if (::fstat(file, &facts) != 0) return failed("cannot look at a file", errno);
  return static_cast<std::uint64_t>(facts.st_size);
}

Status truncate_file(int file, std::uint64_t bytes) {
  if (::ftruncate(file, static_cast<off_t>(bytes)) != 0) return failed("cannot shorten a file", errno);
  return {};
}

Status sync_file(int file) {
  if (::fdatasync(file) != 0) return failed("cannot make a file durable", errno);
  return {};
}

Status sync_directory(const std::string& directory) {
  const net::FileDescriptor opened(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened.is_open()) return failed("cannot open " + directory, errno);
  if (::fsync(opened.get()) != 0) return failed("cannot make " + directory + " durable", errno);
  return {};
}

void reserve_file(int file, std::uint64_t bytes) {
  static_cast<void>(::fallocate(file, FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(bytes)));
}

Status make_directory(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return {};
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
  if (::mkdir(path.c_str(), own_directory_mode) != 0) return failed("cannot make " + path, errno);
  return {};
}

protocol::Result<std::vector<std::string>> list_directory(const std::string& path) {
  std::error_code error;
  std::vector<std::string> names;
  for (std::filesystem::directory_iterator place(path, error); !error && place != std::filesystem::directory_iterator();
       place.increment(error)) {
    names.push_back(place->path().filename().string());
  }
  if (error) return failed("cannot list " + path, error.value());
  std::ranges::sort(names);
  return names;
}

}  // namespace proxy::mirror
