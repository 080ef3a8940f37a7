#include "protocol/postgres/error_response.hpp"

#include "protocol/postgres/message.hpp"
#include "tests/support/postgres_transcript.hpp"

#include <doctest/doctest.h>

#include <set>
#include <string>

using namespace protocol;
using namespace protocol::postgres;
using tests::support::bytes_of;

namespace {

Result<ErrorReport> decode_line(const Bytes& frame) { return decode_error_report(ByteView(frame).subspan(frame_header_bytes)); }

}  // namespace

TEST_CASE("error response: our fields → the manual's, in the server's order") {
  Bytes written;
  write_error_response({"FATAL", "28000", "no", "because", "try"}, written);
  CHECK(written == bytes_of("< ErrorResponse S=\"FATAL\" V=\"FATAL\" C=\"28000\" M=\"no\" D=\"because\" H=\"try\""));
  written.clear();
  write_notice_response({"WARNING", "01000", "careful", "", ""}, written);
  CHECK(written == bytes_of("< NoticeResponse S=\"WARNING\" V=\"WARNING\" C=\"01000\" M=\"careful\""));
}

TEST_CASE("error response: a NUL inside a field → dropped, the message stays well-formed") {
  Bytes written;
  write_error_response({"FATAL", "28000", std::string("a\0b", 3), "", ""}, written);
  CHECK(written == bytes_of("< ErrorResponse S=\"FATAL\" V=\"FATAL\" C=\"28000\" M=\"ab\""));
}

TEST_CASE("error report: unknown, repeated and translated fields → the ones that count") {
  const Bytes frame = bytes_of("< ErrorResponse S=\"FEHLER\" V=\"ERROR\" C=\"42P01\" M=\"gone\" M=\"again\" Y=\"?\" F=\"parse.c\" L=\"1\"");
  const auto report = decode_line(frame);
  REQUIRE(report);
  CHECK(report->severity == "ERROR");
  CHECK(!report->is_fatal());
  CHECK(report->code == "42P01");
  CHECK(report->message == "gone");
  CHECK(report->detail.empty());
}

TEST_CASE("error report: a server before 9.6 sends no V → S counts") {
  const Bytes frame = bytes_of("< ErrorResponse S=\"FATAL\" C=\"57P01\" M=\"bye\"");
  const auto report = decode_line(frame);
  REQUIRE(report);
  CHECK(report->is_fatal());
}

TEST_CASE("error report: every malformed layout → message_malformed, the backend's blame") {
  using namespace std::string_literals;
  for (const std::string& payload : {""s, "S"s, "SERROR"s, "SERROR\0"s, "SERROR\0\0x"s, "C4200\0\0"s, "C420001\0\0"s}) {
    CAPTURE(payload);
    const auto report = decode_error_report(as_bytes(payload));
    REQUIRE(!report);
    CHECK(report.error().code == ErrorCode::message_malformed);
    CHECK(report.error().blame == Blame::backend);
  }
  CHECK(decode_error_report(as_bytes("\0"s)));
}

TEST_CASE("errors told to a client: every code, blame and stage → FATAL, a SQLSTATE, words without the detail") {
  for (int code = 0; code <= static_cast<int>(ErrorCode::internal); ++code) {
    for (const Blame blame : {Blame::client, Blame::backend, Blame::operator_, Blame::self}) {
      for (const SessionStage stage : {SessionStage::greeting, SessionStage::conversing}) {
        const Error error{static_cast<ErrorCode>(code), blame, "10.0.0.7:5432 said no"};
        CAPTURE(name_of(error.code));
        const ErrorFields fields = describe(error, stage);
        CHECK(fields.severity == "FATAL");
        CHECK(fields.code == sqlstate_of(error));
        CHECK(fields.code.size() == 5);
        CHECK(!fields.message.empty());
        CHECK(fields.message.find("10.0.0.7") == std::string::npos);
        CHECK(fields.detail.empty());
      }
    }
  }
}

