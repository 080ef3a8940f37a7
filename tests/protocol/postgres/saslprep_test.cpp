#include "protocol/postgres/saslprep.hpp"

#include "protocol/postgres/scram.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace protocol;
using namespace protocol::postgres;

namespace {

std::string prepared(std::string_view password) { return prepare_password(password).reveal(); }

}  // namespace

TEST_CASE("saslprep: the examples of RFC 4013 → as they stand there") {
  CHECK(prepared("I\u00adX") == "IX");        // a soft hyphen goes
  CHECK(prepared("user") == "user");
  CHECK(prepared("USER") == "USER");          // letters keep their case
  CHECK(prepared("\u00aa") == "a");           // NFKC
  CHECK(prepared("\u2168") == "IX");
}

TEST_CASE("saslprep: what it prohibits → the bytes as they were given, as the server uses them") {
  CHECK(prepared("\u0007") == "\u0007");               // ASCII is left alone
  CHECK(prepared("\u06271") == "\u06271");             // RFC 4013: right-to-left that does not end so
  CHECK(prepared("\u00aa\u0081") == "\u00aa\u0081");   // a control character
  CHECK(prepared("\u00aa\ue000") == "\u00aa\ue000");   // private use
  CHECK(prepared("\u00ad") == "\u00ad");               // nothing would be left
}

TEST_CASE("saslprep: no UTF-8, a zero byte → the bytes as they were given") {
  for (const std::string& text : {std::string("\xff"), std::string("p\xc3"), std::string("\xc0\xaf"), std::string("\xed\xa0\x80"),
                                  std::string("\xc2\xaa\0x", 4)}) {
    CHECK(prepared(text) == text);
  }
}

TEST_CASE("saslprep: blanks of other kinds, composed and decomposed letters → one password") {
  CHECK(prepared("a\u00a0b") == "a b");
  CHECK(prepared("a\u3000b") == "a b");
  CHECK(prepared("scr\u0061\u0308m") == "scr\u00e4m");
  const ScramVerifier verifier = make_scram_verifier("scr\u0061\u0308m", Bytes(16, std::byte{1}), 4096);
  CHECK(is_password_of(verifier, "scr\u00e4m"));
}

TEST_CASE("saslprep: a character that grows a lot → whole") {
  const std::string blessing = prepared("\ufdfa");
  CHECK(blessing.size() == 33);
  CHECK(prepared("\ufdfa\ufdfa").size() == 66);
}
