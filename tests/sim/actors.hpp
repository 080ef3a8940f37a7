#pragma once

#include "proxy/net/stream.hpp"
#include "proxy/net/tls.hpp"
#include "routing/side.hpp"
#include "tests/sim/mini_server.hpp"
#include "tests/sim/script.hpp"
#include "tests/support/memory_stream.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace sim {

/// A backend connection: a MiniServer behind a stream. Answers start-up and cancel requests, and with `tls` requests
/// for TLS.
class Backend final : public proxy::net::StreamListener {
 public:
  Backend(routing::Side side, std::unique_ptr<test_support::MemoryStream> stream, proxy::net::TlsUpgrade* tls);
  void on_stream_ready() override;

  [[nodiscard]] routing::Side side() const { return side_; }
  [[nodiscard]] const MiniServer& server() const { return server_; }
  /// Nothing is owed, and nothing has begun.
  [[nodiscard]] bool is_idle() const;
  [[nodiscard]] bool is_closed() const { return is_closed_; }
  [[nodiscard]] test_support::MemoryStream& stream() { return *plain_; }
  /// Reads nothing and says nothing from now on.
  void stall() { is_stalled_ = true; }
  void kill(test_support::CutKind kind);
  void keep_rows_in(RowStore& store) { server_.keep_rows_in(store); }
  /// Whatever is asked first is answered with `words`, and the connection ends. Empty: it is answered.
  void answer_with(std::string words) { last_words_ = std::move(words); }

 private:
  void take_startup();
  void flush();

  routing::Side side_;
  test_support::MemoryStream* plain_;  ///< what stream_ is, or what it encrypts
  std::unique_ptr<proxy::net::Stream> stream_;
  proxy::net::TlsUpgrade* tls_;
  MiniServer server_;
  std::string unread_;
  std::string unsent_;
  std::string last_words_;
  bool has_started_ = false;
  bool is_closed_ = false;
  bool is_stalled_ = false;
};

/// A client that plays a script and keeps what it reads.
class Client final : public proxy::net::StreamListener {
 public:
  enum class Pace {
    eager,  ///< reads whatever arrives
    deaf,   ///< reads nothing after its login
  };
  /// With `tls` it begins TLS without asking first.
  Client(test_support::SimLoop& loop, Script script, std::unique_ptr<test_support::MemoryStream> stream, Pace pace,
         proxy::net::TlsUpgrade* tls);
  void on_stream_ready() override;
  /// Begins to send the burst at `index` at the latest when told; bursts before it are played already.
  void release_from(std::size_t index);

  /// All that came after the login, the marks of sides made equal.
  [[nodiscard]] std::string heard() const;
  [[nodiscard]] std::size_t heard_bytes() const { return received_.size() - greeting_bytes_; }
  [[nodiscard]] const Script& script() const { return script_; }
  /// Has read what it was owed before the burst at `index`.
  [[nodiscard]] bool has_finished(std::size_t index) const;
  [[nodiscard]] bool is_closed() const { return is_closed_; }
  [[nodiscard]] test_support::SimLoop::Instant last_event() const { return last_event_; }
  [[nodiscard]] test_support::MemoryStream& stream() { return *plain_; }
  [[nodiscard]] std::size_t sent_bytes() const { return sent_bytes_; }
  /// Hangs up without a word.
  void vanish();

 private:
  void read();
  void write();
  [[nodiscard]] bool has_greeting();

  test_support::SimLoop& loop_;
  Script script_;
  test_support::MemoryStream* plain_;
  std::unique_ptr<proxy::net::Stream> stream_;
  Pace pace_;
  std::string received_;
  std::string unsent_;
  std::size_t greeting_bytes_ = 0;
  std::size_t next_ = 0;
  std::size_t released_;
  std::size_t sent_bytes_ = 0;
  bool is_closed_ = false;
  test_support::SimLoop::Instant last_event_{};
};

}  // namespace sim
