#include "tests/protocol/postgres/client_half_conversation.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

using namespace client_half_test;

TEST_CASE("client half: a query that is not whole → need more; whole → routed by its class") {
  Conversation it;
  const Bytes whole = query_message("SELECT 1");
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    CHECK(it.judge(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(cut))).verdict ==
          RequestVerdict::need_more);
  }
  const NextRequest request = it.judge(whole + query_message("next"));
  CHECK(request.verdict == RequestVerdict::route);
  CHECK(request.bytes == whole.size());
  CHECK(request.facts.statement_class == StatementClass::read);
}

TEST_CASE("client half: a batch of reads → judged as a whole once its Sync is there") {
  Conversation it;
  const Bytes open = parse_message("", "SELECT 1") + bind_message("") + execute_message();
  CHECK(it.judge(open).verdict == RequestVerdict::need_more);
  const NextRequest request = it.judge(open + sync_message());
  CHECK(request.verdict == RequestVerdict::route);
  CHECK(request.facts.statement_class == StatementClass::read);
}

TEST_CASE("client half: one write in a batch → the batch is a write, and need not be seen whole") {
  Conversation it;
  const Bytes reads = parse_message("", "SELECT 1") + bind_message("") + execute_message();
  const Bytes writes = parse_message("", "UPDATE t SET a = 1") + bind_message("") + execute_message();
  CHECK(it.judge(reads + writes + sync_message()).facts.statement_class == StatementClass::write);
  const NextRequest early = it.judge(writes);
  CHECK(early.verdict == RequestVerdict::route);
  CHECK(early.facts.statement_class == StatementClass::write);
}

TEST_CASE("client half: Flush before the end of a batch → goes where writes go, since more may follow") {
  Conversation it;
  const NextRequest request = it.judge(parse_message("s", "SELECT 1") + message('H', ""));
  CHECK(request.verdict == RequestVerdict::route);
  CHECK(request.facts.statement_class == StatementClass::write);
}

TEST_CASE("client half: a batch of reads larger than the bound → goes where writes go") {
  ClientHalfOptions options;
  options.batch_bytes_max = 64;
  Conversation it(options);
  Bytes bytes;
  while (bytes.size() < 64) bytes = bytes + parse_message("", "SELECT 1");
  CHECK(it.judge(bytes).facts.statement_class == StatementClass::write);
}

TEST_CASE("client half: a text larger than the bound → streams through as unknown") {
  ClientHalfOptions options;
  options.statement_bytes_max = 100;
  Conversation it(options);
  const Bytes whole = query_message("SELECT '" + std::string(500, 'x') + "'");
  const Bytes part(whole.begin(), whole.begin() + 50);
  const NextRequest request = it.judge(part);
  CHECK(request.verdict == RequestVerdict::route);
  CHECK(request.facts.statement_class == StatementClass::unknown);
  CHECK(it.send(part, it.blue) == text_of(part));
  const Bytes rest(whole.begin() + 50, whole.end());
  CHECK(it.judge(rest).verdict == RequestVerdict::follow);
  CHECK(it.send(rest, it.blue) == text_of(rest));
  CHECK_FALSE(it.blue.is_at_boundary());
  it.answer(complete("SELECT 1") + ready_message('I'), it.blue);
  CHECK(it.blue.is_at_boundary());
}

TEST_CASE("client half: a text without its end, or with something behind it → goes to the server as it is, as nobody knows what") {
  using namespace std::string_literals;
  for (const Bytes& malformed : {message('Q', "no end"), message('Q', "SELECT 1\0more"s), message('P', "s\0SELECT 1"s), message('P', "s\0SELECT 1\0\0\1"s),
                                 message('P', "s\0SELECT 1\0\0\0more"s)}) {
    Conversation it;
    const Bytes batch = malformed[0] == std::byte{'P'} ? malformed + sync_message() : malformed;
    const NextRequest request = it.judge(batch);
    CHECK(request.verdict == RequestVerdict::route);
    CHECK(request.facts.statement_class == StatementClass::unknown);
    CHECK(it.send(batch, it.blue) == text_of(batch));
    it.answer(error("ERROR", "08P01") + ready_message('I'), it.blue);
    CHECK(it.blue.is_at_boundary());
    CHECK(it.client.state().find_statement("s") == nullptr);
  }
}

