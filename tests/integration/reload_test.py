"""A configuration that changes under clients: told in differences, in force as a whole or not at all, nobody dropped."""

import copy
import signal
import subprocess
import tempfile
import threading

import psycopg2

import proxy
from through import Through, side_of
from waiting import until
from wire import Closed, Wire

TOKEN = "a token of enough bytes"


class Reload(Through):
    @classmethod
    def settings(cls):
        cls.wanted = proxy.configuration(proxy.pair(rules=[proxy.rule(), proxy.rule("rest")], pool={"mode": "transaction", "size": 4}))
        return cls.wanted

    def setUp(self):
        super().setUp()
        self.addCleanup(self.put, self.wanted)
        self.now = copy.deepcopy(self.wanted)
        self.shop = self.now["pairs"]["shop"]

    def put(self, settings):
        self.proxy.rewrite(settings)
        reply = self.proxy.reload()
        self.assertEqual(reply.status, 200, reply.text)
        return {each["key"]: each for each in reply.json["changes"]}

    def test_differences(self):
        """values changed, added and removed → each told by its path, secrets without their values, fixed ones kept"""
        self.now["workers"] = 7
        self.now["limits"] = {"clients_max": 321}
        self.shop["pool"] = {"mode": "transaction", "size": 9}
        self.shop["users"]["app_scram"]["password"] = "a new secret"
        changes = self.put(self.now)
        self.assertEqual(changes["pairs.shop.pool.size"], {"change": "changed", "key": "pairs.shop.pool.size", "before": "4",
                                                           "after": "9", "needs_restart": False})
        self.assertEqual(changes["limits.clients_max"]["change"], "added")
        self.assertTrue(changes["workers"]["needs_restart"])
        secret = changes["pairs.shop.users.app_scram.password"]
        self.assertEqual(secret, {"change": "changed", "key": secret["key"], "needs_restart": False})
        self.assertNotIn("a new secret", self.proxy.words())
        self.assertEqual(self.proxy.ask("GET", "/api/v1/status").json["workers"], 2)
        self.assertEqual(set(self.put(self.wanted)), set(changes))
        self.assertEqual(self.put(self.wanted), {})

    def test_dry_run(self):
        """a dry run → the differences, and nothing in force; the command says so"""
        self.shop["rules"][0] = proxy.rule(green=100)
        self.proxy.rewrite(self.now)
        reply = self.proxy.reload(dry_run=True).json
        self.assertFalse(reply["applied"])
        self.assertEqual({each["key"] for each in reply["changes"]}, {"pairs.shop.rules[reads].reads.blue", "pairs.shop.rules[reads].reads.green"})
        self.assertEqual(side_of(self.connect()), "blue")
        told = self.command("--dry-run")
        self.assertEqual((told.returncode, "0 -> 100" in told.stdout, "dry run" in told.stdout), (0, True, True), told.stdout)

    def command(self, *words):
        return subprocess.run([proxy.CROSSFADE, "reload", "--admin", f"http://{self.proxy.addresses['admin']}", *words],
                              capture_output=True, text=True, check=False)

    def test_refused_as_a_whole(self):
        """a file with mistakes → all of them told, nothing changed, by HTTP, by command and by signal"""
        self.shop["rules"][0] = proxy.rule(green=100)
        self.shop["pool"]["size"] = -1
        self.now["limits"] = {"no_such_key": 1}
        self.proxy.rewrite(self.now)
        reply = self.proxy.reload()
        self.assertEqual(reply.status, 409)
        told = "\n".join(reply.json["problems"])
        self.assertIn("pool.size", told)
        self.assertIn("no_such_key", told)
        command = self.command()
        self.assertEqual(command.returncode, 4)
        self.assertIn("no_such_key", command.stderr)
        self.proxy.process.send_signal(signal.SIGHUP)
        until(lambda: self.proxy.log.read_text().count("was not reloaded, nothing has changed") >= 3, "SIGHUP was refused")
        self.assertEqual(side_of(self.connect()), "blue")

    def test_weights(self):
        """weights moved at run time → kept by a reload that does not touch them, replaced by one that does"""
        connection = self.connect()
        self.proxy.shift(100)
        self.now["limits"] = {"clients_max": 500}
        self.put(self.now)
        self.assertEqual(side_of(connection), "green")
        self.shop["rules"][0] = proxy.rule(green=25)
        epoch = self.proxy.status()["epoch"]
        self.put(self.now)
        status = self.proxy.status()
        self.assertEqual((status["rules"][0]["reads"]["green"], status["epoch"]), (25, epoch + 1))
        self.shop["rules"].insert(0, {"name": "all", "match": {"user": ["postgres"]}, "reads": {"green": 100}})
        self.put(self.now)
        self.assertEqual(side_of(connection), "green")

    def test_users(self):
        """passwords, users and access rules changed → in force for the next login; sessions stay"""
        old = self.connect("app_scram", password=proxy.CLIENT_PASSWORD)
        self.shop["users"]["app_scram"]["password"] = "another one"
        del self.shop["users"]["app_md5"]
        self.put(self.now)
        self.assertEqual(self.value(old, "SELECT 1"), 1)
        self.connect("app_scram", password="another one")
        for user in ("app_scram", "app_md5"):
            with self.assertRaisesRegex(psycopg2.OperationalError, "password authentication failed"):
                self.connect(user, password=proxy.CLIENT_PASSWORD)
        self.shop["access"] = [{"user": ["postgres"], "method": "reject"}, {"method": "trust"}]
        for user in self.shop["users"].values():
            user.pop("authentication")
        self.put(self.now)
        with self.assertRaisesRegex(psycopg2.OperationalError, "rejects connection"):
            self.connect()
        self.assertEqual(self.value(self.connect("app_trust"), "SELECT 1"), 1)

    def test_limits(self):
        """fewer clients allowed → the next one is refused with 53300; more → it comes in"""
        first = self.connect()
        self.now["limits"] = {"clients_max": 1}
        self.put(self.now)
        with self.assertRaisesRegex(psycopg2.OperationalError, "too many"):
            self.connect()
        self.assertEqual(self.value(first, "SELECT 1"), 1)
        self.put(self.wanted)
        self.connect()

    def test_pool_size(self):
        """the pool shrinks → the second transaction waits for the first; it grows → both run at once"""
        self.shop["pool"]["size"] = 1
        self.put(self.now)
        holder, waiting = self.connect(), self.connect()
        self.query(holder, "BEGIN")
        done = []
        thread = threading.Thread(target=lambda: done.append(self.value(waiting, "SELECT 7")))
        thread.start()
        until(lambda: self.house.blue.sessions("state = 'idle in transaction'"), "the first one is in its transaction")
        self.assertEqual(done, [])
        self.query(holder, "COMMIT")
        thread.join(10)
        self.assertEqual(done, [7])
        self.put(self.wanted)
        self.query(holder, "BEGIN")
        self.query(waiting, "BEGIN")
        self.assertEqual((self.value(holder, "SELECT 8"), self.value(waiting, "SELECT 9")), (8, 9))
        self.query(holder, "COMMIT")
        self.query(waiting, "COMMIT")

    def test_pairs(self):
        """a pair added → open for clients; removed → its sessions end at their boundary, its address is free"""
        self.now["pairs"]["second"] = proxy.pair()
        self.put(self.now)
        address = self.proxy.status("second")["listen"].rpartition(":")
        wire = Wire((address[0], int(address[2])))
        self.addCleanup(wire.close)
        wire.log_in()
        self.assertEqual(wire.rows("SELECT 5"), [[b"5"]])
        self.assertEqual(wire.rows("BEGIN; SELECT 6"), [[b"6"]])
        changes = self.put(self.wanted)
        self.assertEqual(changes["pairs.second.listen"]["change"], "removed")
        self.assertEqual(wire.rows("SELECT 7"), [[b"7"]])
        with self.assertRaises(ConnectionRefusedError):
            Wire((address[0], int(address[2])))
        wire.rows("COMMIT")
        with self.assertRaises((Closed, ConnectionError)):
            while True:
                wire.read()
        self.assertEqual([each["name"] for each in self.proxy.ask("GET", "/api/v1/status").json["pairs"]], ["shop"])

    def test_address_taken(self):
        """a new pair whose address is taken → the whole reload is refused"""
        host, port = self.proxy.address()
        self.now["pairs"]["second"] = {**proxy.pair(), "listen": f"{host}:{port}"}
        self.shop["rules"][0] = proxy.rule(green=100)
        self.proxy.rewrite(self.now)
        reply = self.proxy.reload()
        self.assertEqual(reply.status, 409)
        self.assertIn("second", "".join(reply.json["problems"]))
        self.assertEqual(side_of(self.connect()), "blue")

    def test_admin_token(self):
        """a token set by a reload → asked for from then on, and no more when it is taken away"""
        self.now["admin"] = {"listen": "127.0.0.1:0", "token": TOKEN}
        self.put(self.now)
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        self.assertEqual(self.proxy.ask("GET", "/api/v1/status").status, 401)
        self.assertEqual(self.proxy.ask("GET", "/api/v1/status", headers=bearer).status, 200)
        self.proxy.rewrite(self.wanted)
        self.assertEqual(self.proxy.ask("POST", "/api/v1/reload", headers=bearer).status, 200)
        self.assertEqual(self.proxy.ask("GET", "/api/v1/status").status, 200)

    def test_log_level(self):
        """another log level → in force at once"""
        self.now["log"] = {"level": "error"}
        self.put(self.now)
        before = self.proxy.log.read_text().count("the configuration was reloaded")
        self.put(self.now)
        self.assertEqual(self.proxy.log.read_text().count("the configuration was reloaded"), before)


