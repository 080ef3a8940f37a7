#pragma once

#include "protocol/base/bytes.hpp"

#include <cstdint>

namespace proxy::mirror {

/// CRC-32C (Castagnoli), which processors compute in one instruction; zlib's crc32 is another polynomial, and no library
/// that the project has offers this one. `seed` is an earlier result to go on from, or 0.
/// Source: RFC 3720, appendix B.4 (test vectors); Intel SDM, volume 2, CRC32.
[[nodiscard]] std::uint32_t crc32c(protocol::ByteView bytes, std::uint32_t seed = 0);

/// The same by table; what processors without the instruction run. For tests.
[[nodiscard]] std::uint32_t crc32c_by_table(protocol::ByteView bytes, std::uint32_t seed = 0);

}  // namespace proxy::mirror
