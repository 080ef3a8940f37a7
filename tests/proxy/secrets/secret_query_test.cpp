#include "proxy/secrets/secret_query.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace proxy::secrets {
namespace {

using namespace std::chrono_literals;
using protocol::SecretText;

std::optional<SecretText> text(const char* value) { return SecretText(value); }

protocol::Result<FoundSecret> read(QuestionSession::Row row) { return read_found_secret({std::move(row)}, "alice"); }

}  // namespace

TEST_CASE("secret query: two columns → the secret, valid for ever") {
  const auto found = read({text("alice"), text("pencil")});
  REQUIRE(found);
  CHECK(found->secret.reveal() == "pencil");
  CHECK(!found->valid_for);
}

TEST_CASE("secret query: no row, a row of nothing, no password → none") {
  CHECK(read_found_secret({}, "alice")->secret.is_empty());
  CHECK(read({std::nullopt, std::nullopt})->secret.is_empty());
  CHECK(read({text("alice"), std::nullopt, std::nullopt})->secret.is_empty());
}

TEST_CASE("secret query: seconds until it is no longer valid → as PostgreSQL writes them") {
  CHECK(read({text("alice"), text("pencil"), text("90.5")})->valid_for == 90'500ms);
  CHECK(read({text("alice"), text("pencil"), text("-3600.25")})->valid_for < 0ms);
  CHECK(read({text("alice"), text("pencil"), text("-Infinity")})->valid_for < 0ms);
  CHECK(read({text("alice"), text("pencil"), text("Infinity")})->valid_for > 24h * 300);
  CHECK(read({text("alice"), text("pencil"), text("1e300")})->valid_for > 24h * 300);
  CHECK(!read({text("alice"), text("pencil"), std::nullopt})->valid_for);
}

TEST_CASE("secret query: an answer that is none → backend_misbehaved, the operator's blame, no secret in the words") {
  const std::vector<QuestionSession::Row> rows[] = {
      {{text("pencil")}},
      {{text("alice"), text("pencil"), text("1"), text("2")}},
      {{text("alice"), text("pencil"), text("tomorrow")}},
      {{text("alice"), text("pencil"), text("NaN")}},
      {{text("alice"), text("pencil"), text("")}},
      {{text("bob"), text("pencil")}},
      {{text("alice"), text("pencil")}, {text("alice"), text("pen")}}};
  for (const auto& each : rows) {
    const auto found = read_found_secret(each, "alice");
    REQUIRE(!found);
    CHECK(found.error().code == protocol::ErrorCode::backend_misbehaved);
    CHECK(found.error().blame == protocol::Blame::operator_);
    CHECK(found.error().detail.find("pencil") == std::string::npos);
  }
}

}  // namespace proxy::secrets
