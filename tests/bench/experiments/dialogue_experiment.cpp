// Is a dialogue as a coroutine sound and cheap under this compiler? Runs the toy login both ways: with the
// server's words cut at every point, destroyed at every point, with a wrong answer, then timed.

#include "tests/bench/experiments/toy_scram.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>

namespace {

std::size_t allocation_count = 0;

using protocol::Bytes;
using protocol::ByteView;
using protocol::DialogueProgress;
using protocol::DialogueState;
using Maker = std::unique_ptr<protocol::Dialogue> (*)(std::string, std::string);

/// Feeds the bytes up to `cut` and then the rest; what the dialogue said, or nothing when it did not finish.
Bytes converse(protocol::Dialogue& dialogue, ByteView script, std::size_t cut, DialogueState wanted) {
  Bytes said;
  std::size_t position = 0;
  for (const std::size_t end : {std::size_t{0}, cut, script.size()}) {
    const DialogueProgress progress = dialogue.advance(script.subspan(position, end - position), said);
    position += progress.consumed;
    if (progress.state != DialogueState::reading) {
      if (progress.state != wanted) std::abort();
      return said;
    }
  }
  std::abort();
}

void prove(Maker make) {
  const Bytes script = experiments::server_script("secret");
  Bytes wrong = script;
  wrong[53] ^= std::byte{1};  // inside the signature
  const auto reference = make("user", "secret");
  const Bytes whole = converse(*reference, script, script.size(), DialogueState::finished);
  for (std::size_t cut = 0; cut <= script.size(); ++cut) {
    const auto dialogue = make("user", "secret");
    if (converse(*dialogue, script, cut, DialogueState::finished) != whole) std::abort();
    const auto refused = make("user", "secret");
    (void)converse(*refused, wrong, cut, DialogueState::failed);
    if (refused->error().code != protocol::ErrorCode::authentication_failed) std::abort();
    const auto abandoned = make("user", "secret");
    Bytes said;
    const DialogueProgress progress = abandoned->advance(ByteView(script).first(cut), said);
    if (cut < script.size() && progress.state != DialogueState::reading) std::abort();
  }
}

void time_it(const char* name, Maker make) {
  constexpr int rounds = 100'000;
  const Bytes script = experiments::server_script("secret");
  const std::size_t allocations_before = allocation_count;
  const auto start = std::chrono::steady_clock::now();
  Bytes said;
  for (int i = 0; i < rounds; ++i) {
    said.clear();
    const auto dialogue = make("user", "secret");
    DialogueProgress progress = dialogue->advance({}, said);
    progress = dialogue->advance(script, said);
    if (progress.state != DialogueState::finished) std::abort();
  }
  const std::chrono::duration<double, std::nano> spent = std::chrono::steady_clock::now() - start;
  std::printf("%-10s %7.0f ns and %zu allocations per login\n", name, spent.count() / rounds,
              (allocation_count - allocations_before) / rounds);
}

}  // namespace

void* operator new(std::size_t size) {
  ++allocation_count;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

int main() {
  prove(experiments::make_coroutine_login);
  prove(experiments::make_step_login);
  std::puts("both sound: every cut, every early destruction, the wrong answer");
  time_it("coroutine", experiments::make_coroutine_login);
  time_it("step enum", experiments::make_step_login);
}
