"""Words that the project does not use, each with the word to use instead."""

import re

INSTEAD = {
    "primary": "blue/green (a side) or authority (a role)",
    "secondary": "blue/green (a side) or follower (a role)",
    "master": "authority",
    "slave": "follower",
    "upstream": "backend",
    "downstream": "client",
    "stmt": "statement, or prepared_statement in full",
    "whitelist": "allowed",
    "blacklist": "refused",
}
TYPE_ENDINGS = ("Manager", "Helper", "Helpers", "Util", "Utils", "Common", "Context", "Data", "Info", "Impl")
FILE_WORDS = {"manager", "helper", "helpers", "util", "utils", "common", "context", "data", "info", "impl", "misc"}
WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
PART = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
DEFINED_TYPE = re.compile(r"\b(?:class|struct|union|enum(?:\s+class)?)\s+(?:\[\[\w+\]\]\s*)?(\w+)\s*(?:final\s*)?[:{]")
DEFINED_ALIAS = re.compile(r"\busing\s+(\w+)\s*=")
# The names of others: MySQL's commands, and the syntax trees of libpg_query.
FOREIGN = re.compile(r"^(?:COM_|com_stmt_|PG_QUERY_|PgQuery|pg_query_)")


def is_foreign(code, found):
    return bool(FOREIGN.match(found.group(0))) or code[: found.start()].endswith(("->", ".", "PgQuery::"))


def check_words(sources):
    """Identifiers are free of words that people read differently."""
    for source in sources:
        if not source.is_cpp:
            continue
        for found in WORD.finditer(source.code):
            if is_foreign(source.code, found):
                continue
            for part in PART.findall(found.group(0)):
                if part.lower() in INSTEAD:
                    yield source.breach(found.start(), f"{found.group(0)}: say {INSTEAD[part.lower()]}")


def check_types(sources):
    """A type is named for what it is: no Manager, Helper, Context; PascalCase; no I-prefix."""
    for source in sources:
        if not source.is_cpp:
            continue
        for pattern in (DEFINED_TYPE, DEFINED_ALIAS):
            for found in pattern.finditer(source.code):
                name = found.group(1)
                is_trait = pattern is DEFINED_ALIAS and name.islower()  # value_type and its like, which std looks for
                parts = PART.findall(name)
                if parts and parts[-1] in TYPE_ENDINGS:
                    yield source.breach(found.start(1), f"{name}: {parts[-1]} says nothing; name what it is")
                elif re.match(r"I[A-Z][a-z]", name):
                    yield source.breach(found.start(1), f"{name}: no I-prefix")
                elif not name[0].isupper() and not is_trait and name != "promise_type" or "_" in name and not name.islower():
                    yield source.breach(found.start(1), f"{name}: types are PascalCase")


def check_files(sources):
    """Files are snake_case and named for one topic."""
    for source in sources:
        if not source.is_cpp:
            continue
        stem = source.path.rpartition("/")[2].rpartition(".")[0]
        if not re.fullmatch(r"[a-z0-9_]+", stem):
            yield source.breach(0, f"{stem}: files are snake_case")
        elif FILE_WORDS & set(stem.split("_")):
            yield source.breach(0, f"{stem}: {', '.join(FILE_WORDS & set(stem.split('_')))} says nothing; name the topic")


def check_protocol_words(sources):
    """What only one protocol says stays in protocol/<dialect>: no SQLSTATE elsewhere."""
    inside = ("protocol/postgres/", "protocol/mysql/", "tests/", "proxy/cli/demo", "proxy/migrate/")
    for source in sources:
        if not source.is_cpp or source.path.startswith(inside):
            continue
        for found in re.finditer(r'"([0-9][0-9A-Z]{4})"', source.text):
            if source.code[found.start()] == '"':
                yield source.breach(found.start(), f"the SQLSTATE {found.group(1)} outside its dialect; use an ErrorCode")
