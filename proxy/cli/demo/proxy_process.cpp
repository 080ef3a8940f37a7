#include "proxy/cli/demo/proxy_process.hpp"

#include "proxy/cli/demo/failure.hpp"
#include "proxy/cli/demo/scratch_directory.hpp"

#include <boost/json.hpp>

#include <charconv>
#include <fstream>
#include <iterator>

namespace proxy::cli {
namespace {

constexpr std::chrono::seconds ready_timeout{20};
constexpr std::chrono::milliseconds ready_poll{10};

std::optional<DemoAddress> parse_address(const boost::json::value& value) {
  const boost::json::string* text = value.if_string();
  if (text == nullptr) return std::nullopt;
  const std::string_view whole(text->data(), text->size());
  const std::size_t colon = whole.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  DemoAddress address;
  address.host = whole.substr(0, colon);
  const char* end = whole.data() + whole.size();
  const auto read = std::from_chars(whole.data() + colon + 1, end, address.port);
  if (read.ec != std::errc{} || read.ptr != end || address.port == 0) return std::nullopt;
  return address;
}

/// What to start. The running file itself, even if it has been replaced meanwhile or lies where the account cannot
/// look; a copy in `directory` where the file's own mode (a build under umask 077) keeps the account from running it.
std::filesystem::path program_for(const std::optional<Account>& account, const std::filesystem::path& directory) {
  namespace fs = std::filesystem;
  const fs::path running = "/proc/self/exe";
  if (!account || (fs::status(running).permissions() & fs::perms::others_exec) != fs::perms::none) return running;
  const fs::path copy = directory / "crossfade";
  fs::copy_file(running, copy, fs::copy_options::overwrite_existing);
  fs::permissions(copy, fs::perms::owner_all | fs::perms::group_read | fs::perms::group_exec | fs::perms::others_read |
                            fs::perms::others_exec);
  return copy;
}

}  // namespace

std::string demo_configuration(std::uint16_t blue_port, std::uint16_t green_port, const std::string& keeper_password) {
  const std::string keeper = "user: keeper, password: \"" + keeper_password + "\"";
  return "# Written by `crossfade demo`.\n"
         "admin:\n"
         "  listen: 127.0.0.1:0\n"
         "limits:\n"
         "  shutdown_timeout: 1s\n"
         "state: {directory: state}\n"
         "pairs:\n"
         "  " + std::string(demo_pair_name) + ":\n"
         "    dialect: postgres\n"
         "    listen: 127.0.0.1:0\n"
         "    blue: {host: 127.0.0.1, port: " + std::to_string(blue_port) + "}\n"
         "    green: {host: 127.0.0.1, port: " + std::to_string(green_port) + "}\n"
         "    authentication: trust\n"
         "    users:\n"
         "      demo: {}\n"
         "    sync: mirror\n"
         "    mirror: {directory: journal, " + keeper + "}\n"
         "    switchover: {databases: [demo], " + keeper + "}\n"
         "    catalogue: {database: demo, " + keeper + "}\n"
         "    health: {" + keeper + "}\n"
         "    rules:\n"
         "      - name: " + std::string(demo_rule_name) + "\n"
         "        reads: {green: 0}\n"
         "        writes: blue\n"
         "        stickiness: statement\n";
}

std::optional<ReadyAddresses> parse_ready_file(std::string_view text) {
  boost::json::error_code error;
  const boost::json::value value = boost::json::parse({text.data(), text.size()}, error);
  if (error || !value.is_object()) return std::nullopt;
  const boost::json::value* admin = value.get_object().if_contains("admin");
  const boost::json::value* pairs = value.get_object().if_contains("pairs");
  if (admin == nullptr || pairs == nullptr || !pairs->is_object()) return std::nullopt;
  const boost::json::value* pair = pairs->get_object().if_contains({demo_pair_name.data(), demo_pair_name.size()});
  if (pair == nullptr) return std::nullopt;
  const auto admin_address = parse_address(*admin);
  const auto pair_address = parse_address(*pair);
  if (!admin_address || !pair_address) return std::nullopt;
  return ReadyAddresses{*admin_address, *pair_address};
}

ProxyProcess::ProxyProcess(const std::filesystem::path& directory, const std::optional<Account>& account,
                           std::string_view configuration, StopSignals& signals) {
  const std::filesystem::path settings = directory / "crossfade.yaml";
  const std::filesystem::path ready = directory / "ready.json";
  write_file(settings, configuration);
  Command command;
  command.name = "crossfade";
  command.argv = {program_for(account, directory).string(), "run", settings.string(), "--ready-file", ready.string()};
  command.account = account;
  command.directory = directory;
  command.log = directory / "crossfade.log";
  process_ = std::make_unique<ChildProcess>(std::move(command));

  const auto deadline = DemoClock::now() + ready_timeout;
  for (;;) {
    std::ifstream file(ready, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    if (const auto addresses = parse_ready_file(text)) {
      addresses_ = *addresses;
      return;
    }
    if (signals.wait_readable(process_->exit_descriptor(), DemoClock::now() + ready_poll)) {
      throw DemoFailure(process_->complaint("ended before it was ready"));
    }
    if (DemoClock::now() > deadline) throw DemoFailure(process_->complaint("does not become ready"));
  }
}

}  // namespace proxy::cli
