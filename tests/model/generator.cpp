#include "tests/model/generator.hpp"

#include "tests/model/random.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

namespace model {

namespace {

/// Builds one conversation unit by unit. A unit is what a driver would hand over in one go.
class Generator {
 public:
  Generator(std::uint64_t seed, Repertoire repertoire) : random_(seed), repertoire_(repertoire) { conversation_.seed = seed; }

  Conversation generate() {
    choose_parameters();
    const std::size_t units = random_.chance(10) ? random_.between(30, 60) : random_.between(3, 20);
    waits_percent_ = random_.chance(30) ? 5 : random_.chance(50) ? 45 : 90;
    for (std::size_t i = 0; i < units && !is_over_; ++i) add_unit();
    end_burst();
    return std::move(conversation_);
  }

 private:
  void choose_parameters() {
    auto& parameters = conversation_.parameters;
    if (random_.chance(50)) parameters["application_name"] = random_.pick({"model", "model test", ""});
    if (random_.chance(20)) parameters["client_encoding"] = random_.pick({"UTF8", "LATIN1", "SQL_ASCII"});
    if (random_.chance(20)) parameters["DateStyle"] = random_.pick({"ISO, DMY", "SQL", "German"});
    if (random_.chance(20)) parameters["TimeZone"] = random_.pick({"UTC", "Asia/Tokyo"});
    if (random_.chance(20)) parameters["options"] = random_.pick({"-c work_mem=4MB", "-c extra_float_digits=2 --statement-timeout=61s"});
  }

  void add_unit() {
    if (repertoire_ == Repertoire::reads) {
      random_.chance(50) ? add_simple() : add_batch();
      return;
    }
    switch (random_.weighted({34, 40, 8, 8, 4, 4, 2})) {
      case 0:
        return add_simple();
      case 1:
        return add_batch();
      case 2:
        return add_simple_copy();
      case 3:
        return add_extended_copy();
      case 4:
        return add_function_call();
      case 5:
        return add_sleep();
      default:
        return add_oddity();
    }
  }

  void say(ClientMessage message) { burst_.push_back(std::move(message)); }

  /// Ends what is written in one go; the driver may wait only if the last message makes the server answer.
  void end_burst() {
    if (burst_.empty()) return;
    Step step{StepKind::send, std::move(burst_), {}, 0};
    burst_.clear();
    std::size_t size = 0;
    for (const ClientMessage& message : step.messages) size += message.frame.size();
    if (random_.chance(40)) {
      for (std::size_t i = random_.between(1, 6); i > 0; --i) step.cuts.push_back(random_.below(size + 1));
      if (random_.chance(30)) step.cuts.push_back(std::min<std::size_t>(size, random_.between(1, 6)));
      std::sort(step.cuts.begin(), step.cuts.end());
      step.pause_us = random_.chance(50) ? 0 : static_cast<unsigned>(random_.between(50, 1500));
    }
    conversation_.steps.push_back(std::move(step));
  }

  void wait() {
    end_burst();
    conversation_.steps.push_back({StepKind::wait, {}, {}, 0});
  }

  /// After a message that makes the server answer.
  void maybe_wait() {
    if (random_.chance(waits_percent_)) {
      wait();
    } else if (random_.chance(50)) {
      end_burst();
    }
  }

  void add_simple() {
    say(query(some_text(random_, repertoire_)));
    maybe_wait();
  }

  std::string statement_name() { return random_.pick({"", "", "s1", "s1", "s2", "s3", "a statement with a rather long name"}); }
  std::string portal_name() { return random_.pick({"", "", "", "p1", "p2"}); }

  void add_parse() {
    const std::string name = statement_name();
    const Template text = some_template(random_, repertoire_);
    std::vector<std::uint32_t> oids;
    if (random_.chance(40)) {
      for (const ValueKind kind : text.parameters) oids.push_back(random_.chance(70) ? type_oid(kind) : 0);
    }
    if (name.empty() || !statements_.contains(name) || random_.chance(20)) {
      if (!name.empty() && random_.chance(40)) say(close('S', name));
      say(parse(name, text.sql, oids));
      statements_[name] = text;
    }
    last_statement_ = name;
  }

