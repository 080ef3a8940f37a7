"""Settings and rights that a session is given at its login, changed while pooled connections lie idle: whoever connects later
finds what a connection of its own would have found."""

import psycopg2
import psycopg2.errors

import proxy
from through import Through
from wire import Wire, bind, execute, parse, SYNC

ROLE = "app_renewed"


class LoginChanges(Through):
    @classmethod
    def settings(cls):
        pair = proxy.pair(pool={"mode": "transaction", "size": 2})
        pair["users"] = {**pair["users"], ROLE: {"authentication": "trust"}}
        return {**proxy.configuration(pair), "workers": 2}

    def setUp(self):
        super().setUp()
        self.administrator = self.connect()
        self.administer(f"DROP ROLE IF EXISTS {ROLE}", f"CREATE ROLE {ROLE} LOGIN")  # of blue, which answers everything here
        self.addCleanup(self.house.blue.query, f"DROP ROLE IF EXISTS {ROLE}")

    def administer(self, *texts):
        for text in texts:
            self.query(self.administrator, text)

    def seen(self, setting="work_mem", **more):
        """What a session that begins now is told, on any worker: of two in a row one is on each."""
        told = set()
        for _ in range(4):
            connection = self.connect(ROLE, **more)
            told.add(self.value(connection, f"SHOW {setting}"))
            connection.close()
        self.assertEqual(len(told), 1, told)
        return told.pop()

    def pids(self, user):
        return {self.value(self.connect(user), "SELECT pg_backend_pid()") for _ in range(4)}

    def test_settings_of_a_role(self):
        """ALTER ROLE … SET and RESET through the proxy → at once for those who connect later, whatever lay idle"""
        self.assertEqual(self.seen(), "4MB")
        self.administer(f"ALTER ROLE {ROLE} SET work_mem = '5MB'")
        self.assertEqual(self.seen(), "5MB")
        self.administer(f"ALTER ROLE {ROLE} IN DATABASE shop SET work_mem = '6MB'")
        self.assertEqual(self.seen(), "6MB")
        self.administer(f"ALTER ROLE {ROLE} IN DATABASE shop RESET ALL", f"ALTER ROLE {ROLE} RESET work_mem")
        self.assertEqual(self.seen(), "4MB")

    def test_settings_of_a_database_and_of_all(self):
        """ALTER DATABASE … SET, ALTER ROLE ALL SET → likewise"""
        self.addCleanup(self.administer, "ALTER DATABASE shop RESET work_mem", "ALTER ROLE ALL RESET work_mem")
        self.assertEqual(self.seen(), "4MB")
        self.administer("ALTER ROLE ALL SET work_mem = '7MB'")
        self.assertEqual(self.seen(), "7MB")
        self.administer("ALTER DATABASE shop SET work_mem = '8MB'")
        self.assertEqual(self.seen(), "8MB")

    def test_settings_in_a_transaction(self):
        """in a transaction, in its own batch or with parameters → from its COMMIT on; a connection on loan goes when it is back"""
        busy = self.connect(ROLE)
        busy.autocommit = False
        self.assertEqual(self.value(busy, "SHOW work_mem"), "4MB")
        self.administer("BEGIN", f"ALTER ROLE {ROLE} SET work_mem = '5MB'")
        self.assertEqual(self.seen(), "4MB")
        self.administer("COMMIT")
        self.assertEqual(self.seen(), "5MB")
        self.assertEqual(self.value(busy, "SHOW work_mem"), "4MB")
        busy.commit()
        busy.close()
        self.assertEqual(self.seen(), "5MB")
        with Wire(self.proxy.address()) as wire:
            wire.log_in()
            wire.send(parse("", f"ALTER ROLE {ROLE} SET work_mem = '9MB'"), bind(), execute(), SYNC)
            wire.read_until("Z")
        self.assertEqual(self.seen(), "9MB")

    def test_only_whom_it_concerns(self):
        """another role is made, changed and dropped → connections of this one stay"""
        before = self.pids("postgres")
        self.administer("CREATE ROLE passer_by LOGIN", "ALTER ROLE passer_by SET work_mem = '5MB'", "DROP ROLE passer_by")
        self.assertEqual(self.pids("postgres"), before)

    def test_role_made_again(self):
        """a role is dropped and made again → those who connect later are the new one; dropped alone: refused"""
        self.assertEqual(self.seen("role"), "none")
        self.administer(f"DROP ROLE {ROLE}")
        with self.assertRaisesRegex(psycopg2.OperationalError, "does not exist"):
            self.connect(ROLE)
        self.administer(f"CREATE ROLE {ROLE} LOGIN")
        connection = self.connect(ROLE)
        self.assertEqual(self.query(connection, "SELECT current_user, session_user, pg_has_role('pg_monitor', 'MEMBER')"), [(ROLE, ROLE, False)])

    def test_right_to_log_in(self):
        """NOLOGIN, or the right to connect taken away → who connects later is refused, as by the server"""
        self.assertEqual(self.seen(), "4MB")
        self.administer(f"ALTER ROLE {ROLE} NOLOGIN")
        with self.assertRaisesRegex(psycopg2.OperationalError, "not permitted to log in"):
            self.connect(ROLE)
        self.administer(f"ALTER ROLE {ROLE} LOGIN")
        self.addCleanup(self.administer, "GRANT CONNECT ON DATABASE shop TO PUBLIC")
        self.administer("REVOKE CONNECT ON DATABASE shop FROM PUBLIC")
        with self.assertRaisesRegex(psycopg2.OperationalError, "permission denied for database"):
            self.connect(ROLE)
