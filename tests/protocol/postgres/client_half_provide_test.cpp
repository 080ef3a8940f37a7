#include "tests/protocol/postgres/client_half_sharing.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace client_half_test;

TEST_CASE("shared statements: DEALLOCATE of what is only there under our name → an empty text stands in, as its table may be gone") {
  Sharing it;
  PostgresClientHalf& client = it.session();
  it.prepare(client, "a", "SELECT 1", it.one);
  const std::string lent = text_of(parse_message("a", "") + sync_message());
  CHECK(it.send(client, query_message("DEALLOCATE a"), it.one) == lent + text_of(query_message("DEALLOCATE a")));
  CHECK(it.answer(client, parsed + idle + complete("DEALLOCATE") + idle, it.one) == text_of(complete("DEALLOCATE") + idle));
  CHECK(client.state().find_statement("a") == nullptr);
}

TEST_CASE("shared statements: DEALLOCATE fails → what stood in is closed in front of the next EXECUTE, and after it") {
  Sharing it;
  PostgresClientHalf& client = it.session();
  it.prepare(client, "a", "SELECT 1", it.one);
  it.send(client, query_message("DEALLOCATE a"), it.one);
  it.answer(client, parsed + idle + error("ERROR", "57014") + idle, it.one);
  CHECK_FALSE(client.is_in_line(it.one));
  const std::string sent = it.send(client, query_message("EXECUTE a"), it.one);
  const Bytes provided = close_message('S', "a") + parse_message("a", "SELECT 1") + sync_message();
  CHECK(sent == text_of(provided + query_message("EXECUTE a")));
  const Bytes done = complete("SELECT 1") + idle;
  CHECK(it.answer(client, closed + parsed + idle + done, it.one) == text_of(done));
}
