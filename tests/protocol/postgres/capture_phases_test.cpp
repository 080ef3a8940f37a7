#include "tests/protocol/postgres/captured.hpp"

#include <doctest/doctest.h>

using namespace capture_test;

namespace {

/// `it` has a unit that is admitted in two phases: PREPARE TRANSACTION has been sent.
void begin_phases(Captured& it) {
  it.send(query_message("INSERT INTO t VALUES (1, 'x')"));
  it.answer(complete("BEGIN") + ready_message('T') + description({"_crossfade_transaction", "_crossfade_row"}) + row({"79", "(1,x)"}) +
            complete("INSERT 0 1") + ready_message('T'));
  REQUIRE(it.capture->take_unit());
  it.capture->admit(Capture::Admission::granted, "name");
  REQUIRE(it.requests() == text_of(query_message("PREPARE TRANSACTION 'name'")));
  CHECK(it.capture->is_between_phases());
}

}  // namespace

TEST_CASE("capture in phases: prepared, decided, carried out → the client sees one write, and only when it is acknowledged") {
  Captured it;
  it.know_table();
  begin_phases(it);
  CHECK_FALSE(it.capture->take_prepared());
  CHECK(it.answer(complete("PREPARE TRANSACTION") + ready_message('I')).empty());
  CHECK(it.capture->take_prepared());
  CHECK_FALSE(it.capture->take_prepared());
  CHECK(it.send(query_message("SELECT 2")).empty());
  CHECK(it.capture->is_commit_under_way());
  it.capture->decide(PhaseDecision::commit, {});
  CHECK(it.requests() == text_of(query_message("COMMIT PREPARED 'name'")));
  CHECK(it.answer(complete("COMMIT PREPARED") + ready_message('I')).empty());
  CHECK(it.capture->take_end() == Capture::End::committed);
  CHECK_FALSE(it.capture->is_between_phases());
  it.capture->acknowledge();
  CHECK(Captured::taken(it.capture->replies()) == text_of(complete("INSERT 0 1") + ready_message('I')));
  CHECK(it.requests() == text_of(query_message("SELECT 2")));
}

TEST_CASE("capture in phases: the other side has not prepared → rolled back, and the client told with 40000 and the cause") {
  Captured it;
  it.know_table();
  begin_phases(it);
  it.answer(complete("PREPARE TRANSACTION") + ready_message('I'));
  it.capture->decide(PhaseDecision::roll_back, "it does not fit there");
  CHECK(it.requests() == text_of(query_message("ROLLBACK PREPARED 'name'")));
  const std::string told = it.answer(complete("ROLLBACK PREPARED") + ready_message('I'));
  CHECK(told.find("C40000") != std::string::npos);
  CHECK(told.find("Dit does not fit there") != std::string::npos);
  CHECK(told.ends_with(text_of(ready_message('I'))));
  CHECK(it.capture->take_end() == Capture::End::rolled_back);
  CHECK_FALSE(it.capture->is_between_phases());
}

TEST_CASE("capture in phases: the server does not prepare it → its error is the client's, and the unit is rolled back") {
  Captured it;
  it.know_table();
  begin_phases(it);
  CHECK(it.answer(error("ERROR", "0A000") + ready_message('I')) == text_of(error("ERROR", "0A000") + ready_message('I')));
  CHECK_FALSE(it.capture->take_prepared());
  CHECK(it.capture->take_end() == Capture::End::rolled_back);
}

TEST_CASE("capture in phases: a cancel hits the second phase → it is tried again, thrice; then it is left to others") {
  Captured it;
  it.know_table();
  begin_phases(it);
  it.answer(complete("PREPARE TRANSACTION") + ready_message('I'));
  it.capture->decide(PhaseDecision::commit, {});
  for (int tries = 0; tries < 2; ++tries) {
    CHECK(it.requests() == text_of(query_message("COMMIT PREPARED 'name'")));
    CHECK(it.answer(error("ERROR", "57014") + ready_message('I')).empty());
  }
  CHECK(it.requests() == text_of(query_message("COMMIT PREPARED 'name'")));
  const std::string told = it.answer(error("ERROR", "57014") + ready_message('I'));
  CHECK(told.find("C08007") != std::string::npos);
  CHECK(it.capture->take_end() == Capture::End::left);
}

TEST_CASE("capture in phases: a part of the transaction cannot be carried → refused at its COMMIT, nothing recorded") {
  CaptureOptions options;
  options.is_two_phase = true;
  options.unit_bytes_max = 1;
  Captured it(options);
  it.know_table();
  it.send(query_message("INSERT INTO t VALUES (1, 'x')"));
  it.answer(complete("BEGIN") + ready_message('T') + description({"_crossfade_transaction", "_crossfade_row"}) + row({"79", "(1,x)"}) +
            complete("INSERT 0 1") + ready_message('T'));
  CHECK_FALSE(it.capture->take_unit());
  CHECK(it.requests() == text_of(query_message("ROLLBACK")));
  CHECK(it.answer(complete("ROLLBACK") + ready_message('I')).find("C0A000") != std::string::npos);
}
