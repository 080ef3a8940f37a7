#include "proxy/backend/prober.hpp"

#include "proxy/net/channel.hpp"

#include <functional>
#include <utility>

namespace proxy::backend {

using protocol::Blame;
using protocol::ErrorCode;
using routing::Side;

namespace {

/// How much oftener a side is looked at that is not up.
constexpr int doubtful_share = 4;

}  // namespace

class Probe final : public net::StreamListener {
 public:
  /// `on_end` is called once, from the loop and never from the constructor.
  Probe(Surroundings& surroundings, Side side, std::shared_ptr<const protocol::Login> login, std::function<void()> on_end)
      : surroundings_(surroundings),
        on_end_(std::move(on_end)),
        timer_(surroundings.loop.make_timer([this] { expire(); })) {
    timer_->arm(surroundings.loop.now() + surroundings.connect_timeout);
    if (login != nullptr) {
      connection_ = std::make_unique<Connection>(surroundings, side, std::move(login), *this);
    } else {
      ping_ = surroundings.dialect.make_ping();
      channel_.emplace(surroundings.connector.connect(surroundings.endpoints[side]), *this);
    }
  }

  /// Goes as far as it goes without waiting: after the constructor, and whenever the stream stirs.
  void advance() {
    if (is_over_) return;
    connection_ != nullptr ? log_in() : ask();
  }

  [[nodiscard]] const std::optional<protocol::Error>& error() const { return error_; }
  [[nodiscard]] const std::optional<protocol::ServerTraits>& traits() const { return traits_; }

 private:
  void on_stream_ready() override { advance(); }

  void log_in() {
    connection_->advance();
    if (connection_->phase() == Connection::Phase::ready) {
      traits_ = connection_->half().traits();
      end();
    } else if (connection_->phase() == Connection::Phase::failed) {
      fail(connection_->error());
    }
  }

  void ask() {
    if (channel_->is_connecting()) return;
    if (channel_->is_broken()) {
      fail(protocol::failure(ErrorCode::backend_unreachable, Blame::backend, channel_->failure()));
      return;
    }
    if (channel_->is_readable()) channel_->receive(surroundings_.scratch);
    protocol::Bytes to_send;
    const protocol::DialogueProgress progress = ping_->advance(channel_->unread(), to_send);
    channel_->use(progress.consumed);
    channel_->keep_unread();
    channel_->send(to_send);
    if (progress.state == protocol::DialogueState::finished) {
      end();
    } else if (progress.state == protocol::DialogueState::failed) {
      fail(ping_->error());
    } else if (channel_->state() != net::Channel::State::open) {
      fail(protocol::failure(ErrorCode::backend_lost, Blame::backend, "closed without an answer"));
    }
  }

  void expire() { fail(protocol::failure(ErrorCode::backend_timeout, Blame::backend, "a probe was not answered in time")); }

  void fail(protocol::Error error) {
    error_ = std::move(error);
    end();
  }

  void end() {
    is_over_ = true;
    timer_->disarm();
    surroundings_.loop.defer(std::exchange(on_end_, nullptr));  // whoever is told destroys the probe
  }

  Surroundings& surroundings_;
  std::function<void()> on_end_;
  std::unique_ptr<runtime::Timer> timer_;
  std::unique_ptr<Connection> connection_;
  std::unique_ptr<protocol::Dialogue> ping_;
  std::optional<net::Channel> channel_;
  std::optional<protocol::Error> error_;
  std::optional<protocol::ServerTraits> traits_;
  bool is_over_ = false;
};

Prober::Prober(Surroundings& surroundings, Health& health, Options options, std::uint64_t seed)
    : surroundings_(surroundings), health_(health), options_(options), seed_(seed), self_(std::make_shared<Prober*>(this)) {
  for (const Side side : routing::both_sides) {
    watches_[side].timer = surroundings_.loop.make_timer([this, side] { begin(side); });
    // The first time soon: a name must have been resolved, and a session may have shown who could log in.
    watches_[side].timer->arm(surroundings_.loop.now() + pause(side) / doubtful_share);
  }
}

Prober::~Prober() = default;

void Prober::set_login(std::shared_ptr<const protocol::Login> login) {
  for (Watch& watch : watches_.values) watch.login = login;
}

void Prober::ask(Side side) {
  surroundings_.loop.post([side, self = std::weak_ptr<Prober*>(self_)] {
    const std::shared_ptr<Prober*> prober = self.lock();
    if (prober == nullptr) return;
    Watch& watch = (*prober)->watches_[side];
    if (watch.probe != nullptr) {
      watch.is_asked = true;
    } else {
      (*prober)->begin(side);
    }
  });
}

void Prober::begin(Side side) {
  Watch& watch = watches_[side];
  watch.timer->disarm();
  watch.is_asked = false;
  watch.probe = std::make_unique<Probe>(surroundings_, side, watch.login, [side, self = std::weak_ptr<Prober*>(self_)] {
    if (const std::shared_ptr<Prober*> prober = self.lock()) (*prober)->on_end(side);
  });
  watch.probe->advance();
}

void Prober::on_end(Side side) {
  Watch& watch = watches_[side];
  const std::unique_ptr<Probe> probe = std::move(watch.probe);
  std::optional<HealthSign> sign;
  if (probe->error()) {
    sign = sign_of(*probe->error());
    // Answered, if not in the way we would like: the server lives. Where that is this user's lot, it is no use there.
    if (!sign && probe->error()->blame != Blame::backend) watch.login.reset();
  }
  health_.note_probe(side, sign, surroundings_.loop.now(), probe->traits() ? &*probe->traits() : nullptr);
  if (watch.is_asked) {
    begin(side);
  } else {
    watch.timer->arm(surroundings_.loop.now() + pause(side));
  }
}

std::chrono::milliseconds Prober::pause(Side side) {
  // Multiples of the golden ratio modulo one, as a fraction of 2^64, lie evenly however many there are.
  constexpr std::uint64_t golden = 0x9E3779B97F4A7C15;
  Watch& watch = watches_[side];
  const std::uint64_t place = seed_ + routing::index_of(side) * (golden >> 1) + ++watch.count * golden;
  const bool is_up = health_.state(side) == HealthState::up;
  const std::int64_t usual = options_.interval.count() / (is_up ? 1 : doubtful_share);
  const auto spread = static_cast<std::int64_t>(place >> 40) * (usual / 4) / (std::int64_t{1} << 24);
  return std::chrono::milliseconds(usual - usual / 8 + spread);
}

}  // namespace proxy::backend
