#pragma once

#include "proxy/net/stream.hpp"
#include "routing/side.hpp"
#include "tests/model/message.hpp"
#include "tests/model/random.hpp"
#include "tests/support/memory_stream.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sim {

/// A client that writes values nobody else writes, remembers what it was told of each, and looks whether it reads its own
/// writes. It connects again when its connection breaks.
class Teller final : public proxy::net::StreamListener {
 public:
  enum class Told { acknowledged, failed, unknown };
  struct Write {
    std::string key;
    std::string value;
    Told told = Told::unknown;
  };
  struct Nature {
    std::size_t turns = 20;       ///< transactions and reads
    std::size_t shared_keys = 3;  ///< rows that all tellers write; 0: none
  };
  /// `on_lost` is told, once each time, that the connection is gone before the work was done.
  Teller(std::string name, model::Random& random, const Nature& nature, std::function<void()> on_lost);

  void connect(std::unique_ptr<test_support::MemoryStream> stream);
  /// The connection breaks, in the middle of whatever it is.
  void lose_connection();
  void on_stream_ready() override;

  [[nodiscard]] bool is_done() const { return turns_left_ == 0 && steps_.empty() && !is_connected(); }
  [[nodiscard]] bool is_connected() const { return stream_ != nullptr; }
  [[nodiscard]] const std::vector<Write>& writes() const { return writes_; }
  /// Reads of its own row whose answer was not what it had written last on that connection, in words.
  [[nodiscard]] const std::string& complaints() const { return complaints_; }
  [[nodiscard]] std::size_t reads_by(routing::Side side) const { return reads_[side]; }

 private:
  void take(const model::ServerMessage& message);
  void take_error(const std::string& payload);
  void take_ready();
  void plan_turn();
  [[nodiscard]] std::string write_text();
  void decide_writes(Told told);
  void note_end(std::string_view tag);
  void say_next();
  void send(std::string bytes);
  void note_lost();

  const std::string name_;
  const std::string own_key_;
  model::Random& random_;
  const Nature nature_;
  std::function<void()> on_lost_;
  std::unique_ptr<test_support::MemoryStream> stream_;
  std::vector<std::unique_ptr<test_support::MemoryStream>> lost_;
  std::string received_;
  std::string unsent_;
  std::deque<std::string> steps_;  ///< statements still to be sent of this turn
  std::string asked_;              ///< the statement that is answered now; empty: none
  bool is_greeted_ = false;
  bool is_in_transaction_ = false;
  bool has_failed_ = false;        ///< the transaction has
  std::size_t turns_left_;
  std::size_t number_ = 0;
  std::vector<Write> writes_;
  std::size_t decided_ = 0;        ///< writes_ up to here are
  std::optional<std::string> own_value_;  ///< acknowledged on this connection
  std::string complaints_;
  routing::PerSide<std::size_t> reads_{};
};

}  // namespace sim
