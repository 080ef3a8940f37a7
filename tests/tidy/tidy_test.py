"""The rules, run on this repository. One case per rule."""

import os
import pathlib
import subprocess
import unittest

import include_rules
import name_rules
import shape_rules
import source
import tree_rules

ROOT = pathlib.Path(__file__).resolve().parents[2]
CROSSFADE = os.environ.get("CROSSFADE", str(ROOT / "build" / "test" / "proxy" / "crossfade"))


class Tidy(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sources = source.read_tree(ROOT)
        for path in shape_rules.long_files(cls.sources):
            print(f"long: {path} has more than {shape_rules.FILE_LINES_ASKED} lines")

    def holds(self, check):
        breaches = [str(breach) for breach in check(self.sources)]
        if breaches:
            self.fail(f"{len(breaches)} breaches: {check.__doc__}\n" + "\n".join(breaches))


def add_case(check):
    def case(self):
        self.holds(check)

    case.__doc__ = check.__doc__
    name = check.__name__.replace("check_", "test_")
    assert not hasattr(Tidy, name), f"two rules named {name}"
    setattr(Tidy, name, case)


for module in (include_rules, shape_rules, name_rules, tree_rules):
    for key, value in list(vars(module).items()):
        if key.startswith("check_"):
            add_case(value)


@unittest.skipUnless("CROSSFADE" in os.environ or os.path.exists(CROSSFADE), "run alone, and the program is not built")
class Programs(unittest.TestCase):
    """What the documents promise of the program, asked of the program."""

    def run_crossfade(self, *words):
        return subprocess.run([CROSSFADE, *words], capture_output=True, text=True, timeout=60, cwd="/")

    def test_example_configuration(self):
        """config/example.yaml → `crossfade check` accepts it"""
        result = self.run_crossfade("check", str(ROOT / "config" / "example.yaml"))
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_readme_subcommands(self):
        """a subcommand named in a README → the program knows it"""
        named = {words for _, _, words in tree_rules.readme_subcommands(source.read_tree(ROOT))}
        unknown = [words for words in sorted(named) if self.run_crossfade(words, "--help").returncode != 0]
        self.assertEqual(unknown, [])
