#include "proxy/telemetry/audit.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

using proxy::telemetry::Audit;
using proxy::telemetry::AuditEntry;
using proxy::telemetry::verify_audit;

namespace {

struct File {
  File() : path(std::filesystem::temp_directory_path() / "crossfade-audit-XXXXXX") {
    std::string name = path.string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    folder = name;
    path = folder / "audit";
  }
  ~File() {
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  [[nodiscard]] std::string text() const {
    std::ifstream file(path);
    std::stringstream content;
    content << file.rdbuf();
    return content.str();
  }
  std::filesystem::path folder;
  std::filesystem::path path;
};

void write(const File& file, const std::vector<std::string>& reasons) {
  Audit audit(file.path.string());
  REQUIRE(audit.open());
  for (const std::string& why : reasons) CHECK(audit.append({"shop", "weights", "ann", "reads: green 0 %", "reads: green 10 %", why}));
}

std::string complaint_of(const std::string& text) {
  std::istringstream lines(text);
  return verify_audit(lines).complaint;
}

}  // namespace

TEST_CASE("audit: entries of several processes → one chain") {
  const File file;
  write(file, {"one", "two \"quoted\"\n"});
  write(file, {"three"});
  std::istringstream lines(file.text());
  const auto verdict = verify_audit(lines);
  CHECK(verdict.complaint.empty());
  CHECK(verdict.entries == 3);
}

TEST_CASE("audit: a line changed, taken out, put in twice, moved or torn → the chain breaks there") {
  const File file;
  write(file, {"one", "two", "three"});
  const std::string text = file.text();
  std::string changed = text;
  changed.replace(changed.find("two"), 3, "TWO");
  CHECK(complaint_of(changed) == "line 2 was changed");
  const std::size_t first_end = text.find('\n') + 1;
  const std::size_t second_end = text.find('\n', first_end) + 1;
  const std::string first = text.substr(0, first_end);
  const std::string second = text.substr(first_end, second_end - first_end);
  const std::string third = text.substr(second_end);
  CHECK(complaint_of(first + third).starts_with("line 2 does not follow"));
  CHECK(complaint_of(first + first + second + third).starts_with("line 2 does not follow"));
  CHECK(complaint_of(second + first + third).starts_with("line 1 does not follow"));
  CHECK(complaint_of(text.substr(0, text.size() - 10)).starts_with("line 3 is no entry"));
}

TEST_CASE("audit: a broken chain → nothing is added to it") {
  const File file;
  write(file, {"one"});
  std::ofstream(file.path, std::ios::app) << "something else\n";
  Audit audit(file.path.string());
  CHECK_FALSE(audit.open());
}