  void add_bind() {
    if (random_.chance(20)) last_statement_ = statement_name();
    last_portal_ = portal_name();
    const auto known = statements_.find(last_statement_);
    std::vector<ValueKind> kinds;
    if (known != statements_.end()) kinds = known->second.parameters;
    if (random_.chance(3)) kinds.push_back(ValueKind::integer);
    std::vector<std::int16_t> value_formats;
    const std::size_t shape = random_.weighted({50, 25, 25});
    if (shape == 1) value_formats.assign(1, static_cast<std::int16_t>(random_.below(2)));
    if (shape == 2) {
      for (std::size_t i = 0; i < kinds.size(); ++i) value_formats.push_back(static_cast<std::int16_t>(random_.below(2)));
    }
    std::vector<BoundValue> values;
    for (std::size_t i = 0; i < kinds.size(); ++i) {
      const std::int16_t format = value_formats.empty() ? std::int16_t{0}
                                  : value_formats.size() == 1 ? value_formats[0] : value_formats[i];
      values.push_back(some_value(random_, kinds[i], format, !random_.chance(4)));
    }
    std::vector<std::int16_t> result_formats;
    if (random_.chance(30)) result_formats.assign(random_.chance(90) ? 1 : 2, static_cast<std::int16_t>(random_.below(2)));
    if (!last_portal_.empty() && random_.chance(40)) say(close('P', last_portal_));
    say(bind(last_portal_, last_statement_, value_formats, values, result_formats));
  }

  void add_execute() {
    if (random_.chance(15)) last_portal_ = portal_name();
    const std::size_t times = random_.chance(15) ? random_.between(2, 4) : 1;
    for (std::size_t i = 0; i < times; ++i) {
      say(execute(last_portal_, random_.chance(25) ? static_cast<std::uint32_t>(random_.between(1, 7)) : 0));
    }
  }

  /// Extended-query messages in a usual order, with stray ones among them, up to Sync (mostly).
  void add_batch() {
    const std::size_t rounds = random_.chance(30) ? random_.between(2, 8) : 1;
    for (std::size_t i = 0; i < rounds; ++i) {
      if (random_.chance(70)) {
        add_parse();
        if (random_.chance(30)) say(describe('S', last_statement_));
        if (random_.chance(25)) flush_and_maybe_wait();
      }
      if (random_.chance(85)) {
        add_bind();
        if (random_.chance(40)) say(describe('P', last_portal_));
        if (random_.chance(8)) flush_and_maybe_wait();
        add_execute();
      }
      if (random_.chance(10)) add_stray();
      if (random_.chance(12)) flush_and_maybe_wait();
    }
    if (random_.chance(6)) return;  // the batch goes on in the next unit
    say(sync());
    if (random_.chance(6)) say(sync());
    maybe_wait();
  }

  void flush_and_maybe_wait() {
    say(flush());
    maybe_wait();
  }

  void add_stray() {
    switch (random_.below(repertoire_ == Repertoire::reads ? 3 : 7)) {
      case 0:
        return say(describe(random_.chance(50) ? 'S' : 'P', random_.pick({"", "s1", "p1", "unknown"})));
      case 1:
        return say(close(random_.chance(50) ? 'S' : 'P', random_.pick({"", "s1", "p1", "unknown"})));
      case 2:
        say(query(some_text(random_, repertoire_)));
        return;
      case 3:
        return say(copy_data("stray\n"));
      case 4:
        return say(random_.chance(50) ? copy_done() : copy_fail("stray"));
      case 5:
        return say(flush());
      default:
        return say(abs_call());
    }
  }

  /// The data of a COPY FROM STDIN; `ends` says whether the driver brings it to its end.
  void say_copy_data(CopyIn::Format format) {
    for (const std::string& piece : some_copy_pieces(random_, format)) {
      say(copy_data(piece));
      if (random_.chance(6)) say(random_.chance(50) ? flush() : sync());
      if (random_.chance(6)) end_burst();
    }
    say(random_.chance(85) ? copy_done() : copy_fail("given up"));
  }

