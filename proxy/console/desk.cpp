#include "proxy/console/desk.hpp"

#include "proxy/console/tables.hpp"

#include <algorithm>
#include <utility>

namespace proxy::console {

using protocol::ConsoleAnswer;
using protocol::ConsoleCommand;
using protocol::ConsoleRefusal;
using protocol::ConsoleVerb;
using session::ConsoleRole;

namespace {

ConsoleAnswer refused(ConsoleRefusal refusal, std::string words, std::string hint = {}) {
  ConsoleAnswer answer;
  answer.refusal = refusal;
  answer.words = std::move(words);
  answer.hint = std::move(hint);
  return answer;
}

bool holds(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

}  // namespace

/// A command on its way, shared by the session that waits for it and the desk.
class Desk::Order {
 public:
  Order(ConsoleCommand command, ConsoleRole role, std::string user, runtime::Loop& loop, std::function<void()> on_answer)
      : command_(std::move(command)), role_(role), user_(std::move(user)), loop_(loop), on_answer_(std::move(on_answer)) {}

  [[nodiscard]] const ConsoleCommand& command() const { return command_; }
  [[nodiscard]] ConsoleRole role() const { return role_; }
  [[nodiscard]] const std::string& user() const { return user_; }

  /// Any thread; the first answer counts.
  static void answer(const std::shared_ptr<Order>& order, ConsoleAnswer answer) {
    {
      const std::lock_guard lock(order->mutex_);
      if (order->answer_) return;
      order->answer_ = std::move(answer);
    }
    order->loop_.post([order] {
      if (order->on_answer_) order->on_answer_();
    });
  }
  [[nodiscard]] std::optional<ConsoleAnswer> take_answer() {
    const std::lock_guard lock(mutex_);
    return std::exchange(answer_, std::nullopt);
  }
  /// On the loop: nobody waits any more.
  void forget_asker() { on_answer_ = nullptr; }

 private:
  const ConsoleCommand command_;
  const ConsoleRole role_;
  const std::string user_;
  runtime::Loop& loop_;
  std::function<void()> on_answer_;  ///< used on the loop only
  std::mutex mutex_;
  std::optional<ConsoleAnswer> answer_;
};

/// The asker's end.
class Desk::Call final : public session::ConsoleCall {
 public:
  Call(Desk& desk, OrderPointer order) : desk_(desk), order_(std::move(order)) {}
  ~Call() override {
    order_->forget_asker();
    if (!is_taken_) desk_.take_back(order_);
  }
  [[nodiscard]] std::optional<ConsoleAnswer> take_answer() override {
    std::optional<ConsoleAnswer> answer = order_->take_answer();
    is_taken_ = is_taken_ || answer.has_value();
    return answer;
  }

 private:
  Desk& desk_;
  OrderPointer order_;
  bool is_taken_ = false;
};

Desk::Desk(Options options, Machine& machine, telemetry::Log& log)
    : options_(std::move(options)), machine_(machine), log_(log) {
  periods_.note(std::chrono::steady_clock::now(), {});
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void Desk::stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

std::optional<ConsoleRole> Desk::role_of(const protocol::Login& login) const {
  if (login.is_replication || !holds(options_.databases, login.database)) return std::nullopt;
  if (holds(options_.admins, login.user)) return ConsoleRole::admin;
  return holds(options_.viewers, login.user) ? ConsoleRole::viewer : ConsoleRole::nobody;
}

std::unique_ptr<session::ConsoleCall> Desk::ask(ConsoleCommand command, ConsoleRole role, const protocol::Login& login,
                                                runtime::Loop& loop, std::function<void()> on_answer) {
  auto order = std::make_shared<Order>(std::move(command), role, login.user, loop, std::move(on_answer));
  if (!enqueue([this, order] { carry_out(order); })) {
    Order::answer(order, refused(ConsoleRefusal::unavailable, "the console has too much to do"));
  }
  return std::make_unique<Call>(*this, order);
}

bool Desk::enqueue(std::function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    if (work_.size() >= options_.waiting_max) return false;
    work_.push_back(std::move(work));
  }
  changed_.notify_one();
  return true;
}

void Desk::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    std::function<void()> work;
    {
      std::unique_lock lock(mutex_);
      changed_.wait_until(lock, stop, periods_.next(), [this] { return !work_.empty(); });
      if (stop.stop_requested()) return;
      if (!work_.empty()) {
        work = std::move(work_.front());
        work_.pop_front();
      }
    }
    if (work) work();
    if (std::chrono::steady_clock::now() < periods_.next()) continue;
    PairView view = machine_.view();
    if (view.is_complete) periods_.note(std::chrono::steady_clock::now(), std::move(view.inventory.databases));
  }
}

