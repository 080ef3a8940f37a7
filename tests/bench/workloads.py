"""What the clients do. A workload is a load with a number of clients."""

import dataclasses

SELECT_1 = "SELECT 1;\n"
# The built-in -S without its look at the scale when it starts, so that the null server can be asked it too.
SELECT_ONLY = "\\set aid random(1, 100000 * :scale)\nSELECT abalance FROM pgbench_accounts WHERE aid = :aid;\n"


# 10,000 rows of 100 bytes, which a server sends as 1.14 MB.
ROWS = "SELECT repeat('x', 100) FROM generate_series(1, 10000);\n"
ROWS_MEGABYTES = 1.14
COPY_MEGABYTES = 40


@dataclasses.dataclass(frozen=True)
class Load:
    name: str
    server: str  # "postgres" or "null"
    mode: str  # pgbench's query mode; "copy": one psql that copies a file into a table, again and again
    script: str  # the script's text; empty: the built-in TPC-B
    clients: tuple = (1, 8, 64)
    is_tls: bool = False  # between the clients and the proxy, or the server where the proxy only passes bytes on
    is_connecting: bool = False  # a connection of its own for every transaction
    megabytes: float = 0.0  # that a transaction moves; what is counted per transaction is then counted per megabyte


LOADS = [
    Load("SELECT 1", "postgres", "simple", SELECT_1),
    Load("-S simple", "postgres", "simple", SELECT_ONLY),
    Load("-S extended", "postgres", "extended", SELECT_ONLY),
    Load("-S prepared", "postgres", "prepared", SELECT_ONLY),
    Load("TPC-B", "postgres", "simple", ""),
    Load("null simple", "null", "simple", SELECT_1, (8, 64)),
    Load("null extended", "null", "extended", SELECT_ONLY, (8, 64)),
    Load("null prepared", "null", "prepared", SELECT_ONLY, (8, 64)),
    Load("TLS SELECT 1", "postgres", "simple", SELECT_1, (8, 64), is_tls=True),
    Load("connect", "postgres", "simple", SELECT_1, (8,), is_connecting=True),
    Load("connect TLS", "postgres", "simple", SELECT_1, (8,), is_tls=True, is_connecting=True),
    Load("rows per MB", "postgres", "simple", ROWS, (4,), megabytes=ROWS_MEGABYTES),
    Load("rows TLS per MB", "postgres", "simple", ROWS, (4,), is_tls=True, megabytes=ROWS_MEGABYTES),
    Load("copy in per MB", "postgres", "copy", "", (1,), megabytes=COPY_MEGABYTES),
]


@dataclasses.dataclass(frozen=True)
class Workload:
    load: Load
    clients: int

    @property
    def name(self):
        return f"{self.load.name}, {self.clients}"


def every_workload():
    for load in LOADS:
        for clients in load.clients:
            yield Workload(load, clients)


QUICK = {"SELECT 1, 8", "SELECT 1, 64", "-S simple, 8", "-S extended, 8", "-S prepared, 8", "-S prepared, 64", "null simple, 64"}


def chosen(patterns, is_quick):
    """By the beginning of the name, without regard to case; "8" or "64" alone choose by clients."""
    found = []
    for workload in every_workload():
        name = workload.name.lower()
        if patterns:
            if any(name.startswith(p.lower()) or p == str(workload.clients) for p in patterns):
                found.append(workload)
        elif not is_quick or workload.name in QUICK:
            found.append(workload)
    return found
