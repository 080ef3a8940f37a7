#include "protocol/postgres/capture.hpp"
#include "protocol/postgres/error_response.hpp"
#include "protocol/postgres/frame_writer.hpp"
#include "protocol/wire/byte_reader.hpp"
#include "tests/fuzz/require.hpp"
#include "tests/fuzz/stream_check.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cctype>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

// A client that sends what the fuzzer likes, through a capture, to a server that answers as one would. The input is a list of steps: a byte for
// what is sent or done, a byte for the name or the statement, and for some a text. Checked: both ends get streams of messages; the client
// gets a ReadyForQuery for each of its own; an admitted unit has something in it, and is asked for once. In raw steps either end says anything:
// then only that nothing breaks is checked, and that the memory stays in proportion.
namespace {

using namespace protocol;
using namespace protocol::postgres;
using tests::fuzz::require;
using tests::fuzz::StreamCheck;

constexpr std::size_t steps_max = 200;
constexpr std::size_t slack_bytes = std::size_t{1} << 20;
constexpr std::string_view clause = "pg_catalog.pg_current_xact_id()::pg_catalog.text";

constexpr std::array<std::string_view, 26> texts{
    "BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT a", "ROLLBACK TO a", "RELEASE a", "PREPARE TRANSACTION 'x'", "COMMIT AND CHAIN",
    "INSERT INTO t VALUES (1, 'x')", "INSERT INTO t VALUES (1) RETURNING id", "UPDATE t SET v = 'y' WHERE id = 1", "UPDATE t SET id = 5 WHERE id = 1",
    "UPDATE t SET id = id + 1", "DELETE FROM t WHERE id = $1", "INSERT INTO fail VALUES (1)", "SELECT 1", "COPY t FROM STDIN", "ALTER TABLE t ADD w int",
    "PREPARE p AS INSERT INTO t VALUES (1)", "EXECUTE p", "SET search_path = other", "SELECT write_something()", "INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)",
    "BEGIN; INSERT INTO t VALUES (1); COMMIT", "", "CREATE TEMP TABLE t (id int)"};
constexpr std::array<std::string_view, 3> names{"", "a", "b"};

bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

/// Answers each message as a server would, by a few words in it.
class Server {
 public:
  void take(ByteView bytes, Bytes& replies) {
    append(unread_, bytes);
    std::size_t used = 0;
    while (const auto header = scan_frame_header(ByteView(unread_).subspan(used))) {
      if (header->length < frame_length_min || header->frame_bytes() > unread_.size() - used) break;
      answer(header->tag, ByteView(unread_).subspan(used + frame_header_bytes, header->frame_bytes() - frame_header_bytes), replies);
      used += header->frame_bytes();
    }
    unread_.erase(unread_.begin(), unread_.begin() + static_cast<std::ptrdiff_t>(used));
  }

 private:
  static void write(Bytes& replies, BackendMessage message, std::string_view text = {}) {
    FrameWriter frame(replies, message);
    if (message == BackendMessage::command_complete) frame.fields().write_text_z(text);
    if (message == BackendMessage::ready_for_query) frame.fields().write_text(text);
    if (message == BackendMessage::copy_in_response) frame.fields().write_text(std::string_view("\0\0\0", 3));
    frame.finish();
  }
  void ready(Bytes& replies) {
    skips_ = false;
    write(replies, BackendMessage::ready_for_query, std::string_view(&status_, 1));
  }
  void fail(Bytes& replies) {
    write_error_response({"ERROR", "22012", "division by zero", {}, {}}, replies);
    if (status_ == 'T') status_ = 'E';
  }
  static std::size_t columns_of(std::string_view text) {
    if (!contains(text, clause)) return 0;
    return contains(text, "\n, ") ? 3 : 2;
  }
  static void describe(std::size_t columns, Bytes& replies) {
    FrameWriter frame(replies, BackendMessage::row_description);
    frame.fields().write_u16_be(static_cast<std::uint16_t>(columns));
    for (std::size_t i = 0; i < columns; ++i) {
      frame.fields().write_text_z(i + 2 == columns ? "_crossfade_transaction" : i + 1 == columns ? "_crossfade_row" : "x");
      frame.fields().write_text(std::string(18, '\0'));
    }
    frame.finish();
  }
  static void row(const std::vector<std::string>& values, Bytes& replies) {
    FrameWriter frame(replies, BackendMessage::data_row);
    frame.fields().write_u16_be(static_cast<std::uint16_t>(values.size()));
    for (const std::string& value : values) {
      frame.fields().write_u32_be(static_cast<std::uint32_t>(value.size()));
      frame.fields().write_text(value);
    }
    frame.finish();
  }

