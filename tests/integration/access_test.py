"""Who is let in, by which rule and which secret, and what is shown to the servers in turn."""

import base64
import hashlib
import hmac
import subprocess
import threading
import time

import psycopg2

import proxy
from certificates import certificates
from clusters import free_port, house
from through import Through
from waiting import Stopwatch, until
from wire import Wire, startup

PASSWORD = "correct horse battery"
GROUPS = ("ask_scram", "ask_md5", "ask_password")


def scram_verifier(password, salt, iterations=4096):
    """As PostgreSQL stores it."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    words = [base64.b64encode(each).decode() for each in (salt, stored, server)]
    return f"SCRAM-SHA-256${iterations}:{words[0]}${words[1]}:{words[2]}"


def md5_verifier(user, password):
    return "md5" + hashlib.md5((password + user).encode()).hexdigest()


SAME = scram_verifier(PASSWORD, b"0123456789abcdef")
OTHER_SALT = scram_verifier(PASSWORD, b"fedcba9876543210")
OTHER_KEY = scram_verifier(PASSWORD + "!", b"0123456789abcdef")
# user: (group whose rule the servers apply, secret on blue, secret on green, VALID UNTIL)
ROLES = {
    "ask_same": ("ask_scram", SAME, SAME, "infinity"),
    "ask_salt": ("ask_scram", SAME, OTHER_SALT, "infinity"),
    "ask_key": ("ask_scram", SAME, OTHER_KEY, "infinity"),
    "ask_none": ("ask_scram", SAME, None, "infinity"),
    "ask_expired": ("ask_scram", SAME, SAME, "2001-01-01"),
    "ask_soon": ("ask_scram", SAME, SAME, "2101-01-01"),
    "ask_emdee": ("ask_md5", md5_verifier("ask_emdee", PASSWORD), md5_verifier("ask_emdee", PASSWORD), "infinity"),
    "ask_clear": ("ask_password", SAME, OTHER_SALT, "infinity"),
    "ask_changing": ("ask_scram", SAME, SAME, "infinity"),
}


def make_roles(cluster, column):
    for group in GROUPS:
        cluster.query(f"CREATE ROLE {group}")
    for user, (group, *secrets, until_when) in ROLES.items():
        secret = secrets[column]
        words = f"PASSWORD '{secret}'" if secret else "PASSWORD NULL"
        cluster.query(f"CREATE ROLE {user} LOGIN {words} VALID UNTIL '{until_when}' IN ROLE {group}")


def drop_roles(cluster):
    for role in (*ROLES, *GROUPS):
        cluster.query(f"DROP ROLE IF EXISTS {role}")


def asking(method="scram-sha-256", **more):
    """A pair that knows no user itself."""
    made = proxy.pair(access=more.pop("access", [{"method": method}]), auth_query={"user": "postgres"}, **more)
    del made["users"]
    return made


class Access(Through):
    @classmethod
    def setUpClass(cls):
        for column, cluster in enumerate(house().both):
            drop_roles(cluster)
            make_roles(cluster, column)
            cls.addClassCleanup(drop_roles, cluster)
        super().setUpClass()

    def refused(self, user, password, pair_name="shop", **more):
        with Stopwatch(20), self.assertRaises(psycopg2.OperationalError) as caught:
            self.connect(user=user, password=password, pair_name=pair_name, **more)
        return str(caught.exception)

    def assert_user(self, user, pair_name="shop", password=PASSWORD):
        connection = self.connect(user=user, password=password, pair_name=pair_name)
        self.assertEqual(self.value(connection, "SELECT current_user"), user)
        return connection


class Asked(Access):
    """auth_query, and nothing in the configuration."""

    @classmethod
    def settings(cls):
        return proxy.configuration(asking(), {"md5": asking("md5"), "clear": asking(access=[{"method": "password", "tls": "any"}]),
                                              "to-green": asking(writes="green", rules=[proxy.rule(green=100)])},
                                   limits={"failed_login_delay": "0s", "failed_logins_max": 0})

    def test_other_salt(self):
        """green holds another verifier, of the same password → in on blue, served there, and the log names side, user and reason"""
        connection = self.assert_user("ask_salt")
        self.proxy.shift(100)
        self.assert_side(connection, "blue")
        line = until(lambda: [each for each in self.proxy.log.read_text().splitlines() if "ask_salt" in each], "a line in the log")[0]
        for words in ("green", "another salt", "ask_salt"):
            self.assertIn(words, line)

    def test_other_key(self):
        """green holds a verifier of another password → as above; as its client there → 08004 in so many words"""
        connection = self.assert_user("ask_key")
        self.proxy.shift(100)
        self.assert_side(connection, "blue")
        for user in ("ask_salt", "ask_key", "ask_none"):
            words = self.refused(user, PASSWORD, "to-green")
            self.assertIn("nothing that the proxy knows of this user satisfies the database server", words)
            self.assertNotIn("127.0.0.1:", words.split("FATAL", 1)[1])

    def test_wrong_and_unknown(self):
        """a wrong password, an unknown user, one without a password, one no longer valid → the same words"""
        for user, password in (("ask_same", "wrong"), ("nobody", PASSWORD), ("ask_expired", PASSWORD), ("postgres", PASSWORD)):
            with self.subTest(user=user):
                self.assertIn(f'password authentication failed for user "{user}"', self.refused(user, password))
        first = []
        for user in ("ask_same", "nobody", "ask_expired"):
            with Wire(self.proxy.address()) as wire:
                wire.send(startup({"user": user, "database": "shop"}))
                first.append(wire.read())
        self.assertEqual(first[0], first[1])
        self.assertEqual(first[0], first[2])

    def test_valid_until(self):
        """VALID UNTIL lies ahead → in"""
        self.assert_user("ask_soon")

    def test_md5(self):
        """an MD5 verifier on both sides, rule md5 → in on both; a user with SCRAM is asked for SCRAM by the same rule"""
        connection = self.assert_user("ask_emdee", "md5")
        self.proxy.shift(100, pair_name="md5")
        self.assert_side(connection, "green")
        self.assert_user("ask_same", "md5")
        self.assertIn("password authentication failed", self.refused("ask_emdee", "wrong", "md5"))
        # By SCRAM there is nothing to prove with.
        self.assertIn("password authentication failed", self.refused("ask_emdee", PASSWORD))

    def test_clear(self):
        """the password in clear, allowed without TLS → in wherever the password is right, whatever the verifiers"""
        connection = self.assert_user("ask_clear", "clear")
        self.proxy.shift(100, pair_name="clear")
        self.assert_side(connection, "green")
        self.assert_side(self.assert_user("ask_salt", "clear"), "green")
        self.assertIn("password authentication failed", self.refused("ask_clear", "wrong", "clear"))

    def test_changed_password(self):
        """a password that is changed on both sides → the new one works after one doubt, though the old secret was remembered"""
        self.assert_user("ask_changing")
        for cluster in self.house.both:
            cluster.query(f"ALTER ROLE ask_changing PASSWORD '{scram_verifier('new', b'0123456789abcdef')}'")

        def is_let_in():
            try:
                self.connect(user="ask_changing", password="new").close()
                return True
            except psycopg2.OperationalError:
                return False

        until(is_let_in, "the new password is known", 10)


class Unspoken(Access):
    """A proxy that is never told a password."""

    @classmethod
    def settings(cls):
        return proxy.configuration(asking())

    def memory(self):
        """What the proxy holds."""
        pieces = []
        with open(f"/proc/{self.proxy.process.pid}/maps") as maps, open(f"/proc/{self.proxy.process.pid}/mem", "rb", 0) as memory:
            for line in maps:
                span, rights, _ = line.split(maxsplit=2)
                begin, end = (int(each, 16) for each in span.split("-"))
                if not rights.startswith("rw") or end - begin > 1 << 30:
                    continue
                try:
                    memory.seek(begin)
                    pieces.append(memory.read(end - begin))
                except OSError:
                    pass  # what the kernel keeps to itself
        return b"".join(pieces)

    def test_same_verifier(self):
        """both sides hold the same verifier → in on both, and the proxy never held the password"""
        connection = self.assert_user("ask_same")
        self.proxy.shift(100)
        self.assert_side(connection, "green")
        self.assertEqual(self.value(connection, "SELECT current_user"), "ask_same")
        memory = self.memory()
        self.assertTrue(b"ask_same" in memory, "the memory that was read is the proxy's")
        self.assertFalse(PASSWORD.encode() in memory, "the proxy holds the password")
        self.assertNotIn(PASSWORD, self.proxy.log.read_text())


class Unavailable(Access):
    """Nobody answers the question."""

    @classmethod
    def settings(cls):
        sides = proxy.sides_of(free_port(), house().green.port)
        listed = {"known": {"password": PASSWORD}}
        lost = {**asking(writes="green", rules=[proxy.rule(green=100)]), **sides, "users": listed}
        forbidden = asking()
        forbidden["auth_query"] = {"user": "app_trust"}  # may not read pg_shadow
        return proxy.configuration(lost, {"forbidden": forbidden})

    def test_blue_is_down(self):
        """blue is down → 08006 for those who must be asked for, whoever they are; the log says why"""
        for user in ("ask_same", "nobody"):
            with Wire(self.proxy.address()) as wire, Stopwatch(10):
                wire.send(startup({"user": user, "database": "shop"}))
                self.assertEqual([each.fields["C"] for each in wire.read_all() if each.kind == "E"], ["08006"])
        self.assertIn("could not be asked", self.proxy.log.read_text())
        self.assertIn('password authentication failed for user "known"', self.refused("known", "wrong"))

    def test_not_allowed(self):
        """the one who asks may not read the secrets → 08006, and the log has the server's words"""
        self.refused("ask_same", PASSWORD, "forbidden")
        self.assertIn("permission denied", self.proxy.log.read_text())


