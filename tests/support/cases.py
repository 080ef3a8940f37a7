"""Runs Python test files and counts their cases, in the form that run_tests.py reads.

A test file ends in `_test.py` and holds unittest cases; the first line of a case's docstring, "situation → outcome", is
its name. The counts go out as one line `[cases] 3 passed, 0 failed, 1 skipped`.
"""

import argparse
import importlib.util
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time
import unittest

CASES_LINE = re.compile(r"\[cases\] (\d+) passed, (\d+) failed, (\d+) skipped")


def name_of(test):
    words = test.shortDescription()
    return f"{test.id()}: {words}" if words else test.id()


class Counted(unittest.TestResult):
    """Counts cases (a case with failing subtests is one failure), and prints each failure when it happens."""

    def __init__(self, slow_seconds):
        super().__init__()
        self.passed, self.failed, self.passed_over = 0, set(), 0
        self.slow_seconds = slow_seconds
        self.began = 0.0

    def startTest(self, test):
        super().startTest(test)
        self.began = time.monotonic()

    def stopTest(self, test):
        seconds = time.monotonic() - self.began
        if seconds > self.slow_seconds:
            print(f"  slow: {seconds:.1f} s  {name_of(test)}", flush=True)
        super().stopTest(test)

    def addSuccess(self, test):
        super().addSuccess(test)
        if test.id() not in self.failed:
            self.passed += 1

    def _fail(self, test, trace, label=""):
        self.failed.add(test.id())
        print(f"FAILED {name_of(test)}{label}\n{trace}", flush=True)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._fail(test, self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        self._fail(test, self.errors[-1][1])

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            trace = (self.failures + self.errors)[-1][1]
            if issubclass(err[0], test.failureException):
                trace = self.failures[-1][1]
            else:
                trace = self.errors[-1][1]
            self._fail(test, trace, " " + subtest._subDescription())

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.passed_over += 1
        print(f"skipped {name_of(test)}: {reason}", flush=True)


def each_case(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from each_case(item)
        else:
            yield item


def load_file(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return unittest.defaultTestLoader.loadTestsFromModule(module)


def is_ours(path, claims):
    """Of several processes that run the files of one folder, the first to claim a file runs it."""
    try:
        (pathlib.Path(claims) / path.stem).open("x").close()
        return True
    except FileExistsError:
        return False


def chosen_cases(path, pattern):
    chosen = unittest.TestSuite()
    for case in each_case(load_file(path)):
        if pattern in f"{path.stem} {name_of(case)}":
            chosen.addTest(case)
    return chosen


def run_folder(folder, pattern, claims=None, slow_seconds=5.0):
    """Runs the cases of a folder whose name contains the pattern; returns True when none failed."""
    result = Counted(slow_seconds)
    for path in sorted(pathlib.Path(folder).glob("*_test.py")):
        cases = chosen_cases(path, pattern)
        if cases.countTestCases() > 0 and (claims is None or is_ours(path, claims)):
            began = time.monotonic()
            cases.run(result)
            print(f"  {time.monotonic() - began:5.1f} s  {path.stem}", flush=True)
    print(f"[cases] {result.passed} passed, {len(result.failed)} failed, {result.passed_over} skipped", flush=True)
    return not result.failed


def run_together(script, pattern, jobs):
    """The same script in several processes, which share its files; their output line by line, and the sum of their counts."""
    sums, lock = [0, 0, 0], threading.Lock()

    def follow(process):
        for line in process.stdout:
            with lock:
                counts = CASES_LINE.match(line)
                if counts:
                    sums[:] = [each + int(count) for each, count in zip(sums, counts.groups())]
                else:
                    print(line, end="", flush=True)

    with tempfile.TemporaryDirectory() as claims:
        command = [sys.executable, "-B", str(script), pattern, "--claims", claims]
        processes = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
                     for _ in range(jobs)]
        followers = [threading.Thread(target=follow, args=(process,)) for process in processes]
        for follower in followers:
            follower.start()
        for follower in followers:
            follower.join()
        statuses = [process.wait() for process in processes]
    sums[1] += sum(status not in (0, 1) for status in statuses)  # one that did not come to its end
    print(f"[cases] {sums[0]} passed, {sums[1]} failed, {sums[2]} skipped", flush=True)
    return sums[1] == 0 and not any(statuses)


def main(folder, argv=None, jobs=1):
    """Runs the cases of a folder, in as many processes if no pattern says which."""
    parser = argparse.ArgumentParser()
    parser.add_argument("pattern", nargs="?", default="")
    parser.add_argument("--claims", help="a folder in which the processes of one run say which files they take")
    parser.add_argument("--jobs", type=int, default=jobs)
    options = parser.parse_args(argv)
    if options.jobs > 1 and not options.pattern and not options.claims:
        return 0 if run_together(pathlib.Path(folder) / "run.py", options.pattern, options.jobs) else 1
    return 0 if run_folder(folder, options.pattern, options.claims) else 1
