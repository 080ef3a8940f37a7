"""Who may include whom: the matrix of the architecture, read from every #include."""

import re

from source import Breach

STD = "std"
POSIX = "posix"
LIBRARIES = [  # (what an include of it looks like, its name here)
    (r"event2/|event\.h$", "libevent"),
    (r"boost/", "boost"),
    (r"yaml-cpp/", "yaml-cpp"),
    (r"openssl/", "openssl"),
    (r"spdlog/|fmt/", "spdlog"),
    (r"doctest/", "doctest"),
    (r"CLI/", "cli11"),
    (r"libpq-fe\.h|libpq/|postgres_ext\.h", "libpq"),
    (r"pg_query|protobuf-c/|protobuf/", "pg_query"),
    (r"xxhash\.h|xxh3\.h", "xxhash"),
    (r"tl/", "expected"),
    (r"zlib\.h|zstd\.h", "compression"),
    (r"stringprep\.h", "idn"),
    (r".*\.h$", POSIX),
]
# Headers that speak of no operating system; of arpa/inet.h only the reading and printing of addresses.
PLAIN_C = {"stdint.h", "stddef.h", "string.h", "limits.h", "errno.h", "arpa/inet.h"}

# Zones, the longest prefix first. Each names the zones of ours and the libraries it may include; std is always allowed.
NEUTRAL = ["protocol/base", "protocol/"]
DIALECT_LIBRARIES = ["openssl", "pg_query", "xxhash", "expected", "compression", "idn"]
SESSION_SIDE = NEUTRAL + ["protocol/wire", "routing", "proxy/runtime", "proxy/net", "proxy/session", "proxy/backend",
                          "proxy/mirror", "proxy/compare", "proxy/switchover", "proxy/telemetry"]
SESSION_LIBRARIES = ["spdlog", "xxhash", "expected", POSIX]
OUTER = NEUTRAL + ["routing", "proxy/admin", "proxy/cli", "proxy/telemetry"]
ALL = ["*"]
ZONES = {
    "protocol/base": ([], ["expected"]),
    "protocol/wire": (["protocol/base"], ["expected"]),
    "protocol/postgres": (NEUTRAL + ["protocol/wire"], DIALECT_LIBRARIES),
    "protocol/mysql": (NEUTRAL + ["protocol/wire"], DIALECT_LIBRARIES),
    "protocol/": (["protocol/base", "protocol/wire"], ["expected", "xxhash"]),
    "routing": (NEUTRAL, ["expected", "xxhash"]),
    "proxy/runtime": (["protocol/base"], ["libevent", "expected", POSIX]),
    "proxy/net": (["protocol/base", "protocol/wire", "proxy/runtime"], ["libevent", "openssl", "expected", POSIX]),
    "proxy/session": (SESSION_SIDE, SESSION_LIBRARIES),
    "proxy/backend": (SESSION_SIDE, SESSION_LIBRARIES),
    "proxy/mirror": (SESSION_SIDE, SESSION_LIBRARIES),
    "proxy/compare": (SESSION_SIDE, SESSION_LIBRARIES),
    "proxy/switchover": (SESSION_SIDE, SESSION_LIBRARIES),
    "proxy/console": (NEUTRAL + ["routing", "proxy/runtime", "proxy/session", "proxy/telemetry"], [POSIX]),
    "proxy/catalogue": (NEUTRAL + ["proxy/telemetry"], ["libpq", POSIX]),
    "proxy/secrets": (NEUTRAL + ["routing", "proxy/runtime", "proxy/session"], ["libpq", POSIX]),
    "proxy/lifecycle": (NEUTRAL + ["routing", "proxy/net"], [POSIX]),
    "proxy/migrate": (NEUTRAL + ["routing", "proxy/mirror", "proxy/secrets", "proxy/telemetry"], ["libpq", "spdlog", POSIX]),
    "proxy/fleet": (["protocol/base", "routing", "proxy/telemetry"], ["libpq", "spdlog", POSIX]),
    "proxy/admin": (OUTER, ["boost", "openssl", "spdlog", POSIX]),
    "proxy/cli": (OUTER, ["boost", "cli11", "libpq", "spdlog", POSIX]),
    "proxy/telemetry": (NEUTRAL + ["routing"], ["openssl", "spdlog", POSIX]),
    "proxy/app": (ALL, ALL),
    "proxy/main.cpp": (ALL, ALL),
    "proxy/serve": (ALL, ALL),
    "config": (NEUTRAL + ["routing", "*options.hpp"], ["yaml-cpp", POSIX]),
    "tests": (ALL, ALL),
}
# A session sees a stream and a way to connect, never a socket.
NET_DOORS = {"proxy/net/stream.hpp", "proxy/net/connector.hpp", "proxy/net/address.hpp", "proxy/net/channel.hpp",
             "proxy/net/tls.hpp"}
