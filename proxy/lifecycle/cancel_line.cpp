#include "proxy/lifecycle/cancel_line.hpp"

#include "proxy/lifecycle/message.hpp"

#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <utility>
#include <vector>

namespace proxy::lifecycle {

namespace {

constexpr std::size_t secret_bytes_max = 256;  // protocol 3.2 has keys up to this

}  // namespace

protocol::Result<net::FileDescriptor> send_cancel(int line, const std::string& pair, const protocol::CancelKey& key) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) != 0) {
    return protocol::failure(protocol::ErrorCode::backend_lost, protocol::Blame::self, "no socket for a cancel request");
  }
  net::FileDescriptor ours(ends[0]);
  const net::FileDescriptor theirs(ends[1]);
  std::string text = pair;
  text += '\0';
  std::array<char, sizeof key.process_id> number{};
  std::memcpy(number.data(), &key.process_id, number.size());
  text.append(number.data(), number.size());
  for (const std::byte each : key.secret) text += static_cast<char>(each);
  const protocol::Status sent = send_message(line, text, {theirs.get()});
  if (!sent) return sent.error();
  return ours;
}

std::optional<PassedCancel> receive_cancel(int line) {
  protocol::Result<Message> message = receive_message(line, std::chrono::milliseconds(0));
  if (!message || message->descriptors.size() != 1) return std::nullopt;
  const std::string& text = message->text;
  const std::size_t end = text.find('\0');
  PassedCancel cancel;
  const std::size_t head = end + 1 + sizeof cancel.key.process_id;
  if (end == std::string::npos || text.size() < head || text.size() - head > secret_bytes_max) return std::nullopt;
  cancel.pair = text.substr(0, end);
  std::memcpy(&cancel.key.process_id, text.data() + end + 1, sizeof cancel.key.process_id);
  for (std::size_t i = head; i < text.size(); ++i) cancel.key.secret.push_back(static_cast<std::byte>(text[i]));
  cancel.reply = std::move(message->descriptors.front());
  return cancel;
}

}  // namespace proxy::lifecycle
