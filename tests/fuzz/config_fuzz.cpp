#include "config/load.hpp"
#include "tests/fuzz/require.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

using tests::fuzz::require;

namespace {

/// One line that a terminal can show: no control character of the file gets into a message.
bool is_printable(const std::string& text) {
  return std::none_of(text.begin(), text.end(), [](char character) {
    const auto byte = static_cast<unsigned char>(character);
    return byte < 0x20 || byte == 0x7F;
  });
}

void require_sound(const config::Pair& pair) {
  const bool has_sources = !pair.userlist.empty() || pair.auth_query;
  require(!pair.name.empty(), "a pair has a name");
  require(!pair.users.empty() || !pair.access.empty() || has_sources, "somebody may come in");
  for (const config::AccessRule& rule : pair.access) {
    const bool needs_tls = rule.method == config::AccessMethod::certificate;
    require(!needs_tls || rule.tls == config::AccessTls::required, "certificates are for TLS");
  }
  require(pair.plan.epoch == 1, "a plan begins at epoch 1");
  for (const config::EndpointAddress& endpoint : pair.endpoints.values) {
    require(!endpoint.host.empty() && endpoint.port != 0, "an endpoint has a host and a port");
  }
  for (const routing::Rule& rule : pair.plan.rules) {
    require(rule.reads.green <= routing::weight_total, "a weight is at most 100 %");
    require((rule.stickiness == routing::Stickiness::tag) == !rule.stickiness_tag.empty(), "stickiness by tag has a tag");
  }
  for (const config::User& user : pair.users) {
    require(!user.password || !user.verifier, "a user has one thing to prove");
    const bool has_proof = user.password || user.verifier || has_sources || !pair.access.empty();
    require(user.authentication == config::Authentication::trust || has_proof, "scram has something to prove");
  }
}

}  // namespace

/// Any text as a configuration: settings exactly when there is no error, and then sound ones.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const config::Outcome outcome = config::check_text("fuzz.yaml", text);
  bool has_error = false;
  for (const config::Problem& problem : outcome.problems) {
    has_error = has_error || problem.severity == config::Severity::error;
    require(!problem.message.empty() && is_printable(problem.message), "a problem is one printable line");
    require(problem.line <= static_cast<std::uint32_t>(std::count(text.begin(), text.end(), '\n')) + 3,
            "a problem lies in the file");
  }
  require(outcome.settings.has_value() != has_error, "settings exactly when nothing is wrong");
  if (outcome.settings) {
    require(!outcome.settings->pairs.empty(), "there is a pair");
    for (const config::Pair& pair : outcome.settings->pairs) require_sound(pair);
  }
  return 0;
}