# Single files that may take one more: the coroutine form of Dialogue needs Dialogue.
EXCEPTIONS = {("proxy/admin/mirror_endpoints.hpp", "proxy/mirror/control.hpp"),
              ("protocol/wire/dialogue_coroutine.hpp", "protocol/dialogue.hpp")}
# Not even our headers hold these.
SOURCE_ONLY = {"yaml-cpp"}
# Clocks, dice, threads: facts a pure folder is given, never takes.
IMPURE_HEADERS = {"random", "thread", "mutex", "condition_variable", "future", "iostream", "fstream", "filesystem"}
PURE = ("protocol/", "routing/")
NOW = re.compile(r"\b(?:steady|system|high_resolution)_clock\b|\b(?:time|rand|srand|random|gettimeofday|clock_gettime)\s*\(")


def zone_of(path):
    fitting = [zone for zone in ZONES if path.startswith(zone)]
    return max(fitting, key=len) if fitting else None


def library_of(what):
    if what in PLAIN_C:
        return STD
    for look, name in LIBRARIES:
        if re.match(look, what):
            return name
    return STD


def is_allowed(own, target, path):
    if own == ["*"] or (path, target) in EXCEPTIONS or zone_of(target) == zone_of(path):
        return True
    if any(entry.startswith("*") and target.endswith(entry[1:]) for entry in own):
        return True
    return zone_of(target) in own


def check_matrix(sources):
    """Ours: only what the folder's row of the matrix names."""
    for source in sources:
        zone = zone_of(source.path) if source.is_cpp else None
        if source.is_cpp and zone is None:
            yield source.breach(0, "this folder has no row in the include matrix; put it where the architecture says")
        if zone is None:
            continue
        for line, is_quoted, what in source.includes:
            if not is_quoted:
                continue
            if zone_of(what) is None:
                yield Breach(source.path, line, f'"{what}" is no path from the root of the repository')
            elif not is_allowed(ZONES[zone][0], what, source.path):
                yield Breach(source.path, line, f"{zone} may not include {what}")
            elif zone.startswith(("proxy/session", "proxy/backend")) and what.startswith("proxy/net/") and what not in NET_DOORS:
                yield Breach(source.path, line, f"{zone} sees streams, not {what}")


def check_libraries(sources):
    """Libraries: each only where it belongs, and yaml-cpp in no header."""
    for source in sources:
        zone = zone_of(source.path) if source.is_cpp else None
        if zone is None:
            continue
        allowed = ZONES[zone][1]
        for line, is_quoted, what in source.includes:
            library = library_of(what)
            if is_quoted or library == STD:
                continue
            if allowed != ["*"] and library not in allowed:
                yield Breach(source.path, line, f"{zone} may not include <{what}> ({library})")
            elif library in SOURCE_ONLY and source.is_header:
                yield Breach(source.path, line, f"<{what}> belongs in a .cpp file")


def check_purity(sources):
    """protocol and routing take no clock, dice, thread or file; such facts are passed in."""
    for source in sources:
        if not source.is_cpp or not source.path.startswith(PURE):
            continue
        for line, is_quoted, what in source.includes:
            if not is_quoted and what in IMPURE_HEADERS:
                yield Breach(source.path, line, f"<{what}> in a pure folder; pass the fact in")
        for found in NOW.finditer(source.code):
            yield source.breach(found.start(), f"{found.group(0).strip('( ')} in a pure folder; pass the fact in")


def check_own_header_first(sources):
    """x.cpp beside x.hpp includes x.hpp before all else."""
    paths = {source.path for source in sources}
    for source in sources:
        header = source.path[: -len(".cpp")] + ".hpp"
        if source.path.endswith(".cpp") and header in paths:
            first = source.includes[0] if source.includes else (1, True, "")
            if first[2] != header:
                yield Breach(source.path, first[0], f'the first include must be "{header}"')


def check_include_order(sources):
    """Own header, ours, libraries, std: so that no header leans on what stood before it."""
    for source in sources:
        if not source.is_cpp:
            continue
        highest = 0
        for line, is_quoted, what in source.includes:
            rank = 0 if is_quoted else 2 if library_of(what) in (STD, POSIX) else 1
            if rank < highest:
                yield Breach(source.path, line, f"{what} stands too late: ours, then libraries, then std")
            highest = max(highest, rank)


def check_pragma_once(sources):
    """Every header says #pragma once."""
    for source in sources:
        if source.is_header and "#pragma once" not in source.text:
            yield source.breach(0, "no #pragma once")
