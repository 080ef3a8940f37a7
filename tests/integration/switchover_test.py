"""Switchovers between two real servers: nothing is lost, no client sees an error, and a process that dies leaves one authority."""

import contextlib
import http.client
import json
import signal
import subprocess
import threading

import psycopg2

import proxy
import switching
from switching import ACCEPTED, BEFORE_FLIP, STEPS, WRITES, is_fenced, sides
from waiting import until
from wire import Wire


class Moving(switching.Switching):
    def setUp(self):
        super().setUp()
        self.move_to("blue")

    def test_there_and_back(self):
        """clients write all the time, the authority goes over and back → no error, each write on exactly the side that had the authority"""
        stop = threading.Event()
        written, errors = [], []

        def write(client):
            connection = self.connect()
            number = 0
            try:
                while not stop.is_set():
                    self.query(connection, f"INSERT INTO {WRITES} (client, number) VALUES (%s, %s)", (client, number))
                    number += 1
            except psycopg2.Error as error:
                errors.append(str(error))
            written.append((client, number))

        threads = [threading.Thread(target=write, args=(client,)) for client in range(12)]
        for thread in threads:
            thread.start()
        try:
            before = {name: cluster.query(f"SELECT count(*) FROM {WRITES}", database="moved")[0][0] for name, cluster in sides().items()}
            for side in ("green", "blue", "green", "blue"):
                cluster = sides()[side]
                self.move(to=side)
                self.assert_fences()
                count = cluster.query(f"SELECT count(*) FROM {WRITES}", database="moved")[0][0]
                until(lambda: cluster.query(f"SELECT count(*) FROM {WRITES}", database="moved")[0][0] > count, f"writes go to {side}")
        finally:
            stop.set()
            for thread in threads:
                thread.join(30)
        self.assertEqual(errors, [])
        rows = {name: set(cluster.query(f"SELECT client, number FROM {WRITES}", database="moved")) for name, cluster in sides().items()}
        self.assertEqual(rows["blue"] & rows["green"], set())
        for client, count in written:
            self.assertEqual({number for each in rows.values() for who, number in each if who == client}, set(range(count)))
        self.assertGreater(len(rows["green"]), before["green"])

    def test_identities_go_on(self):
        """a sequence has gone on → after the switchover it goes on beyond that, and so it does on the way back"""
        writer = self.connect()
        insert = f"INSERT INTO {WRITES} (client, number) VALUES (100, %s) RETURNING id"
        last = self.value(writer, insert, (1,))
        self.move(to="green")
        on_green = self.value(writer, insert, (2,))
        self.assertGreater(on_green, last)
        self.move(to="blue")
        self.assertGreater(self.value(writer, insert, (3,)), on_green)

    def test_blockers(self):
        """a dry run → it names a foreign writer with its statement, a long transaction's session, a prepared transaction, a difference"""
        blue = sides()["blue"]
        foreign = blue.connect(database="moved", application_name="somebody else")
        self.addCleanup(foreign.close)
        foreign.autocommit = False
        with foreign.cursor() as cursor:
            cursor.execute("INSERT INTO counts VALUES (4711, 0)")
        blue.query("BEGIN; INSERT INTO counts VALUES (4712, 0); PREPARE TRANSACTION 'left over'", database="moved")
        self.addCleanup(blue.query, "ROLLBACK PREPARED 'left over'", database="moved")
        blue.query("CREATE TABLE only_here (line text)", database="moved")
        self.addCleanup(blue.query, "DROP TABLE only_here", database="moved")
        green = sides()["green"]
        green.query("ALTER DATABASE moved SET timezone = 'Asia/Tokyo'", database="moved")
        self.addCleanup(green.query, "ALTER DATABASE moved RESET timezone", database="moved")
        green.query("CREATE TABLE large (line text); INSERT INTO large SELECT repeat('x', 1000) FROM generate_series(1, 9000)", database="moved")
        self.addCleanup(green.query, "DROP TABLE large", database="moved")
        attempt = self.ask_for(dry_run=True, accept=[])
        self.assertEqual(attempt["end"], "checked")
        found = {finding["id"]: finding["words"] for finding in attempt["findings"] if finding["weight"] != "note"}
        writer = f"foreign_writer:{foreign.info.backend_pid}"
        self.assertIn(writer, found)
        self.assertIn("INSERT INTO counts VALUES (4711, 0)", found[writer])
        self.assertIn("somebody else", found[writer])
        for id in ("prepared_transaction:left over", "schema:moved.public.only_here", "table_without_key:moved.public.only_here", "sync_none",
                   "setting:moved.TimeZone", "setting:moved.the database: TimeZone", "statistics:moved.public.large"):
            self.assertIn(id, found)
        refused = self.ask_for()
        self.assertEqual((refused["end"], refused["failed_step"]), ("undone", "check"))
        self.assertEqual(self.standing()["authority"], "blue")
        self.assertFalse(is_fenced(blue))

    def test_transaction_that_stays_open(self):
        """a write transaction does not end → the switchover is given up at its drain, and held clients go on where they were"""
        stubborn, other = self.connect(), self.connect()
        self.query(stubborn, "BEGIN")
        self.query(stubborn, "INSERT INTO counts VALUES (1, 0)")
        answers = []
        number = self.proxy.ask("POST", "/api/v1/pairs/shop/switchover", {"accept": ACCEPTED, "max_hold_ms": 1500}).json["number"]
        until(lambda: self.standing()["step"] == "drain", "it drains")
        thread = threading.Thread(target=lambda: answers.append(self.query(other, "INSERT INTO counts VALUES (2, 0)")))
        thread.start()
        attempt = self.ended(number)
        thread.join(30)
        self.assertEqual((attempt["end"], attempt["failed_step"]), ("undone", "drain"), attempt)
        self.assertEqual(answers, [[]])
        self.query(stubborn, "COMMIT")
        self.assertEqual(sides()["blue"].query("SELECT client FROM counts WHERE client < 10 ORDER BY 1", database="moved"), [(1,), (2,)])
        sides()["blue"].query("DELETE FROM counts", database="moved")
        self.assertFalse(is_fenced(sides()["blue"]))

    def test_drain_that_ends(self):
        """a write transaction does not end and may be ended → its client is told a code that drivers retry, and the authority moves"""
        with Wire(self.proxy.address()) as stubborn:
            stubborn.log_in(database="moved")
            stubborn.ask("BEGIN")
            stubborn.ask("INSERT INTO counts VALUES (5, 0)")
            attempt = self.move(on_drain_timeout="end")
            self.assertEqual(attempt["transactions_ended"], 1)
            error = stubborn.read_until("E")[-1]
            self.assertEqual((error.fields["S"], error.fields["C"]), ("FATAL", "40001"))
        for cluster in sides().values():
            self.assertEqual(cluster.query("SELECT * FROM counts WHERE client = 5", database="moved"), [])

    def test_now(self):
        """the authority is gone and a rollback is wanted now → what needs it is skipped and told, and writes go on at the other side"""
        blue = sides()["blue"]
        writer = self.connect()
        self.query(writer, "INSERT INTO counts VALUES (7, 0)")
        blue.stop(signal.SIGQUIT)
        self.addCleanup(blue.restart_if_down)
        refused = self.ask_for()
        self.assertEqual((refused["end"], refused["failed_step"]), ("undone", "check"))
        attempt = self.move(now=True)
        self.assertEqual([words.split(":")[0] for words in attempt["skipped"]], ["check", "fence", "final_check", "sequences"])
        self.assertTrue(attempt["left_behind"])
        self.query(self.connect(), "INSERT INTO counts VALUES (8, 0); DELETE FROM counts WHERE client = 8")
        blue.start()
        until(lambda: self.proxy.status()["sides"]["blue"]["health"]["state"] == "up", "blue is up")
        until(lambda: is_fenced(blue), "the fence that could not be put up is put up as soon as it can")
        blue.query("BEGIN READ WRITE; DELETE FROM counts; COMMIT", database="moved")

    def test_reader_does_not_delay(self):
        """a session that only reads keeps its transaction open → the switchover does not wait for it, and its reads go on"""
        reader = self.connect()
        self.query(reader, "BEGIN READ ONLY")
        self.query(reader, "SELECT count(*) FROM counts")
        self.move(to="green")
        self.assertEqual(self.query(reader, "SELECT 1"), [(1,)])
        self.query(reader, "COMMIT")

    def test_abort(self):
        """an abort while it drains → everything is as it was"""
        stubborn = self.connect()
        self.query(stubborn, "BEGIN")
        self.query(stubborn, "INSERT INTO counts VALUES (1, 0)")
        number = self.proxy.ask("POST", "/api/v1/pairs/shop/switchover", {"accept": ACCEPTED}).json["number"]
        until(lambda: self.standing()["step"] == "drain", "it drains")
        reply = self.proxy.ask("POST", "/api/v1/pairs/shop/switchover/abort", {"who": "a test", "why": "changed my mind"})
        self.assertEqual(reply.status, 202, reply.text)
        attempt = self.ended(number)
        self.assertEqual(attempt["end"], "undone")
        self.assertIn("changed my mind", attempt["failure"])
        self.query(stubborn, "ROLLBACK")
        self.query(self.connect(), "INSERT INTO counts VALUES (3, 0); DELETE FROM counts")

    def test_rollback(self):
        """a rollback after a switchover → the authority goes back; after a change of weights → the weights do"""
        self.move(to="green")
        self.assertEqual(self.ask_for("rollback")["to"], "blue")
        self.assertEqual(self.standing()["authority"], "blue")
        self.proxy.shift(30)
        reply = self.proxy.ask("POST", "/api/v1/pairs/shop/rollback")
        self.assertEqual(reply.status, 200, reply.text)
        self.assertEqual((self.standing()["authority"], self.proxy.status()["rules"][0]["reads"]["green"]), ("blue", 0))

    def test_frozen(self):
        """the traffic is frozen → weights are refused and a switchover has to accept it, after a restart too, until it is thawed"""
        words = {word: [proxy.CROSSFADE, word, "shop", "--admin", "http://" + self.proxy.addresses["admin"], "--why", "a fair"]
                 for word in ("freeze", "thaw")}
        frozen = subprocess.run(words["freeze"], capture_output=True, text=True)
        self.addCleanup(subprocess.run, words["thaw"], capture_output=True)
        self.assertEqual(frozen.returncode, 0, frozen.stderr)
        reply = self.proxy.ask("PUT", "/api/v1/pairs/shop/rules/reads/weights", {"reads": {"blue": 70, "green": 30}})
        self.assertEqual(reply.status, 409, reply.text)
        self.assertIn("a fair", reply.text)
        attempt = self.ask_for()
        self.assertEqual((attempt["end"], attempt["failure"]), ("undone", "check: 1 blocker: frozen"))
        self.assertEqual(self.ask_for(accept=[*ACCEPTED, "frozen"])["end"], "moved")
        self.assertIn("a fair", self.standing()["frozen"])
        thawed = subprocess.run(words["thaw"], capture_output=True, text=True)
        self.assertEqual(thawed.returncode, 0, thawed.stderr)
        self.assertIsNone(self.standing()["frozen"])
        self.move(to="blue")

    def test_foreign_session_is_fenced(self):
        """a session beside the proxy → it is ended by the fence, and what comes later on the old authority is read-only"""
        foreign = sides()["blue"].connect(database="moved")
        self.addCleanup(foreign.close)
        self.move(to="green")
        with self.assertRaises(psycopg2.OperationalError):
            foreign.cursor().execute("SELECT 1")
        with self.assertRaises(psycopg2.errors.ReadOnlySqlTransaction):
            sides()["blue"].query("INSERT INTO counts VALUES (9, 9)", database="moved")

    def test_history_and_audit(self):
        """attempts and changes → in the history with their steps, in the audit with who and why; a changed line breaks its chain"""
        self.move(to="green")
        attempts = self.proxy.ask("GET", "/api/v1/pairs/shop/history").json["attempts"]
        last = attempts[-1]
        self.assertEqual((last["to"], last["end"], last["who"], last["why"]), ("green", "moved", "a test", "to see"))
        self.assertEqual([step["step"] for step in last["steps"]][:4], ["check", "hold", "drain", "fence"])
        audit = self.proxy.home / "state" / "audit"
        self.proxy.shift(10)
        verify = [proxy.CROSSFADE, "audit", "verify"]
        whole = subprocess.run([*verify, audit], capture_output=True, text=True)
        self.assertEqual(whole.returncode, 0, whole.stderr)
        entries = [json.loads(line) for line in audit.read_text().splitlines()]
        self.assertEqual((entries[-1]["what"], entries[-1]["from"], entries[-1]["to"]), ("weights", "reads: green 0 %", "reads: green 10 %"))
        copy = self.proxy.home / "changed"
        copy.write_text(audit.read_text().replace("a test", "nobody", 1))
        broken = subprocess.run([*verify, copy], capture_output=True, text=True)
        self.assertEqual(broken.returncode, 1)
        self.assertIn("was changed", broken.stderr)

    def test_command_line(self):
        """crossfade switchover → tells each step and how long clients were held; history lists it; exit code 1 when it is refused"""
        words = [proxy.CROSSFADE, "switchover", "shop", "--admin", "http://" + self.proxy.addresses["admin"]]
        moved = subprocess.run([*words, "--accept", "sync_none", "--why", "by hand"], capture_output=True, text=True)
        self.assertEqual(moved.returncode, 0, moved.stderr)
        self.assertIn("green has the authority; clients were held for at most", moved.stdout)
        self.assertIn("sequences", moved.stdout)
        dry = subprocess.run([*words, "--dry-run"], capture_output=True, text=True)
        self.assertEqual(dry.returncode, 1)
        self.assertIn("BLOCKER   sync_none", dry.stdout)
        history = subprocess.run([proxy.CROSSFADE, "history", "shop", "--admin", "http://" + self.proxy.addresses["admin"]],
                                 capture_output=True, text=True)
        self.assertIn("by hand", history.stdout)


