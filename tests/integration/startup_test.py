"""The first messages: encryption requests, versions, options, parameters. Manual: 55.2.1, 55.2.10, 55.2.11."""

import struct

from through import Through
from wire import GSSENC_REQUEST, PROTOCOL_3_0, SSL_REQUEST, Wire, query, startup


class Startup(Through):
    def open(self):
        wire = Wire(self.proxy.address())
        self.addCleanup(wire.close)
        return wire

    def test_encryption_requests(self):
        """GSSENCRequest, then SSLRequest, then start-up → N, N, and the session begins"""
        wire = self.open()
        for code in (GSSENC_REQUEST, SSL_REQUEST):
            wire.send(struct.pack("!ii", 8, code))
            self.assertEqual(wire.read_exactly(1), b"N")
        wire.log_in()
        self.assertEqual(wire.rows("SELECT 1"), [[b"1"]])

    def test_repeated_encryption_request(self):
        """SSLRequest without end → the proxy closes after a few"""
        wire = self.open()
        answers = 0
        try:
            while answers < 100:
                wire.send(struct.pack("!ii", 8, SSL_REQUEST))
                if wire.read_exactly(1) != b"N":
                    break
                answers += 1
        except Exception:  # closed, in whichever way
            pass
        self.assertLess(answers, 100)

    def test_newer_minor(self):
        """protocol 3.9 → NegotiateProtocolVersion to 3.2, and the session goes on"""
        wire = self.open()
        messages = wire.log_in(version=PROTOCOL_3_0 + 9)
        negotiated = [each for each in messages if each.kind == "v"]
        self.assertEqual(len(negotiated), 1)
        self.assertEqual(struct.unpack("!ii", negotiated[0].body), (PROTOCOL_3_0 + 2, 0))
        self.assertEqual(len(wire.key), 4 + 32)
        self.assertEqual(wire.rows("SELECT 1"), [[b"1"]])

    def test_protocol_options(self):
        """options _pq_.… that nobody knows → listed in NegotiateProtocolVersion"""
        wire = self.open()
        messages = wire.log_in(**{"_pq_.colour": "red", "_pq_.shape": "round"})
        negotiated = [each for each in messages if each.kind == "v"][0]
        self.assertEqual(struct.unpack("!ii", negotiated.body[:8])[1], 2)
        self.assertEqual(set(negotiated.body[8:].rstrip(b"\0").split(b"\0")), {b"_pq_.colour", b"_pq_.shape"})

    def test_other_major(self):
        """protocol 2.0 and 4.0 → an error that says so, closed"""
        for version in (2 << 16, 4 << 16):
            with self.subTest(version=version):
                wire = self.open()
                wire.send(startup({"user": "postgres", "database": "shop"}, version))
                answer = wire.read_bytes()
                self.assertEqual(answer[:1], b"E")
                self.assertIn(b"unsupported frontend protocol", answer)

    def test_welcome(self):
        """a login → the same parameters and kinds of message as from the server itself"""
        through = self.open().log_in(application_name="welcome")
        direct = Wire(("127.0.0.1", self.house.blue.port))
        self.addCleanup(direct.close)
        direct.log_in(application_name="welcome")
        other = self.open()
        other.log_in(application_name="welcome")
        self.assertEqual(other.parameters, direct.parameters)
        self.assertEqual(through[0].kind, "R")
        self.assertEqual([each.kind for each in through if each.kind in "KZ"], ["K", "Z"])

    def test_parameters_reach_both_sides(self):
        """start-up parameters and options → in force on blue and, after a move, on green"""
        wire = self.open()
        given = {"application_name": "starter", "DateStyle": "German, DMY", "client_encoding": "LATIN1",
                 "search_path": "pg_catalog", "options": "-c work_mem=7MB -c statement_timeout=12345",
                 "TimeZone": "Asia/Tokyo", "extra_float_digits": "2"}
        wire.log_in(**given)
        wanted = [b"starter", b"German, DMY", b"LATIN1", b"pg_catalog", b"7MB", b"12345ms", b"Asia/Tokyo", b"2"]
        names = ("application_name", "DateStyle", "client_encoding", "search_path", "work_mem", "statement_timeout",
                 "TimeZone", "extra_float_digits")
        columns = ", ".join(f"current_setting('{name}')" for name in names)
        for green, side in ((0, b"blue"), (100, b"green")):
            with self.subTest(side=side):
                self.proxy.shift(green)
                row = wire.rows(f"SELECT {columns}, current_setting('cluster_name') FROM public.side")[0]
                self.assertEqual(row[:-1], wanted)
                self.assertEqual(row[-1], side)

    def test_bad_parameter(self):
        """a start-up parameter that the server refuses → the server's error"""
        wire = self.open()
        wire.send(startup({"user": "postgres", "database": "shop", "DateStyle": "nonsense"}))
        error = [each for each in wire.read_all() if each.kind == "E"][0]
        self.assertEqual((error.fields["C"], error.fields["S"]), ("22023", "FATAL"))

    def test_everything_in_one_packet(self):
        """start-up and first queries sent together → answered in order"""
        wire = self.open()
        wire.send(startup({"user": "postgres", "database": "shop"}), query("SELECT 1"), query("SELECT 2"))
        wire.read_until("Z")
        rows = [each.row for each in wire.read_until("Z") + wire.read_until("Z") if each.kind == "D"]
        self.assertEqual(rows, [[b"1"], [b"2"]])

    def test_byte_by_byte(self):
        """the start-up and a query, one byte a packet → answered"""
        wire = self.open()
        for byte in startup({"user": "postgres", "database": "shop"}) + query("SELECT 12"):
            wire.send(bytes([byte]))
        wire.read_until("Z")
        self.assertEqual([each.row for each in wire.read_until("Z") if each.kind == "D"], [[b"12"]])
