"""Several pairs in one process, the admin endpoint, and how a process begins and ends."""

import re
import signal
import subprocess

import yaml

import proxy
from clusters import house
from through import Through, side_of
from waiting import Stopwatch, until
from wire import Wire, query

BAD = """\
workers: 2
admn: {listen: 127.0.0.1:0}
pairs:
  shop:
    dialect: postgres
    lisen: 127.0.0.1:0
    blue: {host: 127.0.0.1, port: 99999}
    green: {host: 127.0.0.1, port: 5432}
    rules:
      - name: reads
        match: {class: [reed]}
        reads: {blue: 60, green: 60}
"""


class Admin(Through):
    @classmethod
    def settings(cls):
        return proxy.configuration(more_pairs={"mirrored": proxy.pair(blue=house().green.port, green=house().blue.port)})

    def test_pairs_are_apart(self):
        """two pairs in one process → weights of one leave the other alone"""
        first, second = self.connect(), self.connect(pair_name="mirrored")
        self.assertEqual((side_of(first), side_of(second)), ("blue", "green"))
        self.proxy.shift(100, pair_name="mirrored")
        self.assertEqual((side_of(first), side_of(second)), ("blue", "blue"))
        self.proxy.shift(100)
        self.assertEqual((side_of(first), side_of(second)), ("green", "blue"))

    def test_status(self):
        """status → pairs, weights, clients and requests as they are"""
        connection = self.connect()
        before = self.proxy.status()
        for _ in range(10):
            side_of(connection)
        after = self.proxy.status()
        self.assertEqual(after["clients"], 1)
        self.assertEqual(after["sides"]["blue"]["requests"] - before["sides"]["blue"]["requests"], 10)
        self.assertEqual(after["sides"]["green"]["requests"], before["sides"]["green"]["requests"])
        self.assertEqual(after["rules"][0]["reads"], {"blue": 100, "green": 0})

    def test_health(self):
        """/healthz and /readyz → 200"""
        for path in ("/healthz", "/readyz"):
            self.assertEqual(self.proxy.ask("GET", path).status, 200)

    def test_refusals(self):
        """unknown pairs and rules, bad weights, bad methods → 4xx with words, and nothing changes"""
        before = self.proxy.status()
        path = "/api/v1/pairs/shop/rules/reads/weights"
        for method, where, body, status in (
                ("PUT", "/api/v1/pairs/shap/rules/reads/weights", {"reads": {"green": 10}}, 404),
                ("PUT", "/api/v1/pairs/shop/rules/raeds/weights", {"reads": {"green": 10}}, 404),
                ("PUT", path, {"reads": {"green": 110}}, 400), ("PUT", path, {"reads": {"green": -1}}, 400),
                ("PUT", path, {"reads": {"green": 10, "blue": 10}}, 400), ("PUT", path, "{", 400), ("PUT", path, "[]", 400),
                ("PUT", path, {"reads": {"green": "ten"}}, 400), ("PUT", path, {"raeds": {"green": 1}}, 400),
                ("DELETE", path, None, 405), ("GET", "/api/v1/nothing", None, 404)):
            with self.subTest(method=method, where=where, body=body):
                reply = self.proxy.ask(method, where, body)
                self.assertEqual(reply.status, status, reply.text)
                self.assertGreater(len(reply.text), 10)
        self.assertEqual(self.proxy.status()["rules"], before["rules"])

    def test_explain(self):
        """explain → the side, rule and class that a real statement meets"""
        self.proxy.shift(100)
        for sql, side, kind in (("SELECT name FROM side", "green", "read"), ("DELETE FROM log", "blue", "write"),
                                ("SELECT nextval('notes_id_seq')", "blue", "write"), ("DROP TABLE x", "blue", "schema_change"),
                                ("SELECT * FROM items FOR UPDATE", "blue", "write"), ("SELEC", "blue", "unknown")):
            with self.subTest(sql=sql):
                told = self.proxy.ask("POST", "/api/v1/explain", {"pair": "shop", "sql": sql, "user": "postgres",
                                                                 "database": "shop"}).json
                self.assertEqual((told["side"], told["class"]), (side, kind))

    def test_pins(self):
        """pinned sessions → listed with user, side, server process, reasons, ages and digests, never with a literal"""
        connection = self.connect(application_name="till")
        self.query(connection, "SELECT pg_advisory_lock(77123)")
        self.query(connection, "CREATE TEMP TABLE seventy_seven AS SELECT 77124 AS a")
        told = self.proxy.ask("GET", "/api/v1/pairs/shop/pins").json
        self.assertEqual((told["pair"], told["total"]), ("shop", 1))
        session = told["sessions"][0]
        self.assertEqual((session["user"], session["database"], session["application_name"], session["side"]),
                         ("postgres", "shop", "till", "blue"))
        self.assertEqual(session["backend_pid"], self.value(connection, "SELECT pg_backend_pid()"))
        self.assertEqual([each["reason"] for each in session["pins"]], ["temporary_object", "advisory_lock"])
        for each in session["pins"]:
            self.assertRegex(each["digest"], "^[0-9a-f]{16}$")
            self.assertIn("DISCARD", each["cleared_by"])
            self.assertLess(each["age_ms"], 20000)
        said = self.run_crossfade("pins")
        for word in ("till", "temporary_object", "advisory_lock", session["pins"][0]["digest"]):
            self.assertIn(word, said)
        for text in (said, str(told)):
            self.assertNotRegex(text, "77123|77124|seventy")
        self.assertRegex(self.proxy.ask("GET", "/metrics").text, r'crossfade_pins_total\{[^}]*advisory_lock[^}]*\} [1-9]')
        self.assertEqual(self.proxy.ask("GET", "/api/v1/pairs/shap/pins").status, 404)

    def run_crossfade(self, *words):
        command = [proxy.CROSSFADE, *words, "--pair", "shop", "--admin", "http://" + self.proxy.addresses["admin"]]
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout

    def test_metrics(self):
        """/metrics → requests, errors by SQLSTATE, latency buckets and bytes, labelled by pair and side"""
        connection = self.connect()
        side_of(connection)
        with self.assertRaises(Exception):
            self.query(connection, "SELECT 1/0")
        text = self.proxy.ask("GET", "/metrics").text
        for line in text.splitlines():
            self.assertRegex(line, r'^(#|[a-z_]+(\{([a-z_]+="[^"]*",?)*\})? -?[0-9.e+Inf-]+$|$)')
        self.assertRegex(text, r'crossfade_\w*errors\w*_total\{[^}]*22012[^}]*\} [1-9]')
        self.assertRegex(text, r'crossfade_\w*requests\w*_total\{[^}]*side="blue"[^}]*\} [1-9]')
        self.assertRegex(text, r"crossfade_\w+_seconds_bucket\{")
        self.assertRegex(text, r"crossfade_\w*bytes\w*_total\{")