TEST_CASE("client half: unknown type, wrong length → violation") {
  Conversation it;
  CHECK(it.judge(message('!', "x")).verdict == RequestVerdict::violation);
  CHECK(it.judge(message('p', "x")).verdict == RequestVerdict::violation);
  Bytes short_length = sync_message();
  short_length[4] = std::byte{3};
  CHECK(it.judge(short_length).verdict == RequestVerdict::violation);
  Bytes huge = query_message("x");
  huge[1] = std::byte{0x7F};
  CHECK(it.judge(huge).verdict == RequestVerdict::violation);
  CHECK(it.client.error().blame == Blame::client);
}

TEST_CASE("client half: inside a transaction → the batch says so; control under way → unsettled") {
  Conversation it;
  it.send(query_message("BEGIN"), it.blue);
  CHECK(it.judge(query_message("SELECT 1")).transaction == TransactionState::unsettled);
  it.answer(complete("BEGIN") + ready_message('T'), it.blue);
  CHECK(it.judge(query_message("SELECT 1")).transaction == TransactionState::open);
  it.send(query_message("COMMIT"), it.blue);
  it.answer(complete("COMMIT") + ready_message('I'), it.blue);
  CHECK(it.judge(query_message("SELECT 1")).transaction == TransactionState::none);
}

TEST_CASE("client half: unchanged traffic → the same bytes in one slice, both ways") {
  Conversation it;
  const Bytes request = parse_message("", "SELECT 1") + bind_message("") + execute_message() + sync_message();
  Gather sent;
  it.client.forward(it.judge(request), request, it.blue, sent);
  CHECK(sent.slice_count() == 1);
  CHECK(sent.slice(0).data() == request.data());
  const Bytes reply = message('1', "") + message('2', "") + message('D', "row") + complete("SELECT 1") + ready_message('I');
  Gather told;
  const Result<ReplyProgress> progress = it.client.relay(it.blue, reply, told, it.completed);
  CHECK(progress.value().consumed == reply.size());
  CHECK(told.slice_count() == 1);
  CHECK(it.completed.size() == 1);
}

TEST_CASE("client half: replies cut at every point → the same bytes and one completion") {
  const Bytes reply = message('T', "row description") + message('D', "a row") + message('N', "a notice") +
                      parameter("TimeZone", "CET") + complete("SELECT 1") + ready_message('I');
  for (std::size_t cut = 1; cut < reply.size(); ++cut) {
    Conversation it;
    it.send(query_message("SELECT 1"), it.blue);
    std::string told;
    Bytes unread(reply.begin(), reply.begin() + static_cast<std::ptrdiff_t>(cut));
    told += it.answer(unread, it.blue);
    unread.erase(unread.begin(), unread.begin() + static_cast<std::ptrdiff_t>(it.progress.consumed));
    unread.insert(unread.end(), reply.begin() + static_cast<std::ptrdiff_t>(cut), reply.end());
    told += it.answer(unread, it.blue);
    CHECK(told == text_of(reply));
    CHECK(it.completed.size() == 1);
  }
}

TEST_CASE("client half: an error → counted with its SQLSTATE, the session goes on") {
  Conversation it;
  it.send(query_message("SELECT 1/0"), it.blue);
  it.answer(error("ERROR", "22012") + ready_message('I'), it.blue);
  REQUIRE(it.completed.size() == 1);
  CHECK(std::string(it.completed[0].error_code.data(), 5) == "22012");
  CHECK_FALSE(it.progress.is_session_over);
}

