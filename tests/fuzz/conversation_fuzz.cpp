#include "protocol/postgres/backend_half.hpp"
#include "protocol/postgres/client_half.hpp"
#include "tests/fuzz/require.hpp"
#include "tests/fuzz/stream_check.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

// A session with two backends, all three of them saying whatever the fuzzer likes. The input is a list of steps: a
// byte for who speaks (client, first backend, second backend) or that the session should change sides, a byte for how
// long, and what is said. Checked: what we send to anybody is a stream of messages, and the contract of ClientHalf.
namespace {

using namespace protocol;
using namespace protocol::postgres;
using tests::fuzz::require;
using tests::fuzz::StreamCheck;

struct Backend {
  Backend() : half(std::make_shared<const ParameterMap>(), std::nullopt, std::make_shared<ProvenTexts>()) {}
  PostgresBackendHalf half;
  Bytes unread;
  StreamCheck sent;
  bool is_lost = false;
};

class Conversation {
 public:
  Conversation() : half_(login(), analyser_, options_, &library_) {
    Bytes welcome;
    half_.write_welcome(backends_[0].half, CancelKey{1, Bytes(4)}, welcome);
    to_client_.take(welcome);
    require(to_client_.is_at_boundary(), "the welcome is whole messages");
  }

  void hear_client(ByteView bytes) {
    append(client_unread_, bytes);
    serve();
  }
  void hear_backend(std::size_t index, ByteView bytes) {
    Backend& backend = backends_[index];
    if (backend.is_lost) return;
    append(backend.unread, bytes);
    Gather to_client;
    std::vector<Completion> completed;
    const Result<ReplyProgress> progress = half_.relay(backend.half, backend.unread, to_client, completed);
    if (!progress) {
      require(progress.error().blame == Blame::backend, "a reply that makes no sense is the backend's fault");
      is_over_ = true;
      return;
    }
    require(progress->consumed <= backend.unread.size(), "no more is consumed than there is");
    to_client_.take(to_client);
    require(to_client_.is_at_boundary() || backends_[0].half.is_mid_frame() || backends_[1].half.is_mid_frame(),
            "the client waits for the rest of a message only when there is one");
    backend.unread.erase(backend.unread.begin(), backend.unread.begin() + static_cast<std::ptrdiff_t>(progress->consumed));
    if (progress->is_session_over) is_over_ = true;
    if (progress->is_link_lost) lose(index);
    serve();
  }
  void want_other_side() { wanted_ = 1 - wanted_; }
  [[nodiscard]] bool is_over() const { return is_over_; }

 private:
  static Login login() {
    Login login;
    login.user = login.database = "fuzz";
    return login;
  }

  void serve() {
    while (!is_over_ && !client_unread_.empty() && serve_one()) {
    }
    ask();
  }

  /// As the session does at the end of a turn.
  void ask() {
    for (Backend& backend : backends_) {
      if (is_over_ || restoring_ || backend.is_lost || !half_.has_question(backend.half)) continue;
      Gather to_backend;
      half_.ask(backend.half, to_backend);
      backend.sent.take(to_backend);
      require(half_.is_asking(backend.half) && !half_.has_question(backend.half), "one question at a time");
    }
  }

  /// False when it has to wait.
  bool serve_one() {
    if (restoring_ && half_.restore_state(backends_[wanted_at_restore_].half) == RestoreState::under_way) return false;
    Backend* current = has_current_ ? &backends_[current_] : nullptr;
    const BackendHalf* current_half = current != nullptr ? &current->half : nullptr;
    const NextRequest again = half_.next_request(client_unread_, current_half);
    const NextRequest request = half_.next_request(client_unread_, current_half);
    require(request.verdict == again.verdict && request.bytes == again.bytes && request.transaction == again.transaction &&
                request.facts.statement_class == again.facts.statement_class,
            "a second look sees the same");
    require(request.bytes <= client_unread_.size(), "no more is covered than there is");
    switch (request.verdict) {
      case RequestVerdict::need_more: return false;
      case RequestVerdict::terminate: is_over_ = true; return false;
      case RequestVerdict::violation:
        require(half_.error().blame == Blame::client, "a violation is the client's fault");
        is_over_ = true;
        return false;
      case RequestVerdict::ignore:
        require(request.bytes > 0, "what is ignored has a length");
        half_.ignore(request);
        use_client(request.bytes);
        return true;
      case RequestVerdict::follow:
        require(request.bytes > 0 && current != nullptr, "what follows has a length, and somebody to follow to");
        forward(request, *current);
        return true;
      case RequestVerdict::await_reply:
        require(current != nullptr && current->half.is_owing(), "a reply is awaited only where one is owed");
        return false;
      case RequestVerdict::route: break;
    }
    require(request.bytes > 0 && request.facts.tables != nullptr && request.facts.tags != nullptr, "a batch has facts");
    return route(request, current);
  }

