#include "proxy/backend/award.hpp"
#include "proxy/backend/pool.hpp"
#include "proxy/backend/pool_group.hpp"

#include <algorithm>
#include <utility>

// Its beginning and end, and connections that are opened before anybody needs them.
namespace proxy::backend {

using routing::Side;

/// One on its way: the pool's until its login is over.
class Pool::Warming final : public net::StreamListener {
 public:
  enum class Cause : std::uint8_t { switchover, minimum };
  Warming(Pool& pool, Group& group, Side side, Cause cause) : pool_(pool), group_(group), side_(side), cause_(cause) {
    ++group_.kept_back_count;
    if (cause_ == Cause::minimum) ++group_.filling_count[side_];
  }
  ~Warming() override {
    --group_.kept_back_count;
    if (cause_ == Cause::minimum) --group_.filling_count[side_];
  }
  Warming(const Warming&) = delete;
  Warming& operator=(const Warming&) = delete;

  void begin(std::shared_ptr<const protocol::Login> login, ConnectionCounts::Reservation reservation) {
    connection_ = std::make_unique<Connection>(pool_.surroundings_, side_, std::move(login), *this);
    connection_->keep(std::move(reservation));
  }
  void on_stream_ready() override {
    if (connection_ == nullptr || is_over_) return;
    connection_->advance();
    const Connection::Phase phase = connection_->phase();
    if (phase != Connection::Phase::ready && phase != Connection::Phase::failed) return;
    is_over_ = true;
    // Not from inside the connection's own call.
    pool_.surroundings_.loop.post([self = std::weak_ptr<Pool*>(pool_.self_), warming = this] {
      if (const std::shared_ptr<Pool*> pool = self.lock()) (*pool)->end_warming(warming);
    });
  }
  [[nodiscard]] Group& group() const { return group_; }
  [[nodiscard]] Side side() const { return side_; }
  [[nodiscard]] Cause cause() const { return cause_; }
  [[nodiscard]] std::unique_ptr<Connection> take() { return std::move(connection_); }

 private:
  Pool& pool_;
  Group& group_;
  const Side side_;
  const Cause cause_;
  std::unique_ptr<Connection> connection_;
  bool is_over_ = false;
};

Pool::Pool(Surroundings& surroundings, ConnectionCounts& counts, Options options)
    : surroundings_(surroundings),
      counts_(counts),
      options_(options),
      sweep_timer_(surroundings.loop.make_timer([this] { sweep(); })),
      self_(std::make_shared<Pool*>(this)) {
  const auto post = [&loop = surroundings_.loop, self = std::weak_ptr<Pool*>(self_)](auto call) {
    loop.post([self, call = std::move(call)] {
      if (const std::shared_ptr<Pool*> pool = self.lock()) call(**pool);
    });
  };
  worker_number_ = counts_.add_worker({[post](std::shared_ptr<Award> award) {
                                         post([award = std::move(award)](Pool& pool) { pool.receive(*award); });
                                       },
                                       [post](NeedPointer need) {
                                         post([need = std::move(need)](Pool& pool) { pool.offer_idle(need); });
                                       }});
}

Pool::~Pool() {
  warming_.clear();
  for (const auto& [key, group] : groups_) {
    for (const Side side : routing::both_sides) end_need(group->shelves[side]);
  }
}

void Pool::warm(Side side) {
  const Side model = routing::other(side);
  for (const auto& [key, group] : groups_) {
    if (group->login == nullptr || group->login->is_replication) continue;
    const std::uint32_t wanted = counts_.connections_of(*group->identity, model, worker_number_);
    for (std::uint32_t has = counts_.connections_of(*group->identity, side, worker_number_); has < wanted; ++has) {
      ConnectionCounts::Reservation reservation = counts_.reserve(group->identity, side, worker_number_);
      if (!reservation) break;
      warming_.push_back(std::make_unique<Warming>(*this, *group, side, Warming::Cause::switchover));
      warming_.back()->begin(group->login, std::move(reservation));
    }
  }
}

void Pool::end_warming(Warming* ended) {
  const auto place = std::find_if(warming_.begin(), warming_.end(), [ended](const auto& each) { return each.get() == ended; });
  if (place == warming_.end()) return;
  std::unique_ptr<Warming> warming = std::move(*place);
  warming_.erase(place);
  std::unique_ptr<Connection> connection = warming->take();
  Group& group = warming->group();
  const Side side = warming->side();
  warming.reset();
  if (connection->phase() != Connection::Phase::ready) return;
  put_back(group, std::move(connection));
  fill(group, side);
}

std::size_t Pool::warming_count() const {
  return static_cast<std::size_t>(std::ranges::count(warming_, Warming::Cause::switchover, [](const auto& each) { return each->cause(); }));
}

void Pool::give_up_warming() {
  std::erase_if(warming_, [](const auto& each) { return each->cause() == Warming::Cause::switchover; });
}

bool Pool::may_fill(const Group& group, Side side) const {
  const protocol::Login* login = group.login.get();
  if (group.identity->terms.pool_min == 0 || group.session_count == 0 || login == nullptr || login->is_replication) return false;
  // One after the other, as a server that refuses them should not be asked in a crowd; and none where a session would get none.
  if (group.filling_count[side] != 0) return false;
  const runtime::Instant now = surroundings_.loop.now();
  if (now < fill_from_ || now < group.shelves[side].trouble->retry_at) return false;
  if (surroundings_.health != nullptr && surroundings_.health->is_down(side)) return false;
  return !surroundings_.is_held || !surroundings_.is_held(login->database);
}

/// Source: PgBouncer 1.24, config.md, `min_pool_size`: enforced for pools with at least one client, capped at the pool's size.
void Pool::fill(Group& group, Side side) {
  if (!may_fill(group, side)) return;
  ConnectionCounts::Reservation reservation = counts_.reserve_for_minimum(group.identity, side, worker_number_);
  if (!reservation) return;
  warming_.push_back(std::make_unique<Warming>(*this, group, side, Warming::Cause::minimum));
  warming_.back()->begin(group.login, std::move(reservation));
}

}  // namespace proxy::backend
