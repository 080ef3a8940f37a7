"""Runs the cases of this folder; `run.py [pattern]`, or `run.py --jobs 2`: all, in two processes with servers of their own."""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import cases  # noqa: E402  (found through the line above)

sys.exit(cases.main(HERE))
