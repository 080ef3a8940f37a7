#include "proxy/cli/remote.hpp"

#include <doctest/doctest.h>

using proxy::cli::AdminAddress;
using proxy::cli::parse_admin_url;

TEST_CASE("admin address: host and port, IPv6, no port → read") {
  CHECK(*parse_admin_url("http://127.0.0.1:7781") == AdminAddress{"127.0.0.1", 7781});
  CHECK(*parse_admin_url("http://proxy.example/") == AdminAddress{"proxy.example", 7780});
  CHECK(*parse_admin_url("http://[::1]:80/") == AdminAddress{"::1", 80});
  CHECK(*parse_admin_url("http://[::1]") == AdminAddress{"::1", 7780});
}

TEST_CASE("admin address: other schemes, paths, ports that are none → refused") {
  for (const char* url : {"", "127.0.0.1:7780", "https://127.0.0.1", "http://", "http://:7780", "http://h:", "http://h:0",
                          "http://h:70000", "http://h:7x", "http://h/api", "http://u@h", "http://[::1", "http://[::1]7"}) {
    CAPTURE(url);
    CHECK_FALSE(parse_admin_url(url));
  }
}
