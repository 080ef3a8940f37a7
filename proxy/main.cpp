#include "proxy/cli/command_line.hpp"
#include "proxy/serve.hpp"

#include <cstdlib>
#include <iostream>

int main(int argc, char** argv) {
  const char* token = std::getenv("CROSSFADE_TOKEN");
  const proxy::cli::Terminal terminal{std::cout, std::cerr, token == nullptr ? "" : token};
  const proxy::cli::Commands commands{
      proxy::serve,
      proxy::check_configuration,
      [](const proxy::cli::DemoOptions& options) { return proxy::cli::run_demo(options, std::cout, std::cerr); },
      proxy::check_configuration_and_users,
  };
  return proxy::cli::run_command_line(argc, argv, commands, terminal);
}