class Dying(switching.Switching):
    """The process is killed inside a switchover, at every step, and started again."""

    def revive(self, where=""):
        self.proxy.kill()
        words = ["--halt-switchover-at", where] if where else []
        ready = self.proxy.home / "ready.json"
        ready.unlink()
        with open(self.proxy.log, "ab") as log:
            self.proxy.process = subprocess.Popen([proxy.CROSSFADE, "run", str(self.proxy.file), "--ready-file", str(ready), *words],
                                                  cwd=self.proxy.home, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.proxy.addresses = until(lambda: self.proxy._read_ready(ready), "the proxy is ready", 30)

    def insert(self, client, number):
        connection = self.connect()
        try:
            self.query(connection, f"INSERT INTO {WRITES} (client, number) VALUES (%s, %s)", (client, number))
        finally:
            connection.close()

    def holders(self, client):
        return {(name, number) for name, cluster in sides().items() for (number,) in cluster.query(
            f"SELECT number FROM {WRITES} WHERE client = %s", (client,), database="moved")}

    def wait_caught_up(self):
        """Nothing is carried from side to side."""

    def assert_holders(self, client, before, now):
        """Each write is where the authority was."""
        self.assertEqual(self.holders(client), {(before, 0), (now, 1)})

    def test_every_step(self):
        """kill -9 before and after every action → after the restart one side has the authority, alone takes writes, and has them all"""
        self.revive()
        for place, where in enumerate(f"{when}:{step}" for step in STEPS for when in ("before", "after")):
            with self.subTest(where):
                authority = self.standing()["authority"]
                target = "green" if authority == "blue" else "blue"
                self.revive(where)
                self.insert(1000 + place, 0)
                self.wait_caught_up()
                with contextlib.suppress(ConnectionError, http.client.HTTPException):  # it may die before it answers
                    self.proxy.ask("POST", "/api/v1/pairs/shop/switchover", {"accept": ACCEPTED, "to": target})
                self.assertEqual(self.proxy.process.wait(20), -9)
                self.revive()
                step = where.split(":")[1]
                is_back = step in BEFORE_FLIP or where == "before:flip"
                self.assertEqual(self.standing()["authority"], authority if is_back else target)
                self.insert(1000 + place, 1)
                until(lambda: self.standing()["step"] == "idle", "what remained is done")
                now = self.standing()["authority"]
                self.assertFalse(is_fenced(sides()[now]))
                if not is_back:
                    self.assertTrue(is_fenced(sides()[authority]))
                self.assert_holders(1000 + place, authority, now)

    def test_torn_state(self):
        """the state is damaged → reads go on, writes are refused with clear words until an operator says who has the authority"""
        state = self.proxy.home / "state" / "shop.authority"
        self.proxy.kill()
        state.write_text(state.read_text()[:-9])
        self.revive()
        connection = self.connect()
        self.assertEqual(self.query(connection, "SELECT 1"), [(1,)])
        with self.assertRaises(psycopg2.errors.ReadOnlySqlTransaction) as caught:
            self.query(connection, "INSERT INTO counts VALUES (77, 0)")
        self.assertIn("not known which database server has the authority", str(caught.exception))
        self.assertFalse(self.standing()["authority_known"])
        self.assertEqual(self.proxy.ask("POST", "/api/v1/pairs/shop/switchover", {"accept": ACCEPTED}).status, 409)
        reply = self.proxy.ask("PUT", "/api/v1/pairs/shop/authority", {"authority": "green", "who": "a test"})
        self.assertEqual(reply.status, 202, reply.text)
        until(lambda: self.standing()["authority_known"], "the authority is known")
        until(lambda: self.standing()["authority"] == "green", "it is green")
        self.query(connection, "INSERT INTO counts VALUES (77, 0)")
        self.assertEqual(sides()["green"].query("SELECT count FROM counts WHERE client = 77", database="moved"), [(0,)])
