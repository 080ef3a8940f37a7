#pragma once

#include "protocol/dialogue.hpp"
#include "protocol/postgres/access_rules.hpp"
#include "protocol/postgres/client_authentication.hpp"

#include <memory>
#include <string>
#include <utility>

namespace tests::support {

/// The machine around a greeting under test: a local client, unless a test says otherwise.
class FakeGreetingHost final : public protocol::GreetingHost {
 public:
  [[nodiscard]] const protocol::PeerAddress& client_address() const override { return address; }
  [[nodiscard]] bool is_barred(std::string_view user) override { return user == barred_user; }
  [[nodiscard]] std::optional<std::uint32_t> local_user_number() const override { return user_number; }
  void wake() override { ++wake_count; }

  protocol::PeerAddress address{};
  std::optional<std::uint32_t> user_number;
  std::string barred_user;
  int wake_count = 0;
};

/// One rule for everybody who is not named in `trusted`.
inline protocol::postgres::Admission admission(std::shared_ptr<const protocol::postgres::UserDirectory> users,
                                               protocol::postgres::AccessMethod method,
                                               protocol::postgres::AccessRule::Names trusted = {}) {
  protocol::postgres::AccessRules rules(trusted.empty() ? 1 : 2);
  for (protocol::postgres::AccessRule& rule : rules) rule.replication = protocol::postgres::AccessRule::Replication::always;
  if (!trusted.empty()) {
    rules.front().users = std::move(trusted);
    rules.front().method = protocol::postgres::AccessMethod::trust;
  }
  rules.back().method = method;
  return {std::make_shared<const protocol::postgres::AccessRules>(std::move(rules)), std::move(users)};
}

}  // namespace tests::support
