"""A pair with `sync: mirror`: what its operators see of it, and how its process begins and ends."""

import subprocess

import proxy
from through import Through
from waiting import until


class MirrorAdmin(Through):
    @classmethod
    def settings(cls):
        mirror = {"directory": "journal", "user": "postgres"}
        return proxy.configuration(proxy.pair(sync="mirror", mirror=mirror), state={"directory": "state"})

    def crossfade(self, *words):
        return subprocess.run([proxy.CROSSFADE, *words, "--admin", "http://" + self.proxy.addresses["admin"]], capture_output=True, text=True,
                              timeout=30)

    def test_shown(self):
        """the mirror's state, the ledger and the metrics → over HTTP and on the command line"""
        mirror = self.proxy.ask("GET", "/api/v1/pairs/shop/mirror").json
        self.assertEqual((mirror["state"], mirror["authority"], mirror["follower"]), ("running", "blue", "green"))
        self.assertEqual(mirror["lag"]["units"], 0)
        self.assertEqual(self.proxy.ask("GET", "/api/v1/pairs/shop/ledger").json["entries"], [])
        self.assertIn('crossfade_mirror_up{pair="shop"} 1', self.proxy.ask("GET", "/metrics").text)
        shown = self.crossfade("mirror")
        self.assertEqual((shown.returncode, shown.stderr), (0, ""))
        self.assertIn("shop: running, blue to green", shown.stdout)
        ledger = self.crossfade("ledger")
        self.assertEqual((ledger.returncode, ledger.stdout), (0, "shop: 0 open\n"))
        self.assertEqual(self.crossfade("ledger", "--accept", "5").returncode, 1)

    def test_journal_is_taken(self):
        """a second process with the same journal → ends at once and says why"""
        other = proxy.configuration(proxy.pair(sync="mirror", mirror={"directory": str(self.proxy.home / "journal"), "user": "postgres"}),
                                    state={"directory": "other"})
        with self.assertRaisesRegex(AssertionError, "another process has the journal"):
            proxy.Proxy(other)