TEST_CASE("client half: FATAL while a reply is owed → told once, the session is over") {
  Conversation it;
  it.send(query_message("SELECT 1"), it.blue);
  const Bytes fatal = error("FATAL", "57P01");
  CHECK(it.answer(fatal, it.blue) == text_of(fatal));
  CHECK(it.progress.is_session_over);
}

TEST_CASE("client half: FATAL while idle → nobody is told, only the link is lost") {
  Conversation it;
  CHECK(it.answer(error("FATAL", "57P01"), it.blue).empty());
  CHECK(it.progress.is_link_lost);
  CHECK_FALSE(it.progress.is_session_over);
}

TEST_CASE("client half: FATAL inside an idle transaction → the client is told and the session is over") {
  Conversation it;
  it.send(query_message("BEGIN"), it.blue);
  it.answer(complete("BEGIN") + ready_message('T'), it.blue);
  const Bytes fatal = error("FATAL", "25P03");
  CHECK(it.answer(fatal, it.blue) == text_of(fatal));
  CHECK(it.progress.is_session_over);
}

TEST_CASE("client half: nonsense from a backend → backend_misbehaved") {
  for (const Bytes& nonsense : {message('R', "0000"), message('?', ""), message('1', ""), ready_message('I')}) {
    Conversation it;
    Gather told;
    const Result<ReplyProgress> result = it.client.relay(it.blue, nonsense, told, it.completed);
    REQUIRE_FALSE(result.has_value());
    CHECK(result.error().code == ErrorCode::backend_misbehaved);
  }
}

TEST_CASE("client half: a setting made on blue → set on green before its next batch, once") {
  Conversation it;
  it.send(query_message("SET work_mem TO '7MB'"), it.blue);
  it.answer(complete("SET") + ready_message('I'), it.blue);
  CHECK(restore(it, it.green) == "SET work_mem TO '7MB';");
  CHECK(restore(it, it.green).empty());
  it.send(query_message("RESET work_mem"), it.green);
  it.answer(complete("RESET") + ready_message('I'), it.green);
  CHECK(restore(it, it.blue) == "RESET work_mem;");
}

TEST_CASE("client half: a setting whose transaction rolled back → not carried") {
  Conversation it;
  for (const auto& [text, tag, status] : {std::tuple("BEGIN", "BEGIN", 'T'), std::tuple("SET work_mem TO '7MB'", "SET", 'T'),
                                          std::tuple("ROLLBACK", "ROLLBACK", 'I')}) {
    it.send(query_message(text), it.blue);
    it.answer(complete(tag) + ready_message(status), it.blue);
  }
  CHECK(restore(it, it.green).empty());
}

TEST_CASE("client half: a reported parameter → what the server said is what green is given") {
  Conversation it;
  it.send(query_message("SELECT set_something()"), it.blue);
  it.answer(parameter("TimeZone", "O'Neill\\x") + complete("SELECT 1") + ready_message('I'), it.blue);
  Gather to_backend;
  Gather to_client;
  CHECK(it.client.begin_restore(it.green, to_backend, to_client) == RestoreState::under_way);
  CHECK(text_of(to_backend).find("SET TimeZone TO  E'O''Neill\\\\x';") != std::string::npos);
  CHECK(it.answer(parameter("TimeZone", "O'Neill\\x") + complete("SET") + ready_message('I'), it.green).empty());
  CHECK(it.client.restore_state(it.green) == RestoreState::done);
}

TEST_CASE("client half: a parameter that cannot be set differs on green → the client is told") {
  Conversation it;
  it.green.parameters = std::make_shared<const ParameterMap>(ParameterMap{{"TimeZone", "UTC"}, {"server_version", "17"}});
  Gather to_backend;
  Gather to_client;
  CHECK(it.client.begin_restore(it.green, to_backend, to_client) == RestoreState::not_needed);
  CHECK(text_of(to_client) == text_of(parameter("server_version", "17")));
}