  /// Rows and the end of a statement; false when it has failed.
  bool run(std::string_view text, Bytes& replies) {
    text.remove_prefix(std::min(text.find_first_not_of(" \n"), text.size()));
    std::string folded(text);
    std::ranges::transform(folded, folded.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    const bool is_end = folded.starts_with("COMMIT") || (folded.starts_with("ROLLBACK") && !contains(folded, " TO "));
    if ((status_ == 'E' && !is_end && !folded.starts_with("ROLLBACK")) || contains(folded, "FAIL") || contains(folded, "1/0")) {
      fail(replies);
      return false;
    }
    if (const std::size_t columns = columns_of(text); columns > 0) {
      std::vector<std::string> values{contains(text, "||") ? "77 (1)" : "77", "(1,x)"};
      if (columns == 3) values.insert(values.begin(), "1");
      row(values, replies);
    } else if (contains(text, "n.nspname")) {
      row({"public", "t", "f", "id\x1fv", "id", "", "", "", "f", "", "id", "f", "", "", "f", "f"}, replies);
    } else if (contains(text, "extra_float_digits")) {
      row({"f", "C"}, replies);
    } else if (contains(text, "current_user")) {
      row({"public", "fuzz", "78"}, replies);
    }
    std::string tag = "INSERT 0 1";
    if (folded.starts_with("BEGIN")) {
      status_ = 'T';
      tag = "BEGIN";
    } else if (is_end) {
      tag = folded.starts_with("COMMIT") && status_ != 'E' ? "COMMIT" : "ROLLBACK";
      status_ = contains(folded, "CHAIN") && status_ != 'I' ? 'T' : 'I';
    } else if (folded.starts_with("ROLLBACK")) {
      tag = "ROLLBACK";
      if (status_ == 'E') status_ = 'T';
    } else if (folded.starts_with("PREPARE TRANSACTION")) {
      tag = "PREPARE TRANSACTION";
      status_ = 'I';
    }
    write(replies, BackendMessage::command_complete, tag);
    return true;
  }

  void answer(char tag, ByteView payload, Bytes& replies) {
    ByteReader reader(payload);
    const auto message = static_cast<FrontendMessage>(tag);
    if (copies_ != Copies::no && message != FrontendMessage::copy_done && message != FrontendMessage::copy_fail) return;
    if (skips_ && message != FrontendMessage::sync) return;
    switch (message) {
      case FrontendMessage::query: {
        const std::string text(reader.read_text_z());
        statements_.erase("");
        if (contains(text, "FROM STDIN") && status_ != 'E') {
          write(replies, BackendMessage::copy_in_response);
          copies_ = Copies::simple;
          return;
        }
        if (text.empty()) {
          write(replies, BackendMessage::empty_query_response);
        } else {
          if (columns_of(text) > 0 && status_ != 'E') describe(columns_of(text), replies);
          run(text, replies);
        }
        ready(replies);
        return;
      }
      case FrontendMessage::parse: {
        const std::string name(reader.read_text_z());
        statements_[name] = reader.read_text_z();
        write(replies, BackendMessage::parse_complete);
        return;
      }
      case FrontendMessage::bind: {
        const std::string portal(reader.read_text_z());
        const auto found = statements_.find(std::string(reader.read_text_z()));
        if (found == statements_.end()) return skip(replies);
        portals_[portal] = found->second;
        write(replies, BackendMessage::bind_complete);
        return;
      }
      case FrontendMessage::describe: {
        const bool is_statement = reader.read_u8() == 'S';
        const auto& described = is_statement ? statements_ : portals_;
        const auto found = described.find(std::string(reader.read_text_z()));
        if (found == described.end()) return skip(replies);
        if (is_statement) {
          FrameWriter parameters(replies, BackendMessage::parameter_description);
          parameters.fields().write_u16_be(0);
          parameters.finish();
        }
        columns_of(found->second) > 0 ? describe(columns_of(found->second), replies) : write(replies, BackendMessage::no_data);
        return;
      }
      case FrontendMessage::execute: return execute(std::string(reader.read_text_z()), replies);
      case FrontendMessage::close: write(replies, BackendMessage::close_complete); return;
      case FrontendMessage::sync: ready(replies); return;
      case FrontendMessage::copy_done:
      case FrontendMessage::copy_fail: return end_copy(message, replies);
      default: return;
    }
  }
  void execute(const std::string& portal, Bytes& replies) {
    const auto found = portals_.find(portal);
    if (found == portals_.end()) return skip(replies);
    if (found->second.empty()) return write(replies, BackendMessage::empty_query_response);
    if (contains(found->second, "FROM STDIN") && status_ != 'E') {
      write(replies, BackendMessage::copy_in_response);
      copies_ = Copies::extended;
      return;
    }
    skips_ = !run(std::string(found->second), replies);
  }
  void end_copy(FrontendMessage message, Bytes& replies) {
    const Copies ended = std::exchange(copies_, Copies::no);
    if (ended == Copies::no) return;
    const bool has_failed = message == FrontendMessage::copy_fail;
    has_failed ? fail(replies) : write(replies, BackendMessage::command_complete, "COPY 1");
    if (ended == Copies::simple) return ready(replies);
    skips_ = has_failed;
  }
  void skip(Bytes& replies) {
    fail(replies);
    skips_ = true;
  }

  enum class Copies : std::uint8_t { no, simple, extended };
  Bytes unread_;
  char status_ = 'I';
  bool skips_ = false;
  Copies copies_ = Copies::no;
  std::map<std::string, std::string> statements_;
  std::map<std::string, std::string> portals_;
};

class Conversation {
 public:
  explicit Conversation(CaptureOptions options) : capture_(with_ticks(std::move(options)), login(), shelf(), version_) {
    shelf().tables.clear();
    Bytes welcome;
    FrameWriter parameter(welcome, BackendMessage::parameter_status);
    parameter.fields().write_text_z("DateStyle");
    parameter.fields().write_text_z("ISO");
    parameter.finish();
    capture_.take_replies(welcome);
    take_replies();
  }

