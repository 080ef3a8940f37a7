#pragma once

#include "protocol/base/result.hpp"
#include "protocol/dialogue.hpp"
#include "proxy/net/file_descriptor.hpp"

#include <optional>
#include <string>

namespace proxy::lifecycle {

/// A cancel request that arrived at a process that does not have the session, on its way to the one that does.
struct PassedCancel {
  std::string pair;
  protocol::CancelKey key;
  net::FileDescriptor reply;  ///< closed when the backend has heard of it, or there is nobody to cancel
};

/// Writes one to the line of the process that may have the session; never waits. Gives the socket whose end says that
/// it was acted on. Several processes may write to one line. Errors: backend_lost when the process has gone or is
/// flooded: the request is dropped, as the server may drop one.
[[nodiscard]] protocol::Result<net::FileDescriptor> send_cancel(int line, const std::string& pair, const protocol::CancelKey& key);
/// Nothing when there is none, or what came is none.
[[nodiscard]] std::optional<PassedCancel> receive_cancel(int line);

}  // namespace proxy::lifecycle
