/// Plays seeded conversations directly and through a proxy and fails if a driver could tell the difference.
#include "tests/model/compare.hpp"
#include "tests/model/faulty_relay.hpp"
#include "tests/model/generator.hpp"
#include "tests/model/player.hpp"
#include "tests/model/shrink.hpp"

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <optional>
#include <stdexcept>

namespace {

using namespace std::chrono_literals;

struct Options {
  model::Address direct;
  std::optional<model::Address> other;    ///< the second side's server, only watched
  std::optional<model::Address> through;  ///< without it: directly against directly
  std::string database = "model";
  std::uint64_t known = 0;          ///< seeds 1 to here come first
  std::uint64_t seed = 1;
  std::uint64_t count = 0;          ///< 0: until the time is over
  std::chrono::seconds seconds{0};  ///< 0: until the count is reached
  std::size_t difference_count_max = 3;
  bool is_pooled = false;           ///< what is played through may leave idle sessions behind
  model::Repertoire repertoire = model::Repertoire::everything;
  enum class Task { compare, prove_faults, print } task = Task::compare;
};

struct Totals {
  std::uint64_t conversations = 0;
  std::uint64_t messages = 0;
  std::uint64_t replies = 0;
  std::uint64_t errors = 0;
  std::uint64_t unstable = 0;  ///< differ without a proxy too: a flaw of the generator, told but not counted as found
  std::uint64_t differences = 0;
};

model::Address address_from(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) throw std::runtime_error("not an address: " + text);
  return {text.substr(0, colon), static_cast<std::uint16_t>(std::stoul(text.substr(colon + 1)))};
}

Options options_from(int count, char** arguments) {
  Options options;
  for (int i = 1; i < count; ++i) {
    const std::string name = arguments[i];
    const auto value = [&] {
      if (i + 1 >= count) throw std::runtime_error(name + " wants a value");
      return std::string(arguments[++i]);
    };
    if (name == "--direct") options.direct = address_from(value());
    else if (name == "--other") options.other = address_from(value());
    else if (name == "--through") options.through = address_from(value());
    else if (name == "--database") options.database = value();
    else if (name == "--known") options.known = std::stoull(value());
    else if (name == "--seed") options.seed = std::stoull(value());
    else if (name == "--count") options.count = std::stoull(value());
    else if (name == "--seconds") options.seconds = std::chrono::seconds(std::stoull(value()));
    else if (name == "--differences") options.difference_count_max = std::stoull(value());
    else if (name == "--reads") options.repertoire = model::Repertoire::reads;
    else if (name == "--pooled") options.is_pooled = true;
    else if (name == "--prove-faults") options.task = Options::Task::prove_faults;
    else if (name == "--print") options.task = Options::Task::print;
    else throw std::runtime_error("unknown option " + name);
  }
  return options;
}

/// Runs conversations of one seed after another against one target.
class Trial {
 public:
  Trial(const Options& options, model::Player& player, model::Address target)
      : options_(options), player_(player), target_(std::move(target)) {}

  /// False: a driver could tell the difference.
  bool run(std::uint64_t seed) {
    const model::Conversation conversation = model::generate(seed, options_.repertoire);
    const model::Recording expected = player_.play_first(conversation);
    if (!expected.trouble.empty()) return tell_unstable(conversation, expected, expected);
    const model::Recording actual = player_.play_again(conversation, target_, expected);
    ++totals_.conversations;
    totals_.messages += model::message_count(conversation);
    totals_.replies += expected.messages.size();
    for (const model::ServerMessage& message : expected.messages) totals_.errors += message.tag == 'E' ? 1 : 0;
    if (model::difference(expected, actual).empty()) return true;
    for (int i = 0; i < 2; ++i) {
      const model::Recording again = player_.play_again(conversation, options_.direct, expected);
      if (!model::difference(expected, again).empty()) return tell_unstable(conversation, expected, again);
    }
    ++totals_.differences;
    found_ = Found{conversation, expected, actual};
    return false;
  }

  /// The last conversation that failed, made as small as time allows, with both streams.
  std::string explain() {
    player_.set_patience(3s);
    const auto deadline = std::chrono::steady_clock::now() + 90s;
    (void)model::shrink(found_.conversation, [this](const model::Conversation& candidate) { return fails(candidate); }, deadline);
    player_.set_patience(10s);
    return model::report(found_.conversation, found_.expected, found_.actual);
  }

  [[nodiscard]] const Totals& totals() const { return totals_; }