  void send(FrontendMessage message, std::string_view name, std::string_view text) {
    Bytes bytes;
    FrameWriter frame(bytes, message);
    switch (message) {
      case FrontendMessage::query: frame.fields().write_text_z(text); break;
      case FrontendMessage::parse:
        frame.fields().write_text_z(name);
        frame.fields().write_text_z(text);
        frame.fields().write_u16_be(0);
        break;
      case FrontendMessage::bind:
        frame.fields().write_text_z(name);
        frame.fields().write_text_z(name);
        for (int i = 0; i < 3; ++i) frame.fields().write_u16_be(0);
        break;
      case FrontendMessage::describe:
      case FrontendMessage::close:
        frame.fields().write_u8(text.size() % 2 == 0 ? 'S' : 'P');
        frame.fields().write_text_z(name);
        break;
      case FrontendMessage::execute:
        frame.fields().write_text_z(name);
        frame.fields().write_u32_be(0);
        break;
      case FrontendMessage::copy_data: frame.fields().write_text("1\tx\n"); break;
      case FrontendMessage::copy_fail: frame.fields().write_text_z("no"); break;
      default: break;
    }
    frame.finish();
    said_ += bytes.size();
    wanted_ready_ += message == FrontendMessage::query || message == FrontendMessage::sync ? 1 : 0;
    may_copy_ = may_copy_ || contains(text, "STDIN");
    capture_.take_requests(bytes);
  }
  void say_raw(ByteView bytes, bool is_client) {
    is_honest_ = false;
    said_ += bytes.size();
    is_client ? capture_.take_requests(bytes) : capture_.take_replies(bytes);
  }

  /// The server answers what is there; nothing is in the end.
  void serve(Capture::Admission admission) {
    for (std::size_t turn = 0; turn < steps_max; ++turn) {
      bool has_moved = decide(admission);
      Bytes requests = std::exchange(capture_.requests(), {});
      has_moved = has_moved || !requests.empty();
      if (is_honest_) to_server_.take(requests);
      require(!is_honest_ || to_server_.is_at_boundary(), "what goes to the server is whole messages");
      Bytes replies;
      server_.take(requests, replies);
      said_ += requests.size() + replies.size();
      capture_.take_replies(replies);
      take_replies();
      require(capture_.held_bytes() <= said_ + slack_bytes, "what is kept is in proportion");
      if (!has_moved) {
        require(!is_honest_ || may_copy_ || !capture_.is_waiting(), "nothing waits for what does not come");
        return;
      }
    }
    require(!is_honest_, "it comes to an end");
  }