TEST_CASE("client half: the encoding of green's database is another one → the session cannot be restored there, and nothing is said") {
  for (const char* name : {"server_encoding", "integer_datetimes"}) {
    Conversation it;
    PostgresBackendHalf other{std::make_shared<const ParameterMap>(ParameterMap{{"TimeZone", "UTC"}, {name, "other"}}), std::nullopt};
    Gather to_backend;
    Gather to_client;
    it.send(query_message("SELECT 1"), it.blue);
    it.answer(parameter(name, "one") + complete("SELECT 1") + ready_message('I'), it.blue);
    CHECK(it.client.begin_restore(other, to_backend, to_client) == RestoreState::failed);
    CHECK(it.client.restore_state(other) == RestoreState::failed);
    CHECK(to_backend.empty());
    CHECK(to_client.empty());
  }
}

TEST_CASE("client half: restoring fails → failed, and nothing of it reaches the client") {
  Conversation it;
  it.send(query_message("SET my.thing TO 'x'"), it.blue);
  it.answer(complete("SET") + ready_message('I'), it.blue);
  Gather to_backend;
  Gather to_client;
  CHECK(it.client.begin_restore(it.green, to_backend, to_client) == RestoreState::under_way);
  CHECK(it.answer(error("ERROR", "42704") + ready_message('I'), it.green).empty());
  CHECK(it.client.restore_state(it.green) == RestoreState::failed);
}

TEST_CASE("client half: a READ ONLY transaction asked to become READ WRITE → sealed first by a query of our own") {
  Conversation it;
  it.send(query_message("BEGIN READ ONLY"), it.green);
  it.answer(complete("BEGIN") + ready_message('T'), it.green);
  const Bytes request = query_message("SET TRANSACTION READ WRITE");
  CHECK(it.send(request, it.green) == text_of(query_message("SELECT 1") + request));
  const Bytes refusal = error("ERROR", "25001") + ready_message('E');
  CHECK(it.answer(message('T', "") + message('D', "") + complete("SELECT 1") + ready_message('T') + refusal, it.green) ==
        text_of(refusal));
}

TEST_CASE("client half: a slot is created in a replication connection's READ ONLY transaction → nothing in front, and nothing asked behind it") {
  Conversation it;
  Login login;
  login.is_replication = true;
  PostgresClientHalf client(login, it.analyser, it.options);
  client.write_welcome(it.blue, CancelKey{7, Bytes(4)}, it.welcome);
  const auto exchange = [&](const Bytes& request, const Bytes& reply) {
    Gather sent;
    Gather told;
    client.forward(client.next_request(request, &it.blue), request, it.blue, sent);
    REQUIRE(client.relay(it.blue, reply, told, it.completed).has_value());
    CHECK_FALSE(client.has_question(it.blue));
    return text_of(sent);
  };
  exchange(query_message("BEGIN READ ONLY ISOLATION LEVEL REPEATABLE READ"), complete("BEGIN") + ready_message('T'));
  const Bytes request = query_message("CREATE_REPLICATION_SLOT \"s\" LOGICAL pgoutput (SNAPSHOT 'use')");
  CHECK(exchange(request, complete("CREATE_REPLICATION_SLOT") + ready_message('T')) == text_of(request));
  exchange(query_message("COMMIT"), complete("COMMIT") + ready_message('I'));
  exchange(query_message("IDENTIFY_SYSTEM"), complete("IDENTIFY_SYSTEM") + ready_message('I'));
}

TEST_CASE("client half: Sync while COPY reads data → sent all the same: the backend would answer it if the COPY had failed") {
  Conversation it;
  it.send(query_message("COPY t FROM STDIN"), it.blue);
  it.answer(message('G', "\0\0\0"s), it.blue);
  const Bytes among_data = message('d', "row") + sync_message() + message('H', "");
  CHECK(it.send(among_data, it.blue) == text_of(among_data));
  CHECK(it.send(message('c', "") + sync_message(), it.blue) == text_of(message('c', "") + sync_message()));
}

