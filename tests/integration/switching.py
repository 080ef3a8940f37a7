"""What cases of switchovers share: a pair whose database can move, and how it is asked to."""

import json

import proxy
from clusters import house
from through import Through
from waiting import until

WRITES = "public.writes"
ACCEPTED = ["sync_none"]
STEPS = ("check", "warm", "hold", "drain", "remember", "fence", "catch_up", "final_check", "sequences", "reverse", "flip", "publish", "open",
         "release", "settle")
BEFORE_FLIP = STEPS[:STEPS.index("flip")]


def sides():
    return {"blue": house().blue, "green": house().green}


def settings(**more):
    """A pair that can switch over in the database `moved`, whose sides hold the same definitions."""
    switchover = {"user": "postgres", "databases": ["moved"], "cooldown": "0s", "soak": "0s", "drain_timeout": "1s", **more}
    return proxy.configuration(proxy.pair(pool={"mode": "transaction", "size": 8}, switchover=switchover), state={"directory": "state"})


def make_database():
    for cluster in house().both:
        if cluster.query("SELECT 1 FROM pg_database WHERE datname = 'moved'", database="postgres"):
            cluster.query("ALTER DATABASE moved RESET default_transaction_read_only", database="postgres")
            cluster.query("DROP DATABASE moved WITH (FORCE)", database="postgres")
        cluster.query("CREATE DATABASE moved", database="postgres")
        cluster.query("CREATE TABLE writes (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, client int NOT NULL, number int NOT NULL, "
                      "UNIQUE (client, number)); CREATE TABLE counts (client int PRIMARY KEY, count int NOT NULL)", database="moved")


def is_fenced(cluster):
    return cluster.query("SHOW default_transaction_read_only", database="moved")[0][0] == "on"


class Switching(Through):
    @classmethod
    def settings(cls):
        return settings()

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        make_database()

    def connect(self, **more):
        return super().connect(database="moved", **more)

    def standing(self):
        return self.proxy.ask("GET", "/api/v1/pairs/shop/switchover").json

    def ended(self, number):
        standing = until(lambda: [s for s in [self.standing()] if s["attempt"]["number"] == number and s["attempt"]["end"] != "running"],
                         "the attempt is over", 20)
        return standing[0]["attempt"]

    def ask_for(self, path="switchover", **wish):
        reply = self.proxy.ask("POST", f"/api/v1/pairs/shop/{path}", {"accept": ACCEPTED, "who": "a test", "why": "to see", **wish})
        self.assertEqual(reply.status, 202, reply.text)
        return self.ended(reply.json["number"])

    def move(self, **wish):
        attempt = self.ask_for(**wish)
        self.assertEqual(attempt["end"], "moved", json.dumps(attempt, indent=1))
        return attempt

    def move_to(self, side):
        if self.standing()["authority"] != side:
            self.move(to=side)

    def assert_fences(self):
        """Exactly the follower refuses writes."""
        authority = self.standing()["authority"]
        self.assertEqual({name: is_fenced(cluster) for name, cluster in sides().items()},
                         {name: name != authority for name in sides()})
