#include "tests/protocol/postgres/client_half_sharing.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace client_half_test;

TEST_CASE("shared statements: two sessions with one text under different names → prepared once, under a name of ours") {
  Sharing it;
  PostgresClientHalf& first = it.session();
  PostgresClientHalf& second = it.session();
  CHECK(it.prepare(first, "a", "SELECT 1", it.one) == text_of(parse_message(name_of(1), "SELECT 1") + sync_message()));
  first.let_go(it.one);
  CHECK(second.is_in_line(it.one));
  CHECK(it.prepare(second, "b", "SELECT 1", it.one) == text_of(stand_in + sync_message()));
  const Bytes use = message('D', "Sb\0"s) + bind_message("b") + execute_message() + sync_message();
  CHECK(it.send(second, use, it.one) ==
        text_of(message('D', "S"s + name_of(1) + '\0') + bind_message(name_of(1)) + execute_message() + sync_message()));
}

TEST_CASE("shared statements: another connection, which lacks it → prepared there in front of its first Bind, unseen") {
  Sharing it;
  PostgresClientHalf& client = it.session();
  it.prepare(client, "a", "SELECT 1", it.one);
  const Bytes use = bind_message("a") + sync_message();
  const Bytes renamed = bind_message(name_of(1)) + sync_message();
  CHECK(it.send(client, use, it.other) == text_of(parse_message(name_of(1), "SELECT 1") + renamed));
  CHECK(it.answer(client, parsed + bound + idle, it.other) == text_of(bound + idle));
  CHECK(it.send(client, use, it.other) == text_of(renamed));
}

TEST_CASE("shared statements: a Parse that fails → no mapping, and the next one is sent in earnest") {
  Sharing it;
  PostgresClientHalf& client = it.session();
  const Bytes batch = parse_message("a", "SELECT missing") + sync_message();
  const std::string sent = it.send(client, batch, it.one);
  const Bytes failed = error("ERROR", "42703");
  CHECK(it.answer(client, failed + idle, it.one) == text_of(failed + idle));
  CHECK(client.state().find_statement("a") == nullptr);
  CHECK(it.send(client, batch, it.one) == sent);
}

TEST_CASE("shared statements: an earlier error of the segment → neither a ParseComplete of ours nor a mapping") {
  Sharing it;
  PostgresClientHalf& client = it.session();
  it.prepare(client, "a", "SELECT 1", it.one);
  it.send(client, parse_message("", "SELECT missing") + parse_message("b", "SELECT 1") + sync_message(), it.one);
  const Bytes failed = error("ERROR", "42703");
  CHECK(it.answer(client, failed + idle, it.one) == text_of(failed + idle));
  CHECK(client.state().find_statement("b") == nullptr);
}

TEST_CASE("shared statements: a transaction that has failed or may yet fail → the server itself answers the Parse") {
  Sharing it;
  PostgresClientHalf& client = it.session();
  it.prepare(client, "a", "SELECT 1", it.one);
  it.send(client, query_message("BEGIN"), it.one);
  it.answer(client, complete("BEGIN") + ready_message('T'), it.one);
  it.send(client, query_message("SELECT 1/0"), it.one);
  const Bytes again = parse_message("b", "SELECT 1") + sync_message();
  const std::string in_earnest =
      text_of(close_message('S', name_of(1)) + parse_message(name_of(1), "SELECT 1") + sync_message());
  CHECK(it.send(client, again, it.one) == in_earnest);
  const Bytes failed = error("ERROR", "22012") + ready_message('E');
  const Bytes refused = error("ERROR", "25P02") + ready_message('E');
  CHECK(it.answer(client, failed + closed + refused, it.one) == text_of(failed + refused));
  CHECK(it.send(client, parse_message("c", "SELECT 1") + sync_message(), it.one).find("P") != std::string::npos);
}

TEST_CASE("shared statements: settings differ, or are not committed → a statement of its own, which others do not use") {
  Sharing it;
  PostgresClientHalf& first = it.session();
  PostgresClientHalf& second = it.session();
  it.prepare(first, "a", "SELECT 1", it.one);
  it.send(second, query_message("SET search_path TO x"), it.other);
  it.answer(second, complete("SET") + idle, it.other);
  CHECK(it.prepare(second, "a", "SELECT 1", it.other) == text_of(parse_message(name_of(2), "SELECT 1") + sync_message()));
  it.send(first, query_message("BEGIN; SET LOCAL search_path TO y"), it.one);
  it.answer(first, complete("BEGIN") + complete("SET") + ready_message('T'), it.one);
  it.send(first, parse_message("b", "SELECT 2") + sync_message(), it.one);
  it.answer(first, parsed + ready_message('T'), it.one);
  it.send(first, query_message("COMMIT"), it.one);
  it.answer(first, complete("COMMIT") + idle, it.one);
  PostgresClientHalf& third = it.session();
  CHECK(it.prepare(third, "c", "SELECT 2", it.one) ==
        text_of(close_message('S', name_of(3)) + parse_message(name_of(3), "SELECT 2") + sync_message()));
}

