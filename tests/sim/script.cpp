#include "tests/sim/script.hpp"

#include "tests/model/message.hpp"
#include "tests/sim/mini_server.hpp"

#include <set>

namespace sim {

namespace {

class Writer {
 public:
  Writer(const std::string& name, model::Random& random, const ScriptOptions& options)
      : random_(random), options_(options), oracle_('?') {
    script_.name = name;
  }

  Script write() {
    for (std::size_t i = 0; i < options_.unit_count; ++i) {
      const bool is_batch = random_.chance(45);
      is_batch ? add_batch() : add_queries();
      if (random_.chance(70)) end_burst();
    }
    say(model::query("ROLLBACK"));
    end_burst();
    end_burst_with(model::terminate().frame);
    for (const std::string& statement : oracle_.executed()) {
      if (statement.find(script_.name) != std::string::npos) script_.executed.push_back(statement);
    }
    return std::move(script_);
  }

 private:
  void say(const model::ClientMessage& message) {
    burst_ += message.frame;
    oracle_.take(message.tag, std::string_view(message.frame).substr(5), script_.expected);
  }

  void end_burst() {
    if (!burst_.empty()) end_burst_with("");
  }

  void end_burst_with(const std::string& more) {
    Burst burst{burst_ + more, 0, script_.expected.size()};
    burst_.clear();
    const std::size_t heard_so_far = script_.bursts.empty() ? 0 : script_.bursts.back().heard_after;
    if (random_.chance(options_.wait_percent) || !more.empty()) burst.heard_before = heard_so_far;
    script_.bursts.push_back(std::move(burst));
  }

  std::string id(char kind) { return std::string("'") + kind + script_.name + "n" + std::to_string(++number_) + "'"; }

  std::string statement() {
    if (random_.chance(options_.write_percent)) return "INSERT INTO t VALUES (" + id('w') + ")";
    switch (random_.weighted({40, 10, 6, 10, 8, 3})) {
      case 0:
        return "SELECT " + id('r');
      case 1:
        return "SELECT " + id('b') + ", " + std::to_string(random_.between(1, options_.long_rows_max));
      case 2:
        return "SELECT " + id('e') + ", 1/0";
      case 3:
        return random_.pick({"SHOW timezone", "SHOW work_mem"});
      case 4:
        return "SET " + random_.pick({"timezone", "work_mem"}) + " TO '" + random_.pick({"Asia/Tokyo", "UTC", "8MB"}) + "'";
      default:
        return random_.pick({"RESET timezone", "RESET work_mem"});
    }
  }

  void add_queries() {
    switch (random_.weighted({60, 20, 5})) {
      case 0:
        say(model::query(statement()));
        return;
      case 1: {
        say(model::query(random_.pick({"BEGIN", "BEGIN", "BEGIN READ ONLY"})));
        for (std::size_t i = random_.between(0, 4); i > 0; --i) {
          say(model::query(statement()));
          if (random_.chance(50)) end_burst();
        }
        say(model::query(random_.pick({"COMMIT", "ROLLBACK"})));
        return;
      }
      default:
        say(model::query(statement() + "; " + statement()));
        return;
    }
  }

  void add_batch() {
    const std::string name = random_.chance(40) ? "" : random_.pick({"p1", "p2", "p3"});
    if (name.empty() || !prepared_.contains(name) || random_.chance(10)) {
      if (!name.empty()) say(model::close('S', name));
      say(model::parse(name, statement(), {}));
      prepared_.insert(name);
      if (random_.chance(20)) say(model::describe('S', name));
    }
    for (std::size_t i = random_.between(0, 3); i > 0; --i) {
      say(model::bind("", random_.chance(4) ? "unknown" : name, {}, {}, {}));
      if (random_.chance(30)) say(model::describe('P', ""));
      say(model::execute("", 0));
      if (random_.chance(10)) say(model::flush());
      if (random_.chance(15)) say(model::parse("", statement(), {}));
    }
    say(model::sync());
  }

  model::Random& random_;
  const ScriptOptions& options_;
  MiniServer oracle_;
  Script script_;
  std::string burst_;
  std::set<std::string> prepared_;
  std::size_t number_ = 0;
};

}  // namespace

Script make_script(const std::string& name, model::Random& random, const ScriptOptions& options) {
  return Writer(name, random, options).write();
}

}  // namespace sim
