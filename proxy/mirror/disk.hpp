#pragma once

#include "protocol/base/bytes.hpp"
#include "protocol/base/result.hpp"
#include "proxy/net/file_descriptor.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace proxy::mirror {

/// The few calls of the system that the journal and the ledger need, with errors as values: internal, with the system's words.

enum class Creation : std::uint8_t {
  never,
  if_missing,
  must,  ///< the file must not be there
};
[[nodiscard]] protocol::Result<net::FileDescriptor> open_file(const std::string& path, Creation creation);
/// All of `bytes` at `offset`. After an error some of them may be there.
[[nodiscard]] protocol::Status write_at(int file, protocol::ByteView bytes, std::uint64_t offset);
/// As many of `count` bytes as there are from `offset` on.
[[nodiscard]] protocol::Result<protocol::Bytes> read_at(int file, std::uint64_t offset, std::size_t count);
[[nodiscard]] protocol::Result<std::uint64_t> size_of_file(int file);
[[nodiscard]] protocol::Status truncate_file(int file, std::uint64_t bytes);
/// What was written is on the disk.
[[nodiscard]] protocol::Status sync_file(int file);
/// So are the names of files made, renamed and removed in `directory`.
[[nodiscard]] protocol::Status sync_directory(const std::string& directory);
/// Room for appends up to `bytes`, without growing the file; not all file systems can.
void reserve_file(int file, std::uint64_t bytes);
/// Makes it, closed to others, if it is not there.
[[nodiscard]] protocol::Status make_directory(const std::string& path);
/// Names of the files in it, sorted.
[[nodiscard]] protocol::Result<std::vector<std::string>> list_directory(const std::string& path);

}  // namespace proxy::mirror