TEST_CASE("shared statements: the schema has changed since → prepared anew for the next Parse of the text") {
  Sharing it;
  PostgresClientHalf& first = it.session();
  PostgresClientHalf& second = it.session();
  it.prepare(first, "a", "SELECT * FROM t", it.one);
  it.send(second, query_message("ALTER TABLE t ADD c int"), it.other);
  it.answer(second, complete("ALTER TABLE") + idle, it.other);
  CHECK(it.prepare(second, "b", "SELECT * FROM t", it.one) ==
        text_of(close_message('S', name_of(1)) + parse_message(name_of(1), "SELECT * FROM t") + sync_message()));
}

TEST_CASE("shared statements: the result has changed behind our back → one 0A000 for the session, then prepared anew") {
  Sharing it;
  PostgresClientHalf& client = it.session();
  it.prepare(client, "a", "SELECT * FROM t", it.one);
  const Bytes use = bind_message("a") + sync_message();
  const Bytes failed = error("ERROR", "0A000") + idle;
  it.send(client, use, it.one);
  CHECK(it.answer(client, failed, it.one) == text_of(failed));
  CHECK(it.send(client, use, it.one) == text_of(close_message('S', name_of(1)) + parse_message(name_of(1), "SELECT * FROM t") +
                                                bind_message(name_of(1)) + sync_message()));
  CHECK(it.answer(client, closed + parsed + bound + idle, it.one) == text_of(bound + idle));
}

TEST_CASE("shared statements: prepared behind a change that we did not see, and failed for another's → worth another try, from its Parse on") {
  Sharing it;
  it.prepare(it.session(), "a", "SELECT * FROM t", it.one);
  PostgresClientHalf& client = it.session();
  const Bytes batch = parse_message("b", "SELECT * FROM t") + bind_message("b") + execute_message() + sync_message();
  CHECK(it.send(client, batch, it.one).starts_with(text_of(stand_in)));
  const Bytes failed = error("ERROR", "0A000") + idle;
  CHECK(it.answer(client, closed + error("ERROR", "0A000"), it.one).empty());  // servers send an error at once
  CHECK(it.answer(client, idle, it.one) == text_of(parsed + failed));
  CHECK(it.progress.retry_bytes == (parsed + failed).size());
  client.take_back(it.one);
  CHECK(client.state().find_statement("b") == nullptr);
  CHECK(it.send(client, batch, it.one) ==
        text_of(close_message('S', name_of(1)) + parse_message(name_of(1), "SELECT * FROM t") + bind_message(name_of(1)) +
                execute_message() + sync_message()));
  const Bytes done = parsed + bound + complete("SELECT 1") + idle;
  CHECK(it.answer(client, closed + done, it.one) == text_of(done));
  CHECK(it.progress.retry_bytes == 0);
}

TEST_CASE("shared statements: failed for another's, but given in part, in a transaction, with more behind it or a name freed → as it is") {
  const Bytes failed = error("ERROR", "0A000");
  const Bytes use = bind_message("a") + execute_message() + sync_message();
  {
    Sharing it;
    PostgresClientHalf& client = it.session();
    it.prepare(client, "a", "SELECT * FROM t", it.one);
    it.send(client, parse_message("", "SELECT 1") + use, it.one);
    it.answer(client, parsed, it.one);
    it.answer(client, failed + idle, it.one);
    CHECK(it.progress.retry_bytes == 0);
  }
  {
    Sharing it;
    PostgresClientHalf& client = it.session();
    it.prepare(client, "a", "SELECT * FROM t", it.one);
    it.send(client, query_message("BEGIN"), it.one);
    it.answer(client, complete("BEGIN") + ready_message('T'), it.one);
    it.send(client, use, it.one);
    it.answer(client, failed + ready_message('E'), it.one);
    CHECK(it.progress.retry_bytes == 0);
  }
  {
    Sharing it;
    PostgresClientHalf& client = it.session();
    it.prepare(client, "a", "SELECT * FROM t", it.one);
    it.send(client, bind_message("a") + flush_message(), it.one);  // who waits for it will send no Sync before it comes
    CHECK(it.answer(client, failed, it.one) == text_of(failed));
  }
  {
    Sharing it;
    PostgresClientHalf& client = it.session();
    it.prepare(client, "a", "SELECT * FROM t", it.one);
    it.send(client, use + query_message("SELECT 1"), it.one);
    it.answer(client, failed + idle, it.one);
    CHECK(it.progress.retry_bytes == 0);
  }
  {
    Sharing it;
    PostgresClientHalf& client = it.session();
    it.prepare(client, "a", "SELECT * FROM t", it.one);
    it.send(client, close_message('S', "c") + use, it.one);
    it.answer(client, closed + failed + idle, it.one);
    CHECK(it.progress.retry_bytes == 0);
  }
}

