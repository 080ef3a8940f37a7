#include "tests/support/memory_stream.hpp"

#include <algorithm>
#include <deque>
#include <random>
#include <utility>

namespace test_support {

using proxy::net::IoOutcome;
using proxy::net::IoState;
using proxy::runtime::Instant;
using proxy::runtime::Timer;

/// One way of a connection. Outlives the ends that use it; each end may be gone.
struct MemoryStream::Direction {
  Direction(SimLoop& sim, const StreamFaults& options) : loop(sim), faults(options), random(options.seed) {}

  [[nodiscard]] bool is_cut() const { return total_bytes >= faults.cut_after_bytes; }
  /// A peer that is cut off takes everything and loses it, as a kernel does for a while.
  [[nodiscard]] std::size_t room() const {
    const std::size_t held = bytes_under_way + arrived.size();
    const std::size_t free = held >= faults.capacity_bytes ? 0 : faults.capacity_bytes - held;
    const std::size_t unclogged = is_clogged || total_bytes >= faults.clog_after_bytes
                                      ? 0
                                      : faults.clog_after_bytes - total_bytes;
    return std::min(free, unclogged);
  }
  [[nodiscard]] std::size_t draw(std::size_t count_max) {
    return std::uniform_int_distribution<std::size_t>(1, count_max)(random);
  }

  enum class Ending { none, end, reset };

  SimLoop& loop;
  StreamFaults faults;
  std::mt19937_64 random;
  std::shared_ptr<Liveness> writer;
  std::shared_ptr<Liveness> reader;
  protocol::Bytes written;  ///< all that was taken, for tests
  std::size_t total_bytes = 0;
  std::size_t bytes_under_way = 0;
  std::deque<std::byte> arrived;
  Ending ending = Ending::none;  ///< arrived at the reader, behind `arrived`
  bool is_finishing = false;     ///< an ending is under way: nothing can follow
  bool is_clogged = false;
  Instant last_arrival{};

  struct Parcel {
    protocol::Bytes bytes;
    Ending ending = Ending::none;
    std::unique_ptr<Timer> timer;
  };
  std::deque<Parcel> parcels;

