#include "proxy/admin/switchover_endpoints.hpp"

#include "proxy/admin/json_text.hpp"
#include "proxy/admin/switchover_control.hpp"
#include "proxy/admin/switchover_json.hpp"

#include <boost/json.hpp>

#include <optional>
#include <string>

namespace proxy::admin {

namespace json = boost::json;
using routing::LastChange;
using routing::SwitchoverRequest;
using routing::SwitchoverStanding;

namespace {

Response failed(const protocol::Error& error) {
  if (error.code == protocol::ErrorCode::shutting_down) return error_response(503, error.detail);
  return error_response(409, error.detail);
}

Response told(const json::object& object, unsigned status = 200) {
  Response response;
  response.status = status;
  response.body = json_text(object) + "\n";
  return response;
}

/// Begins an attempt and tells where it stands.
Response begin(const Call& call, const SwitchoverRequest& request, std::string_view what) {
  SwitchoverControl& switchovers = *call.control.switchovers();
  const std::string& pair = call.names[0];
  const auto number = switchovers.switch_over(pair, request);
  if (!number) return failed(number.error());
  json::object reply{{"pair", pair}, {"number", *number}, {"to", routing::name_of(request.to)}};
  Response response = told(reply, 202);
  if (request.extent == SwitchoverRequest::Extent::dry_run) return response;
  response.change = "pair " + pair + ": " + std::string(what) + " to " + std::string(routing::name_of(request.to)) + " by " +
                    request.asker.who + (request.asker.why.empty() ? "" : ", because: " + request.asker.why);
  return response;
}

Response no_switchovers() { return error_response(409, "no pair can switch over: the configuration has no `state.directory`"); }

}  // namespace

Response post_switchover(const Call& call) {
  SwitchoverControl* switchovers = call.control.switchovers();
  if (switchovers == nullptr) return no_switchovers();
  const auto standing = switchovers->standing(call.names[0]);
  if (!standing) return failed(standing.error());
  const auto request = parse_switchover(call.request.body, routing::other(standing->authority), call.request.peer);
  if (!request) return error_response(400, request.error().detail);
  return begin(call, *request, "a switchover begins");
}

Response get_switchover(const Call& call) {
  SwitchoverControl* switchovers = call.control.switchovers();
  if (switchovers == nullptr) return no_switchovers();
  const auto standing = switchovers->standing(call.names[0]);
  if (!standing) return failed(standing.error());
  return told(standing_json(call.names[0], *standing));
}

Response post_switchover_abort(const Call& call) {
  SwitchoverControl* switchovers = call.control.switchovers();
  if (switchovers == nullptr) return no_switchovers();
  const auto asker = parse_asker(call.request.body, call.request.peer);
  if (!asker) return error_response(400, asker.error().detail);
  const protocol::Status aborted = switchovers->abort(call.names[0], *asker);
  if (!aborted) return failed(aborted.error());
  Response response = told({{"pair", call.names[0]}, {"aborting", true}}, 202);
  response.change = "pair " + call.names[0] + ": the switchover is aborted by " + asker->who;
  return response;
}

Response get_history(const Call& call) {
  SwitchoverControl* switchovers = call.control.switchovers();
  if (switchovers == nullptr) return no_switchovers();
  const auto lines = switchovers->history(call.names[0]);
  if (!lines) return failed(lines.error());
  json::array attempts;
  for (const std::string& line : *lines) {
    boost::system::error_code error;
    json::value attempt = json::parse(line, error);
    if (!error) attempts.push_back(std::move(attempt));
  }
  return told({{"pair", call.names[0]}, {"attempts", attempts}});
}

Response put_authority(const Call& call) {
  SwitchoverControl* switchovers = call.control.switchovers();
  if (switchovers == nullptr) return no_switchovers();
  const auto wish = parse_authority(call.request.body, call.request.peer);
  if (!wish) return error_response(400, wish.error().detail);
  const protocol::Status done = switchovers->set_authority(call.names[0], wish->authority, wish->asker);
  if (!done) return failed(done.error());
  Response response = told({{"pair", call.names[0]}, {"authority", routing::name_of(wish->authority)}}, 202);
  response.change = "pair " + call.names[0] + ": " + wish->asker.who + " says that " +
                    std::string(routing::name_of(wish->authority)) + " has the authority";
  return response;
}

namespace {

Response freeze(const Call& call, Freezing freezing, std::string_view word) {
  SwitchoverControl* switchovers = call.control.switchovers();
  if (switchovers == nullptr) return no_switchovers();
  const auto asker = parse_asker(call.request.body, call.request.peer);
  if (!asker) return error_response(400, asker.error().detail);
  const protocol::Status done = switchovers->freeze(call.names[0], freezing, *asker);
  if (!done) return failed(done.error());
  Response response = told({{"pair", call.names[0]}, {"frozen", freezing == Freezing::frozen}}, 202);
  response.change = "pair " + call.names[0] + ": " + std::string(word) + " by " + asker->who;
  return response;
}

}  // namespace

Response post_freeze(const Call& call) { return freeze(call, Freezing::frozen, "frozen"); }

Response post_thaw(const Call& call) { return freeze(call, Freezing::thawed, "thawed"); }

Response post_verification(const Call& call) {
  SwitchoverControl* switchovers = call.control.switchovers();
  if (switchovers == nullptr) return no_switchovers();
  const auto said = parse_verification(call.request.body, call.request.peer);
  if (!said) return error_response(400, said.error().detail);
  const protocol::Status done = switchovers->verify(call.names[0], said->is_equal, said->asker);
  if (!done) return failed(done.error());
  Response response = told({{"pair", call.names[0]}, {"equal", said->is_equal}}, 202);
  response.change = "pair " + call.names[0] + ": " + said->asker.who + " says that the rows of both sides are " + (said->is_equal ? "equal" : "different");
  return response;
}

std::optional<Response> roll_authority_back(const Call& call) {
  SwitchoverControl* switchovers = call.control.switchovers();
  if (switchovers == nullptr) return std::nullopt;
  const auto standing = switchovers->standing(call.names[0]);
  if (!standing || standing->last_change != LastChange::switchover) return std::nullopt;
  const auto request = parse_switchover(call.request.body, routing::other(standing->authority), call.request.peer);
  if (!request) return error_response(400, request.error().detail);
  return begin(call, *request, "the authority is rolled back");
}

}  // namespace proxy::admin
