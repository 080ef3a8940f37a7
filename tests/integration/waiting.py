"""Waiting for events, with a deadline. Nothing here waits for time alone."""

import select
import time


def until(condition, what, seconds=15.0):
    """Asks `condition` again and again until it is true, and returns its value. Fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        select.select([], [], [], 0.01)


class Stopwatch:
    """Asserts that what happens inside `with` ends in time."""

    def __init__(self, seconds):
        self.seconds = seconds

    def __enter__(self):
        self.began = time.monotonic()
        return self

    def __exit__(self, kind, value, trace):
        self.took = time.monotonic() - self.began
        if kind is None and self.took > self.seconds:
            raise AssertionError(f"took {self.took:.2f} s, at most {self.seconds} s")
        return False
