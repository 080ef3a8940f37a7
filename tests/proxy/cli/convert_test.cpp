#include "proxy/cli/convert/command.hpp"
#include "proxy/cli/convert/convert.hpp"

#include <doctest/doctest.h>

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace {

using proxy::cli::Conversion;
using proxy::cli::convert_hba_line;

/// Files in a folder of their own, gone at the end.
class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "convert-XXXXXX").string();
    path = mkdtemp(pattern.data());
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path / name) << text;
    return (path / name).string();
  }
  std::filesystem::path path;
};

Conversion converted(const Folder& folder, const std::string& text) {
  const auto entries = proxy::cli::read_ini(folder.write("pgbouncer.ini", text));
  REQUIRE(entries.has_value());
  const auto conversion = proxy::cli::convert_pgbouncer(*entries, "pgbouncer.ini");
  REQUIRE(conversion.has_value());
  return *conversion;
}

bool has(const std::string& text, const std::string& words) { return text.find(words) != std::string::npos; }

bool has(const std::vector<std::string>& lines, const std::string& words) {
  for (const std::string& line : lines) {
    if (has(line, words)) return true;
  }
  return false;
}

const std::string one = "[databases]\nshop = host=db1\n[pgbouncer]\nlisten_addr = 127.0.0.1\nauth_type = trust\n";

}  // namespace

TEST_CASE("ini: sections, comments, quotes, includes, doubled keys → entries with their places") {
  const Folder folder;
  const std::string more = folder.write("more.ini", "listen_port = 7000\n");
  const auto entries = proxy::cli::read_ini(folder.write(
      "a.ini", "; comment\n# another\n[Databases]\n\"my db\" = host=x password='it''s'\n[pgbouncer]\nLISTEN_PORT=1\n%include " + more + "\n"));
  REQUIRE(entries.has_value());
  REQUIRE(entries->size() == 2);
  CHECK((*entries)[0].key == "my db");
  CHECK((*entries)[0].place == "a.ini:4");
  CHECK((*entries)[1].value == "7000");
  CHECK((*entries)[1].place == "more.ini:1");
  CHECK(proxy::cli::parse_connection_string("password='it''s' host = x")->at(0).second == "it's");
}

TEST_CASE("ini: nonsense, missing files, circles of includes → an error with its place") {
  const Folder folder;
  for (const char* text : {"[databases\n", "neither\n", "%include /nowhere/x.ini\n"}) {
    CHECK_FALSE(proxy::cli::read_ini(folder.write("b.ini", text)).has_value());
  }
  const std::string path = (folder.path / "c.ini").string();
  CHECK_FALSE(proxy::cli::read_ini(folder.write("c.ini", "%include " + path + "\n")).has_value());
  CHECK_FALSE(proxy::cli::parse_connection_string("host='open").has_value());
  CHECK_FALSE(proxy::cli::parse_connection_string("host").has_value());
}

TEST_CASE("convert: sizes and times → our keys, in our units") {
  const Folder folder;
  const Conversion result = converted(folder, one +
                                                  "max_client_conn = 500\ndefault_pool_size = 7\nmin_pool_size = 2\nquery_wait_timeout = 0\n"
                                                  "server_idle_timeout = 30.5\nquery_timeout = 9\nmax_db_connections = 30\nclient_idle_timeout = 0\npool_mode = transaction\nlisten_port = 7001\n");
  for (const char* line : {"listen: \"127.0.0.1:7001\"", "  clients_max: 500", "      size: 7\n      size_min: 2", "      queue_timeout: 24h",
                           "      idle_timeout: 30500ms", "    limits:\n      database_connections_max: 30\n      query_timeout: 9000ms\n", "      mode: transaction", "blue: {host: \"db1\", port: 5432}",
                           "allow_same_endpoint: true", "{database: [\"shop\", \"crossfade\", \"pgbouncer\"], method: trust}"}) {
    CHECK_MESSAGE(has(result.yaml, line), line << "\n" << result.yaml);
  }
  CHECK(result.lost.empty());
}

TEST_CASE("convert: what has no counterpart → named with its place; harmless values are not") {
  const Folder folder;
  const Conversion result = converted(folder, one + "reserve_pool_size = 5\nmax_user_connections = 0\nnonsense = 1\nserver_reset_query = DISCARD ALL\n"
                                                    "unix_socket_dir = /run\n[peers]\n1 = host=x\n");
  CHECK(has(result.lost, "pgbouncer.ini:6  reserve_pool_size = 5"));
  CHECK(has(result.lost, "nonsense"));
  CHECK(has(result.yaml, "    local_socket: {directory: \"/run\", mode: \"0777\"}\n"));
  CHECK(has(result.lost, "peers"));
  CHECK_FALSE(has(result.lost, "max_user_connections"));
  CHECK(has(result.changed, "server_reset_query"));
  CHECK(has(result.yaml, "# Not carried over:\n#   "));
}

