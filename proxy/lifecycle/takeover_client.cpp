#include "proxy/lifecycle/takeover_client.hpp"

#include "proxy/lifecycle/message.hpp"
#include "proxy/lifecycle/takeover_words.hpp"

#include <sstream>
#include <utility>

namespace proxy::lifecycle {

namespace {

using protocol::Blame;
using protocol::ErrorCode;

protocol::Error misunderstood() {
  return protocol::failure(ErrorCode::message_malformed, Blame::operator_,
                           "the running process does not speak this version's words");
}

}  // namespace

protocol::Result<TakeoverClient> TakeoverClient::connect(const std::string& path, std::chrono::milliseconds timeout) {
  protocol::Result<net::FileDescriptor> line = connect_to(path);
  if (!line) return line.error();
  if (!peer_of(line->get()).is_trusted) {
    return protocol::failure(ErrorCode::access_denied, Blame::operator_, "the process on " + path + " is another user's");
  }
  TakeoverClient client;
  client.line_ = *std::move(line);
  client.timeout_ = timeout;
  while (true) {
    protocol::Result<Message> message = receive_message(client.line_.get(), timeout);
    if (!message) return message.error();
    std::istringstream words(message->text);
    std::string kind;
    std::uint32_t tag = 0;
    words >> kind;
    const bool has_socket = message->descriptors.size() == 1;
    if (kind == word_refused) {
      return protocol::failure(ErrorCode::access_denied, Blame::operator_,
                               "the running process refuses: " + message->text.substr(kind.size()));
    }
    if (kind == word_hello) continue;
    if (kind == word_end && words >> client.running_tag) return client;
    if (kind == word_pair && has_socket) {
      protocol::Result<PairState> state = decode_state(message->text);
      if (!state) return state.error();
      client.sockets.add(state->pair, std::move(message->descriptors.front()));
      client.states.push_back(*std::move(state));
    } else if (kind == word_admin && has_socket) {
      client.sockets.add(std::string(word_admin), std::move(message->descriptors.front()));
    } else if (std::string pair; kind == word_local && has_socket && words >> pair) {
      client.sockets.add(pair, std::move(message->descriptors.front()));
    } else if (kind == word_control && has_socket) {
      client.control = std::move(message->descriptors.front());
    } else if (kind == word_state && has_socket) {
      client.state_lock = std::move(message->descriptors.front());
    } else if (kind == word_cancels && has_socket && words >> tag) {
      client.predecessors.push_back({tag, std::move(message->descriptors.front())});
    } else {
      return misunderstood();
    }
  }
}

protocol::Status TakeoverClient::ask_to_go() {
  if (protocol::Status sent = send_message(line_.get(), word_prepared); !sent) return sent;
  const protocol::Result<Message> answer = receive_message(line_.get(), timeout_);
  if (!answer) return answer.error();
  if (answer->text != word_go) return misunderstood();
  return {};
}

protocol::Status TakeoverClient::tell_accepting() {
  if (protocol::Status sent = send_message(line_.get(), word_accepting); !sent) return sent;
  // The other one closes the line when it accepts nothing more; one that takes too long for that does not keep this one.
  (void)receive_message(line_.get(), timeout_);
  return {};
}

}  // namespace proxy::lifecycle