  bool route(const NextRequest& request, Backend* current) {
    const bool may_move = current == nullptr || (request.transaction == TransactionState::none && current->half.is_at_boundary() &&
                                                 half_.pin() == PinReason::none && wanted_ != current_);
    if (!may_move) {
      forward(request, *current);
      return true;
    }
    const std::size_t target_index = restoring_ ? wanted_at_restore_ : wanted_;
    Backend& target = backends_[target_index];
    if (target.is_lost || (!restoring_ && !target.half.is_at_boundary())) {
      if (current == nullptr) is_over_ = true;
      if (current != nullptr) forward(request, *current);
      return current != nullptr;
    }
    RestoreState state = RestoreState::done;
    if (restoring_) {
      state = half_.restore_state(target.half);
    } else {
      Gather to_backend;
      Gather to_client;
      state = half_.begin_restore(target.half, to_backend, to_client);
      target.sent.take(to_backend);
      to_client_.take(to_client);
      require(target.sent.is_at_boundary(), "what restores a session is whole messages");
    }
    restoring_ = state == RestoreState::under_way;
    wanted_at_restore_ = target_index;
    if (restoring_) return false;
    if (state == RestoreState::failed) {
      lose(target_index);
      return !is_over_;
    }
    has_current_ = true;
    current_ = target_index;
    // The judgement of the batch belongs to the backend that it was made for.
    return true;
  }

  void forward(const NextRequest& request, Backend& target) {
    Gather to_backend;
    half_.forward(request, client_unread_, target.half, to_backend);
    target.sent.take(to_backend);
    require(target.sent.is_at_boundary() == (target.half.request_remaining == 0),
            "a backend waits for the rest of a message only when there is one");
    use_client(request.bytes);
  }

  void use_client(std::size_t bytes) { client_unread_.erase(client_unread_.begin(), client_unread_.begin() + static_cast<std::ptrdiff_t>(bytes)); }

  void lose(std::size_t index) {
    backends_[index].is_lost = true;
    if (wanted_at_restore_ == index) restoring_ = false;
    if (has_current_ && current_ == index) has_current_ = false;
    if (backends_[0].is_lost && backends_[1].is_lost) is_over_ = true;
  }

  ClientHalfOptions options_{
      .statement_bytes_max = 2048, .batch_bytes_max = 1024, .session_state_bytes_max = 4096, .prepared_statements_max = 2};
  std::atomic<std::uint64_t> schema_version_{0};
  StatementLibrary library_{schema_version_, "_crossfade_"};
  Analyser analyser_{{.text_entries_max = 16, .fingerprint_entries_max = 16, .parsed_bytes_max = 1024}};
  PostgresClientHalf half_;
  std::array<Backend, 2> backends_;
  Bytes client_unread_;
  StreamCheck to_client_;
  bool has_current_ = true;
  std::size_t current_ = 0;
  std::size_t wanted_ = 0;
  bool restoring_ = false;
  std::size_t wanted_at_restore_ = 0;
  bool is_over_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ByteView input = std::as_bytes(std::span(data, size));
  Conversation conversation;
  while (input.size() >= 2 && !conversation.is_over()) {
    const auto speaker = std::to_integer<unsigned>(input[0]) % 4;
    const std::size_t count = std::min<std::size_t>(std::to_integer<std::size_t>(input[1]), input.size() - 2);
    // A copy of its own, so that a sanitiser sees a read beyond its end.
    const Bytes said(input.begin() + 2, input.begin() + 2 + static_cast<std::ptrdiff_t>(count));
    input = input.subspan(2 + count);
    if (speaker == 0) conversation.hear_client(said);
    if (speaker == 1 || speaker == 2) conversation.hear_backend(speaker - 1, said);
    if (speaker == 3) conversation.want_other_side();
  }
  return 0;
}
