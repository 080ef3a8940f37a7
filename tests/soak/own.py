"""What one session has set, prepared and made, and therefore must see; nobody else's."""

import dataclasses

from wire import Lost, Wrong, fields, query, row

DEFAULTS = {"work_mem": "4MB", "search_path": '"$user", public', "TimeZone": "UTC", "soak.mark": None, "role": "none"}
SEEN = ("SELECT current_setting('application_name'), current_setting('work_mem'), current_setting('search_path'), "
        "current_setting('TimeZone'), nullif(current_setting('soak.mark', true), ''), current_setting('role'), current_user")


@dataclasses.dataclass
class Ledger:
    """What all sessions together report. A wrong answer is kept with its session's last requests."""

    wrong: list = dataclasses.field(default_factory=list)
    lost: dict = dataclasses.field(default_factory=dict)
    steps: dict = dataclasses.field(default_factory=dict)
    committed: int = 0
    unknown: int = 0
    cancelled: int = 0
    sessions: int = 0

    def count(self, what, of):
        what[of] = what.get(of, 0) + 1


class Own:
    """One session's side of it: requests go out through here, so that each answer can be judged."""

    def __init__(self, wire, name, random, ledger):
        self.wire, self.name, self.random, self.ledger = wire, name, random, ledger
        self.settings = {**DEFAULTS, "application_name": name}
        self.prepared, self.marks, self.said, self.cancels = {}, 0, [], 0

    def mark(self):
        """A text that no other session has."""
        self.marks += 1
        return f"{self.name}.{self.marks}"

    def settings_at_start(self):
        self.settings = {**DEFAULTS, "application_name": self.name}

    def wrong(self, words):
        return Wrong(f"{self.name}: {words}\n    last: " + "\n    last: ".join(self.said[-8:]))

    def say(self, words):
        self.said.append(words[:300])
        del self.said[:-12]

    async def ask(self, *words):
        """Simple queries, sent together; the messages of all. Errors raise."""
        self.say(" | ".join(words))
        self.wire.send(*map(query, words))
        return self.judge(await self.wire.reply(len(words)))

    async def exchange(self, words, *pieces, syncs=1):
        """Messages of the extended protocol with `syncs` Syncs among them."""
        self.say(words)
        self.wire.send(*pieces)
        return await self.wire.reply(syncs)

    def judge(self, messages):
        for kind, body in messages:
            if kind == "E":
                raise self.wrong(f"an error: {fields(body)}")
        return messages

    async def rows(self, *words):
        return [row(body) for kind, body in await self.ask(*words) if kind == "D"]

    async def expect(self, words, wanted):
        seen = await self.rows(words)
        if seen != wanted:
            raise self.wrong(f"{words}: {seen}, not {wanted}")

    def expect_kinds(self, messages, kinds, what):
        seen = "".join(kind for kind, _ in messages)
        if seen != kinds:
            errors = [fields(body) for kind, body in messages if kind == "E"]
            raise self.wrong(f"{what}: {seen}, not {kinds} {errors}")

    async def verify(self):
        """The settings are ours, and so is what the server has reported."""
        now = self.settings
        user = "postgres" if now["role"] == "none" else now["role"]
        wanted = [now["application_name"], now["work_mem"], now["search_path"], now["TimeZone"], now["soak.mark"], now["role"], user]
        await self.expect(SEEN, [wanted])
        for name in ("application_name", "TimeZone"):
            if self.wire.parameters.get(name) != now[name]:
                raise self.wrong(f"{name} was reported as {self.wire.parameters.get(name)}, not {now[name]}")


__all__ = ["DEFAULTS", "Ledger", "Lost", "Own", "Wrong"]
