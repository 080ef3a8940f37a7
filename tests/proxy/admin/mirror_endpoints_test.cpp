#include "proxy/admin/mirror_endpoints.hpp"

#include "tests/proxy/admin/fake_control.hpp"

#include <boost/json.hpp>
#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace json = boost::json;
using namespace proxy::mirror;
using proxy::admin::Access;
using proxy::admin::Mirrors;
using proxy::admin::Request;
using proxy::admin::Response;

namespace {

/// One entry, open until it is accepted.
class FakeMirror final : public MirrorControl {
 public:
  FakeMirror() {
    entry_.id = 7;
    entry_.kind = LedgerKind::unit_failed;
    entry_.database = "shop";
    entry_.table = "public.t";
    entry_.keys = {"id=1"};
    entry_.fingerprint = 0xAB;
    entry_.cause = "refused";
    entry_.count = 2;
  }
  MirrorStatus status() const override {
    MirrorStatus status;
    status.state = MirrorState::follower_unreachable;
    status.reason = "nobody is there";
    status.lag = {3, 400, std::chrono::milliseconds(1'500)};
    status.stop_position = 20;
    status.applied_through = 17;
    status.ledger_open = entry_.is_open ? 1 : 0;
    return status;
  }
  routing::Side authority() const override { return routing::Side::blue; }
  CommitSequence stop_position() const override { return 20; }
  CommitSequence applied_through() const override { return 17; }
  bool wait_applied(CommitSequence, std::chrono::steady_clock::time_point) override { return false; }
  Lag lag() const override { return {}; }
  protocol::Status turn(routing::Side) override { return {}; }
  protocol::Status turn_at_once(routing::Side, std::chrono::steady_clock::time_point) override { return {}; }
  std::vector<LedgerEntry> ledger(Extent extent) const override {
    return extent == Extent::all || entry_.is_open ? std::vector{entry_} : std::vector<LedgerEntry>();
  }
  protocol::Result<LedgerEntry> accept(std::uint64_t id, const std::string& by) override {
    if (id != entry_.id || !entry_.is_open) {
      return protocol::failure(protocol::ErrorCode::configuration_invalid, protocol::Blame::operator_, "no open entry");
    }
    entry_.is_open = false;
    entry_.closed_by = by;
    return entry_;
  }

 private:
  LedgerEntry entry_;
};

class MirroredControl final : public fake::Control {
 public:
  Mirrors mirrors() override { return {{"shop", mirror}}; }
  std::shared_ptr<FakeMirror> mirror = std::make_shared<FakeMirror>();
};

struct Operator {
  MirroredControl control;
  Response ask(std::string method, std::string target, std::string body = "") {
    Request request;
    request.method = std::move(method);
    request.target = std::move(target);
    request.host = "127.0.0.1:7780";
    request.peer = "10.0.0.1:99";
    request.body = std::move(body);
    if (!request.body.empty()) request.content_type = "application/json";
    return handle_request(control, Access{{}}, request);
  }
};

json::object object_of(const Response& response) { return json::parse(response.body).as_object(); }

}  // namespace

TEST_CASE("mirror: asked → state, positions and lag; of a pair without → 404") {
  Operator shop;
  const json::object mirror = object_of(shop.ask("GET", "/api/v1/pairs/shop/mirror"));
  CHECK(mirror.at("state") == "follower_unreachable");
  CHECK(mirror.at("reason") == "nobody is there");
  CHECK(mirror.at("follower") == "green");
  CHECK(mirror.at("applied_through") == 17);
  CHECK(mirror.at("lag") == json::object{{"units", 3}, {"bytes", 400}, {"ms", 1'500}});
  CHECK(shop.ask("GET", "/api/v1/pairs/other/mirror").status == 404);
}

TEST_CASE("ledger: read, accepted by name, and then closed") {
  Operator shop;
  const json::object before = object_of(shop.ask("GET", "/api/v1/pairs/shop/ledger"));
  CHECK(before.at("open") == 1);
  const json::object entry = before.at("entries").at(0).as_object();
  CHECK(entry.at("kind") == "unit_failed");
  CHECK(entry.at("table") == "public.t");
  CHECK(entry.at("keys") == json::array{"id=1"});
  CHECK(entry.at("digest") == "00000000000000ab");
  CHECK(entry.at("closed_by").is_null());
  CHECK(shop.ask("POST", "/api/v1/pairs/shop/ledger/8/accept").status == 404);
  CHECK(shop.ask("POST", "/api/v1/pairs/shop/ledger/x/accept").status == 400);
  CHECK(shop.ask("POST", "/api/v1/pairs/shop/ledger/7/accept", R"({"by": "anna"})").status == 400);
  const Response accepted = shop.ask("POST", "/api/v1/pairs/shop/ledger/7/accept", R"({"who": "anna", "why": "copied again"})");
  CHECK(accepted.status == 200);
  CHECK(object_of(accepted).at("closed_by") == "anna");
  CHECK(accepted.change.find("anna accepts entry 7") != std::string::npos);
  CHECK(object_of(shop.ask("GET", "/api/v1/pairs/shop/ledger")).at("entries").as_array().empty());
  CHECK(object_of(shop.ask("GET", "/api/v1/pairs/shop/ledger/all")).at("entries").at(0).at("state") == "closed");
  CHECK(shop.ask("POST", "/api/v1/pairs/shop/ledger/7/accept").status == 404);
}

TEST_CASE("metrics: a mirrored pair → lag, journal and ledger") {
  Operator shop;
  const std::string page = shop.ask("GET", "/metrics").body;
  CHECK(page.find("crossfade_mirror_lag_units{pair=\"shop\"} 3\n") != std::string::npos);
  CHECK(page.find("crossfade_mirror_lag_seconds{pair=\"shop\"} 1.5\n") != std::string::npos);
  CHECK(page.find("crossfade_mirror_ledger_open_entries{pair=\"shop\"} 1\n") != std::string::npos);
  CHECK(page.find("crossfade_mirror_up{pair=\"shop\"} 0\n") != std::string::npos);
}
