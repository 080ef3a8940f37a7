#include "config/surroundings.hpp"
#include "tests/config/fixture.hpp"

#include <doctest/doctest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>

namespace {

using config_test::check;
using config_test::is_in;
using config_test::Parts;
using config_test::Pretended;
using config_test::problems_of;
using config_test::text_of;

Parts user(const std::string& text) {
  Parts parts;
  parts.user = text;
  return parts;
}

/// A folder of its own, gone at the end of the test.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "crossfade-config-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::filesystem::path write(const std::string& name, const std::string& content, mode_t mode) const {
    const std::filesystem::path file = path_ / name;
    std::ofstream(file) << content;
    REQUIRE(chmod(file.c_str(), mode) == 0);
    return file;
  }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace

TEST_CASE("secret: from a file beside the configuration → its line without the end") {
  for (const std::string end : {"", "\n", "\r\n"}) {
    Pretended surroundings;
    surroundings.files["/etc/u.txt"] = {" pass word " + end, false};
    const config::Outcome outcome = check(text_of(user("        password_file: u.txt\n")), surroundings);
    REQUIRE(outcome.settings.has_value());
    CHECK(outcome.problems.empty());
    CHECK(outcome.settings->pairs[0].users[0].password->reveal() == " pass word ");
  }
}

TEST_CASE("secret: from an absolute path and from the environment → taken") {
  Pretended surroundings;
  surroundings.files["/run/u"] = {"a", false};
  surroundings.variables["PASS"] = "b";
  const auto outcome =
      check(text_of(user("        password_file: /run/u\n      v: {password_env: PASS}\n")), surroundings);
  REQUIRE(outcome.settings.has_value());
  CHECK(outcome.settings->pairs[0].users[0].password->reveal() == "a");
  CHECK(outcome.settings->pairs[0].users[1].password->reveal() == "b");
}

TEST_CASE("secret: a file that others can read → a warning with the remedy") {
  Pretended surroundings;
  surroundings.files["/etc/u.txt"] = {"a", true};
  const config::Outcome outcome = check(text_of(user("        password_file: u.txt\n")), surroundings);
  CHECK(outcome.settings.has_value());
  CHECK(problems_of(outcome) ==
        "9:24: warning: `pairs.p.users.u.password_file`: `u.txt` can be read by other users of this "
        "machine; `chmod 600` it\n");
}

TEST_CASE("secret: an empty file, two lines, a zero byte → refused") {
  for (const std::string& content :
       {std::string(), std::string("\n"), std::string("a\nb\n"), std::string("a\0b", 3)}) {
    Pretended surroundings;
    surroundings.files["/etc/u.txt"] = {content, false};
    CHECK_FALSE(check(text_of(user("        password_file: u.txt\n")), surroundings).settings.has_value());
  }
}

TEST_CASE("admin token: long enough → an address others can reach is allowed") {
  Pretended surroundings;
  surroundings.variables["TOKEN"] = "0123456789abcdef";
  Parts parts;
  parts.top = "admin: {listen: 0.0.0.0:7780, token_env: TOKEN}\n";
  const config::Outcome outcome = check(text_of(parts), surroundings);
  REQUIRE(outcome.settings.has_value());
  CHECK(outcome.settings->admin->token->reveal() == "0123456789abcdef");
}

TEST_CASE("machine: real files → content and who may read it") {
  const Folder folder;
  const config::Machine machine;
  const auto closed = machine.read_secret_file(folder.write("closed", "a", 0600), config::secret_bytes_max);
  REQUIRE(closed.has_value());
  CHECK(closed->content == "a");
  CHECK_FALSE(closed->is_readable_by_others);
  CHECK(machine.read_secret_file(folder.write("group", "a", 0640), config::secret_bytes_max)->is_readable_by_others);
  CHECK(machine.read_secret_file(folder.write("all", "a", 0604), config::secret_bytes_max)->is_readable_by_others);
}

TEST_CASE("machine: missing, a folder, a pipe, too long → refused with the reason, without waiting") {
  const Folder folder;
  const config::Machine machine;
  const auto detail = [&](const std::filesystem::path& path) {
    const auto file = machine.read_secret_file(path, config::secret_bytes_max);
    REQUIRE_FALSE(file.has_value());
    return file.error().detail;
  };
  CHECK(is_in(detail(folder.path() / "missing"), "No such file"));
  CHECK(detail(folder.path()) == "it is a directory");
  REQUIRE(mkfifo((folder.path() / "pipe").c_str(), 0600) == 0);
  CHECK(detail(folder.path() / "pipe") == "it is not a regular file");
  CHECK(detail("/dev/zero") == "it is not a regular file");
  CHECK(machine.read_secret_file(folder.write("fits", std::string(4096, 'x'), 0600), config::secret_bytes_max).has_value());
  CHECK(detail(folder.write("long", std::string(4097, 'x'), 0600)) == "it is longer than 4096 bytes");
}

TEST_CASE("load: a file with secrets of its own → a warning only where others can read it") {
  const Folder folder;
  const std::string text = text_of({});
  const std::filesystem::path closed = folder.write("closed.yaml", text, 0600);
  CHECK(config::load(closed.string()).problems.empty());
  const config::Outcome open = config::load(folder.write("open.yaml", text, 0644).string());
  REQUIRE(open.problems.size() == 1);
  CHECK(open.problems[0].severity == config::Severity::warning);
  CHECK(open.problems[0].line == 9);
  CHECK(open.settings.has_value());
}

TEST_CASE("load: a secret's file beside a real configuration → found from there") {
  const Folder folder;
  folder.write("u.txt", "deep\n", 0600);
  const auto path = folder.write("f.yaml", text_of(user("        password_file: u.txt\n")), 0644);
  const config::Outcome outcome = config::load(path.string());
  REQUIRE(outcome.settings.has_value());
  CHECK(outcome.settings->pairs[0].users[0].password->reveal() == "deep");
  CHECK(outcome.problems.empty());
}

TEST_CASE("load: no such file → said, as a problem of the file") {
  const Folder folder;
  const std::string path = (folder.path() / "none.yaml").string();
  const config::Outcome outcome = config::load(path);
  CHECK_FALSE(outcome.settings.has_value());
  CHECK(config::format_problems(outcome.problems) ==
        path + ": error: cannot be read: No such file or directory\n");
}
