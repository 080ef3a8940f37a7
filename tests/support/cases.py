"""Runs Python test files and counts their cases, in the form that run_tests.py reads.

A test file ends in `_test.py` and holds unittest cases; the first line of a case's docstring, "situation → outcome", is
its name. The counts go out as one line `[cases] 3 passed, 0 failed, 1 skipped`.
"""

import argparse
import importlib.util
import pathlib
import sys
import time
import unittest


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


def chosen_cases(folder, pattern):
    chosen = unittest.TestSuite()
    for path in sorted(pathlib.Path(folder).glob("*_test.py")):
        for case in each_case(load_file(path)):
            if pattern in f"{path.stem} {name_of(case)}":
                chosen.addTest(case)
    return chosen


def run_folder(folder, pattern, slow_seconds=5.0):
    """Runs the cases of a folder whose name contains the pattern; returns True when none failed."""
    result = Counted(slow_seconds)
    chosen_cases(folder, pattern).run(result)
    print(f"[cases] {result.passed} passed, {len(result.failed)} failed, {result.passed_over} skipped", flush=True)
    return not result.failed


def main(folder, argv=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("pattern", nargs="?", default="")
    options = parser.parse_args(argv)
    return 0 if run_folder(folder, options.pattern) else 1