TEST_CASE("client half: replies behind a COPY that failed early taken for those of a later batch → that one can be cancelled") {
  Conversation it;
  (void)it.send(query_message("SELECT 1"), it.blue);
  CHECK(it.blue.is_cancellable());
  (void)it.answer(complete("SELECT 1") + ready_message('I'), it.blue);
  CHECK_FALSE(it.blue.is_cancellable());

  (void)it.send(parse_message("", "COPY t FROM STDIN") + bind_message("") + execute_message(), it.blue);
  (void)it.answer(message('1', "") + message('2', "") + message('G', "\0\0\0"s), it.blue);
  const Bytes data = message('d', "x\n") + sync_message() + message('c', "");
  (void)it.send(data + close_message('P', "p") + bind_message("none") + sync_message(), it.blue);
  const Bytes later = close_message('S', "s") + parse_message("s", "SELECT pg_sleep(9)") + bind_message("s") + execute_message();
  (void)it.send(later + flush_message(), it.blue);
  // The COPY failed before the first Sync was read, so that is answered, and all that follows.
  const Bytes replies = error("ERROR", "P0001") + ready_message('I') + message('3', "") + error("ERROR", "26000") + ready_message('I');
  CHECK(it.answer(replies, it.blue) == text_of(replies));
  CHECK_FALSE(it.blue.is_owing());
  CHECK(it.blue.is_cancellable());
}

TEST_CASE("client half: a client encoding whose bytes may be mistaken for quotes → no text counts as understood") {
  Conversation it;
  it.send(query_message("SET client_encoding TO 'SJIS'"), it.blue);
  it.answer(parameter("client_encoding", "SJIS") + complete("SET") + ready_message('I'), it.blue);
  CHECK(it.judge(query_message("SELECT 1")).facts.statement_class == StatementClass::unknown);
  it.send(query_message("RESET client_encoding"), it.blue);
  it.answer(parameter("client_encoding", "UTF8") + complete("RESET") + ready_message('I'), it.blue);
  CHECK(it.judge(query_message("SELECT 1")).facts.statement_class == StatementClass::read);
}

TEST_CASE("client half: CopyData in pieces while no backend is on loan → ignored whole, and what comes behind is understood") {
  Conversation it;
  const Bytes data = message('d', std::string(100, 'x')) + query_message("SELECT 1");
  ByteView rest(data);
  std::size_t ignored = 0;
  for (std::size_t piece = 20; rest.size() > query_message("SELECT 1").size(); piece = 30) {
    const NextRequest request = it.client.next_request(rest.first(std::min(piece, rest.size())), nullptr);
    REQUIRE(request.verdict == RequestVerdict::ignore);
    it.client.ignore(request);
    rest = rest.subspan(request.bytes);
    ignored += request.bytes;
  }
  CHECK(ignored == 105);
  CHECK(it.client.next_request(rest, nullptr).verdict == RequestVerdict::route);
}

TEST_CASE("client half: an application's name that servers write otherwise → told as the server tells it, nothing to restore") {
  for (const auto& [version, written] : {std::pair{"15.4", "caf??"}, std::pair{"16.1", "caf\\xc3\\xa9"}}) {
    Login login;
    login.application_name = "caf\xC3\xA9";
    const ClientHalfOptions options;
    Analyser analyser;
    PostgresClientHalf client(login, analyser, options);
    const PostgresBackendHalf blue{
        std::make_shared<const ParameterMap>(ParameterMap{{"application_name", written}, {"server_version", version}}), std::nullopt};
    Bytes welcome;
    client.write_welcome(blue, CancelKey{7, Bytes(4)}, welcome);
    CHECK(text_of(welcome).find("application_name\0"s + written) != std::string::npos);
    CHECK(client.is_in_line(blue));
  }
}