class Process(Through):
    def check(self, text, *words):
        path = self.proxy.home / "checked.yaml"
        path.write_text(text)
        return subprocess.run([proxy.CROSSFADE, *words, str(path)], capture_output=True, text=True, timeout=30, cwd="/")

    def test_bad_configuration(self):
        """a file with five mistakes → check and run report all of them with line and column, and start nothing"""
        for words in (["check"], ["run"]):
            with self.subTest(words=words):
                result = self.check(BAD, *words)
                said = result.stdout + result.stderr
                self.assertNotEqual(result.returncode, 0, said)
                for line, mistake in ((2, "admin"), (6, "listen"), (7, "99999"), (11, "read"), (12, "120")):
                    self.assertRegex(said, rf":{line}:\d+:.*{mistake}", said)

    def test_good_configuration(self):
        """check of a good file → status 0, and no password is printed"""
        result = self.check(yaml.safe_dump(proxy.configuration()), "check")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertNotIn(proxy.CLIENT_PASSWORD, result.stdout + result.stderr)

    def test_missing_file(self):
        """a file that is not there → its name and the reason"""
        result = subprocess.run([proxy.CROSSFADE, "run", "/nowhere/x.yaml"], capture_output=True, text=True, timeout=30)
        self.assertNotEqual(result.returncode, 0)
        self.assertRegex(result.stdout + result.stderr, "/nowhere/x.yaml.*No such file")

    def test_port_taken(self):
        """a listener whose port is taken → says so and ends"""
        taken = proxy.configuration(proxy.pair(listen="127.0.0.1:%d" % self.proxy.address()[1]))
        result = self.check(yaml.safe_dump(taken), "run")
        self.assertNotEqual(result.returncode, 0)
        self.assertRegex(result.stdout + result.stderr, re.compile("address.*in use", re.IGNORECASE))

    def test_usage(self):
        """no word, an unknown word, --version, --help → usage and its status"""
        for words, status, wanted in (([], None, "--help"), (["dance"], None, "--help"), (["--version"], 0, r"\d+\.\d+\.\d+"),
                                      (["--help"], 0, "check")):
            with self.subTest(words=words):
                result = subprocess.run([proxy.CROSSFADE, *words], capture_output=True, text=True, timeout=30)
                self.assertRegex(result.stdout + result.stderr, wanted)
                self.assertEqual(result.returncode == 0, status == 0)

    def test_polite_stop(self):
        """SIGTERM with an idle session → 57P01, closed, status 0; no connection stays on a backend"""
        other = proxy.Proxy()
        with Wire(other.address()) as wire, Stopwatch(10):
            wire.log_in(application_name="stopped")
            wire.rows("SELECT name FROM side")
            other.process.send_signal(signal.SIGTERM)
            errors = [each.fields["C"] for each in wire.read_all() if each.kind == "E"]
            self.assertEqual(errors, ["57P01"])
            other.stop()
        until(lambda: not self.house.blue.sessions("application_name = 'stopped'"), "the backend is left")

    def test_stop_while_busy(self):
        """SIGTERM while a statement runs → the statement is answered first"""
        other = proxy.Proxy()
        with Wire(other.address()) as wire:
            wire.log_in()
            wire.send(query("/* busy */ SELECT pg_sleep(0.5), name FROM side"))
            until(lambda: self.house.blue.sessions("state = 'active' AND query LIKE '%busy%'"), "it runs")
            other.process.send_signal(signal.SIGTERM)
            self.assertEqual([each.row[1] for each in wire.read_until("Z") if each.kind == "D"], [b"blue"])
        other.stop()