TEST_CASE("shared statements: more than the bound → the one used longest ago is closed in the same write") {
  Sharing it(2);
  PostgresClientHalf& client = it.session();
  it.prepare(client, "a", "SELECT 1", it.one);
  it.prepare(client, "b", "SELECT 2", it.one);
  it.send(client, bind_message("a") + sync_message(), it.one);
  it.answer(client, bound + idle, it.one);
  CHECK(it.prepare(client, "c", "SELECT 3", it.one) ==
        text_of(close_message('S', name_of(2)) + parse_message(name_of(3), "SELECT 3") + sync_message()));
  CHECK(it.send(client, bind_message("b") + sync_message(), it.one) ==
        text_of(close_message('S', name_of(1)) + parse_message(name_of(2), "SELECT 2") + bind_message(name_of(2)) + sync_message()));
  CHECK(it.one.held.count() == 2);
}

TEST_CASE("shared statements: a name in use is prepared again → refused by the server, which is told our name and the client its own") {
  Sharing it;
  PostgresClientHalf& client = it.session();
  it.prepare(client, "a", "SELECT 1", it.one);
  CHECK(it.send(client, parse_message("a", "SELECT 2") + sync_message(), it.one) ==
        text_of(parse_message(name_of(1), "SELECT 2") + sync_message()));
  const auto refused = [](const std::string& name) {
    return message('E', "SERROR\0VERROR\0C42P05\0Mprepared statement \""s + name + "\" already exists\0\0"s);
  };
  CHECK(it.answer(client, refused(name_of(1)) + idle, it.one) == text_of(refused("a") + idle));
  CHECK(it.send(client, bind_message("a") + sync_message(), it.one) == text_of(bind_message(name_of(1)) + sync_message()));
}

TEST_CASE("shared statements: EXECUTE and DEALLOCATE name it → it is there under the client's name, and gone afterwards") {
  Sharing it;
  PostgresClientHalf& client = it.session();
  it.prepare(client, "a", "SELECT 1", it.one);
  CHECK(it.judge_class(client, query_message("EXECUTE a"), it.one) == StatementClass::read);
  CHECK(it.send(client, query_message("EXECUTE a"), it.one) ==
        text_of(parse_message("a", "SELECT 1") + sync_message() + query_message("EXECUTE a")));
  it.answer(client, parsed + idle + complete("SELECT 1") + idle, it.one);
  CHECK(it.send(client, query_message("DEALLOCATE a"), it.one) == text_of(query_message("DEALLOCATE a")));
  CHECK_FALSE(client.is_in_line(it.one));  // whoever comes next must not find it
  it.answer(client, complete("DEALLOCATE") + idle, it.one);
  CHECK(client.state().find_statement("a") == nullptr);
  CHECK(it.send(client, bind_message("a") + sync_message(), it.one) == text_of(bind_message("a") + sync_message()));
}

TEST_CASE("shared statements: DEALLOCATE ALL → none is left on the connection, and what comes behind it waits") {
  Sharing it;
  PostgresClientHalf& client = it.session();
  it.prepare(client, "a", "SELECT 1", it.one);
  it.send(client, query_message("DEALLOCATE ALL"), it.one);
  CHECK(it.send(client, bind_message("a") + sync_message(), it.one).empty());
  CHECK(it.waits);
  it.answer(client, complete("DEALLOCATE ALL") + idle, it.one);
  CHECK(it.one.held.count() == 0);
  CHECK(it.send(client, bind_message("a") + sync_message(), it.one) == text_of(bind_message("a") + sync_message()));
}