  void add_simple_copy() {
    CopyIn copy = some_copy_in(random_);
    if (random_.chance(20)) copy.sql = some_statement(random_, repertoire_) + "; " + copy.sql;
    if (random_.chance(20)) copy.sql += "; " + some_statement(random_, repertoire_);
    say(query(copy.sql));
    if (random_.chance(60)) wait();  // for CopyInResponse; otherwise the data is on its way before
    say_copy_data(copy.format);
    if (random_.chance(5)) say_copy_data(copy.format);
    maybe_wait();
  }

  void add_extended_copy() {
    const CopyIn copy = some_copy_in(random_);
    const std::string statement = random_.chance(70) ? "" : "s9";
    say(parse(statement, copy.sql, {}));
    say(bind("", statement, {}, {}, {}));
    if (random_.chance(50)) say(describe('P', ""));
    say(execute("", 0));
    switch (random_.below(3)) {
      case 0:  // the data follows at once
        break;
      case 1:
        say(flush());
        wait();
        break;
      default:  // as libpq does: the Sync is swallowed by the COPY
        say(sync());
        if (random_.chance(70)) wait();
        break;
    }
    say_copy_data(copy.format);
    if (random_.chance(30)) add_bind();
    say(sync());
    maybe_wait();
  }

  /// abs(int4), int4 + int4, or a function that does not exist.
  ClientMessage abs_call() {
    const std::uint32_t oid = std::array<std::uint32_t, 3>{1397, 177, 99}[random_.weighted({6, 3, 2})];
    std::vector<BoundValue> values;
    for (std::size_t i = random_.between(1, 2); i > 0; --i) values.push_back(some_value(random_, ValueKind::integer, 1, true));
    return function_call(oid, 1, values, static_cast<std::int16_t>(random_.below(2)));
  }

  void add_function_call() {
    say(abs_call());
    maybe_wait();
  }

  /// A statement that sleeps, and a cancel while it does; now and then a cancel while nothing runs.
  void add_sleep() {
    if (random_.chance(25)) {
      say(sync());
    } else if (random_.chance(50)) {
      std::string text = some_sleep(random_);
      if (random_.chance(30)) text = some_statement(random_, repertoire_) + "; " + text;
      if (random_.chance(30)) text += "; " + some_statement(random_, repertoire_);
      say(query(text));
    } else {
      say(close('S', "sleeper"));  // a name of its own, so that nothing else ever runs it again
      say(parse("sleeper", some_sleep(random_), {}));
      say(bind("", "sleeper", {}, {}, {}));
      say(execute("", 0));
      if (random_.chance(40)) {
        say(parse("s4", "SELECT 4", {}));
        say(bind("", "s4", {}, {}, {}));
        say(execute("", 0));
      }
      say(random_.chance(70) ? sync() : flush());
    }
    if (random_.chance(25)) say(query("SELECT 'behind'"));
    end_burst();
    conversation_.steps.push_back({StepKind::cancel, {}, {}, 0});
    wait();  // so that the next sleep cannot be taken for this one
    if (random_.chance(70)) {
      say(sync());
      maybe_wait();
    }
  }

  void add_oddity() {
    switch (random_.below(4)) {
      case 0:
        say(random_.chance(50) ? sync() : flush());
        return maybe_wait();
      case 1:  // a statement where only COPY data is understood: the server gives the session up
        if (!random_.chance(30)) return add_stray();
        say(query("COPY c FROM STDIN"));
        say(query("SELECT 'out of place'"));
        is_over_ = true;
        return wait();
      case 2:
        if (!random_.chance(30)) return add_stray();
        say(query("SELECT 1; SELECT pg_terminate_backend(pg_backend_pid())"));
        is_over_ = random_.chance(70);
        return maybe_wait();
      default:
        return add_stray();
    }
  }

  Random random_;
  Repertoire repertoire_;
  Conversation conversation_;
  std::vector<ClientMessage> burst_;
  std::map<std::string, Template> statements_;  ///< roughly; errors are not looked at
  std::string last_statement_;
  std::string last_portal_;
  unsigned waits_percent_ = 50;
  bool is_over_ = false;
};

}  // namespace

Conversation generate(std::uint64_t seed, Repertoire repertoire) { return Generator(seed, repertoire).generate(); }

}  // namespace model