TEST_CASE("convert: several servers → a pair and a port each, and a word about it; databases of one server share a pair") {
  const Folder folder;
  const Conversion result = converted(folder, "[databases]\na = host=db1\nb = host=db1 port=5432\nc = host=db2\n* = port=5433\n"
                                              "[pgbouncer]\nlisten_addr=*\nauth_type=trust\n");
  CHECK(has(result.yaml, "  \"a\":\n"));
  CHECK_FALSE(has(result.yaml, "  \"b\":\n"));
  CHECK(has(result.yaml, "  \"c\":\n    dialect: postgres\n    listen: \"0.0.0.0:6433\""));
  CHECK(has(result.yaml, "  \"all\":\n"));
  CHECK(has(result.yaml, "host: \"/var/run/postgresql\", port: 5433"));
  CHECK(has(result.lost, "3 servers"));
}

TEST_CASE("convert: pools of single databases → under `databases`; by statement becomes by transaction") {
  const Folder folder;
  const Conversion result = converted(folder, "[databases]\na = host=db1 pool_size=3 min_pool_size=2\nb = host=db1 pool_mode=statement\nc = host=db1 max_db_connections=2\n"
                                              "[pgbouncer]\nlisten_addr=127.0.0.1\nauth_type=trust\npool_mode=session\n");
  CHECK(has(result.yaml, "    databases:\n      \"a\": {pool: {size: 3, size_min: 2}}\n      \"b\": {pool: {mode: transaction}}\n"));
  CHECK(has(result.changed, "several statements"));
  CHECK(has(result.yaml, "      \"c\": {limits: {connections_max: 2}}\n"));
  CHECK(result.lost.empty());
}

TEST_CASE("convert: an alias, settings of one database without a counterpart → named, each with what to do instead") {
  const Folder folder;
  const Conversion result = converted(folder, "[databases]\nshort = host=db1 dbname=long pool_size=3\nlong = host=db1 pool_size=4\n"
                                              "d = host=db1 reserve_pool=1 connect_query='SELECT 1' timezone=UTC odd=1 auth_user=asker\n"
                                              "[pgbouncer]\nlisten_addr=127.0.0.1\nauth_type=md5\nauth_file=\nauth_user=asker\n");
  CHECK(has(result.lost, "short: an alias: there are none; clients that connect to it must connect to the database's own name, long"));
  CHECK(has(result.lost, "long: its settings: those of an earlier name of the same database count"));
  CHECK(has(result.yaml, "      \"long\": {pool: {size: 3}}\n"));
  CHECK(has(result.yaml, "database: [\"long\", \"d\", \"crossfade\", \"pgbouncer\"]"));
  CHECK(has(result.yaml, "auth_query:\n      user: \"asker\""));
  for (const char* words : {"reserve_pool: there is no reserve", "connect_query: nothing is run",
                            "timezone: the client's own counts", "odd has no counterpart"}) {
    CHECK_MESSAGE(has(result.lost, words), words);
  }
}

TEST_CASE("convert: [users] → their pool and limits, beside whatever login they have; the rest named") {
  const Folder folder;
  const std::string own = "[users]\nbob = pool_mode=session pool_size=3 max_user_connections=9 query_timeout=2\n";
  CHECK(has(converted(folder, one + own).yaml,
            "    users:\n      \"bob\": {pool: {mode: session, size: 3}, limits: {connections_max: 9, query_timeout: 2000ms}}\n"));
  const std::string forced = "[databases]\nshop = host=db1 user=forced\n[pgbouncer]\nlisten_addr=127.0.0.1\n";
  CHECK(has(converted(folder, forced + "auth_type=trust\n" + own).yaml,
            "\"bob\": {pool: {mode: session, size: 3}, limits: {connections_max: 9, query_timeout: 2000ms}, backend: {user: \"forced\"}}\n      \"*\": "));
  const std::string file = folder.write("users.txt", "\"bob\" \"secret\"\n");
  CHECK(has(converted(folder, forced + "auth_type=md5\nauth_file=" + file + "\n" + own).yaml,
            "\"bob\": {password: \"secret\", backend: {user: \"forced\"}, pool: {mode: session, size: 3}"));
  CHECK(has(converted(folder, one + "[users]\nbob = reserve_pool_size=1\n").lost, "reserve_pool_size: there is no reserve"));
  CHECK(has(converted(folder, one + "[users]\nbob = pool_size=many\n").lost, "pool_size is not a number"));
}

