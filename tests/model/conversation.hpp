#pragma once

#include "tests/model/message.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace model {

/// What a driver does next.
enum class StepKind : std::uint8_t {
  send,    ///< writes `messages`, in pieces that end at `cuts`
  wait,    ///< does nothing before everything has arrived that a server sends without further input
  cancel,  ///< as wait, but content with a server that sleeps in pg_sleep; then cancels on another connection
};

struct Step {
  StepKind kind = StepKind::wait;
  std::vector<ClientMessage> messages;  ///< for send
  std::vector<std::size_t> cuts;        ///< for send: ascending offsets into the bytes of all messages
  unsigned pause_us = 0;                ///< for send: rest between two pieces
};

/// A whole session of a driver, from its start-up parameters to its last request. Every conversation is
/// followed by the same farewell (see farewell()), so that it ends however it stands.
struct Conversation {
  std::uint64_t seed = 0;
  std::map<std::string, std::string> parameters;  ///< beyond user and database
  std::vector<Step> steps;
};

/// What the driver says last: ends a COPY, ends a batch, ends a transaction, shows the session's state, leaves.
[[nodiscard]] std::vector<Step> farewell();

[[nodiscard]] std::string bytes_of(const Step& step);
[[nodiscard]] std::size_t message_count(const Conversation& conversation);
/// One line per message.
[[nodiscard]] std::string describe(const Conversation& conversation);

}  // namespace model
