#include "protocol/postgres/reply_look.hpp"
#include "tests/protocol/postgres/client_half_conversation.hpp"

using namespace client_half_test;

namespace {

Bytes notice(const std::string& code) { return message('N', "SWARNING\0VWARNING\0C"s + code + "\0Mgoing\0\0"s); }
Bytes columns() { return message('T', "\0\0"s); }

const Bytes one_read = query_message("SELECT 1");

/// Messages that a server may send while nobody uses its connection.
struct Idle {
  Result<std::size_t> take(const Bytes& bytes) { return backend.absorb_idle(bytes); }
  PostgresBackendHalf backend{std::make_shared<const ParameterMap>(ParameterMap{{"TimeZone", "UTC"}}), std::nullopt};
};

}  // namespace

TEST_CASE("farewell: FATAL of a server that stops → its bytes are told apart, whatever was answered before") {
  for (const char* code : {"57P01", "57P02", "57P03"}) {
    Conversation it;
    it.send(one_read + one_read, it.blue);
    const Bytes words = error("FATAL", code);
    const Bytes first = complete("SELECT 1") + ready_message('I');
    CHECK(it.answer(first + words, it.blue) == text_of(first + words));
    CHECK(it.progress.is_session_over);
    CHECK(it.progress.farewell_bytes == words.size());
    CHECK_FALSE(it.blue.is_answering());
    CHECK(it.completed.size() == 1);
  }
}

TEST_CASE("farewell: FATAL about the session itself → no farewell") {
  for (const char* code : {"25P03", "25P04", "57014", "53200", "XX000"}) {
    Conversation it;
    it.send(one_read, it.blue);
    CHECK(it.answer(error("FATAL", code), it.blue) == text_of(error("FATAL", code)));
    CHECK(it.progress.is_session_over);
    CHECK(it.progress.farewell_bytes == 0);
  }
}

TEST_CASE("farewell: something of the reply was passed on → the batch is being answered, until its end") {
  Conversation it;
  it.send(one_read, it.blue);
  CHECK_FALSE(it.blue.is_answering());
  it.answer(parameter("TimeZone", "CET"), it.blue);
  CHECK_FALSE(it.blue.is_answering());
  it.answer(columns(), it.blue);
  CHECK(it.blue.is_answering());
  it.answer(complete("SELECT 0"), it.blue);
  CHECK(it.blue.is_answering());
  it.answer(ready_message('I'), it.blue);
  CHECK_FALSE(it.blue.is_answering());
  it.send(parse_message("", "SELECT 1") + sync_message(), it.blue);
  it.answer(message('1', ""), it.blue);
  CHECK(it.blue.is_answering());
}

TEST_CASE("farewell: the beginning of a reply comes with the last words → it is part of them; came it earlier, there are none") {
  Conversation it;
  it.send(one_read, it.blue);
  const Bytes words = columns() + error("FATAL", "57P01");
  CHECK(it.answer(words, it.blue) == text_of(words));
  CHECK(it.progress.farewell_bytes == words.size());
  CHECK_FALSE(it.blue.is_answering());
  Conversation late;
  late.send(one_read, late.blue);
  late.answer(columns(), late.blue);
  late.answer(error("FATAL", "57P01"), late.blue);
  CHECK(late.progress.farewell_bytes == 0);
  CHECK(late.blue.is_answering());
}

TEST_CASE("farewell: a parameter is reported on the way → told, and not taken back with the last words") {
  Conversation it;
  it.send(one_read, it.blue);
  const Bytes told = parameter("TimeZone", "CET");
  CHECK(it.answer(told + columns() + error("FATAL", "57P01"), it.blue) == text_of(told + columns() + error("FATAL", "57P01")));
  CHECK(it.progress.farewell_bytes == columns().size() + error("FATAL", "57P01").size());
  Conversation inside;
  inside.send(one_read, inside.blue);
  inside.answer(columns() + told + error("FATAL", "57P01"), inside.blue);
  CHECK(inside.progress.farewell_bytes == 0);
}

TEST_CASE("farewell: the beginning of a reply comes with the warning → held back with it, and told in order if the server goes on") {
  Conversation it;
  it.send(one_read, it.blue);
  CHECK(it.answer(columns() + notice("57P01"), it.blue).empty());
  CHECK_FALSE(it.blue.is_answering());
  const Bytes row = message('D', "\0\0"s);
  CHECK(it.answer(row, it.blue) == text_of(columns() + notice("57P01") + row));
  CHECK(it.blue.is_answering());
  CHECK(it.answer(notice("57P01"), it.blue) == text_of(notice("57P01")));
}

TEST_CASE("farewell: a notice of the request's own → passed on, and part of its reply") {
  Conversation it;
  it.send(one_read, it.blue);
  CHECK(it.answer(notice("01000"), it.blue) == text_of(notice("01000")));
  CHECK(it.blue.is_answering());
}

