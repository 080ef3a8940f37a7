"""Runs every test of a build folder, tidy and the integration tests, and counts cases.

The last line is `N passed, M failed, K skipped`. Exit 1 when a case failed or when none ran.
A Meson test of the suite `server` needs database servers and is left out by --extent quick.
"""

import argparse
import concurrent.futures
import json
import mmap
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCTEST_LINE = re.compile(r"\[doctest\] test cases:\s*(\d+)\s*\|\s*(\d+) passed\s*\|\s*(\d+) failed\s*\|\s*(\d+) skipped")
CASES_LINE = re.compile(r"\[cases\] (\d+) passed, (\d+) failed, (\d+) skipped")
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
MESON_SKIP = 77
SHADOW_BITS_MAX = 28  # vm.mmap_rnd_bits that address and thread sanitisers of GCC 12 can live with


class Tally:
    def __init__(self, passed=0, failed=0, skipped=0):
        self.passed, self.failed, self.skipped = passed, failed, skipped

    def __iadd__(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        return self

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def tally_of(output, status):
    """What one program's output and exit status say. Without counts in the output the program is one case."""
    output = ESCAPE.sub("", output)
    doctest, cases = DOCTEST_LINE.findall(output), CASES_LINE.findall(output)
    if doctest:
        _, passed, failed, _ = map(int, doctest[-1])  # skipped here means: not chosen by the filter
        tally = Tally(passed, failed)
    elif cases:
        tally = Tally(*map(int, cases[-1]))
    elif status == MESON_SKIP:
        return Tally(skipped=1)
    else:
        return Tally(passed=1) if status == 0 else Tally(failed=1)
    if status != 0 and tally.failed == 0:
        tally.failed = 1  # every case passed and the program still failed: a leak report, or a crash at the end
    return tally


def is_doctest(program):
    try:
        with open(program, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as image:
            return image.find(b"[doctest] ") >= 0
    except (OSError, ValueError):
        return False


class Program:
    """One program to run: a Meson test, tidy or the integration tests."""

    def __init__(self, name, command, environment, folder, timeout_seconds, is_alone):
        self.name, self.command, self.environment = name, command, environment
        self.folder, self.timeout_seconds, self.is_alone = folder, timeout_seconds, is_alone

    def run(self):
        began = time.monotonic()
        process = subprocess.Popen(self.command, cwd=self.folder, env={**os.environ, **self.environment},
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   text=True, errors="replace", start_new_session=True)
        try:
            output, _ = process.communicate(timeout=self.timeout_seconds or None)
            status = process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            output, _ = process.communicate()
            output += f"\nstopped after {self.timeout_seconds} s without an end\n"
            status = 1
        return self, output, status, time.monotonic() - began


def meson_programs(build, extent, pattern):
    listing = subprocess.run(["meson", "introspect", "--tests", str(build)], check=True, capture_output=True, text=True)
    for test in json.loads(listing.stdout):
        if extent == "quick" and any(suite.split(":")[-1] == "server" for suite in test["suite"]):
            continue
        command = list(test["cmd"])
        if pattern and pattern not in test["name"]:
            if not is_doctest(command[0]):
                continue
            command.append(f"--test-case=*{pattern}*")
        yield Program(test["name"], command, test["env"], test["workdir"] or str(build), test["timeout"] * 4,
                      not test["is_parallel"])


def python_program(name, timeout_seconds, build, pattern):
    command = [sys.executable, "-B", str(ROOT / "tests" / name / "run.py"), pattern]
    return Program(name, command, {"CROSSFADE": str(build / "proxy" / "crossfade")}, str(ROOT), timeout_seconds, True)


def sanitizer_environment():
    os.environ.setdefault("ASAN_OPTIONS", "detect_leaks=1:abort_on_error=0:quarantine_size_mb=32")
    os.environ.setdefault("UBSAN_OPTIONS", "halt_on_error=1:print_stacktrace=1")
    os.environ.setdefault("TSAN_OPTIONS", "halt_on_error=1:second_deadlock_stack=1")


def without_random_addresses(build):
    """Starts anew without address randomisation where the sanitisers of GCC 12 could not place their shadow."""
    bits = pathlib.Path("/proc/sys/vm/mmap_rnd_bits")
    if not build.name.startswith("test-") or os.environ.get("CROSSFADE_FIXED_ADDRESSES") or not bits.exists():
        return
    if int(bits.read_text()) > SHADOW_BITS_MAX:
        os.environ["CROSSFADE_FIXED_ADDRESSES"] = "yes"
        os.execvp("setarch", ["setarch", "--addr-no-randomize", sys.executable, "-B", *sys.argv])


def report(outcome, total):
    program, output, status, seconds = outcome
    tally = tally_of(output, status)
    total += tally
    if tally.failed:
        print(f"---- {program.name}\n{output.rstrip()}\n---- {program.name}: exit status {status}")
    elif tally.skipped:
        print("\n".join(line for line in output.splitlines() if line.startswith("skipped ")))
    if tally.passed or tally.failed or tally.skipped:
        print(f"{'FAILED' if tally.failed else 'ok':6} {program.name:28} {tally}  ({seconds:.1f} s)", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--extent", choices=["full", "quick"], default="full")
    parser.add_argument("--pattern", default="")
    options = parser.parse_args()
    sanitizer_environment()
    build = options.build.resolve()
    without_random_addresses(build)

    programs = list(meson_programs(build, options.extent, options.pattern))
    programs.append(python_program("tidy", 300, build, options.pattern))
    if options.extent == "full":
        programs.append(python_program("integration", 1500, build, options.pattern))

    total = Tally()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        together = [pool.submit(program.run) for program in programs if not program.is_alone]
        for future in concurrent.futures.as_completed(together):
            report(future.result(), total)
    for program in programs:
        if program.is_alone:
            report(program.run(), total)

    ran = total.passed + total.failed
    if ran == 0:
        print("no test ran")
    print(total)
    return 1 if total.failed or ran == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