TEST_CASE("errors told to a client: the table of protocol/README.md → these SQLSTATEs") {
  struct Row {
    ErrorCode code;
    Blame blame;
    const char* sqlstate;
  };
  const Row rows[] = {
      {ErrorCode::frame_truncated, Blame::client, "08P01"},
      {ErrorCode::frame_length_invalid, Blame::client, "08P01"},
      {ErrorCode::message_malformed, Blame::client, "08P01"},
      {ErrorCode::message_unexpected, Blame::client, "08P01"},
      {ErrorCode::version_unsupported, Blame::client, "0A000"},
      {ErrorCode::authentication_failed, Blame::client, "28P01"},
      {ErrorCode::access_denied, Blame::client, "28000"},
      {ErrorCode::channel_binding_failed, Blame::client, "28000"},
      {ErrorCode::authentication_unsupported, Blame::client, "0A000"},
      {ErrorCode::authentication_unsupported, Blame::operator_, "08004"},
      {ErrorCode::encryption_failed, Blame::client, "28000"},
      {ErrorCode::encryption_failed, Blame::backend, "08001"},
      {ErrorCode::encryption_failed, Blame::operator_, "08001"},
      {ErrorCode::startup_parameter_invalid, Blame::client, "22023"},
      {ErrorCode::login_timeout, Blame::client, "57014"},
      {ErrorCode::login_timeout, Blame::backend, "08006"},
      {ErrorCode::connections_exhausted, Blame::operator_, "53300"},
      {ErrorCode::user_connections_exhausted, Blame::client, "53300"},
      {ErrorCode::database_connections_exhausted, Blame::client, "53300"},
      {ErrorCode::query_timeout, Blame::client, "57014"},
      {ErrorCode::transaction_timeout, Blame::client, "25P04"},
      {ErrorCode::idle_in_transaction_timeout, Blame::client, "25P03"},
      {ErrorCode::client_idle_timeout, Blame::client, "57P05"},
      {ErrorCode::memory_limit_reached, Blame::client, "53400"},
      {ErrorCode::backend_unreachable, Blame::backend, "08006"},
      {ErrorCode::backend_secret_missing, Blame::operator_, "08004"},
      {ErrorCode::backend_refused, Blame::operator_, "08004"},
      {ErrorCode::backend_not_ready, Blame::backend, "57P03"},
      {ErrorCode::backend_lost, Blame::backend, "08006"},
      {ErrorCode::backend_misbehaved, Blame::backend, "08P01"},
      {ErrorCode::backend_timeout, Blame::backend, "08006"},
      {ErrorCode::restore_failed, Blame::backend, "08006"},
      {ErrorCode::hold_timeout, Blame::operator_, "57P03"},
      {ErrorCode::transaction_ended, Blame::operator_, "40001"},
      {ErrorCode::transaction_unknown, Blame::operator_, "08007"},
      {ErrorCode::shutting_down, Blame::operator_, "57P01"},
      {ErrorCode::configuration_invalid, Blame::operator_, "F0000"},
      {ErrorCode::internal, Blame::self, "XX000"},
  };
  std::set<ErrorCode> seen;
  for (const Row& row : rows) {
    CAPTURE(name_of(row.code));
    CHECK(sqlstate_of({row.code, row.blame, {}}) == row.sqlstate);
    seen.insert(row.code);
  }
  CHECK(seen.size() == static_cast<std::size_t>(ErrorCode::internal) + 1);
}

TEST_CASE("errors told to a client: a limit of a role or a database → the server's own words with the name") {
  Error error{ErrorCode::user_connections_exhausted, Blame::client, "10 clients", "app \"x\""};
  CHECK(describe(error, SessionStage::greeting).message == "too many connections for role \"app \"x\"\"");
  error.code = ErrorCode::database_connections_exhausted;
  CHECK(describe(error, SessionStage::greeting).message == "too many connections for database \"app \"x\"\"");
}
