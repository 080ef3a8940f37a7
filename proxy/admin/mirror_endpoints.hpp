#pragma once

#include "proxy/admin/router.hpp"
#include "proxy/mirror/control.hpp"

#include <boost/json/object.hpp>

#include <string>
#include <string_view>

namespace proxy::admin {

// Answers of the endpoints about the mirror and its ledger; see the table in endpoints.cpp.
[[nodiscard]] Response get_mirror(const Call& call);
/// The open entries.
[[nodiscard]] Response get_ledger(const Call& call);
/// Closed ones, too.
[[nodiscard]] Response get_whole_ledger(const Call& call);
[[nodiscard]] Response post_ledger_accept(const Call& call);

[[nodiscard]] boost::json::object mirror_json(const mirror::MirrorStatus& status);
[[nodiscard]] boost::json::object entry_json(const mirror::LedgerEntry& entry);
/// Of all pairs that have a mirror.
[[nodiscard]] std::string mirror_metrics(const Mirrors& mirrors);

}  // namespace proxy::admin
