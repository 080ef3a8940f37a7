"""The model test: random conversations directly and through Crossfade, compared byte for byte.

  run.py                        what a test run does: known seeds, then fresh ones for --seconds
  run.py --minutes 20           fresh seeds for so long
  run.py --seed 4711 --count 1  one conversation again
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

# Seeds that once showed a difference, or that cover much.
KNOWN_SEEDS = [1, 2, 3, 4, 5, 6, 7, 8]
WORD_OF_TOTALS = "conversations "


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=os.environ.get("MODEL_TEST", str(ROOT / "build/tests/model/model_test")))
    parser.add_argument("--minutes", type=float, default=0)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--prove-faults", action="store_true")
    parser.add_argument("--direct", action="store_true")
    options = parser.parse_args()
    if options.minutes:
        options.seconds = options.minutes * 60
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(10**6, 10**12)
    return options


def start(options, database, direct, extra):
    return subprocess.Popen([options.program, "--direct", direct, "--database", database, *map(str, extra)],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")


def gather(processes):
    """Prints what the processes found; True when none found anything."""
    passed = 0
    for process in processes:
        output, _ = process.communicate()
        print(output, end="", flush=True)
        passed += process.returncode == 0
    print(f"[cases] {passed} passed, {len(processes) - passed} failed, 0 skipped", flush=True)
    return passed == len(processes)


def main():
    options = arguments()
    databases = [f"model_{job}" for job in range(options.jobs)]
    with contextlib.ExitStack() as stack:
        blue = stack.enter_context(Cluster(databases))
        if options.prove_faults:
            extra = ["--prove-faults", "--seed", 1, "--count", options.count or 400]
            return gather([start(options, databases[0], blue.local_address, extra)])
        print(f"fresh seeds from {options.seed}", flush=True)
        processes = []
        for job, database in enumerate(databases):
            extra = ["--seed", options.seed + job * 10**6]
            extra += ["--count", options.count] if options.count else ["--seconds", int(options.seconds)]
            processes.append(start(options, database, blue.local_address, extra))
        return gather(processes)


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
