"""TLS between clients and Crossfade: every sslmode, certificates, the beginning of a connection, cancel, reload."""

import hashlib
import ssl
import struct
import threading

import psycopg2

import proxy
from certificates import certificates
from through import Through
from waiting import Stopwatch, until
from wire import CANCEL_REQUEST, GSSENC_REQUEST, SSL_REQUEST, Wire, query, startup

USERS = {**{name: {"authentication": "trust"} for name in ("postgres", "app_trust", "app_cert")},
         "app_scram": proxy.users()["app_scram"]}


def request(code):
    return struct.pack("!ii", 8, code)


def towards_clients(mode, pair=None, **more):
    """The `tls` of a pair."""
    certificate, key = pair or certificates().server
    return {"mode": mode, "certificate_file": str(certificate), "key_file": str(key), **more}


def context_for_client(**more):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(certificates().authority.certificate)
    for name, value in more.items():
        setattr(context, name, value)
    return context


class TlsWire(Wire):
    """A client that speaks TLS from its first byte, or after an SSLRequest."""

    def __init__(self, address, context=None, direct=False, session=None, seconds=20.0):
        super().__init__(address, seconds)
        if not direct:
            self.send(request(SSL_REQUEST))
            assert self.read_exactly(1) == b"S"
        self.socket = (context or context_for_client()).wrap_socket(self.socket, session=session)


class ClientTls(Through):
    mode = "prefer"

    @classmethod
    def settings(cls):
        tls = towards_clients(cls.mode, ca_file=str(certificates().authority.certificate),
                              crl_file=str(certificates().revocations))
        return proxy.configuration(proxy.pair(users=USERS, tls=tls))

    def dial(self, sslmode, user="app_trust", certificate=None, **more):
        host, port = self.proxy.address()
        if certificate:
            more |= {"sslcert": str(certificate[0]), "sslkey": str(certificate[1])}
        connection = psycopg2.connect(host=host, port=port, user=user, dbname="shop", connect_timeout=30, gssencmode="disable",
                                      sslmode=sslmode, **{"sslrootcert": str(certificates().authority.certificate), **more})
        connection.autocommit = True
        self.addCleanup(connection.close)
        return connection

    def is_encrypted(self, connection):
        return connection.info.ssl_in_use

    def refused(self, sslmode, **more):
        with Stopwatch(20), self.assertRaises(psycopg2.OperationalError) as caught:
            self.dial(sslmode, **more)
        return str(caught.exception)


