"""Source files as the rules read them: the text, and the code with comments and literals blanked."""

import dataclasses
import functools
import pathlib
import re
import subprocess

CPP = (".cpp", ".hpp")
BLANKED = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(?P<mark>[^()\\\s]{0,16})\(.*?\)(?P=mark)"|"(?:\\.|[^"\\\n])*"|(?<![0-9a-zA-Z_])\'(?:\\.|[^\'\\\n])+\'',
    re.DOTALL)
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Breach:
    path: str
    line: int
    words: str

    def __str__(self):
        return f"{self.path}:{self.line}: {self.words}"


def _blank(match):
    text = match.group(0)
    keep = text[0] if text[0] in "\"'R" else " "
    return keep + "".join(c if c == "\n" else " " for c in text[1:-1]) + (text[-1] if keep != " " else " ")


@dataclasses.dataclass(frozen=True)
class Source:
    """One file. `path` is relative to the repository's root, with forward slashes."""

    path: str
    text: str

    @property
    def is_cpp(self):
        return self.path.endswith(CPP)

    @property
    def is_header(self):
        return self.path.endswith(".hpp")

    @property
    def is_test(self):
        return self.path.startswith("tests/")

    @functools.cached_property
    def code(self):
        """The text with comments and the insides of literals blanked; offsets and lines are unchanged."""
        return BLANKED.sub(_blank, self.text)

    @property
    def includes(self):
        """(line, is quoted, what) of every #include."""
        return [(self.line_at(m.start(2)), m.group(1) == '"', m.group(2)) for m in INCLUDE.finditer(self.text)]

    def line_at(self, offset):
        return self.text.count("\n", 0, offset) + 1

    def breach(self, offset, words):
        return Breach(self.path, self.line_at(offset), words)


def read_tree(root):
    """Every text file that git knows or would take (ignored files are left out)."""
    listing = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                             cwd=root, check=True, capture_output=True)
    sources = []
    for name in sorted(set(listing.stdout.decode().split("\0")) - {""}):
        path = pathlib.Path(root, name)
        if not path.is_file():
            continue
        try:
            sources.append(Source(name, path.read_text(encoding="utf-8")))
        except UnicodeDecodeError:
            continue  # a binary file: corpora hold some
    return sources
