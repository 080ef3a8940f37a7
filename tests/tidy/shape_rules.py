"""Lengths, and the coroutine rules that text can show."""

import re

from scopes import AWAITS, coroutines_of, functions_of, lambdas_of
from source import Breach

FILE_LINES_ASKED = 400
FILE_LINES_MAX = 450
FUNCTION_LINES_MAX = 70
CODE_ENDINGS = (".cpp", ".hpp", ".py", ".sh", "meson.build")

# The one await of a statement: alone, or its result into a plain named local or member.
AWAIT_BEFORE = re.compile(r"""^(?:
      (?:(?:if|switch)\s*\(\s*)?                            # the init statement of an if is a statement
      (?:(?:const\s+)?[\w:]+(?:\s*<[^=;]*>)?[\s&*]+(?:const\s+)?)?  # a type
      [\w.\->]+\s*=\s*                                      # a name
      )?(?:\(void\)\s*)?$""", re.VERBOSE)


LEADING = re.compile(r"^\s*(?:(?:else|case [\w:]+:|default:)\s*)*")
CONDITION = re.compile(r"^\s*(?:else\s+)?(?:if|while|for)\s*\(")


def without_condition(text):
    """The statement behind `if (…)`, where its condition is closed already."""
    found = CONDITION.match(text)
    depth = 0
    for offset in range(found.end() - 1 if found else 0, len(text) if found else 0):
        depth += {"(": 1, ")": -1}.get(text[offset], 0)
        if depth == 0:
            return without_condition(text[offset + 1 :])
    return text


def check_file_length(sources):
    """A file that is longer holds more than one topic."""
    for source in sources:
        count = source.text.count("\n")
        if source.path.endswith(CODE_ENDINGS) and count > FILE_LINES_MAX:
            yield Breach(source.path, count, f"{count} lines, at most {FILE_LINES_MAX} (aim at {FILE_LINES_ASKED}); split by topic")


def long_files(sources):
    return [source.path for source in sources
            if source.path.endswith(CODE_ENDINGS) and FILE_LINES_ASKED < source.text.count("\n") <= FILE_LINES_MAX]


def check_function_length(sources):
    """A function that is longer does more than one thing."""
    for source in sources:
        if not source.is_cpp:
            continue
        for function in functions_of(source.code):
            lines = source.code.count("\n", function.body, function.end) + 1
            if lines > FUNCTION_LINES_MAX:
                yield source.breach(function.begin, f"{function.name} has {lines} lines, at most {FUNCTION_LINES_MAX}")


def check_lambda_coroutines(sources):
    """The captures of a lambda coroutine die with the closure, not with the frame."""
    for source in sources:
        if not source.is_cpp or not AWAITS.search(source.code):
            continue
        for captures, offset, body in lambdas_of(source.code):
            if captures and AWAITS.search(body):
                yield source.breach(offset, "a capturing lambda coroutine; use a named function with by-value parameters")


def check_one_await(sources):
    """GCC 12 destroys temporaries twice where an await stands inside a larger expression."""
    for source in sources:
        if not source.is_cpp or "co_await" not in source.code:
            continue
        for statement in re.finditer(r"[^;{}]+", source.code):
            text = statement.group(0)
            awaits = list(re.finditer(r"\bco_await\b", text))
            if not awaits or re.search(r"\boperator\s+co_await\b", text):
                continue
            offset = statement.start() + awaits[0].start()
            before = LEADING.sub("", without_condition(text[: awaits[0].start()]))
            if len(awaits) > 1:
                yield source.breach(offset, "more than one co_await in a statement")
            elif not AWAIT_BEFORE.match(before.strip()):
                yield source.breach(offset, "co_await inside a larger expression; put its result into a plain named local")


def check_try_in_coroutine(sources):
    """Awaiting in a handler is illegal, and GCC 12 has crashed on co_return inside one."""
    for source in sources:
        if not source.is_cpp:
            continue
        for function, body in coroutines_of(source.code):
            found = re.search(r"\btry\b", body)
            if found:
                yield source.breach(function.body + found.start(), f"try inside the coroutine {function.name}; errors are values")


def check_detached(sources):
    """A task or thread that nobody joins outlives what it uses."""
    for source in sources:
        if source.is_cpp:
            for found in re.finditer(r"(?:\.|->)detach\s*\(", source.code):
                yield source.breach(found.start(), "detach(); join it before its owner dies")


def check_macros(sources):
    """No macros but those that the test framework imposes."""
    for source in sources:
        if not source.is_cpp:
            continue
        for found in re.finditer(r"^[ \t]*#[ \t]*define[ \t]+(\w+)", source.code, re.MULTILINE):
            if not found.group(1).startswith(("DOCTEST_", "SPDLOG_", "FMT_", "BOOST_")):
                yield source.breach(found.start(1), f"the macro {found.group(1)}; use a constant or a function")
