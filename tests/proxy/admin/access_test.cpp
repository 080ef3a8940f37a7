#include "proxy/admin/access.hpp"

#include <doctest/doctest.h>

#include <string>

using proxy::admin::Access;
using proxy::admin::Guard;
using proxy::admin::is_loopback_host;
using proxy::admin::Request;

namespace {

const std::string token = "a-token-of-enough-bytes";

Request with_host(std::string host) {
  Request request;
  request.host = std::move(host);
  return request;
}

/// 0: admitted.
unsigned refusal_status(const Access& access, const Request& request, Guard guard = Guard::guarded) {
  const auto refusal = access.refusal(request, guard);
  return refusal ? refusal->status : 0;
}

}  // namespace

TEST_CASE("loopback names: numbers and localhost → yes, everything else → no") {
  for (const char* host : {"127.0.0.1", "127.8.9.10", "localhost", "LocalHost", "::1", "[::1]"}) {
    CAPTURE(host);
    CHECK(is_loopback_host(host));
  }
  for (const char* host : {"", "10.0.0.1", "127.0.0.1.example.com", "localhost.example.com", "::2", "127.1", "evil"}) {
    CAPTURE(host);
    CHECK_FALSE(is_loopback_host(host));
  }
}

TEST_CASE("no token: a host of another name → 403, against DNS rebinding") {
  const Access access({});
  CHECK(refusal_status(access, with_host("127.0.0.1:7780")) == 0);
  CHECK(refusal_status(access, with_host("[::1]:7780")) == 0);
  CHECK(refusal_status(access, with_host("localhost:7780")) == 0);
  CHECK(refusal_status(access, with_host("")) == 0);
  CHECK(refusal_status(access, with_host("rebound.example:7780")) == 403);
  CHECK(refusal_status(access, with_host("rebound.example:7780"), Guard::open) == 403);
}

TEST_CASE("no token: a page of another origin → 403, of this one → admitted") {
  const Access access({});
  Request request = with_host("127.0.0.1:7780");
  request.origin = "http://127.0.0.1:7780";
  CHECK(refusal_status(access, request) == 0);
  for (const char* origin : {"https://evil.example", "null", "http://127.0.0.1:8080", "", "http://"}) {
    CAPTURE(origin);
    request.origin = origin;
    CHECK(refusal_status(access, request) == 403);
  }
}

TEST_CASE("a token: presented → admitted under any host; missing or wrong → 401 with a challenge") {
  const Access access({"another-token-with-bytes", token});
  Request request = with_host("crossfade.example");
  CHECK(refusal_status(access, request) == 401);
  CHECK(refusal_status(access, request, Guard::open) == 0);
  for (const std::string& field : {"Bearer " + token, "bearer " + token}) {
    request.authorization = field;
    CHECK(refusal_status(access, request) == 0);
  }
  for (const std::string& field : {std::string("Bearer"), std::string("Bearer "), "Basic " + token, token,
                                   "Bearer " + token + token, "Bearer " + token + "x",
                                   "Bearer " + token.substr(0, token.size() - 1), std::string("Bearer a")}) {
    CAPTURE(field);
    request.authorization = field;
    const auto refusal = access.refusal(request, Guard::guarded);
    REQUIRE(refusal.has_value());
    CHECK(refusal->status == 401);
    CHECK(refusal->fields.at(0).first == "WWW-Authenticate");
    CHECK(refusal->body.find(token) == std::string::npos);
  }
}
