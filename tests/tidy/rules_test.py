"""The rules themselves: each fires on the fixture that breaks it, and is silent on the one that keeps it."""

import unittest

import include_rules
import name_rules
import shape_rules
import tree_rules
from scopes import functions_of
from source import Source

LONG_BODY = "  step();\n" * 80
CODES = "enum class ErrorCode { lost_on_the_way, ///< words\n };"

# (rule, path, text that breaks it, text that keeps it)
ROWS = [
    (include_rules.check_matrix, "routing/decide.cpp", '#include "proxy/net/stream.hpp"', '#include "protocol/statement.hpp"'),
    (include_rules.check_matrix, "protocol/base/error.cpp", '#include "protocol/statement.hpp"', '#include "protocol/base/error.hpp"'),
    (include_rules.check_matrix, "protocol/postgres/a.cpp", '#include "protocol/mysql/a.hpp"', '#include "protocol/wire/gather.hpp"'),
    (include_rules.check_matrix, "proxy/session/a.cpp", '#include "protocol/postgres/message.hpp"', '#include "protocol/dialect.hpp"'),
    (include_rules.check_matrix, "proxy/session/a.cpp", '#include "proxy/net/listener.hpp"', '#include "proxy/net/stream.hpp"'),
    (include_rules.check_matrix, "proxy/admin/a.cpp", '#include "proxy/session/session.hpp"', '#include "routing/explain.hpp"'),
    (include_rules.check_matrix, "proxy/net/a.cpp", '#include "routing/plan.hpp"', '#include "proxy/runtime/loop.hpp"'),
    (include_rules.check_matrix, "config/a.cpp", '#include "proxy/session/session.hpp"', '#include "proxy/session/options.hpp"'),
    (include_rules.check_matrix, "routing/a.cpp", '#include "decide.hpp"', '#include "routing/decide.hpp"'),
    (include_rules.check_libraries, "proxy/session/a.cpp", "#include <event2/event.h>", "#include <vector>"),
    (include_rules.check_libraries, "proxy/net/a.cpp", "#include <boost/asio.hpp>", "#include <event2/event.h>"),
    (include_rules.check_libraries, "routing/a.cpp", "#include <spdlog/spdlog.h>", "#include <string>"),
    (include_rules.check_libraries, "protocol/wire/a.cpp", "#include <openssl/evp.h>", "#include <span>"),
    (include_rules.check_libraries, "protocol/postgres/a.cpp", "#include <sys/socket.h>", "#include <openssl/evp.h>"),
    (include_rules.check_libraries, "config/a.hpp", "#include <yaml-cpp/yaml.h>", "#include <string>"),
    (include_rules.check_libraries, "proxy/session/a.hpp", "#include <yaml-cpp/yaml.h>", "#include <spdlog/spdlog.h>"),
    (include_rules.check_purity, "routing/a.cpp", "#include <random>", "#include <chrono>"),
    (include_rules.check_purity, "routing/a.cpp", "auto t = std::chrono::steady_clock::now();", "// steady_clock\nint a;"),
    (include_rules.check_include_order, "routing/a.cpp", '#include <vector>\n#include "routing/b.hpp"', '#include "routing/b.hpp"\n#include <vector>'),
    (include_rules.check_pragma_once, "routing/a.hpp", "int a;", "#pragma once\nint a;"),
    (shape_rules.check_file_length, "routing/a.cpp", "int a;\n" * 451, "int a;\n" * 450),
    (shape_rules.check_function_length, "routing/a.cpp", "namespace n {\nint f(int a) {\n" + LONG_BODY + "}\n}\n",
     "namespace n {\n" + "int f(int a) {\n  step();\n}\n" * 60 + "}\n"),
    (shape_rules.check_function_length, "routing/a.cpp", "A::A(int b) : b_{b}, c_(b) {\n" + LONG_BODY + "}\n",
     "const int table[] = {\n" + "  1,\n" * 100 + "};\n"),
    (shape_rules.check_lambda_coroutines, "proxy/a.cpp", "void f() { spawn([this](int a) -> Task<int> { co_return a; }); }",
     "void f() { spawn([](int a) -> Task<int> { co_return a; }); call([this] { go(); }); }"),
    (shape_rules.check_one_await, "proxy/a.cpp", "T f() { if (co_await a() && b) return; }", "T f() { const bool is_a = co_await a(); }"),
    (shape_rules.check_one_await, "proxy/a.cpp", "T f() { g(co_await a(), 1); }", "T f() { co_await a(1, 2); }"),
    (shape_rules.check_one_await, "proxy/a.cpp", "T f() { auto [a, b] = co_await c(); }", "T f() { Result<std::map<int, int>> r = co_await c(); }"),
    (shape_rules.check_one_await, "proxy/a.cpp", "T f() { int a = co_await b() + co_await c(); }", "T f() { if (wanted) co_await b(); }"),
    (shape_rules.check_one_await, "proxy/a.cpp", "T f() { co_return co_await b(); }", "T f() { if (auto r = co_await b(); !r) co_return r; }"),
    (shape_rules.check_try_in_coroutine, "proxy/a.cpp", "T f() { try { g(); } catch (...) { } co_return 1; }",
     "void f() { try { g(); } catch (...) { } }\nT h() { co_return 1; }"),
    (shape_rules.check_detached, "proxy/a.cpp", "void f() { thread_.detach(); }", "void f() { thread_.join(); }"),
    (shape_rules.check_macros, "proxy/a.cpp", "#define TRY(a) a", "#define DOCTEST_CONFIG_IMPLEMENT"),
    (name_rules.check_words, "proxy/a.cpp", "int upstream_count;", 'auto a = "upstream";  // upstream'),
    (name_rules.check_words, "proxy/a.cpp", "struct PreparedStmt {};", "if (node->select_stmt) PgQuery__SelectStmt* a;"),
    (name_rules.check_words, "proxy/a.cpp", "int primary_port;", "int authority_port;"),
    (name_rules.check_types, "proxy/a.cpp", "class SessionManager {", "class Session {"),
    (name_rules.check_types, "proxy/a.cpp", "struct ConnectionInfo {", "struct Information {"),
    (name_rules.check_types, "proxy/a.cpp", "struct IStream {", "struct Index {"),
    (name_rules.check_types, "proxy/a.cpp", "struct side_state {", "struct promise_type {"),
    (name_rules.check_files, "proxy/net/util.cpp", "", None),
    (name_rules.check_files, "proxy/net/TcpStream.cpp", "", None),
    (name_rules.check_protocol_words, "proxy/session/a.cpp", 'send("08006");', 'send("hello");'),
    (tree_rules.check_root, "notes.md", "", None),
    (tree_rules.check_root, "scratch/a.txt", "", None),
    (tree_rules.check_folder_readmes, "routing/a.hpp", "", None),
    (tree_rules.check_machine_paths, "tests/a.py", "open('/ho" + "me/somebody/x')", "open('home/x')"),
    (tree_rules.check_machine_paths, "README.md", "https://" + "registry.example/x", "https://www.postgresql.org/docs"),
    (tree_rules.check_sleeps, "tests/a.py", "time.sle" + "ep(1)", "cursor.execute('select pg_sleep(1)')"),
    (tree_rules.check_sleeps, "tests/a_test.cpp", "std::this_thread::sleep_for(1s);", "loop.advance(1s);"),
    (tree_rules.check_sleeps, "tests/a.sh", "sle" + "ep 3\n", "wait\n"),
    (tree_rules.check_error_codes, "protocol/base/error.hpp", CODES, None),
    (tree_rules.check_readme_programs, "README.md", "```sh\n./tests/gone.sh\n```\n", "```sh\nls\n```\n"),
    (tree_rules.check_readme_links, "README.md", "[a](proxy/gone.md)", "[a](README.md) [b](https://x.org)"),
]