class Listed(Access):
    """A userlist file, a function as auth_query, and rules in order."""

    @classmethod
    def settings(cls):
        blue = house().blue
        blue.query("CREATE SCHEMA keys")
        cls.addClassCleanup(blue.query, "DROP SCHEMA keys CASCADE")
        blue.query("CREATE FUNCTION keys.of(name text, OUT u text, OUT p text) LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog "
                   "AS $$ SELECT usename::text, passwd FROM pg_shadow WHERE usename = name $$")
        blue.query("GRANT USAGE ON SCHEMA keys TO app_trust")
        cls.userlist = house().scratch / "userlist.txt"
        cls.userlist.write_text(f'; users\n"ask_same" "{SAME}"\n"ask_emdee" "{md5_verifier("ask_emdee", PASSWORD)}" ""\n'
                                f'"ask_clear" "{PASSWORD}"\n"nobody" ""\n')
        cls.userlist.chmod(0o600)
        rules = [{"user": "app_trust", "database": "shop", "method": "trust"},
                 {"user": "app_trust", "method": "reject"},
                 {"user": "ask_emdee", "method": "md5"},
                 {"user": "ask_same", "network": "10.0.0.0/8", "method": "trust"},
                 {"user": ["ask_same", "ask_clear", "nobody"], "network": ["10.0.0.0/8", "127.0.0.0/8"], "method": "scram-sha-256"}]
        listed = proxy.pair(access=rules, userlist_file=str(cls.userlist))
        del listed["users"]
        by_function = asking()
        by_function["auth_query"] = {"user": "app_trust", "database": "shop", "query": "SELECT u, p FROM keys.of($1)"}
        return proxy.configuration(listed, {"function": by_function})

    def test_userlist(self):
        """a userlist file with a verifier of each kind and a password → all come in, on both sides"""
        for user in ("ask_same", "ask_emdee", "ask_clear"):
            with self.subTest(user=user):
                connection = self.assert_user(user)
                self.proxy.shift(100)
                self.assert_side(connection, "green")
                self.proxy.shift(0)
        for user in ("ask_same", "ask_emdee", "nobody"):
            self.assertIn("password authentication failed", self.refused(user, "wrong"))

    def test_function(self):
        """auth_query calls a function that runs with its owner's rights → in, with the caller's few"""
        self.assert_user("ask_same", "function")

    def test_first_rule_decides(self):
        """trust for one database, reject for the others; nobody else named → 28000 in PostgreSQL's words"""
        self.assertEqual(self.value(self.connect(user="app_trust"), "SELECT current_user"), "app_trust")
        words = self.refused("app_trust", "x", database="postgres")
        self.assertIn('pg_hba.conf rejects connection for host "127.0.0.1", user "app_trust", database "postgres", no encryption', words)
        words = self.refused("stranger", "x")
        self.assertIn('no pg_hba.conf entry for host "127.0.0.1", user "stranger", database "shop", no encryption', words)
        with Wire(self.proxy.address()) as wire:
            wire.send(startup({"user": "stranger", "database": "shop"}))
            self.assertEqual([each.fields["C"] for each in wire.read_all() if each.kind == "E"], ["28000"])


