#include "proxy/mirror/state_file.hpp"

#include "protocol/base/bytes.hpp"
#include "protocol/wire/byte_reader.hpp"
#include "protocol/wire/byte_writer.hpp"
#include "proxy/mirror/crc32c.hpp"
#include "proxy/mirror/disk.hpp"

#include <sys/random.h>

#include <algorithm>
#include <fstream>
#include <optional>

namespace proxy::mirror {

namespace {

using protocol::Blame;
using protocol::ByteReader;
using protocol::Bytes;
using protocol::ByteWriter;
using protocol::ErrorCode;
using protocol::failure;
using protocol::Status;

constexpr std::string_view magic = "CROSSFS1";
/// A place is a block of its own, so that writing it touches nothing else.
constexpr std::size_t place_bytes = 4096;

struct Numbered {
  std::uint64_t number = 0;
  StateFile::State state;
};

void write_u64(ByteWriter& writer, std::uint64_t value) {
  writer.write_u32_be(static_cast<std::uint32_t>(value >> 32));
  writer.write_u32_be(static_cast<std::uint32_t>(value));
}

std::uint64_t read_u64(ByteReader& reader) {
  const std::uint64_t high = reader.read_u32_be();
  return (high << 32) | reader.read_u32_be();
}

Bytes encode(const Numbered& numbered) {
  const StateFile::State& state = numbered.state;
  Bytes bytes;
  ByteWriter writer(bytes);
  writer.write_text(magic);
  write_u64(writer, numbered.number);
  writer.write_bytes(state.stream);
  writer.write_u8(static_cast<std::uint8_t>(routing::index_of(state.authority)));
  write_u64(writer, state.highest);
  write_u64(writer, state.finished_through);
  write_u64(writer, state.broken_since);
  writer.write_text_z(state.boot);
  writer.write_u32_be(crc32c(bytes));
  bytes.resize(place_bytes);
  return bytes;
}

std::optional<Numbered> decode(protocol::ByteView bytes) {
  ByteReader reader(bytes);
  if (protocol::as_text(reader.read_bytes(magic.size())) != magic) return std::nullopt;
  Numbered numbered;
  numbered.number = read_u64(reader);
  StateFile::State& state = numbered.state;
  const protocol::ByteView stream = reader.read_bytes(state.stream.size());
  if (!reader.ok()) return std::nullopt;
  std::ranges::copy(stream, state.stream.begin());
  state.authority = reader.read_u8() == 0 ? routing::Side::blue : routing::Side::green;
  state.highest = read_u64(reader);
  state.finished_through = read_u64(reader);
  state.broken_since = read_u64(reader);
  state.boot = std::string(reader.read_text_z());
  const std::size_t end = reader.position();
  const std::uint32_t checksum = reader.read_u32_be();
  if (!reader.ok() || checksum != crc32c(bytes.first(end))) return std::nullopt;
  return numbered;
}

}  // namespace

protocol::Result<StateFile::Origin> StateFile::open(const std::string& path, const State& initial) {
  auto opened = open_file(path, Creation::if_missing);
  if (!opened) return opened.error();
  file_ = *std::move(opened);
  const auto size = size_of_file(file_.get());
  if (!size) return size.error();
  std::optional<Numbered> newest;
  for (std::uint64_t place = 0; place < 2; ++place) {
    const auto bytes = read_at(file_.get(), place * place_bytes, place_bytes);
    if (!bytes) return bytes.error();
    const std::optional<Numbered> read = decode(*bytes);
    if (read && (!newest || read->number > newest->number)) newest = read;
  }
  const std::lock_guard lock(mutex_);
  if (newest) {
    state_ = newest->state;
    number_ = newest->number;
    return Origin::found;
  }
  // A file of both places that holds neither was damaged; a shorter one is that of a first start that was cut off.
  if (*size >= 2 * place_bytes) {
    return failure(ErrorCode::message_malformed, Blame::self, path + " is damaged: it is not known what was mirrored");
  }
  state_ = initial;
  for (std::uint64_t place = 0; place < 2; ++place) {
    Status status = write_at(file_.get(), encode({place, initial}), place * place_bytes);
    if (status) status = sync_file(file_.get());
    if (!status) return status.error();
  }
  number_ = 1;
  if (const Status status = sync_directory(path.substr(0, path.rfind('/'))); !status) return status.error();
  return Origin::made;
}

StateFile::State StateFile::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

Status StateFile::write(const State& state) {
  const std::lock_guard lock(mutex_);
  const std::uint64_t number = number_ + 1;
  Status status = write_at(file_.get(), encode({number, state}), (number % 2) * place_bytes);
  if (status) status = sync_file(file_.get());
  if (!status) return status;
  number_ = number;
  state_ = state;
  return {};
}

std::string boot_of_machine() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string boot;
  std::getline(file, boot);
  return boot.empty() ? "unknown" : boot;
}

StreamName new_stream() {
  StreamName stream{};
  std::size_t filled = 0;
  while (filled < stream.size()) {
    const ssize_t taken = ::getrandom(stream.data() + filled, stream.size() - filled, 0);
    if (taken > 0) filled += static_cast<std::size_t>(taken);
  }
  return stream;
}

}  // namespace proxy::mirror
