"""`pool.size_min`: connections that are there before they are needed."""

import proxy
from through import Through
from waiting import until


class Minimum(Through):
    @classmethod
    def settings(cls):
        return proxy.configuration(proxy.pair(pool={"mode": "transaction", "size": 4, "size_min": 3}))

    def count(self, cluster):
        return len(cluster.sessions("usename = 'app_trust'"))

    def test_minimum(self):
        """a client that asks for nothing → three connections of its pool on each side; when they are lost, three others"""
        connection = self.connect("app_trust")
        for cluster in self.house.both:
            until(lambda cluster=cluster: self.count(cluster) == 3, f"three connections to {cluster.name}", 30)
        self.assertEqual(self.value(connection, "SELECT 1"), 1)
        self.assertEqual(self.count(self.house.blue), 3)
        self.house.blue.query("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = 'app_trust'")
        until(lambda: self.count(self.house.blue) == 3, "they are opened again", 30)
