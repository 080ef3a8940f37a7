#pragma once

#include "protocol/base/task.hpp"

namespace proxy::runtime {

/// The coroutine type of controllers and other long tasks; see protocol/base/task.hpp. It is the one that
/// dialogues use, so a dialogue's helper and a controller obey the same rules.
template <class T = void>
using Task = protocol::Task<T>;
using protocol::TaskChain;

}  // namespace proxy::runtime