TEST_CASE("convert: users, console, TLS → their sections; passwords only where they must be") {
  const Folder folder;
  const std::string users = folder.write("users.txt", "\"asker\" \"open\"\n\"u\" \"md5aaaa\"\n");
  const Conversion result = converted(folder, "[databases]\nshop = host=db1 user=forced password=hidden\n[pgbouncer]\nlisten_addr=127.0.0.1\nauth_type=md5\nauth_file=" +
                                                  users + "\nauth_user=asker\nauth_query=SELECT a, b FROM s.f($1)\nadmin_users=root, boss\nstats_users=watch\n"
                                                          "client_tls_sslmode=require\nclient_tls_cert_file=/c.pem\nclient_tls_key_file=/k.pem\n"
                                                          "client_tls_protocols=tlsv1.3\nserver_tls_sslmode=verify-full\nserver_tls_ca_file=/ca.pem\n");
  for (const std::string& line :
       {std::string("userlist_file: \"") + users, std::string("auth_query:\n      user: \"asker\"\n      password: \"open\"\n      database: \"shop\""),
        std::string("query: \"SELECT a, b FROM s.f($1)\""), std::string("admins: [\"root\", \"boss\"]"), std::string("viewers: [\"watch\"]"),
        std::string("tls: {mode: require, certificate_file: \"/c.pem\", key_file: \"/k.pem\", minimum_version: \"1.3\"}"),
        std::string("tls: {mode: verify-full, ca_file: \"/ca.pem\"}"),
        std::string("\"u\": {verifier: \"md5aaaa\", backend: {user: \"forced\", password: \"hidden\"}}")}) {
    CHECK_MESSAGE(has(result.yaml, line), line << "\n" << result.yaml);
  }
  for (const std::string& line : result.lost) CHECK_FALSE(has(line, "hidden"));
}

TEST_CASE("convert: auth_type any with a forced user → trust for everybody, with that login") {
  const Folder folder;
  const Conversion result = converted(folder, "[databases]\nshop = host=db1 user=app\n[pgbouncer]\nlisten_addr=127.0.0.1\nauth_type=any\n");
  CHECK(has(result.yaml, "\"*\": {authentication: trust, backend: {user: \"app\"}}"));
}

TEST_CASE("hba: lines → access rules; what has no counterpart → said so") {
  struct Row {
    const char* line;
    const char* rule;
  };
  for (const Row& row : {Row{"host all all 0.0.0.0/0 md5", "{network: [\"0.0.0.0/0\"], method: md5}"},
                         Row{"hostssl shop,bench \"a b\",c 10.0.0.0 255.0.0.0 scram-sha-256 # comment",
                             "{user: [\"a b\", \"c\"], database: [\"shop\", \"bench\"], network: [\"10.0.0.0/8\"], tls: required, method: scram-sha-256}"},
                         Row{"hostnossl all bob ::1/128 reject", "{user: [\"bob\"], network: [\"::1/128\"], tls: forbidden, method: reject}"},
                         Row{"host all all all trust", "{method: trust}"}, Row{"local all all peer", ""}, Row{"  # nothing", ""}, Row{"", ""}}) {
    const auto rule = convert_hba_line(row.line);
    REQUIRE_MESSAGE(rule.has_value(), row.line);
    CHECK(*rule == row.rule);
  }
  for (const char* line : {"host all +group all md5", "host all all samenet md5", "host all all all ldap", "host all all", "hostgssenc all all all md5"}) {
    CHECK_MESSAGE(!convert_hba_line(line).has_value(), line);
  }
}

TEST_CASE("hba: a line that is not understood → nobody behind it is let in") {
  const Folder folder;
  const std::string hba = folder.write("hba", "host all good all md5\nhost all +group all reject\nhost all all all trust\n");
  const Conversion result =
      converted(folder, "[databases]\n* = host=db1\n[pgbouncer]\nlisten_addr=127.0.0.1\nauth_type=hba\nauth_file=x\nauth_hba_file=" + hba + "\n");
  CHECK(has(result.yaml, "method: md5}\n      - {method: reject}"));
  CHECK_FALSE(has(result.yaml, "method: trust"));
  CHECK(has(result.lost, ":2  not carried over"));
}

TEST_CASE("convert command: done, something lost, unreadable → 0, 1, 4; a file is never overwritten") {
  const Folder folder;
  std::ostringstream out;
  std::ostringstream complaints;
  const std::string good = folder.write("good.ini", one);
  CHECK(proxy::cli::convert(good, "", out, complaints) == 0);
  CHECK(has(out.str(), "pairs:"));
  const std::string target = (folder.path / "new.yaml").string();
  CHECK(proxy::cli::convert(good, target, out, complaints) == 0);
  CHECK(std::filesystem::status(target).permissions() == (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
  CHECK(proxy::cli::convert(good, target, out, complaints) == 2);
  CHECK(proxy::cli::convert(folder.write("lossy.ini", one + "reserve_pool_size = 3\n"), "", out, complaints) == 1);
  CHECK(proxy::cli::convert("/nowhere/x.ini", "", out, complaints) == 4);
  CHECK(has(complaints.str(), "reserve_pool_size"));
}
