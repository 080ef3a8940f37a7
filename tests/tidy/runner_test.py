"""The runner counts what ran: its one line is what others trust."""

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