TEST_CASE("farewell: the warning of an immediate stop → held back; told in its place if the server goes on after all") {
  Conversation it;
  it.send(one_read, it.blue);
  CHECK(it.answer(notice("57P01"), it.blue).empty());
  CHECK_FALSE(it.blue.is_answering());
  CHECK(text_of(Bytes(it.blue.last_words().begin(), it.blue.last_words().end())) == text_of(notice("57P01")));
  const Bytes rest = complete("SELECT 1") + ready_message('I');
  CHECK(it.answer(rest, it.blue) == text_of(notice("57P01") + rest));
  CHECK(it.blue.last_words().empty());
}

TEST_CASE("farewell: a warning and a FATAL → both are the farewell") {
  Conversation it;
  it.send(one_read, it.blue);
  const Bytes words = notice("57P02") + error("FATAL", "57P02");
  CHECK(it.answer(words, it.blue) == text_of(words));
  CHECK(it.progress.farewell_bytes == words.size());
}

TEST_CASE("farewell: a lost batch that prepares a statement → forgotten; made again on green, it is prepared there and known") {
  Conversation it;
  const Bytes batch = parse_message("p1", "SELECT 1") + bind_message("p1") + execute_message() + sync_message();
  it.send(batch, it.blue);
  it.client.abandon(it.blue);
  CHECK(it.send(batch, it.green) == text_of(batch));
  it.answer(message('1', "") + message('2', "") + complete("SELECT 1") + ready_message('I'), it.green);
  const Bytes again = bind_message("p1") + execute_message() + sync_message();
  CHECK(it.send(again, it.green) == text_of(again));
  CHECK(it.client.state().find_statement("p1") != nullptr);
}

TEST_CASE("farewell: a lost batch that carried a statement along → provided again on the next backend") {
  Conversation it;
  it.send(parse_message("p1", "SELECT 1") + sync_message(), it.blue);
  it.answer(message('1', "") + ready_message('I'), it.blue);
  restore(it, it.green);
  const Bytes batch = bind_message("p1") + execute_message() + sync_message();
  CHECK(it.send(batch, it.green) == text_of(parse_message("p1", "SELECT 1") + batch));
  it.client.abandon(it.green);
  PostgresBackendHalf third{it.blue.parameters, std::nullopt};
  restore(it, third);
  CHECK(it.send(batch, third) == text_of(parse_message("p1", "SELECT 1") + batch));
}

TEST_CASE("idle: a parameter is reported → noted; notices and notifications → dropped; a part of a message → waits") {
  Idle idle;
  const Bytes words = parameter("TimeZone", "CET") + notice("01000") + message('A', "\0\0\0\1channel\0text\0"s);
  const Bytes part = parameter("DateStyle", "ISO, DMY");
  for (std::size_t bytes = 0; bytes < part.size(); ++bytes) {
    Idle fresh;
    const Bytes cut = words + Bytes(part.begin(), part.begin() + static_cast<std::ptrdiff_t>(bytes));
    const Result<std::size_t> used = fresh.take(cut);
    REQUIRE(used);
    CHECK(*used == words.size());
    CHECK(fresh.backend.parameters->at("TimeZone") == "CET");
    CHECK(fresh.backend.parameters->count("DateStyle") == 0);
  }
}

TEST_CASE("idle: the server ends the connection, or says what nobody asked for → the connection is of no use") {
  for (const Bytes& words : {error("FATAL", "57P01"), error("FATAL", "57P05"), error("ERROR", "57014"), ready_message('I'), complete("SELECT 1"),
                             Bytes{std::byte{'S'}, std::byte{0}, std::byte{0}, std::byte{0}, std::byte{3}}}) {
    Idle idle;
    const Result<std::size_t> used = idle.take(words);
    REQUIRE_FALSE(used);
    CHECK(used.error().code == ErrorCode::backend_lost);
  }
}

TEST_CASE("reply look: severity by its field that is never translated, else by the other; the code → whether the server goes by itself") {
  CHECK(summarise_error(as_bytes("SFATALE\0VFATAL\0C57P01\0\0"s)).is_fatal);
  CHECK(summarise_error(as_bytes("SPANIC\0CXX000\0\0"s)).is_fatal);
  CHECK_FALSE(summarise_error(as_bytes("SFATAL\0VERROR\0C57P01\0\0"s)).is_fatal);
  CHECK(summarise_error(as_bytes("SERROR\0C57P02\0\0"s)).is_of_its_own);
  CHECK_FALSE(summarise_error(as_bytes("SERROR\0C57014\0\0"s)).is_of_its_own);
  CHECK_FALSE(summarise_error({}).is_fatal);
}
