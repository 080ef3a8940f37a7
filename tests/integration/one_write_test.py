"""What brings a pooled connection in line with a session goes in the same write as the session's next request."""

import socket
import threading

import proxy
from clusters import house
from through import Through
from waiting import until
from wire import Wire, query


class Relay:
    """In front of blue: remembers what is asked, and holds back what is answered while the gate is shut."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.gate, self.streams, self.open = threading.Event(), [], []
        self.gate.set()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", house().blue.port))
            self.open += [client, server]
            number = len(self.streams)
            self.streams.append(b"")
            threading.Thread(target=self._ask, args=(client, server, number), daemon=True).start()
            threading.Thread(target=self._answer, args=(client, server), daemon=True).start()

    @property
    def asked(self):
        return b"".join(self.streams)

    def forget(self):
        self.streams[:] = [b""] * len(self.streams)

    def _ask(self, client, server, number):
        try:
            while piece := client.recv(65536):
                self.streams[number] += piece
                server.sendall(piece)
            server.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def _answer(self, client, server):
        try:
            while piece := server.recv(65536):
                self.gate.wait(20)
                client.sendall(piece)
            client.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        self.gate.set()
        self.listener.close()
        for each in self.open:
            each.close()


class OneWrite(Through):
    @classmethod
    def settings(cls):
        cls.relay = Relay()
        cls.addClassCleanup(cls.relay.close)
        shop = proxy.pair(blue=cls.relay.port, pool={"mode": "transaction", "size": 1})
        return {**proxy.configuration(shop), "workers": 1}

    def client(self):
        wire = Wire(self.proxy.address())
        self.addCleanup(wire.close)
        wire.log_in()
        return wire

    def work_mem(self, wire):
        return wire.rows("SHOW work_mem")

    def test_settings(self):
        """settings that this server knows → the request is there before anything of their replies is seen"""
        one, other = self.client(), self.client()
        one.ask("SET work_mem TO '7MB'")
        other.ask("SET statement_timeout TO '1h'")
        for _ in range(2):
            self.assertEqual((self.work_mem(one), self.work_mem(other)), ([[b"7MB"]], [[b"4MB"]]))
        for wire, value in ((one, b"7MB"), (other, b"4MB")):
            self.relay.gate.clear()
            self.relay.forget()
            wire.send(query("SHOW work_mem"))
            until(lambda: b"SHOW work_mem" in self.relay.asked, "the request waits for no reply")
            self.assertIn(b"RESET ", self.relay.asked)
            self.relay.gate.set()
            self.assertEqual([each.row for each in wire.read_until("Z") if each.kind == "D"], [[value]])

    def test_equal_state(self):
        """two clients with equal settings → nothing is sent but their requests"""
        one, other = self.client(), self.client()
        self.work_mem(one)
        self.relay.forget()
        for wire in (other, one, other):
            self.work_mem(wire)
        used = [stream for stream in self.relay.streams if b"SHOW work_mem" in stream]
        self.assertEqual(used, [query("SHOW work_mem") * 3])