class Moved(Through):
    """A side that is somewhere else by now, for sessions that keep their connection."""

    mode = "session"

    @classmethod
    def settings(cls):
        cls.wanted = proxy.configuration(proxy.pair(pool={"mode": cls.mode}))
        return cls.wanted

    def test_endpoint(self):
        """blue's address changed → at its next boundary each session is there, settings with it; transactions end where they are"""
        busy, idle = self.connect(), self.connect()
        self.query(idle, "SET work_mem TO '5MB'")
        self.query(busy, "BEGIN")
        self.assertEqual((side_of(busy), side_of(idle)), ("blue", "blue"))
        moved = copy.deepcopy(self.wanted)
        moved["pairs"]["shop"]["blue"]["port"] = self.house.green.port
        moved["pairs"]["shop"]["allow_same_endpoint"] = True
        self.proxy.rewrite(moved)
        self.assertEqual(self.proxy.reload().status, 200)
        self.assertEqual((side_of(busy), side_of(idle)), ("blue", "green"))
        self.assertEqual(self.value(idle, "SHOW work_mem"), "5MB")
        self.query(busy, "COMMIT")
        self.assertEqual(side_of(busy), "green")
        until(lambda: not self.house.blue.sessions("application_name = ''"), "nothing is left on the address before")
        self.proxy.rewrite(self.wanted)
        self.assertEqual(self.proxy.reload().status, 200)
        self.assertEqual((side_of(busy), side_of(idle)), ("blue", "blue"))


class MovedByTransaction(Moved):
    mode = "transaction"


class UnderLoad(Through):
    def test_reloads_under_load(self):
        """twenty reloads that change something, under pgbench with and without reconnects → no error"""
        settings = proxy.configuration(proxy.pair(pool={"mode": "transaction", "size": 5}))
        with tempfile.TemporaryDirectory() as folder:
            runs = [subprocess.Popen(["/usr/lib/postgresql/15/bin/pgbench", "-n", "-S", "-c", "4", "-T", "4", *words], cwd=folder,
                                     env=self.environment(database="bench"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                    for words in ((), ("-C",))]
            turns = 0
            while any(run.poll() is None for run in runs):
                turns += 1
                settings["limits"] = {"clients_max": 1000 + turns}
                settings["pairs"]["shop"]["pool"]["size"] = 3 + turns % 4
                settings["pairs"]["shop"]["rules"] = [proxy.rule(green=turns % 2 * 100)]
                self.proxy.rewrite(settings)
                self.assertEqual(self.proxy.reload().status, 200)
        self.assertGreater(turns, 10)
        for run in runs:
            words = run.communicate()[0]
            self.assertEqual(run.returncode, 0, words)
            self.assertNotIn("aborted", words)
