#include "proxy/mirror/crc32c.hpp"

#include <array>
#include <cstring>

namespace proxy::mirror {

namespace {

constexpr std::uint32_t polynomial_reversed = 0x82F63B78;

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < table.size(); ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? polynomial_reversed : 0);
    table[i] = value;
  }
  return table;
}

constexpr std::array<std::uint32_t, 256> table = make_table();

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t crc32c_by_processor(protocol::ByteView bytes, std::uint32_t seed) {
  std::uint64_t value = ~seed;
  std::size_t offset = 0;
  for (; offset + sizeof(std::uint64_t) <= bytes.size(); offset += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + offset, sizeof word);
    value = __builtin_ia32_crc32di(value, word);
  }
  auto rest = static_cast<std::uint32_t>(value);
  for (; offset < bytes.size(); ++offset) rest = __builtin_ia32_crc32qi(rest, std::to_integer<unsigned char>(bytes[offset]));
  return ~rest;
}
#endif

}  // namespace

std::uint32_t crc32c_by_table(protocol::ByteView bytes, std::uint32_t seed) {
  std::uint32_t value = ~seed;
  for (const std::byte byte : bytes) value = (value >> 8) ^ table[(value ^ std::to_integer<std::uint32_t>(byte)) & 0xFF];
  return ~value;
}

std::uint32_t crc32c(protocol::ByteView bytes, std::uint32_t seed) {
#if defined(__x86_64__)
  static const bool has_instruction = __builtin_cpu_supports("sse4.2") != 0;
  if (has_instruction) return crc32c_by_processor(bytes, seed);
#endif
  return crc32c_by_table(bytes, seed);
}

}  // namespace proxy::mirror