class Offered(ClientTls):
    def test_every_sslmode(self):
        """TLS is offered, a client in each sslmode → encrypted exactly where libpq asks for it, and all work"""
        expected = {"disable": False, "allow": False, "prefer": True, "require": True, "verify-ca": True, "verify-full": True}
        for sslmode, is_encrypted in expected.items():
            with self.subTest(sslmode=sslmode):
                connection = self.dial(sslmode)
                self.assertEqual(self.is_encrypted(connection), is_encrypted)
                self.assertEqual(self.value(connection, "SELECT name FROM side"), "blue")

    def test_large_replies_and_requests(self):
        """megabytes in both directions, COPY too → byte for byte as without TLS"""
        with self.dial("require").cursor() as cursor:
            cursor.execute("SELECT repeat('wörter ', 1000000)")
            self.assertEqual(cursor.fetchone()[0], "wörter " * 1000000)
            cursor.execute("SELECT md5(%s)", ("x" * 3_000_000,))
            self.assertEqual(cursor.fetchone()[0], hashlib.md5(b"x" * 3_000_000).hexdigest())
            cursor.execute("SELECT i FROM generate_series(1, 200000) i")
            self.assertEqual(sum(row[0] for row in cursor), 200000 * 200001 // 2)

    def test_channel_binding(self):
        """SCRAM with channel binding demanded → in inside TLS, refused by libpq itself without"""
        self.dial("require", user="app_scram", password=proxy.CLIENT_PASSWORD, channel_binding="require")
        self.assertIn("channel binding", self.refused("disable", user="app_scram", password=proxy.CLIENT_PASSWORD, channel_binding="require"))

    def test_wrong_authority(self):
        """a client that trusts another authority → it refuses, and Crossfade goes on"""
        self.assertIn("certificate verify failed", self.refused("verify-ca", sslrootcert=str(certificates().stranger.certificate)))
        self.dial("verify-ca")

    def test_versions(self):
        """TLS 1.2 and 1.3 → in; 1.1 → refused with an alert"""
        for version in ("TLSv1.2", "TLSv1.3"):
            with self.subTest(version=version):
                connection = self.dial("require", ssl_min_protocol_version=version, ssl_max_protocol_version=version)
                self.assertEqual(connection.info.ssl_attribute("protocol"), version)
        old = context_for_client(minimum_version=ssl.TLSVersion.TLSv1_1, maximum_version=ssl.TLSVersion.TLSv1_1)
        old.set_ciphers("ALL:@SECLEVEL=0")
        with self.assertRaises((ssl.SSLError, ConnectionResetError)):
            TlsWire(self.proxy.address(), old)

    def test_resumption(self):
        """a second connection with the ticket of the first → resumed, over both versions and all workers"""
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = context_for_client(maximum_version=version)
            with TlsWire(self.proxy.address(), context) as first:
                first.log_in()
                self.assertFalse(first.socket.session_reused)
                session = first.socket.session
            for _ in range(4):
                with TlsWire(self.proxy.address(), context, session=session) as again:
                    again.log_in()
                    self.assertTrue(again.socket.session_reused, version)
                    self.assertEqual(again.rows("SELECT 1"), [[b"1"]])

    def test_direct(self):
        """TLS without an SSLRequest → served when ALPN says postgresql; closed without it; refused with another name"""
        context = context_for_client()
        context.set_alpn_protocols(["postgresql"])
        with TlsWire(self.proxy.address(), context, direct=True) as wire:
            wire.log_in()
            self.assertEqual(wire.rows("SELECT 1"), [[b"1"]])
        with TlsWire(self.proxy.address(), direct=True) as wire:
            wire.send(startup({"user": "app_trust", "database": "shop"}))
            self.assertEqual(wire.read_all(), [])
        context.set_alpn_protocols(["h2"])
        with self.assertRaises(ssl.SSLError):
            TlsWire(self.proxy.address(), context, direct=True)

    def test_early_plaintext(self):
        """bytes behind the SSLRequest in the same packet → 08P01 in plain text, closed, nothing of them is used"""
        with Wire(self.proxy.address()) as wire:
            wire.send(request(SSL_REQUEST) + startup({"user": "app_trust", "database": "shop"}))
            messages = wire.read_all()
        self.assertEqual([each.kind for each in messages], ["E"])
        self.assertEqual(messages[0].fields["C"], "08P01")
        self.assertEqual(messages[0].fields["M"], "received unencrypted data after SSL request")

    def test_requests_in_either_order(self):
        """GSSENCRequest, then SSLRequest → N, then TLS; either inside TLS → 0A000, as from the server"""
        with Wire(self.proxy.address()) as wire:
            wire.send(request(GSSENC_REQUEST))
            self.assertEqual(wire.read_exactly(1), b"N")
            wire.send(request(SSL_REQUEST))
            self.assertEqual(wire.read_exactly(1), b"S")
            wire.socket = context_for_client().wrap_socket(wire.socket)
            wire.log_in()
        for code in (SSL_REQUEST, GSSENC_REQUEST):
            with TlsWire(self.proxy.address()) as wire:
                wire.send(request(code))
                self.assertEqual([each.fields["C"] for each in wire.read_all()], ["0A000"])

    def test_garbage(self):
        """no TLS after the S → closed; the next client is served"""
        for junk in (b"\x16\x03\x01\xff\xff" + b"x" * 300, b"GET / HTTP/1.0\r\n\r\n", startup({"user": "app_trust"})):
            with Wire(self.proxy.address()) as wire:
                wire.send(request(SSL_REQUEST))
                self.assertEqual(wire.read_exactly(1), b"S")
                wire.send(junk)
                with Stopwatch(10):
                    wire.read_bytes()
        self.dial("require")

    def test_cancel_in_tls(self):
        """a CancelRequest inside TLS → the statement ends with 57014"""
        with TlsWire(self.proxy.address(), seconds=60) as wire:
            wire.log_in()
            wire.send(query("/* sleeper in tls */ SELECT pg_sleep(50)"))
            until(lambda: self.house.blue.sessions("state = 'active' AND query LIKE '%sleeper in tls%'"), "it runs")
            with TlsWire(self.proxy.address()) as other:
                other.send(struct.pack("!ii", 8 + len(wire.key), CANCEL_REQUEST) + wire.key)
                other.read_bytes()
            self.assertEqual([each for each in wire.read_until("Z") if each.kind == "E"][0].fields["C"], "57014")

    def test_good_certificate_is_optional(self):
        """an expired, a revoked or a stranger's client certificate → refused; none, or a good one → in"""
        for bad in (certificates().app_expired, certificates().app_revoked, certificates().app_strange):
            with self.subTest(certificate=bad[0].name):
                self.refused("require", certificate=bad)
        self.dial("require", certificate=certificates().app)


class Required(ClientTls):
    mode = "require"

    def test_plain(self):
        """a client without TLS → 28000 and told so; with allow it comes back with TLS by itself"""
        self.assertIn("encryption is required", self.refused("disable"))
        with Wire(self.proxy.address()) as wire:
            wire.send(startup({"user": "app_trust", "database": "shop"}))
            self.assertEqual([each.fields["C"] for each in wire.read_all()], ["28000"])
        self.assertTrue(self.is_encrypted(self.dial("allow")))

    def test_cancel_in_plain(self):
        """libpq's cancel, which is not encrypted → taken all the same"""
        connection = self.dial("require")
        failures = []

        def wait():
            try:
                self.query(connection, "/* plain cancel */ SELECT pg_sleep(50)")
            except psycopg2.Error as error:
                failures.append(error.pgcode)

        sleeper = threading.Thread(target=wait)
        sleeper.start()
        until(lambda: self.house.blue.sessions("state = 'active' AND query LIKE '%plain cancel%'"), "it runs")
        connection.cancel()
        sleeper.join(20)
        self.assertEqual(failures, ["57014"])


class CertificateRequired(ClientTls):
    mode = "verify-full"

    def test_certificates(self):
        """no certificate → 28000; another user's → 28000; the user's own → in"""
        self.assertIn("connection requires a valid client certificate", self.refused("require", user="app_cert"))
        self.assertIn('certificate authentication failed for user "app_trust"', self.refused("require", certificate=certificates().app))
        self.refused("disable", user="app_cert")
