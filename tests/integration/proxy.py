"""A crossfade process of a test: its configuration, its addresses, its admin endpoint and its end."""

import atexit
import http.client
import itertools
import json
import os
import pathlib
import re
import signal
import subprocess

import yaml

from clusters import PASSWORDS, house
from waiting import until

ROOT = pathlib.Path(__file__).resolve().parents[2]
CROSSFADE = os.environ.get("CROSSFADE") or str(ROOT / "build" / "test" / "proxy" / "crossfade")
# What a case may add to the process's memory. Under a sanitiser it holds freed memory back for a while.
ROOM_KILOBYTES = 400 * 1024 if "/test-" in CROSSFADE else 64 * 1024
CLIENT_PASSWORD = "open sesame"
numbers = itertools.count(1)


def sides_of(blue, green, **tls):
    """Both sides with the same `tls`; without one, in plain text."""
    tls = tls or {"mode": "disable"}
    return {"blue": {"host": "127.0.0.1", "port": blue, "tls": tls}, "green": {"host": "127.0.0.1", "port": green, "tls": tls}}


def users():
    """Trust towards the client for those who need no password behind; a password of their own for the others."""
    listed = {name: {"authentication": "trust"} for name in ("postgres", "app_trust", "app_barred")}
    for name, password in PASSWORDS.items():
        listed[name] = {"authentication": "scram-sha-256", "password": CLIENT_PASSWORD, "backend": {"password": password}}
    return listed


def rule(name="reads", green=0, **more):
    return {"name": name, "match": {"class": ["read"]}, "reads": {"blue": 100 - green, "green": green}, **more}


def pair(blue=None, green=None, rules=None, **more):
    """By session unless `pool` says otherwise: what a case sees is then the work of its own connections."""
    more["pool"] = {"mode": "session", **more.get("pool", {})}
    return {"dialect": "postgres", "listen": "127.0.0.1:0", **sides_of(blue or house().blue.port, green or house().green.port),
            "users": users(), "rules": rules if rules is not None else [rule()], **more}


def configuration(shop=None, more_pairs=None, **more):
    """One pair named shop, and whatever else a test wants."""
    return {"workers": 2, "admin": {"listen": "127.0.0.1:0"}, "log": {"level": "info"},
            "pairs": {"shop": shop or pair(), **(more_pairs or {})}, **more}


class Reply:
    def __init__(self, status, text):
        self.status, self.text = status, text

    @property
    def json(self):
        return json.loads(self.text)


class Proxy:
    """`crossfade run` on a configuration, ready when made."""

    def __init__(self, settings=None, words=(), before=(), **more):
        """`words` of the command line, and what stands `before` it; `more` for the process: its environment, its user."""
        self.home = house().scratch / f"proxy-{next(numbers)}"
        self.home.mkdir()
        self.file = self.home / "crossfade.yaml"
        self.file.write_text(yaml.safe_dump(settings or configuration(), allow_unicode=True))
        self.file.chmod(0o644 if "user" in more else 0o600)  # another user must be able to read it
        self.log = self.home / "log"
        ready = self.home / "ready.json"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([*before, CROSSFADE, "run", str(self.file), "--ready-file", str(ready), *words], cwd=self.home,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, **more)
        atexit.register(self.kill)
        self.addresses = until(lambda: self._read_ready(ready), "the proxy is ready", 30)

    def _read_ready(self, path):
        if self.process.poll() is not None:
            raise AssertionError(f"crossfade ended at once, status {self.process.returncode}:\n{self.words()}")
        try:
            return json.loads(path.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return None

    def rewrite(self, settings):
        """Another configuration in the same place, for a reload."""
        self.file.write_text(yaml.safe_dump(settings, allow_unicode=True))

    def reload(self, **wish):
        """The answer of the admin endpoint; what was changed is in force when this returns."""
        return self.ask("POST", "/api/v1/reload", wish)

    def words(self):
        """The end of what it said."""
        return self.log.read_text(errors="replace")[-4000:]

    def address(self, pair_name="shop"):
        """(host, port) of a pair's listener."""
        host, _, port = self.addresses["pairs"][pair_name].rpartition(":")
        return host.strip("[]"), int(port)

    def ask(self, method, path, body=None, headers=None):
        """One request to the admin endpoint."""
        connection = http.client.HTTPConnection(self.addresses["admin"], timeout=30)
        try:
            text = json.dumps(body) if isinstance(body, (dict, list)) else body
            connection.request(method, path, text, {"Content-Type": "application/json", **(headers or {})})
            reply = connection.getresponse()
            return Reply(reply.status, reply.read().decode())
        finally:
            connection.close()

    def shift(self, green, rule_name="reads", pair_name="shop"):
        """New read weights, in force when this returns."""
        reply = self.ask("PUT", f"/api/v1/pairs/{pair_name}/rules/{rule_name}/weights",
                         {"reads": {"blue": 100 - green, "green": green}})
        assert reply.status == 200, f"{reply.status}: {reply.text}"
        assert reply.json["acknowledged_by_all"], reply.text
        return reply.json

    def status(self, pair_name="shop"):
        found = [each for each in self.ask("GET", "/api/v1/status").json["pairs"] if each["name"] == pair_name]
        return found[0]

    def resident_kilobytes(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise AssertionError("no VmRSS")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)

    def stop(self):
        """A polite end. A status other than 0 is a finding: a sanitiser's report, a crash, a hang."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"crossfade did not end within 40 s of SIGTERM:\n{self.words()}") from None
        assert status == 0, f"crossfade ended with status {status}:\n{self.words()}"
        own = [line for line in self.log.read_text(errors="replace").splitlines() if re.search(r"blame\W+self", line)]
        assert not own, "crossfade blames itself:\n" + "\n".join(own[:10])
