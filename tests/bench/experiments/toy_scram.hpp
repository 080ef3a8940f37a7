#pragma once

#include "protocol/base/bytes.hpp"
#include "protocol/base/result.hpp"
#include "protocol/dialogue.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace experiments {

/// A frame of the toy protocol: one tag byte, a four-byte length that counts itself, a text.
[[nodiscard]] protocol::Result<std::size_t> scan_toy_frame(protocol::ByteView unread,
                                                           std::size_t frame_bytes_max);
[[nodiscard]] char tag_of(protocol::ByteView frame);
[[nodiscard]] std::string_view text_of(protocol::ByteView frame);
void write_toy_frame(char tag, std::string_view text, protocol::Bytes& target);
[[nodiscard]] std::string toy_proof(std::string_view password, std::string_view nonce);

inline constexpr std::size_t toy_frame_bytes_max = 4096;

/// The client side of a login in the shape of SCRAM: parameter frames, a challenge of three rounds, closing
/// parameters. Written twice: as a coroutine with nested tasks, and as a step enum.
[[nodiscard]] std::unique_ptr<protocol::Dialogue> make_coroutine_login(std::string user, std::string password);
[[nodiscard]] std::unique_ptr<protocol::Dialogue> make_step_login(std::string user, std::string password);

/// All that the server side sends when the client behaves; the dialogue's own words do not change it.
[[nodiscard]] protocol::Bytes server_script(std::string_view password);

}  // namespace experiments