 private:
  bool tell_unstable(const model::Conversation& conversation, const model::Recording& expected, const model::Recording& actual) {
    ++totals_.unstable;
    std::cout << "UNSTABLE without a proxy\n" << model::report(conversation, expected, actual) << std::flush;
    return true;
  }

  /// With two sides the weights are not part of the conversation, so it gets several tries.
  bool fails(const model::Conversation& candidate) {
    const int tries = options_.repertoire == model::Repertoire::reads ? 4 : 1;
    const model::Recording expected = player_.play_first(candidate);
    if (!expected.trouble.empty()) return false;
    for (int i = 0; i < tries; ++i) {
      model::Recording actual = player_.play_again(candidate, target_, expected);
      if (model::difference(expected, actual).empty()) continue;
      if (!model::difference(expected, player_.play_again(candidate, options_.direct, expected)).empty()) return false;
      found_ = Found{candidate, expected, std::move(actual)};
      return true;
    }
    return false;
  }

  /// The smallest failure so far.
  struct Found {
    model::Conversation conversation;
    model::Recording expected;
    model::Recording actual;
  };

  const Options& options_;
  model::Player& player_;
  model::Address target_;
  Totals totals_;
  Found found_;
};

int compare(const Options& options, model::Player& player) {
  Trial trial(options, player, options.through.value_or(options.direct));
  auto end = std::chrono::steady_clock::now() + options.seconds;
  for (std::uint64_t number = 0;; ++number) {
    const bool is_known = number < options.known;
    if (number == options.known) end = std::chrono::steady_clock::now() + options.seconds;
    const std::uint64_t seed = is_known ? number + 1 : options.seed + number - options.known;
    if (options.count > 0 && !is_known && number - options.known >= options.count) break;
    if (options.seconds > 0s && !is_known && std::chrono::steady_clock::now() > end) break;
    if (trial.run(seed)) continue;
    std::cout << "DIFFERENCE, seed " << seed << "\n" << trial.explain() << std::flush;
    if (trial.totals().differences >= options.difference_count_max) break;
  }
  const Totals& totals = trial.totals();
  std::cout << "conversations " << totals.conversations << ", messages " << totals.messages << ", replies " << totals.replies
            << ", error replies " << totals.errors << ", cancels " << player.cancel_count() << ", unstable " << totals.unstable
            << ", differences " << totals.differences << std::endl;
  return totals.differences + totals.unstable == 0 ? 0 : 1;
}

/// Every fault must be found, and a relay without fault must not be accused.
int prove_faults(const Options& options, model::Player& player) {
  player.set_patience(2s);
  int missed = 0;
  for (const model::Fault fault : model::all_faults()) {
    const model::FaultyRelay relay(options.direct, fault);
    Trial trial(options, player, relay.address());
    std::uint64_t seed = options.seed;
    while (seed - options.seed < options.count && trial.run(seed)) ++seed;
    const bool is_found = trial.totals().differences > 0;
    const bool is_right = is_found == (fault != model::Fault::none) && trial.totals().unstable == 0;
    missed += is_right ? 0 : 1;
    std::cout << (is_right ? "ok     " : "WRONG  ") << "fault " << model::name_of(fault)
              << (is_found ? ": found by seed " + std::to_string(seed) : ": nothing found in " + std::to_string(options.count) + " conversations")
              << std::endl;
    if (is_found && fault == model::Fault::none) std::cout << trial.explain() << std::endl;
  }
  return missed == 0 ? 0 : 1;
}

int run(const Options& options) {
  if (options.task == Options::Task::print) {
    std::cout << model::describe(model::generate(options.seed, options.repertoire));
    return 0;
  }
  model::Control direct(options.direct, options.database);
  std::vector<model::Control*> controls{&direct};
  std::unique_ptr<model::Control> other;
  if (options.other) {
    other = std::make_unique<model::Control>(*options.other, options.database);
    controls.push_back(other.get());
  }
  for (model::Control* control : controls) control->reset_objects();
  model::Player player(options.direct, options.database, controls);
  if (options.repertoire == model::Repertoire::reads) player.set_keeps_objects();
  if (options.is_pooled) player.set_pooled();
  return options.task == Options::Task::compare ? compare(options, player) : prove_faults(options, player);
}

}  // namespace

int main(int count, char** arguments) {
  try {
    return run(options_from(count, arguments));
  } catch (const std::exception& error) {
    std::cerr << "model test: " << error.what() << std::endl;
    return 2;
  }
}
