"""One server-side prepared statement for all sessions of a pool with the same text and types; none of it seen by them."""

import threading

import psycopg

import proxy
from through import Through
from wire import SYNC, Wire, bind, close, describe, execute, parse

NAMES = "SELECT count(*) FROM pg_prepared_statements WHERE name LIKE '\\_crossfade\\_%'"


class SharedStatements(Through):
    @classmethod
    def settings(cls):
        shop = proxy.pair(pool={"mode": "transaction", "size": 1, "prepared_statements_max": 3})
        return {**proxy.configuration(shop), "workers": 1}

    def client(self):
        wire = Wire(self.proxy.address())
        self.addCleanup(wire.close)
        wire.log_in()
        return wire

    def kinds(self, wire, *messages):
        """Types of the reply's messages, an error by its code."""
        wire.send(*messages, SYNC)
        return [each.fields["C"] if each.kind == "E" else each.kind for each in wire.read_until("Z")]

    def test_shared(self):
        """fifty clients prepare one text under names of their own → one statement on the server; each runs it"""
        clients = [self.client() for _ in range(50)]
        clients[0].ask("DEALLOCATE ALL")
        for number, wire in enumerate(clients):
            self.assertEqual(self.kinds(wire, parse(f"s{number}", "SELECT $1::int + 1"), describe("S", f"s{number}")),
                             ["1", "t", "T", "Z"])
        for number, wire in enumerate(clients):
            wire.send(bind("", f"s{number}", [b"41"]), execute(), SYNC)
            self.assertEqual([each.row for each in wire.read_until("Z") if each.kind == "D"], [[b"42"]])
        self.assertEqual(clients[0].rows(NAMES), [[b"1"]])

    def test_same_name(self):
        """two clients use one name for different texts, in turn → each runs its own"""
        one, other = self.client(), self.client()
        for wire, value in ((one, "1"), (other, "2")):
            self.assertEqual(self.kinds(wire, parse("same", f"SELECT {value}")), ["1", "Z"])
        for wire, value in ((one, b"1"), (other, b"2")) * 2:
            wire.send(bind("", "same"), execute(), SYNC)
            self.assertEqual([each.row for each in wire.read_until("Z") if each.kind == "D"], [[value]])

    def test_bound(self):
        """more texts than the bound → the server never holds more, and all of them go on working"""
        wire = self.client()
        for number in range(10):
            self.assertEqual(self.kinds(wire, parse(f"n{number}", f"SELECT {number}")), ["1", "Z"])
        for number in range(10):
            wire.send(bind("", f"n{number}"), execute(), SYNC)
            self.assertEqual([each.row for each in wire.read_until("Z") if each.kind == "D"], [[str(number).encode()]])
        self.assertLessEqual(int(wire.rows(NAMES)[0][0]), 3)

    def test_errors(self):
        """a name in use, a name not in use, a wrong count of values, a closed name → what the server says, with the client's name"""
        wire = self.client()
        self.assertEqual(self.kinds(wire, parse("e", "SELECT $1::int")), ["1", "Z"])
        self.assertEqual(self.kinds(wire, parse("e", "SELECT 2")), ["42P05", "Z"])
        self.assertEqual(self.kinds(wire, bind("", "unknown")), ["26000", "Z"])
        wire.send(bind("", "e"), SYNC)
        errors = [each.fields["M"] for each in wire.read_until("Z") if each.kind == "E"]
        self.assertEqual(errors, ['bind message supplies 0 parameters, but prepared statement "e" requires 1'])
        self.assertEqual(self.kinds(wire, close("S", "e")), ["3", "Z"])
        self.assertEqual(self.kinds(wire, bind("", "e", [b"1"])), ["26000", "Z"])

    def test_failed_transaction(self):
        """a known text is prepared in a transaction that has failed → 25P02, as without us"""
        wire = self.client()
        self.assertEqual(self.kinds(wire, parse("f", "SELECT 1")), ["1", "Z"])
        wire.ask("BEGIN")
        wire.ask("SELECT 1/0")
        self.assertEqual(self.kinds(wire, parse("g", "SELECT 1")), ["25P02", "Z"])
        wire.ask("ROLLBACK")
        self.assertEqual(self.kinds(wire, parse("g", "SELECT 1"), bind("", "g"), execute()), ["1", "2", "D", "C", "Z"])

    def test_sql_names(self):
        """EXECUTE, DEALLOCATE and DEALLOCATE ALL of protocol-level names → as on the server; the next client is not concerned"""
        one, other = self.client(), self.client()
        for wire in (one, other):
            self.assertEqual(self.kinds(wire, parse("q", "SELECT 7")), ["1", "Z"])
        self.assertEqual(one.rows("EXECUTE q"), [[b"7"]])
        self.assertEqual(other.rows("EXECUTE q"), [[b"7"]])
        one.ask("DEALLOCATE q")
        self.assertEqual(self.kinds(one, bind("", "q")), ["26000", "Z"])
        one.ask("DEALLOCATE ALL")
        self.assertEqual(self.kinds(other, bind("", "q"), execute()), ["2", "D", "C", "Z"])

    def test_table_gone(self):
        """DEALLOCATE of a statement whose table is gone, alone, prepared, and in a transaction → it succeeds, and the name is free"""
        wire = self.client()
        for number in range(3):
            wire.ask("CREATE TABLE going (a int)")
            self.assertEqual(self.kinds(wire, parse("g", "SELECT a FROM going")), ["1", "Z"])
            if number == 2:
                wire.ask("BEGIN")
            wire.ask("DROP TABLE going")
            if number == 1:
                self.assertEqual(self.kinds(wire, parse("", "DEALLOCATE g"), bind(), execute()), ["1", "2", "C", "Z"])
            else:
                self.assertEqual([each.fields["C"] for each in wire.ask("DEALLOCATE g") if each.kind == "E"], [])
        wire.ask("COMMIT")
        self.assertEqual(self.kinds(wire, bind("", "g")), ["26000", "Z"])
        self.assertEqual(wire.rows("SELECT count(*) FROM pg_prepared_statements WHERE name = 'g'"), [[b"0"]])

    def test_result_changes(self):
        """the table of a shared statement changes → who prepares it afterwards gets the new result at once"""
        one, other = self.client(), self.client()
        one.ask("CREATE TABLE shared_change (a int)")
        self.addCleanup(self.house.blue.query, "DROP TABLE shared_change")
        text = "SELECT * FROM shared_change"
        self.assertEqual(self.kinds(one, parse("r", text), bind("", "r"), execute()), ["1", "2", "C", "Z"])
        other.ask("ALTER TABLE shared_change ADD b int")
        self.assertEqual(self.kinds(other, parse("r", text), bind("", "r"), execute()), ["1", "2", "C", "Z"])
        self.house.blue.query("ALTER TABLE shared_change ADD c int")  # behind our back
        self.assertEqual(self.kinds(one, bind("", "r"), execute()), ["2", "C", "Z"])
        self.assertEqual(self.kinds(one, bind("", "r"), execute()), ["2", "C", "Z"])

    def test_result_changes_behind_our_back(self):
        """prepared behind a change that we did not see, in one batch or not → works at once, though another's was stale; one that its
        client has described before the change → the server's error"""
        one, others = self.client(), [self.client() for _ in range(4)]
        one.ask("CREATE TABLE unseen_change (a int)")
        self.addCleanup(self.house.blue.query, "DROP TABLE unseen_change")
        text = "SELECT * FROM unseen_change"
        self.assertEqual(self.kinds(one, parse("r", text), bind("", "r"), execute()), ["1", "2", "C", "Z"])
        uses = ((bind("", "r"), execute()), (describe("S", "r"), bind("", "r"), execute()), (bind("", "r"), describe("P"), execute()))
        wanted = (["2", "C", "Z"], ["t", "T", "2", "C", "Z"], ["2", "T", "C", "Z"])
        for number, (use, kinds) in enumerate(zip(uses, wanted)):
            self.house.blue.query(f"ALTER TABLE unseen_change ADD b{number} int")
            self.assertEqual(self.kinds(others[number], parse("r", text), *use), ["1", *kinds])
            self.house.blue.query(f"ALTER TABLE unseen_change ADD c{number} int")
            self.assertEqual(self.kinds(others[number], *use), ["t", "0A000", "Z"] if "t" in kinds else kinds)
        self.house.blue.query("ALTER TABLE unseen_change ADD d int")
        one.ask("BEGIN")  # inside a transaction it is as on the server
        self.assertEqual(self.kinds(one, bind("", "r"), execute()), ["0A000", "Z"])
        one.ask("ROLLBACK")
        self.assertEqual(self.kinds(one, bind("", "r"), execute()), ["2", "C", "Z"])

    def test_search_path(self):
        """equal texts under different search paths, also uncommitted → tables of each client's own path"""
        one, other = self.client(), self.client()
        one.ask("CREATE SCHEMA shared_a; CREATE TABLE shared_a.where_am_i AS SELECT 'a'::text AS at")
        one.ask("CREATE SCHEMA shared_b; CREATE TABLE shared_b.where_am_i AS SELECT 2 AS at")
        self.addCleanup(self.house.blue.query, "DROP SCHEMA shared_a, shared_b CASCADE")
        text = "SELECT at FROM where_am_i"
        one.ask("SET search_path TO shared_a")
        other.ask("BEGIN")
        other.ask("SET LOCAL search_path TO shared_b")
        self.assertEqual(self.kinds(other, parse("w", text), bind("", "w"), execute()), ["1", "2", "D", "C", "Z"])
        other.ask("COMMIT")
        for wire, value in ((one, b"a"), (one, b"a")):
            wire.send(parse("", text), bind(), execute(), SYNC)
            self.assertEqual([each.row for each in wire.read_until("Z") if each.kind == "D"], [[value]])
        self.assertEqual(self.kinds(one, parse("w", text), bind("", "w"), execute()), ["1", "2", "D", "C", "Z"])

    def test_drivers(self):
        """eight psycopg clients on one connection, a few texts each, all at once → every value is right"""
        failures = []
        host, port = self.proxy.address()

        def work(number):
            try:
                with psycopg.connect(host=host, port=port, user="postgres", dbname="shop", autocommit=True,
                                     prepare_threshold=0) as connection:
                    for turn in range(40):
                        row = connection.execute(f"SELECT %s::int + {turn % 5}", (number,)).fetchone()
                        if row != (number + turn % 5,):
                            failures.append((number, turn, row))
            except Exception as error:  # told by the main thread
                failures.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