class Rules(unittest.TestCase):
    def test_each_row(self):
        """a fixture that breaks a rule → the rule fires; one that keeps it → silence"""
        for check, path, breaking, keeping in ROWS:
            with self.subTest(rule=check.__name__, text=breaking[:60]):
                self.assertTrue(list(check([Source(path, breaking)])), "did not fire")
                if keeping is not None:
                    self.assertEqual([str(breach) for breach in check([Source(path, keeping)])], [])

    def test_every_rule_has_a_row(self):
        """a rule without a fixture → named here"""
        rules = {value for module in (include_rules, name_rules, shape_rules, tree_rules)
                 for key, value in vars(module).items() if key.startswith("check_")}
        tested = {row[0] for row in ROWS} | {include_rules.check_own_header_first}
        self.assertEqual([rule.__name__ for rule in rules - tested], [])

    def test_own_header_first(self):
        """x.cpp beside x.hpp that includes another first → fires"""
        header = Source("routing/a.hpp", "#pragma once")
        late = Source("routing/a.cpp", '#include "routing/b.hpp"\n#include "routing/a.hpp"')
        kept = Source("routing/a.cpp", '#include "routing/a.hpp"\n#include "routing/b.hpp"')
        self.assertEqual(len(list(include_rules.check_own_header_first([header, late]))), 1)
        self.assertEqual(list(include_rules.check_own_header_first([header, kept])), [])

    def test_error_code_named_by_a_test(self):
        """an error that a dialogue test names → silence"""
        sources = [Source("protocol/base/error.hpp", CODES), Source("tests/a_test.cpp", "CHECK(ErrorCode::lost_on_the_way)")]
        self.assertEqual(list(tree_rules.check_error_codes(sources)), [])

    def test_functions(self):
        """methods, constructors, lambdas, initialisers → only functions are found, with their own ends"""
        code = ("namespace a { struct B { int c() const { return 1; } int d_{3}; };\n"
                "B::B() : d_{4}, e_(5) { go(); }\nauto table = std::array{1, 2};\n"
                "TEST_CASE(\"x\") { if (a) { b(); } auto f = [&](int g) { return g; }; }\nenum class E : int { a };\n}")
        found = [function.name for function in functions_of(code)]
        self.assertEqual(found, ["c", "B::B", "TEST_CASE"])