class Checked(Access):
    """`crossfade check --users`."""

    @classmethod
    def settings(cls):
        made = asking()
        made["users"] = {"ask_clear": {"password": PASSWORD}, "ask_emdee": {"password": "something else"},
                         "renamed": {"password": "x", "backend": {"user": "ask_same", "password": PASSWORD}}}
        return proxy.configuration(made)

    def test_every_user(self):
        """both sides are asked → each user is fine, or the side and the reason are named; no secret is shown"""
        told = subprocess.run([proxy.CROSSFADE, "check", self.proxy.file, "--users"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=60)
        self.assertEqual(told.returncode, 1, told.stdout)
        lines = told.stdout.splitlines()
        for user in ("ask_same", "ask_soon", "ask_clear", "renamed"):
            self.assertIn(f"  ok     {user}", lines)
        for user, words in {"ask_salt": "green holds a SCRAM verifier with another salt",
                            "ask_key": "green holds a SCRAM verifier of another password",
                            "ask_none": "green knows no such user, or no password of it",
                            "ask_expired": "blue knows no such user, or no password of it that is still valid",
                            "ask_emdee": "green holds another password"}.items():
            self.assertTrue([line for line in lines if line.startswith(f"  FAILS  {user}: {words}")], told.stdout)
        self.assertFalse([line for line in lines if line.startswith("  FAILS  ask_salt: blue")], told.stdout)
        for secret in (PASSWORD, "SCRAM-SHA-256$", "something else"):
            self.assertNotIn(secret, told.stdout)


class Guessed(Access):
    """Wrong passwords, again and again."""

    @classmethod
    def settings(cls):
        return proxy.configuration(asking(), limits={"failed_login_delay": "300ms", "failed_login_delay_max": "600ms",
                                                     "failed_logins_max": 4})

    def test_guessing_is_slow_and_ends(self):
        """wrong passwords → each is told later, then no more are asked for; others log in meanwhile at full speed"""
        self.assert_user("ask_soon")
        is_over = threading.Event()
        slowest = []

        def log_in_again_and_again():
            while not is_over.is_set():
                with Stopwatch(20) as watch:
                    self.connect(user="ask_soon", password=PASSWORD).close()
                slowest.append(watch.took)

        other = threading.Thread(target=log_in_again_and_again)
        other.start()
        took = []
        for _ in range(4):
            began = time.monotonic()
            self.refused("ask_same", "wrong")
            took.append(time.monotonic() - began)
        with Stopwatch(0.3):
            words = self.refused("ask_same", PASSWORD)
        is_over.set()
        other.join()
        self.assertIn('too many failed logins for user "ask_same"', words)
        for least, each in zip((0.3, 0.6, 0.6, 0.6), took):
            self.assertGreaterEqual(each, least)
        self.assertGreater(len(slowest), 8)
        self.assertLess(sorted(slowest)[len(slowest) // 2], 0.25)
        self.assertIn("too many failed logins", self.refused("ask_same", "wrong"))


class Bound(Access):
    """Logins over TLS, bound to its certificates."""

    @classmethod
    def settings(cls):
        certificate, key = (str(each) for each in certificates().server)
        authority = str(certificates().authority.certificate)
        tls = {"mode": "prefer", "certificate_file": certificate, "key_file": key, "ca_file": authority}
        rules = [{"user": "ask_same", "tls": "required", "method": "scram-sha-256"}, {"user": "ask_clear", "method": "password"},
                 {"user": "app_cert", "method": "cert"}]
        made = asking(access=rules, tls=tls)
        made["users"] = {"app_cert": {"backend": {"user": "app_trust"}}}
        return proxy.configuration(made)

    def dial(self, user, channel_binding="prefer", sslmode="require", **more):
        return self.connect(user=user, password=PASSWORD, **{**more, "sslmode": sslmode, "channel_binding": channel_binding})

    def connect(self, user="postgres", database="shop", pair_name="shop", sslmode="disable", **more):
        host, port = self.proxy.address(pair_name)
        connection = psycopg2.connect(host=host, port=port, user=user, dbname=database, connect_timeout=30, sslmode=sslmode,
                                      gssencmode="disable", **more)
        connection.autocommit = True
        self.addCleanup(connection.close)
        return connection

    def test_channel_binding(self):
        """a client that insists on channel binding, or will have none → in; and on to a server with the recovered key"""
        for wish in ("require", "prefer", "disable"):
            with self.subTest(channel_binding=wish):
                self.assertEqual(self.value(self.dial("ask_same", wish), "SELECT current_user"), "ask_same")

    def test_tls_decides(self):
        """rules for TLS, and a client without → no rule; a password in clear goes over TLS only"""
        for user in ("ask_same", "ask_clear"):
            with self.assertRaises(psycopg2.OperationalError) as caught:
                self.dial(user, sslmode="disable")
            self.assertIn("no encryption", str(caught.exception))
        self.assertEqual(self.value(self.dial("ask_clear"), "SELECT current_user"), "ask_clear")

    def test_certificate(self):
        """rule cert → the certificate's user and nobody else"""
        certificate, key = (str(each) for each in certificates().app)
        words = {"sslcert": certificate, "sslkey": key}
        self.assertEqual(self.value(self.dial("app_cert", **words), "SELECT current_user"), "app_trust")
        with self.assertRaises(psycopg2.OperationalError) as caught:
            self.dial("app_cert")
        self.assertIn("connection requires a valid client certificate", str(caught.exception))
        with self.assertRaises(psycopg2.OperationalError) as caught:
            self.dial("stranger", **words)
        self.assertIn("no pg_hba.conf entry", str(caught.exception))
