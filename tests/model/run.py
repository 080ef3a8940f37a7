"""The model test: random conversations directly and through Crossfade, compared byte for byte.

  run.py                        what a test run does: known seeds, then fresh ones for --seconds, on one side and on two
  run.py --minutes 20           fresh seeds for so long
  run.py --seed 4711 --count 1  one conversation again; with --two-sides as it was found with two sides
  run.py --prove-faults         shows that the test notices mistakes: relays that are wrong in known ways
  run.py --direct               without Crossfade: shows that the test itself makes no difference
"""

import argparse
import contextlib
import os
import pathlib
import random
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))

from clusters import Cluster  # noqa: E402  (found through the line above)
from crossfade import Crossfade, Fader  # noqa: E402

KNOWN_SEEDS = 60  # 1 to here, before the fresh ones
TWO_SIDES = "two_sides"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=os.environ.get("MODEL_TEST", str(ROOT / "build/tests/model/model_test")))
    parser.add_argument("--crossfade", default=os.environ.get("CROSSFADE", str(ROOT / "build/proxy/crossfade")))
    parser.add_argument("--minutes", type=float, default=0)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="how many play at the same time, each in its own database")
    parser.add_argument("--pool", choices=["session", "transaction"], default="session",
                        help="how long a conversation keeps its connection to a server")
    parser.add_argument("--two-sides", action="store_true", help="only conversations that two sides answer in turn")
    parser.add_argument("--one-side", action="store_true", help="only conversations that one side answers")
    parser.add_argument("--prove-faults", action="store_true")
    parser.add_argument("--direct", action="store_true")
    options = parser.parse_args()
    if options.minutes:
        options.seconds = options.minutes * 60
    return options


class Plays:
    """Model test processes under way."""

    def __init__(self, options):
        self.options, self.processes = options, []

    def start(self, direct, database, *extra):
        command = [self.options.program, "--direct", direct, "--database", database, *map(str, extra)]
        self.processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                               errors="replace"))

    def finish(self, crossfade=None):
        """Prints what they found; True when none found anything."""
        passed = 0
        for process in self.processes:
            output, _ = process.communicate()
            print(output, end="", flush=True)
            passed += process.returncode == 0
        failed = len(self.processes) - passed
        if crossfade and crossfade.has_died():
            failed += 1
            print(f"Crossfade ended by itself with {crossfade.process.returncode}")
        if crossfade and failed:
            print("---- Crossfade's log\n" + crossfade.words())
        print(f"[cases] {passed} passed, {failed} failed, 0 skipped", flush=True)
        return failed == 0


def extent(options, seed):
    words = ["--seed", seed] + (["--count", options.count] if options.count else ["--seconds", int(options.seconds)])
    return words if options.seed or options.minutes else ["--known", KNOWN_SEEDS] + words


def prove_faults(options):
    with Cluster(["model_0"]) as blue:
        plays = Plays(options)
        plays.start(blue.local_address, "model_0", "--prove-faults", "--seed", options.seed or 1, "--count", options.count or 120)
        return plays.finish()


def play_all(options):
    databases = [f"model_{job}" for job in range(options.jobs)]
    fresh = options.seed or 0
    if not fresh:
        fresh = random.SystemRandom().randrange(10**6, 10**12)
        print(f"fresh seeds from {fresh}", flush=True)
    with contextlib.ExitStack() as stack:
        blue = stack.enter_context(Cluster(databases + [TWO_SIDES]))
        plays = Plays(options)
        if options.direct:
            for job, database in enumerate(databases):
                plays.start(blue.local_address, database, *extent(options, fresh + job * 10**6))
            return plays.finish()
        green = stack.enter_context(Cluster(databases + [TWO_SIDES]))
        crossfade = stack.enter_context(Crossfade(options.crossfade, blue, green, options.pool))
        through = ["--through", crossfade.address] + (["--pooled"] if options.pool == "transaction" else [])
        fader = stack.enter_context(Fader(crossfade, fresh)) if not options.one_side else None
        if not options.one_side:
            plays.start(blue.local_address, TWO_SIDES, *through, "--other", green.local_address, "--reads", *extent(options, fresh))
        if not options.two_sides:
            for job, database in enumerate(databases):
                plays.start(blue.local_address, database, *through, *extent(options, fresh + job * 10**6))
        passed = plays.finish(crossfade)
        if fader:
            print(f"weights changed {fader.change_count} times" + (f", then: {fader.trouble}" if fader.trouble else ""))
        return passed and not (fader and fader.trouble)


def main():
    options = arguments()
    return prove_faults(options) if options.prove_faults else play_all(options)


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
