"""The runner counts what ran: its one line is what others trust."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

from run_tests import tally_of

DOCTEST = "[doctest] test cases:  {} |  {} passed | {} failed | {} skipped\n[doctest] assertions: 9 | 9 passed | 0 failed |\n"
ROWS = [  # (output, exit status, counts)
    (DOCTEST.format(3, 3, 0, 0), 0, (3, 0, 0)),
    (DOCTEST.format(3, 2, 1, 0), 1, (2, 1, 0)),
    (DOCTEST.format(2, 2, 0, 40), 0, (2, 0, 0)),
    ("\x1b[0m" + DOCTEST.format(1, 1, 0, 0), 0, (1, 0, 0)),
    (DOCTEST.format(3, 3, 0, 0) + "ERROR: LeakSanitizer: detected memory leaks", 23, (3, 1, 0)),
    ("[cases] 5 passed, 2 failed, 1 skipped\n", 1, (5, 2, 1)),
    ("[cases] 5 passed, 0 failed, 0 skipped\n", -11, (5, 1, 0)),
    ("replayed 200 inputs\n", 0, (1, 0, 0)),
    ("", -6, (0, 1, 0)),
    ("no server here\n", 77, (0, 0, 1)),
]


class Runner(unittest.TestCase):
    def test_tally(self):
        """a program's output and status → its counts; a crash after the last case is a failure"""
        for output, status, wanted in ROWS:
            with self.subTest(output=output, status=status):
                tally = tally_of(output, status)
                self.assertEqual((tally.passed, tally.failed, tally.skipped), wanted)

    def test_together(self):
        """two processes share the files of a folder → each file runs once, and the counts are summed"""
        support = pathlib.Path(__file__).resolve().parents[1] / "support"
        case = "import unittest\nclass A(unittest.TestCase):\n    def test_it(self):\n        print('ran {0}')\n        self.assertTrue({1})\n"
        with tempfile.TemporaryDirectory() as folder:
            home = pathlib.Path(folder)
            for name, passes in (("one", True), ("other", False), ("third", True)):
                (home / f"{name}_test.py").write_text(case.format(name, passes))
            (home / "run.py").write_text(f"import sys\nsys.path.insert(0, {str(support)!r})\nimport cases\n"
                                         f"sys.exit(cases.main({folder!r}, jobs=2))\n")
            result = subprocess.run([sys.executable, "-B", home / "run.py"], capture_output=True, text=True, timeout=60)
        self.assertEqual(sorted(line for line in result.stdout.splitlines() if line.startswith("ran")), ["ran one", "ran other", "ran third"])
        self.assertEqual((tally_of(result.stdout, result.returncode).passed, result.returncode), (2, 1), result.stdout)
        self.assertIn("[cases] 2 passed, 1 failed, 0 skipped", result.stdout)
