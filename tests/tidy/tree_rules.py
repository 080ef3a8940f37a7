"""The tree, its documents and its tests."""

import re

from source import Breach

ROOT_FILES = {"meson.build", "meson_options.txt", "README.md", "LICENSE", "quickstart.sh"}
ROOT_FOLDERS = {"protocol", "routing", "proxy", "config", "tests", "docker"}
DESCRIBED = ("protocol", "routing", "proxy", "config", "tests")
SLEEP = re.compile(r"\b(?:sleep|usleep|nanosleep|sleep_for|sleep_until)\s*\(")
SHELL_SLEEP = re.compile(r"^\s*sleep\s+[\d.$]", re.MULTILINE)
# Folders of whoever built it, not of the project. In pieces, so that this file does not name them.
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:" + "|".join(("wo" + "rk", "ro" + "ot", "ho" + "me", "tmp/(?:w" + "t|c" + "f)")) + r")/[\w.]")
PACKAGE_HOST = re.compile(r"https?://[^/\s\"']*(?:registry|pypi|artifact|mirror|deb\.debian)")
CODES = re.compile(r"enum class ErrorCode[^{]*\{(.*?)\};", re.DOTALL)


def check_root(sources):
    """The root holds the build, the README, the licence, the folders, the start script and dotfiles."""
    for source in sources:
        first, _, rest = source.path.partition("/")
        if not first.startswith(".") and first not in (ROOT_FOLDERS if rest else ROOT_FILES):
            yield source.breach(0, f"{first} does not belong in the root")


def check_folder_readmes(sources):
    """Each top folder says what it is, its rule and its map."""
    paths = {source.path for source in sources}
    for folder in DESCRIBED:
        if any(path.startswith(folder + "/") for path in paths) and f"{folder}/README.md" not in paths:
            yield Breach(f"{folder}/README.md", 1, "missing: what the folder is, its rule, its map")


def check_machine_paths(sources):
    """Nothing names a path of the machine it was written on, or a package host."""
    for source in sources:
        for pattern, words in ((MACHINE_PATH, "a path of one machine"), (PACKAGE_HOST, "a package host")):
            for found in pattern.finditer(source.text):
                yield source.breach(found.start(), f"{words}: {found.group(0)}")


def check_sleeps(sources):
    """A test waits for an event with a deadline, never for time to pass. A benchmark's, a soak's and a chaos run's time is their subject."""
    for source in sources:
        if not source.is_test or source.path.startswith(("tests/bench/", "tests/soak/", "tests/chaos/", "tests/tidy/")):
            continue
        if source.is_cpp:
            hits = SLEEP.finditer(source.code)
        elif source.path.endswith(".py"):
            hits = (m for m in SLEEP.finditer(source.text) if not re.search(r"pg_$|[\"'#]\s*$", source.text[: m.start()][-4:]))
        elif source.path.endswith(".sh"):
            hits = SHELL_SLEEP.finditer(source.text)
        else:
            continue
        for found in hits:
            yield source.breach(found.start(), "a sleep in a test; wait for the event, with a deadline")


def error_codes(sources):
    for source in sources:
        if source.path == "protocol/base/error.hpp":
            found = CODES.search(source.code)
            return re.findall(r"\b([a-z]\w+)\b", found.group(1)) if found else []
    return []


def check_error_codes(sources):
    """Every code is named by a test that meets it, beyond the one that counts the names."""
    tests = [source.text for source in sources
             if source.is_test and "/tidy/" not in source.path and not source.path.endswith("base/error_test.cpp")]
    for code in error_codes(sources):
        if not any(re.search(rf"\b{code}\b", text) for text in tests):
            yield Breach("protocol/base/error.hpp", 1, f"no test names the error {code}")


def readme_commands(sources):
    """(path, offset, command) of each line in the shell blocks of the READMEs; `$ ` before it is the prompt."""
    for source in sources:
        if not source.path.endswith("README.md"):
            continue
        for block in re.finditer(r"^```(?:sh|console|bash)\n(.*?)^```", source.text, re.MULTILINE | re.DOTALL):
            offset = block.start(1)
            for line in block.group(1).splitlines(keepends=True):
                yield source, offset, line.strip().removeprefix("$ ")
                offset += len(line)


def check_readme_programs(sources):
    """A program of ours that a README names is there."""
    paths = {source.path for source in sources}
    for source, offset, command in readme_commands(sources):
        for named in re.findall(r"(?:^|\s)(?:\./)?((?:tests|\.ci|docker)/[\w./-]+\.(?:sh|py)|quickstart\.sh|\.ci/run)", command):
            if named not in paths:
                yield source.breach(offset, f"{named} is not in the tree")


def check_readme_links(sources):
    """A file that a README links to is there."""
    paths = {source.path for source in sources}
    for source in sources:
        if not source.path.endswith("README.md"):
            continue
        folder = source.path.rpartition("/")[0]
        for found in re.finditer(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", source.text):
            parts = []
            for part in (folder + "/" + found.group(1)).split("/"):
                if part == "..":
                    parts = parts[:-1]
                elif part not in ("", "."):
                    parts.append(part)
            target = "/".join(parts)
            if target not in paths and not any(path.startswith(target + "/") for path in paths):
                yield source.breach(found.start(1), f"{found.group(1)} is not in the tree")


def readme_subcommands(sources):
    """The subcommands of crossfade that the READMEs' shell blocks name."""
    for source, offset, command in readme_commands(sources):
        for found in re.finditer(r"(?:^|[\s/])crossfade\s+([a-z][\w-]*)", command):
            yield source, offset, found.group(1)