  static void arrive(const std::shared_ptr<Direction>& self);
  static void dispatch(const std::shared_ptr<Direction>& self, protocol::Bytes bytes, Ending ending);
  static void dispatch_ending(const std::shared_ptr<Direction>& self, Ending ending) {
    if (self->is_finishing) return;
    self->is_finishing = true;
    dispatch(self, {}, ending);
  }
};

/// Puts a parcel on its way. Parcels arrive in order: a deadline is never before the one in front.
void MemoryStream::Direction::dispatch(const std::shared_ptr<Direction>& self, protocol::Bytes bytes,
                                       Ending ending) {
  SimLoop::Duration delay = self->faults.delay;
  if (self->faults.jitter.count() > 0) {
    delay += SimLoop::Duration(std::uniform_int_distribution<SimLoop::Duration::rep>(
        0, self->faults.jitter.count() - 1)(self->random));
  }
  const Instant arrival = std::max(self->loop.now() + delay, self->last_arrival);
  self->last_arrival = arrival;
  self->bytes_under_way += bytes.size();
  const std::weak_ptr<Direction> weak = self;
  self->parcels.push_back(Parcel{std::move(bytes), ending, self->loop.make_timer([weak] {
    if (const auto direction = weak.lock()) arrive(direction);
  })});
  self->parcels.back().timer->arm(arrival);
}

void MemoryStream::Direction::arrive(const std::shared_ptr<Direction>& self) {
  if (self->parcels.empty()) return;
  const Parcel parcel = std::move(self->parcels.front());
  self->parcels.pop_front();
  self->bytes_under_way -= parcel.bytes.size();
  self->arrived.insert(self->arrived.end(), parcel.bytes.begin(), parcel.bytes.end());
  if (parcel.ending != Ending::none) self->ending = parcel.ending;
  if (self->reader->stream != nullptr) self->reader->stream->on_arrival();
}

MemoryStream::MemoryStream(SimLoop& loop, std::shared_ptr<Direction> incoming, std::shared_ptr<Direction> outgoing)
    : loop_(loop),
      incoming_(std::move(incoming)),
      outgoing_(std::move(outgoing)),
      liveness_(std::make_shared<Liveness>(Liveness{this})) {
  incoming_->reader = liveness_;
  outgoing_->writer = liveness_;
}

MemoryStream::~MemoryStream() {
  close();
  liveness_->stream = nullptr;
}

void MemoryStream::announce() {
  if (is_announcing_ || is_closed_) return;
  is_announcing_ = true;
  loop_.defer([liveness = liveness_] {
    MemoryStream* stream = liveness->stream;
    if (stream == nullptr) return;
    stream->is_announcing_ = false;
    if (stream->is_closed_ || stream->listener_ == nullptr) return;
    stream->listener_->on_stream_ready();  // may destroy the stream
  });
}

void MemoryStream::on_arrival() {
  if (is_closed_ || is_connecting_) return;
  is_readable_ = true;
  // A kernel reports a reset as writable too: the next write fails instead of waiting for room for ever. It resets,
  // too, when it has bytes left for a peer that has closed.
  const bool is_peer_gone = outgoing_->reader->stream == nullptr || outgoing_->reader->stream->is_closed_;
  const bool is_reset = incoming_->ending == Direction::Ending::reset ||
                        (incoming_->ending == Direction::Ending::end && is_peer_gone);
  if (is_reset && !is_broken_) is_writable_ = true;
  announce();
}

void MemoryStream::on_room() {
  if (is_closed_ || is_broken_ || is_writable_ || outgoing_->room() == 0) return;
  is_writable_ = true;
  announce();
}

void MemoryStream::break_with(std::string failure) {
  is_broken_ = true;
  is_writable_ = false;
  failure_ = std::move(failure);
}

IoOutcome MemoryStream::try_read(std::span<std::byte> target) {
  if (is_connecting_ || target.empty()) return {IoState::would_block, 0};
  if (is_closed_) return {IoState::failed, 0};
  Direction& incoming = *incoming_;
  const std::size_t count = std::min(target.size(), incoming.arrived.size());
  if (count > 0) {
    std::copy_n(incoming.arrived.begin(), count, target.begin());
    incoming.arrived.erase(incoming.arrived.begin(), incoming.arrived.begin() + static_cast<std::ptrdiff_t>(count));
    if (count < target.size()) is_readable_ = incoming.ending != Direction::Ending::none;
    if (incoming.writer->stream != nullptr) incoming.writer->stream->on_room();
    return {IoState::done, count};
  }
  is_readable_ = false;
  switch (incoming.ending) {
    case Direction::Ending::none: return {IoState::would_block, 0};
    case Direction::Ending::end: return {IoState::end, 0};
    case Direction::Ending::reset: break;
  }
  break_with("reset by peer");
  return {IoState::failed, 0};
}

IoOutcome MemoryStream::try_write(protocol::ByteView source) {
  if (is_connecting_) return {IoState::would_block, 0};
  if (is_closed_ || is_broken_) return {IoState::failed, 0};
  if (source.empty()) return {IoState::done, 0};
  if (incoming_->ending == Direction::Ending::reset) {
    break_with("reset by peer");
    return {IoState::failed, 0};
  }
  const bool is_peer_gone = outgoing_->reader->stream == nullptr || outgoing_->reader->stream->is_closed_;
  if (is_peer_gone && incoming_->ending == Direction::Ending::end) {
    break_with("closed by peer");
    return {IoState::failed, 0};
  }
  Direction& outgoing = *outgoing_;
  const std::size_t taken = std::min(source.size(), outgoing.room());
  const protocol::ByteView accepted = source.first(taken);
  protocol::append(outgoing.written, accepted);

  const std::size_t before_cut = outgoing.is_cut() ? 0 : outgoing.faults.cut_after_bytes - outgoing.total_bytes;
  protocol::ByteView rest = outgoing.is_finishing ? protocol::ByteView{} : accepted.first(std::min(taken, before_cut));
  outgoing.total_bytes += taken;
  while (!rest.empty()) {
    const std::size_t piece_max = std::min(outgoing.faults.piece_bytes_max, rest.size());
    const std::size_t piece = outgoing.faults.piece_bytes_max == StreamFaults::never ? rest.size()
                                                                                     : outgoing.draw(piece_max);
    Direction::dispatch(outgoing_, protocol::Bytes(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(piece)),
                        Direction::Ending::none);
    rest = rest.subspan(piece);
  }
  if (outgoing.is_cut()) {
    Direction::dispatch_ending(outgoing_, outgoing.faults.cut_kind == CutKind::end ? Direction::Ending::end
                                                                                  : Direction::Ending::reset);
  }
  if (taken == source.size()) return {IoState::done, taken};
  is_writable_ = false;
  return {IoState::would_block, taken};
}

IoOutcome MemoryStream::try_write(const protocol::Gather& source, std::size_t skip) {
  IoOutcome total{IoState::done, 0};
  for (std::size_t i = 0; i < source.slice_count(); ++i) {
    const protocol::ByteView slice = source.slice(i);
    if (skip >= slice.size()) {
      skip -= slice.size();
      continue;
    }
    const IoOutcome outcome = try_write(slice.subspan(std::exchange(skip, 0)));
    total.bytes += outcome.bytes;
    total.state = outcome.state;
    if (outcome.state != IoState::done) break;
  }
  return total;
}

namespace {

struct MemoryFreight final : proxy::net::Freight {
  explicit MemoryFreight(std::unique_ptr<MemoryStream> taken) : stream(std::move(taken)) {}
  std::unique_ptr<MemoryStream> stream;
};

}  // namespace

std::unique_ptr<proxy::net::Freight> MemoryStream::take_out() {
  if (is_broken_ || is_closed_ || is_connecting_ || is_readable_) return nullptr;
  std::unique_ptr<MemoryStream> moved(new MemoryStream(loop_, incoming_, outgoing_));  // both ways report to it from here on
  moved->is_writable_ = is_writable_;
  is_closed_ = true;  // not close(): the peer is told nothing
  is_writable_ = false;
  break_with("closed");
  return std::make_unique<MemoryFreight>(std::move(moved));
}

void MemoryStream::close() {
  if (is_closed_) return;
  is_closed_ = true;
  is_readable_ = false;
  is_writable_ = false;
  is_connecting_ = false;
  // Unread bytes make a real kernel answer a close with a reset.
  const bool has_unread = !incoming_->arrived.empty() || incoming_->bytes_under_way > 0;
  Direction::dispatch_ending(outgoing_, has_unread ? Direction::Ending::reset : Direction::Ending::end);
  if (!is_broken_) break_with("closed");
}

void MemoryStream::cut(CutKind kind) {
  incoming_->parcels.clear();
  incoming_->bytes_under_way = 0;
  incoming_->is_finishing = true;
  incoming_->ending = kind == CutKind::end ? Direction::Ending::end : Direction::Ending::reset;
  on_arrival();
}

void MemoryStream::clog() {
  outgoing_->is_clogged = true;
}

void MemoryStream::unclog() {
  outgoing_->is_clogged = false;
  outgoing_->faults.clog_after_bytes = StreamFaults::never;
  on_room();
}

void MemoryStream::finish_writing() { Direction::dispatch_ending(outgoing_, Direction::Ending::end); }

const protocol::Bytes& MemoryStream::written() const { return outgoing_->written; }

std::size_t MemoryStream::unread_bytes() const { return incoming_->arrived.size(); }

std::string MemoryStream::read_all_text() {
  protocol::Bytes buffer(std::max<std::size_t>(incoming_->arrived.size(), 1));
  const IoOutcome outcome = try_read(buffer);
  return std::string(protocol::as_text(protocol::ByteView(buffer).first(outcome.bytes)));
}

MemoryPair::MemoryPair(SimLoop& loop, const StreamFaults& to_b, const StreamFaults& to_a) {
  const auto a_to_b = std::make_shared<MemoryStream::Direction>(loop, to_b);
  const auto b_to_a = std::make_shared<MemoryStream::Direction>(loop, to_a);
  a.reset(new MemoryStream(loop, b_to_a, a_to_b));
  b.reset(new MemoryStream(loop, a_to_b, b_to_a));
}

std::unique_ptr<proxy::net::Stream> SimConnector::receive(std::unique_ptr<proxy::net::Freight> freight) {
  return std::move(static_cast<MemoryFreight&>(*freight).stream);
}

std::unique_ptr<proxy::net::Stream> SimConnector::connect(const proxy::net::Endpoint& endpoint) {
  const Behaviour behaviour = judge_(endpoint, attempts_count_++);
  MemoryPair pair(loop_, behaviour.to_server, behaviour.to_client);
  pair.a->is_connecting_ = true;
  pair.a->is_writable_ = false;
  Attempt& attempt = attempts_.emplace_back(
      Attempt{endpoint, behaviour.answer, pair.a->liveness_, std::move(pair.b), nullptr});
  if (behaviour.answer != ConnectAnswer::ignore) {
    attempt.timer = loop_.make_timer([this, &attempt] { settle(attempt); });
    attempt.timer->arm(loop_.now() + behaviour.delay);
  }
  return std::move(pair.a);
}

void SimConnector::settle(Attempt& attempt) {
  MemoryStream* client = attempt.client->stream;
  if (client == nullptr || client->is_closed_) return;
  client->is_connecting_ = false;
  client->announce();
  if (attempt.answer == ConnectAnswer::refuse) {
    client->break_with("connection refused");
    return;
  }
  client->is_writable_ = true;
  on_accepted_(attempt.endpoint, std::move(attempt.server));
}

}  // namespace test_support