 private:
  static Login login() {
    Login login;
    login.user = login.database = "fuzz";
    return login;
  }
  static CaptureShelf& shelf() {
    static Analyser analyser{AnalyserOptions{}};
    static CaptureShelf shelf{analyser};
    return shelf;
  }
  CaptureOptions with_ticks(CaptureOptions options) {
    options.tick = [this] { return ++ticks_; };
    return options;
  }

  bool decide(Capture::Admission admission) {
    bool has_moved = false;
    if (const std::optional<MirrorUnit> unit = capture_.take_unit()) {
      require(!unit->items.empty(), "a unit has something in it");
      require(!capture_.take_unit(), "a unit is asked for once");
      capture_.admit(admission, {});
      has_moved = true;
    }
    if (const auto end = capture_.take_end()) {
      if (*end != Capture::End::rolled_back) capture_.acknowledge();
      has_moved = true;
    }
    static_cast<void>(capture_.take_unmirrored());
    take_replies();
    return has_moved;
  }
  void take_replies() {
    const Bytes replies = std::exchange(capture_.replies(), {});
    if (!is_honest_) return;
    to_client_.take(replies);
    require(to_client_.is_at_boundary(), "what the client gets is whole messages");
    ByteView rest(replies);
    while (const auto header = scan_frame_header(rest)) {
      rest = rest.subspan(header->frame_bytes());
      ready_ += static_cast<BackendMessage>(header->tag) == BackendMessage::ready_for_query ? 1 : 0;
    }
    require(ready_ <= wanted_ready_, "the client gets no more ReadyForQuery than it has asked for");
  }

  std::uint64_t ticks_ = 0;
  std::atomic<std::uint64_t> version_{1};
  PostgresCapture capture_;
  Server server_;
  StreamCheck to_server_;
  StreamCheck to_client_;
  bool is_honest_ = true;
  bool may_copy_ = false;
  std::size_t wanted_ready_ = 0;
  std::size_t ready_ = 0;
  std::size_t said_ = 0;
};

constexpr std::array<FrontendMessage, 10> messages{FrontendMessage::query,     FrontendMessage::parse,     FrontendMessage::bind, FrontendMessage::describe,
                                                   FrontendMessage::execute,   FrontendMessage::sync,      FrontendMessage::close, FrontendMessage::copy_data,
                                                   FrontendMessage::copy_done, FrontendMessage::copy_fail};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  CaptureOptions options;
  if ((data[0] & 1) != 0) options.unsafe_statements = UnsafePolicy::reject;
  if ((data[0] & 2) != 0) options.schema_changes = SchemaPolicy::reject;
  const Capture::Admission admission = (data[0] & 4) != 0 ? Capture::Admission::refused : Capture::Admission::granted;
  Conversation conversation(options);
  ByteView input(reinterpret_cast<const std::byte*>(data) + 1, size - 1);
  for (std::size_t step = 0; step < steps_max && input.size() >= 2; ++step) {
    const auto kind = std::to_integer<std::size_t>(input[0]);
    const auto choice = std::to_integer<std::size_t>(input[1]);
    input = input.subspan(2);
    if (kind < 4 * messages.size()) {
      conversation.send(messages[kind % messages.size()], names[choice % names.size()], texts[choice % texts.size()]);
    } else if (kind < 250) {
      conversation.serve(admission);
    } else {
      const std::size_t bytes = std::min(choice, input.size());
      const ByteView said = input.first(bytes);
      input = input.subspan(bytes);
      if (kind == 250 || kind == 251) {
        conversation.send(kind == 250 ? FrontendMessage::query : FrontendMessage::parse, "", std::string_view(as_text(said)).substr(0, as_text(said).find('\0')));
      } else {
        conversation.say_raw(said, kind % 2 == 0);
      }
    }
  }
  conversation.serve(admission);
  return 0;
}
