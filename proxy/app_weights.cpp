#include "proxy/app.hpp"

#include "proxy/lifecycle/takeover_state.hpp"
#include "proxy/switchover/durable_file.hpp"

#include <utility>

// The weights that rules were given at run time outlive the process, where there is a state.
namespace proxy {

using switchover::DurableFile;

namespace {

constexpr std::string_view first_line = "crossfade weights 1\n";

DurableFile file_of(const std::string& folder, const AppPair& pair) { return {folder, pair.name() + ".weights"}; }

protocol::Result<std::optional<lifecycle::PairState>> read(const DurableFile& file, const std::string& pair) {
  const protocol::Result<std::optional<std::string>> text = file.read();
  if (!text) return text.error();
  if (!*text) return std::optional<lifecycle::PairState>();
  const auto unfit = [&file](const std::string& words) {
    return protocol::failure(protocol::ErrorCode::configuration_invalid, protocol::Blame::operator_, file.path() + " " + words);
  };
  const protocol::Result<std::string_view> said = switchover::without_checksum(**text);
  if (!said) return unfit("is damaged: " + said.error().detail);
  if (!said->starts_with(first_line)) return unfit("is of another version");
  protocol::Result<lifecycle::PairState> state = lifecycle::decode_state(said->substr(first_line.size()));
  if (!state) return unfit("says something that this version does not know");
  if (state->pair != pair) return unfit("is of another pair, " + state->pair);
  return std::optional<lifecycle::PairState>(*std::move(state));
}

}  // namespace

/// A rule whose weights in the configuration did not change since has those that it had; the rest is the configuration's.
void App::remember_weights(AppPair& pair) {
  if (settings_->state.directory.empty()) return;
  const auto state = read(file_of(settings_->state.directory, pair), pair.name());
  if (!state) {
    log_.write(telemetry::LogLevel::error, "weights that were set at run time are lost: those of the configuration are in force",
               {{"pair", std::string_view(pair.name())}, {"cause", std::string_view(state.error().detail)}});
    return;
  }
  if (*state) pair.continue_plan(lifecycle::history_from(**state, pair.settings().pair->plan));
}

/// False: they are in force, and a restart would bring back those before. True where nothing is to outlive the process, too.
bool App::keep_weights(AppPair& pair) {
  if (settings_->state.directory.empty()) return true;
  const lifecycle::PairState state = lifecycle::state_of(pair.name(), pair.settings().pair->plan, pair.history());
  const DurableFile::Written written =
      file_of(settings_->state.directory, pair).write(switchover::with_checksum(std::string(first_line) + lifecycle::encode_state(state)));
  if (written.outcome == routing::SwitchoverOutcome::done) return true;
  log_.write(telemetry::LogLevel::error, "weights are in force, but would not outlive a restart",
             {{"pair", std::string_view(pair.name())}, {"cause", std::string_view(written.words)}});
  return false;
}

}  // namespace proxy
