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
  Warming(Pool& pool, Group& group) : pool_(pool), group_(group) { ++group_.kept_back_count; }
  ~Warming() override { --group_.kept_back_count; }
  Warming(const Warming&) = delete;
  Warming& operator=(const Warming&) = delete;

  void begin(Side side, std::shared_ptr<const protocol::Login> login, ConnectionCounts::Reservation reservation) {
    connection_ = std::make_unique<Connection>(pool_.surroundings_, side, std::move(login), *this);
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
  [[nodiscard]] std::unique_ptr<Connection> take() { return std::move(connection_); }

 private:
  Pool& pool_;
  Group& group_;
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
      warming_.push_back(std::make_unique<Warming>(*this, *group));
      warming_.back()->begin(side, group->login, std::move(reservation));
    }
  }
}

void Pool::end_warming(Warming* ended) {
  const auto place = std::find_if(warming_.begin(), warming_.end(), [ended](const auto& each) { return each.get() == ended; });
  if (place == warming_.end()) return;
  const std::unique_ptr<Warming> warming = std::move(*place);
  warming_.erase(place);
  std::unique_ptr<Connection> connection = warming->take();
  if (connection->phase() == Connection::Phase::ready) put_back(warming->group(), std::move(connection));
}

void Pool::give_up_warming() { warming_.clear(); }

}  // namespace proxy::backend
