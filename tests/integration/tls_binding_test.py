"""SCRAM with channel binding towards a real server: who stands in between, with a certificate of its own, gets nowhere."""

import socket
import ssl
import struct
import threading

import proxy
from certificates import certificates
from clusters import PASSWORDS, house
from through import Through
from wire import SSL_REQUEST, Wire

ASKING = struct.pack("!ii", 8, SSL_REQUEST)


class Between:
    """Speaks TLS to both ends and passes on what they say: a certificate that nobody checks lets it in."""

    def __init__(self, port):
        self.target = port
        self.terms = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.terms.load_cert_chain(*certificates().elsewhere)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.heard = []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.join, args=(connection,), daemon=True).start()

    def join(self, connection):
        connection.recv(8, socket.MSG_WAITALL)
        connection.sendall(b"S")
        near = self.terms.wrap_socket(connection, server_side=True)
        far = socket.create_connection(("127.0.0.1", self.target))
        far.sendall(ASKING)
        far.recv(1)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        far = context.wrap_socket(far)
        threading.Thread(target=self.pump, args=(far, near, None), daemon=True).start()
        self.pump(near, far, self.heard)

    @staticmethod
    def pump(source, target, heard):
        try:
            while received := source.recv(65536):
                if heard is not None:
                    heard.append(received)
                target.sendall(received)
            target.unwrap()
        except (OSError, ValueError):
            pass

    def close(self):
        self.listener.close()


def asking_for_tls(version, session=None):
    """An encrypted connection straight to blue, which offers to resume `session`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    asking_for_tls.contexts.setdefault(version, context)
    connection = socket.create_connection(("127.0.0.1", house().blue.port))
    connection.sendall(ASKING)
    connection.recv(1)
    return asking_for_tls.contexts[version].wrap_socket(connection, session=session)


asking_for_tls.contexts = {}


class Binding(Through):
    @classmethod
    def settings(cls):
        cls.between = Between(house().blue.port)
        cls.addClassCleanup(cls.between.close)
        users = {"app_scram": {"authentication": "trust", "backend": {"password": PASSWORDS["app_scram"]}},
                 "app_trust": {"authentication": "trust"}}
        direct = {**proxy.pair(users=users), **proxy.sides_of(house().blue.port, house().green.port, mode="require")}
        through = {**proxy.pair(users=users), **proxy.sides_of(cls.between.port, house().green.port, mode="require")}
        return proxy.configuration(direct, {"between": through})

    def test_direct(self):
        """a server with TLS and SCRAM → logged in, encrypted"""
        connection = self.connect("app_scram")
        self.assertTrue(self.value(connection, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"))

    def test_no_resumption(self):
        """the server itself, offered a session again → it resumes none, so there is nothing for Crossfade to gain"""
        with asking_for_tls(ssl.TLSVersion.TLSv1_2) as first:
            session = first.session
        with asking_for_tls(ssl.TLSVersion.TLSv1_2, session) as second:
            self.assertFalse(second.session_reused)

    def test_between(self):
        """somebody in between with another certificate → SCRAM-SHA-256-PLUS is what Crossfade uses, and the server refuses it"""
        self.assertEqual(self.value(self.connect("app_trust", pair_name="between"), "SELECT 1"), 1)
        with Wire(self.proxy.address("between")) as wire:
            with self.assertRaises(Exception):
                wire.log_in("app_scram")
        said = b"".join(self.between.heard)
        self.assertIn(b"SCRAM-SHA-256-PLUS", said)
        self.assertIn(b"p=tls-server-end-point", said)