TEST_CASE("shared statements: a name behind its DEALLOCATE in one batch → it means nothing, or what is prepared anew") {
  const auto run = [](const std::string& text) { return parse_message("", text) + bind_message("") + execute_message(); };
  for (const char* freeing : {"DEALLOCATE a", "DEALLOCATE ALL", "DISCARD ALL"}) {
    CAPTURE(std::string(freeing));
    Sharing it;
    PostgresClientHalf& client = it.session();
    it.prepare(client, "a", "SELECT 1", it.one);
    const Bytes use = bind_message("a") + execute_message();
    const std::string sent = it.send(client, run(freeing) + use + sync_message(), it.one);
    CHECK(sent.ends_with(text_of(use + sync_message())));  // by the client's own name, which the server has just freed
    const bool is_lent = sent.find(text_of(parse_message("a", ""))) != std::string::npos;
    CHECK(is_lent == (std::string(freeing) == "DEALLOCATE a"));
    const Bytes failed = error("ERROR", "26000");
    const Bytes done = parsed + bound + complete(freeing);
    CHECK(it.answer(client, (is_lent ? parsed : Bytes{}) + done + failed + idle, it.one) == text_of(done + failed + idle));
    CHECK(client.state().find_statement("a") == nullptr);
  }
  Sharing it;
  PostgresClientHalf& client = it.session();
  it.prepare(client, "a", "SELECT 1", it.one);
  const Bytes use = bind_message("a") + sync_message();
  const std::string sent = it.send(client, run("DEALLOCATE a") + parse_message("a", "SELECT 2") + use, it.one);
  CHECK(sent.ends_with(text_of(parse_message(name_of(2), "SELECT 2") + bind_message(name_of(2)) + sync_message())));
}

TEST_CASE("shared statements: a prepared text that names another, bound later and elsewhere → the other is there by its name") {
  Sharing it;
  PostgresClientHalf& client = it.session();
  it.prepare(client, "a", "SELECT 1", it.one);
  it.send(client, parse_message("e", "EXECUTE a") + sync_message(), it.one);
  it.answer(client, parsed + parsed + idle, it.one);
  const std::string sent = it.send(client, bind_message("e") + execute_message() + sync_message(), it.other);
  CHECK(sent == text_of(parse_message("e", "EXECUTE a") + parse_message("a", "SELECT 1") + bind_message("e") + execute_message() + sync_message()));
}

TEST_CASE("shared statements: Close of the client's name → answered in order, and the server keeps its copy") {
  Sharing it;
  PostgresClientHalf& client = it.session();
  it.prepare(client, "a", "SELECT 1", it.one);
  CHECK(it.send(client, close_message('S', "a") + sync_message(), it.one) == text_of(close_message('S', "a") + sync_message()));
  it.answer(client, closed + idle, it.one);
  CHECK(client.state().find_statement("a") == nullptr);
  CHECK(it.prepare(client, "b", "SELECT 1", it.one) == text_of(stand_in + sync_message()));
}

TEST_CASE("shared statements: an error names the statement → by the client's name") {
  Sharing it;
  PostgresClientHalf& client = it.session();
  it.prepare(client, "a", "SELECT 1", it.one);
  it.send(client, bind_message("a") + sync_message(), it.one);
  const auto failed = [](const std::string& name) {
    return message('E', "SERROR\0VERROR\0C08P01\0Mprepared statement \""s + name + "\" requires 1\0\0"s);
  };
  CHECK(it.answer(client, failed(name_of(1)) + idle, it.one) == text_of(failed("a") + idle));
}

TEST_CASE("shared statements: a Bind of many bytes → its rest is passed on where it lies") {
  Sharing it;
  PostgresClientHalf& client = it.session();
  it.prepare(client, "a", "SELECT 1", it.one);
  const Bytes use = message('B', "\0a\0"s + std::string(100'000, 'x'));
  Gather sent;
  const ByteView begun = ByteView(use).first(40'000);
  const NextRequest request = client.next_request(begun, &it.one);
  REQUIRE(request.bytes == 40'000);
  client.forward(request, begun, it.one, sent);
  CHECK(sent.total_bytes() == 40'000 + name_of(1).size() - 1);
  CHECK(sent.slice_count() == 2);
  CHECK(it.one.request_remaining == use.size() - 40'000);
}

TEST_CASE("shared statements: the same text again, unnamed or not, in whatever session → one object") {
  Sharing it(0);
  PostgresClientHalf& first = it.session();
  PostgresClientHalf& second = it.session();
  for (PostgresClientHalf* client : {&first, &second}) {
    it.send(*client, parse_message("", "SELECT 1") + sync_message(), it.one);
    it.answer(*client, parsed + idle, it.one);
  }
  CHECK(first.state().find_statement("") == second.state().find_statement(""));
}
