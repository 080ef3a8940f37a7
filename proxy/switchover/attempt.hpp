#pragma once

#include "routing/switchover_attempt.hpp"

namespace proxy::switchover {

using Asker = routing::ChangeAsker;
using Attempt = routing::SwitchoverAttempt;
using routing::AttemptEnd;
using routing::LastChange;
using Request = routing::SwitchoverRequest;
using Standing = routing::SwitchoverStanding;

}  // namespace proxy::switchover
