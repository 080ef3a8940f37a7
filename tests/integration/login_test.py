"""Who may come in, and how Crossfade itself logs in behind."""

import psycopg2

import proxy
from clusters import PASSWORDS
from through import Through, side_of
from waiting import Stopwatch, until
from wire import Wire, startup


class Login(Through):
    @classmethod
    def settings(cls):
        unknown = {name: {"authentication": "trust"} for name in ("no_such_role", "no_login")}
        return proxy.configuration(proxy.pair(users={**proxy.users(), **unknown}))

    def test_every_backend_method(self):
        """users whom the backend asks for nothing, a password, md5 and SCRAM → all come in, on both sides"""
        for user in ("postgres", "app_trust", *PASSWORDS):
            with self.subTest(user=user):
                password = {"password": proxy.CLIENT_PASSWORD} if user in PASSWORDS else {}
                connection = self.connect(user=user, **password)
                self.assertEqual(self.value(connection, "SELECT current_user"), user)
                self.assert_side(connection, "blue")
                self.proxy.shift(100)
                self.assert_side(connection, "green")
                self.proxy.shift(0)

    def test_backend_connections_end_with_the_session(self):
        """a client that leaves → its backend connections leave too, on both sides"""
        connection = self.connect(application_name="leaver")
        side_of(connection)
        self.proxy.shift(100)
        side_of(connection)
        for cluster in self.house.both:
            self.assertEqual(len(cluster.sessions("application_name = 'leaver'")), 1)
        connection.close()
        for cluster in self.house.both:
            until(lambda: not cluster.sessions("application_name = 'leaver'"), f"{cluster.name} is left")

    def test_one_connection_for_each(self):
        """thirty clients at once → thirty backend connections, as nothing is shared"""
        connections = [self.connect(application_name="many") for _ in range(30)]
        self.assertEqual(len(self.house.blue.sessions("application_name = 'many'")), len(connections))

    def refused(self, user, password):
        with Stopwatch(20), self.assertRaises(psycopg2.OperationalError) as caught:
            self.connect(user=user, password=password)
        return str(caught.exception)

    def test_wrong_password(self):
        """SCRAM with a wrong password → 28P01 in PostgreSQL's words; nothing was asked of a backend"""
        before = [pid for pid, *_ in self.house.blue.sessions("usename = 'app_scram'")]
        words = self.refused("app_scram", "wrong")
        self.assertIn('password authentication failed for user "app_scram"', words)
        self.assertEqual([pid for pid, *_ in self.house.blue.sessions("usename = 'app_scram'")], before)

    def test_backend_password_is_no_client_password(self):
        """the backend's password shown by a client → refused"""
        self.assertIn("password authentication failed", self.refused("app_scram", PASSWORDS["app_scram"]))

    def test_unknown_user(self):
        """a user nobody knows → the same words as for a wrong password, after the same exchange"""
        self.assertIn('password authentication failed for user "nobody"', self.refused("nobody", "x"))
        kinds = []
        for user in ("nobody", "app_scram"):
            with Wire(self.proxy.address()) as wire:
                wire.send(startup({"user": user, "database": "shop"}))
                kinds.append(wire.read())
        self.assertEqual(kinds[0], kinds[1])
        self.assertIn(b"SCRAM-SHA-256", kinds[0].body)

    def test_password_is_never_shown(self):
        """after good and bad logins → no password in the log, the status or the metrics"""
        self.refused("app_md5", "wrong-and-secret")
        said = self.proxy.log.read_text(errors="replace")
        said += self.proxy.ask("GET", "/api/v1/status").text + self.proxy.ask("GET", "/metrics").text
        for secret in (*PASSWORDS.values(), proxy.CLIENT_PASSWORD, "wrong-and-secret"):
            self.assertNotIn(secret, said)

    def test_refused_by_backend(self):
        """a user whom the backend rejects → FATAL, 08004 or its own 28000, without the inner address that its words hold"""
        with Wire(self.proxy.address()) as wire:
            wire.send(startup({"user": "app_barred", "database": "shop"}))
            errors = [each.fields for each in wire.read_all() if each.kind == "E"]
        self.assertEqual([each["S"] for each in errors], ["FATAL"])
        self.assertIn(errors[0]["C"], ("08004", "28000"))
        self.assertNotIn("127.0.0.1", str(errors))

    def test_unknown_role(self):
        """a user by trust whom the server does not know, or lets not log in → the server's own words, straight and through"""
        self.house.blue.query("CREATE ROLE no_login NOLOGIN")
        self.addCleanup(self.house.blue.query, "DROP ROLE no_login")
        for user in ("no_such_role", "no_login"):
            told = []
            for address in (("127.0.0.1", self.house.blue.port), self.proxy.address()):
                with Wire(address) as wire:
                    wire.send(startup({"user": user, "database": "shop"}))
                    told.append([each.fields for each in wire.read_all() if each.kind == "E"])
            self.assertEqual([each["C"] for each in told[0]], ["28000"])
            self.assertEqual(told[1], told[0])

    def test_missing_database(self):
        """a database that is not there → 3D000, as from the server"""
        with Wire(self.proxy.address()) as wire:
            wire.send(startup({"user": "postgres", "database": "nowhere"}))
            error = [each for each in wire.read_all() if each.kind == "E"][0]
        self.assertEqual((error.fields["C"], error.fields["S"]), ("3D000", "FATAL"))
        self.assertEqual(error.fields["M"], 'database "nowhere" does not exist')

    def test_no_user(self):
        """a start-up without a user → 28000, closed"""
        with Wire(self.proxy.address()) as wire:
            wire.send(startup({"database": "shop"}))
            messages = wire.read_all()
        self.assertEqual([each.kind for each in messages], ["E"])
        self.assertEqual(messages[0].fields["C"], "28000")

