"""A client: comes, does steps, leaves in one of many ways, and comes again, until the end of the run."""

import asyncio
import random
import traceback

import steps
from own import Own
from wire import Lost, Wire, Wrong, bind, execute, parse, query

THINK_SECONDS = 0.3
STEPS_MAX = 120
EXPECTED_LOSSES = ("57P01", "08006", "")  # what a session may hear when its server process was terminated


class Client:
    def __init__(self, number, address, run):
        self.number, self.address, self.run = number, address, run
        self.random = random.Random(f"{run.seed}.{number}")
        self.generation = 0

    async def live(self):
        while not self.run.is_over():
            self.generation += 1
            try:
                await self._session()
            except Lost as lost:
                self._lost(str(lost))
            except (ConnectionError, OSError):
                self._lost("")
            except Wrong as wrong:
                self.run.ledger.wrong.append(str(wrong))
            except Exception:  # a mistake of the test itself is a failure too
                self.run.ledger.wrong.append(traceback.format_exc())

    def _lost(self, code):
        self.run.ledger.count(self.run.ledger.lost, code or "closed")
        if code not in EXPECTED_LOSSES:
            self.run.ledger.wrong.append(f"client {self.number}: a session ended with {code}")

    async def _session(self):
        name = f"c{self.number}.{self.generation}"
        wire = await Wire.connect(self.address, {"user": "postgres", "database": "shop", "application_name": name})
        self.run.ledger.sessions += 1
        own = Own(wire, name, self.random, self.run.ledger)
        own.address = self.address
        try:
            for _ in range(self.random.randint(1, STEPS_MAX)):
                if self.run.is_over():
                    break
                await self._step(own)
                await asyncio.sleep(self.random.random() * THINK_SECONDS)
            await self._leave(own)
        finally:
            wire.leave("reset")

    async def _step(self, own):
        step = self.random.choice(steps.STEPS if self.random.random() > 0.02 else steps.RARE)
        self.run.ledger.count(self.run.ledger.steps, step.__name__)
        if step in steps.PINNING:
            async with self.run.pins:
                await step(own)
        else:
            await step(own)
        if own.wire.notifications:
            raise own.wrong(f"notified of {own.wire.notifications}")

    async def _leave(self, own):
        """In the middle of something, mostly."""
        wire, half = own.wire, query("SELECT 'half of this'")
        middle = self.random.randint(0, 7)
        how = self.random.choice(("politely", "end", "reset"))
        if middle == 1:
            await own.ask("BEGIN", f"INSERT INTO public.soak_journal VALUES ('{own.name} left')")
        elif middle == 2:
            wire.send(query("SELECT pg_sleep(0.5)"))
        elif middle == 3:
            wire.send(query("SELECT repeat('x', 1000) FROM generate_series(1, 5000)"))
        elif middle == 4:
            wire.send(half[: self.random.randint(1, len(half) - 1)])
        elif middle == 5:
            wire.send(query("COPY public.soak_journal FROM STDIN"))
            await wire.until("G")
        elif middle == 6:
            wire.send(parse("", f"INSERT INTO public.soak_journal VALUES ('{own.name} left')"), bind(), execute())
        if self.random.random() < 0.5:
            await asyncio.sleep(self.random.random() * 0.05)
        wire.leave("end" if middle == 4 and how == "politely" else how)