void Desk::carry_out(const OrderPointer& order) {
  const ConsoleCommand& command = order->command();
  if (command.verb != ConsoleVerb::show && order->role() != ConsoleRole::admin) {
    return Order::answer(order, refused(ConsoleRefusal::not_permitted, "admin access needed"));
  }
  switch (command.verb) {
    case ConsoleVerb::show: return Order::answer(order, show(command.subject));
    case ConsoleVerb::pause: return pause(order);
    case ConsoleVerb::resume: {
      ConsoleAnswer answer = resume(command);
      if (answer.refusal == ConsoleRefusal::none) note(*order, "resumed from the console");
      return Order::answer(order, std::move(answer));
    }
    // No connection is ever marked to be closed and still waited for: there is nothing to wait for.
    case ConsoleVerb::wait_close: return Order::answer(order, {});
    case ConsoleVerb::reload:
      note(*order, "a reload was asked for from the console");
      return Order::answer(order, reload());
    case ConsoleVerb::shut_down:
      note(*order, "the end was asked for from the console");
      Order::answer(order, {});
      return machine_.shut_down();
    case ConsoleVerb::unsupported:
    case ConsoleVerb::set:
    case ConsoleVerb::begin:
    case ConsoleVerb::commit:
    case ConsoleVerb::rollback:
    case ConsoleVerb::nothing:
    case ConsoleVerb::unknown: break;  // the console answers these itself
  }
  Order::answer(order, refused(ConsoleRefusal::syntax, "invalid command, use SHOW HELP;"));
}

void Desk::pause(const OrderPointer& order) {
  const routing::HoldScope scope{order->command().subject};
  if (routing::has_hold(*machine_.hold(), scope, routing::HoldClass::everything)) {
    return Order::answer(order, refused(ConsoleRefusal::wrong_state, "already suspended/paused"));
  }
  note(*order, "paused from the console");
  machine_.pause(scope, [order](PauseEnd end) {
    if (end == PauseEnd::paused) return Order::answer(order, {});
    Order::answer(order, refused(ConsoleRefusal::cancelled, "RESUME came before everything was paused"));
  });
}

ConsoleAnswer Desk::resume(const ConsoleCommand& command) {
  const routing::HoldScope scope{command.subject};
  const routing::HoldSnapshot hold = machine_.hold();
  if (routing::has_hold(*hold, scope, routing::HoldClass::writes) || (scope.database.empty() && !hold->is_empty())) {
    machine_.resume(scope);
    return {};
  }
  if (!scope.database.empty() && hold->pair) {
    return refused(ConsoleRefusal::wrong_state, "everything is paused, not this database alone", "RESUME without a name.");
  }
  return refused(ConsoleRefusal::wrong_state, "pooler is not paused/suspended");
}

/// The client has gone or cancelled before it heard that its PAUSE was complete: nobody would ever resume.
void Desk::take_back(const OrderPointer& order) {
  if (order->command().verb != ConsoleVerb::pause || order->role() != ConsoleRole::admin) return;
  const bool is_noted = enqueue([this, order] {
    const std::optional<ConsoleAnswer> answer = order->take_answer();
    if (answer && answer->refusal != ConsoleRefusal::none) return;  // it had paused nothing, or was resumed already
    machine_.resume({order->command().subject});
    note(*order, "a pause was taken back: its client did not wait for it");
  });
  if (!is_noted) note(*order, "a pause stays, though its client did not wait for it: the console has too much to do");
}

ConsoleAnswer Desk::reload() {
  const protocol::Status done = machine_.reload();
  return done ? ConsoleAnswer{} : refused(ConsoleRefusal::wrong_state, done.error().detail);
}

ConsoleAnswer Desk::show(const std::string& subject) {
  ConsoleAnswer answer;
  if (subject == "help") {
    answer.notice = "Console usage";
    answer.notice_detail = help_text();
    return answer;
  }
  static const PairView nothing;
  const auto moment_of = [this](const PairView& view) {
    return Moment{machine_.facts(), view, periods_, std::chrono::system_clock::now(), std::chrono::steady_clock::now()};
  };
  if (!show_table(subject, moment_of(nothing))) {
    return refused(ConsoleRefusal::syntax, "invalid command 'SHOW " + subject + "', use SHOW HELP;");
  }
  const PairView view = machine_.view();
  if (!view.is_complete) return refused(ConsoleRefusal::unavailable, "a worker did not answer in time");
  answer.table = show_table(subject, moment_of(view));
  return answer;
}

void Desk::note(const Order& order, std::string_view event) {
  log_.write(telemetry::LogLevel::info, event,
             {{"pair", std::string_view(options_.pair)},
              {"user", std::string_view(order.user())},
              {"database", std::string_view(order.command().subject)}});
}

}  // namespace proxy::console
