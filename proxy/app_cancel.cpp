#include "proxy/app_cancel.hpp"

#include "proxy/lifecycle/cancel_line.hpp"
#include "proxy/net/tcp_stream.hpp"
#include "proxy/session/pair_worker.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace proxy {

/// Waits for the other process to close its end.
class CancelForwarder::UnderWay final : public net::StreamListener {
 public:
  UnderWay(runtime::EventLoop& loop, net::FileDescriptor reply, std::function<void(UnderWay&)> on_end)
      : stream_(net::TcpStream::adopt(loop, std::move(reply))), on_end_(std::move(on_end)), timer_(loop.make_timer([this] { end(); })) {
    stream_->set_listener(this);
    timer_->arm(loop.now() + timeout);
  }

  void on_stream_ready() override {
    while (!is_over_ && stream_->is_readable()) {
      std::array<std::byte, 16> ignored;
      const net::IoOutcome outcome = stream_->try_read(ignored);
      if (outcome.state == net::IoState::end || outcome.state == net::IoState::failed) end();
      if (outcome.bytes == 0) break;
    }
    if (stream_->is_broken()) end();
  }

 private:
  void end() {
    if (std::exchange(is_over_, true)) return;
    timer_->disarm();
    on_end_(*this);
  }

  std::unique_ptr<net::Stream> stream_;
  std::function<void(UnderWay&)> on_end_;
  std::unique_ptr<runtime::Timer> timer_;
  bool is_over_ = false;
};

CancelForwarder::CancelForwarder(runtime::EventLoop& loop, const std::vector<lifecycle::Predecessor>& predecessors,
                                 const std::string& pair)
    : loop_(loop), predecessors_(predecessors), pair_(pair) {}

CancelForwarder::~CancelForwarder() = default;

void CancelForwarder::close() { under_way_.clear(); }

/// A key that does not tell whose it is goes to all of them: the secret decides, and at most one has it.
void CancelForwarder::forward(const protocol::CancelKey& key, std::function<void()> done) {
  const std::optional<std::uint32_t> tag = session::PairWorker::tag_of(key);
  const auto awaited = std::make_shared<std::size_t>(1);
  const auto on_end = [awaited, done = std::move(done)] {
    if (--*awaited == 0) done();
  };
  for (const lifecycle::Predecessor& each : predecessors_) {
    const bool is_asked = (!tag || each.tag == *tag) && pass_to(each, key, on_end) == Passed::yes;
    if (is_asked) ++*awaited;
  }
  on_end();
}

CancelForwarder::Passed CancelForwarder::pass_to(const lifecycle::Predecessor& predecessor, const protocol::CancelKey& key,
                                                 std::function<void()> on_end) {
  if (under_way_.size() >= under_way_max) return Passed::no;
  protocol::Result<net::FileDescriptor> reply = lifecycle::send_cancel(predecessor.line.get(), pair_, key);
  if (!reply) return Passed::no;
  auto waiting = std::make_unique<UnderWay>(loop_, *std::move(reply), [this, on_end = std::move(on_end)](UnderWay& ended) {
    on_end();
    loop_.defer([this, address = &ended] { under_way_.erase(address); });
  });
  UnderWay* address = waiting.get();
  under_way_.emplace(address, std::move(waiting));
  return Passed::yes;
}

}  // namespace proxy
