"""What the golden transcripts play: one function per conversation, its docstring is the head of the file."""

import hashlib
import struct


def message(tag, body):
    return tag.encode() + struct.pack(">I", len(body) + 4) + body


def packet(body):
    return struct.pack(">I", len(body) + 4) + body


def text(value):
    return value.encode() + b"\0"


def startup(version=(3, 0), **parameters):
    pairs = b"".join(text(name) + text(value) for name, value in parameters.items())
    return packet(struct.pack(">HH", *version) + pairs + b"\0")


def query(sql):
    return message("Q", text(sql))


def parse(sql, statement="", types=()):
    return message("P", text(statement) + text(sql) + struct.pack(f">H{len(types)}I", len(types), *types))


def bind(*values, portal="", statement=""):
    body = text(portal) + text(statement) + struct.pack(">HH", 0, len(values))
    for value in values:
        body += struct.pack(">i", -1) if value is None else struct.pack(">i", len(value)) + value.encode()
    return message("B", body + struct.pack(">H", 0))


def describe(kind, name=""):
    return message("D", kind.encode() + text(name))


def execute(portal="", rows_max=0):
    return message("E", text(portal) + struct.pack(">I", rows_max))


def close(kind, name=""):
    return message("C", kind.encode() + text(name))


SSL_REQUEST = packet(struct.pack(">HH", 1234, 5679))
GSSENC_REQUEST = packet(struct.pack(">HH", 1234, 5680))
SYNC, FLUSH = message("S", b""), message("H", b"")


def begin(recorder, user="trusted", database="shop", **parameters):
    recorder.send(startup(user=user, database=database, application_name="transcript", **parameters))
    recorder.read_until("Z")


def startup_trust(recorder):
    """A login by trust: AuthenticationOk, the reported parameters, the key, ready."""
    begin(recorder, client_encoding="UTF8", options="-c statement_timeout=5s")
    recorder.close()


def startup_tls_refused(recorder):
    """The client asks for TLS, is refused, and goes on in the clear."""
    recorder.send(SSL_REQUEST)
    recorder.read_byte()
    begin(recorder)
    recorder.close()


def startup_gss_refused(recorder):
    """The client asks for GSSAPI encryption, then for TLS, is refused twice, and goes on in the clear."""
    for request in (GSSENC_REQUEST, SSL_REQUEST):
        recorder.send(request)
        recorder.read_byte()
    begin(recorder)
    recorder.close()


def startup_tls_twice(recorder):
    """A second SSLRequest is taken for a version number."""
    recorder.send(SSL_REQUEST)
    recorder.read_byte()
    recorder.send(SSL_REQUEST)
    recorder.read_to_end()


def startup_negotiation(recorder):
    """The client asks for protocol 3.9999 and an option nobody knows; the server names what it speaks."""
    recorder.send(startup((3, 9999), user="trusted", database="shop", **{"_pq_.test_protocol_negotiation": ""}))
    recorder.read_until("Z")
    recorder.close()


def startup_without_user(recorder):
    """A startup message without a user."""
    recorder.send(startup(database="shop"))
    recorder.read_to_end()


def startup_unknown_database(recorder):
    """The database does not exist: the login fails after AuthenticationOk."""
    recorder.send(startup(user="trusted", database="nowhere"))
    recorder.read_to_end()


def startup_invalid_setting(recorder):
    """A setting in the startup message has a value that the server does not accept."""
    recorder.send(startup(user="trusted", database="shop", DateStyle="never"))
    recorder.read_to_end()


def startup_invalid_replication(recorder):
    """The replication parameter is neither a boolean nor "database"."""
    recorder.send(startup(user="trusted", database="shop", replication="perhaps"))
    recorder.read_to_end()


def login_cleartext(recorder):
    """A login with a password in the clear."""
    recorder.send(startup(user="plain", database="shop"))
    recorder.read_until("R")
    recorder.send(message("p", text("pencil")))
    recorder.read_until("Z")
    recorder.close()


def login_md5(recorder):
    """A login with an MD5 digest."""
    recorder.send(startup(user="digest", database="shop"))
    salt = recorder.read_until("R")[4:]
    inner = hashlib.md5(b"pencildigest").hexdigest()
    recorder.send(message("p", text("md5" + hashlib.md5(inner.encode() + salt).hexdigest())))
    recorder.read_until("Z")
    recorder.close()


def scram(recorder, user, password):
    from record_transcripts import ScramClient
    client = ScramClient(password)
    recorder.send(startup(user=user, database="shop"))
    recorder.read_until("R")
    recorder.send(message("p", text("SCRAM-SHA-256") + struct.pack(">I", len(client.first())) + client.first()))
    recorder.send(message("p", client.final(recorder.read_until("R")[4:])))


def login_scram(recorder):
    """A login with SCRAM-SHA-256."""
    scram(recorder, "scram", "pencil")
    recorder.read_until("Z")
    recorder.close()


def login_scram_wrong_password(recorder):
    """SCRAM-SHA-256 with a wrong password."""
    scram(recorder, "scram", "pen")
    recorder.read_to_end()


def login_scram_unknown_user(recorder):
    """SCRAM-SHA-256 for a user that does not exist: the same motions, the same error."""
    scram(recorder, "nobody", "pencil")
    recorder.read_to_end()


def login_scram_unknown_mechanism(recorder):
    """The client chooses a mechanism that was not offered."""
    recorder.send(startup(user="scram", database="shop"))
    recorder.read_until("R")
    recorder.send(message("p", text("SCRAM-SHA-256-PLUS") + struct.pack(">i", -1)))
    recorder.read_to_end()


def login_scram_binding_flag(recorder):
    """The client demands channel binding under a mechanism without it."""
    recorder.send(startup(user="scram", database="shop"))
    recorder.read_until("R")
    first = b"p=tls-server-end-point,,n=,r=abc"
    recorder.send(message("p", text("SCRAM-SHA-256") + struct.pack(">I", len(first)) + first))
    recorder.read_to_end()


def login_wrong_message(recorder):
    """A query where the answer to an authentication request is due."""
    recorder.send(startup(user="scram", database="shop"))
    recorder.read_until("R")
    recorder.send(query("SELECT 1"))
    recorder.read_to_end()


def simple_query(recorder):
    """Simple queries: rows, several statements in one text, an empty text, an error, a failed transaction."""
    begin(recorder)
    for sql in ("SELECT 1 AS one, NULL AS nothing, 'two' AS two", "SELECT 1; SELECT 2", "", "SELECT missing", "BEGIN",
                "SELECT 1/0", "SELECT 1", "ROLLBACK"):
        recorder.send(query(sql))
        recorder.read_until("Z")
    recorder.close()


def extended_query(recorder):
    """Extended queries: a named statement described, bound with a null, run in parts, and closed."""
    begin(recorder)
    recorder.send(parse("SELECT n, $2::text FROM generate_series(1, $1::int) n", "rows", (23, 25)), describe("S", "rows"), SYNC)
    recorder.read_until("Z")
    recorder.send(query("BEGIN"))
    recorder.read_until("Z")
    recorder.send(bind("3", None, portal="cursor", statement="rows"), describe("P", "cursor"), execute("cursor", 2), SYNC)
    recorder.read_until("Z")
    recorder.send(execute("cursor", 2), close("P", "cursor"), close("S", "rows"), close("S", "unknown"), SYNC)
    recorder.read_until("Z")
    recorder.send(query("COMMIT"))
    recorder.read_until("Z")
    recorder.close()


def extended_flush(recorder):
    """A Parse answered because of Flush, before any Sync."""
    begin(recorder)
    recorder.send(parse("SELECT 1", "one"), describe("S", "one"), FLUSH)
    recorder.read_until("T")
    recorder.send(bind(statement="one"), execute(), SYNC)
    recorder.read_until("Z")
    recorder.close()


def error_mid_batch(recorder):
    """Three batches sent at once; an error in the second skips the rest of it, a simple query included, up to its Sync."""
    begin(recorder)
    recorder.send(parse("SELECT 1"), bind(), execute(), SYNC,
                  parse("SELECT 1/0"), bind(), execute(), parse("SELECT 2"), bind(), execute(), query("SELECT 3"), SYNC,
                  parse("SELECT 4"), bind(), execute(), SYNC)
    for _ in range(3):
        recorder.read_until("Z")
    recorder.close()


def copy_in(recorder):
    """COPY from the client: done, and given up."""
    begin(recorder)
    recorder.send(query("CREATE TEMP TABLE item (id int, name text)"))
    recorder.read_until("Z")
    recorder.send(query("COPY item FROM STDIN"))
    recorder.read_until("G")
    recorder.send(message("d", b"1\tone\n2\tt"), message("d", b"wo\n"), message("c", b""))
    recorder.read_until("Z")
    recorder.send(query("COPY item FROM STDIN"))
    recorder.read_until("G")
    recorder.send(message("d", b"3\tthree\n"), message("f", text("no more")))
    recorder.read_until("Z")
    recorder.close()


def copy_in_extended_error(recorder):
    """COPY from the client in the extended protocol: bad data, then late data, skipped up to Sync."""
    begin(recorder)
    recorder.send(query("CREATE TEMP TABLE item (id int)"))
    recorder.read_until("Z")
    recorder.send(parse("COPY item FROM STDIN"), bind(), execute(), FLUSH)
    recorder.read_until("G")
    recorder.send(message("d", b"x\n"), message("d", b"1\n"), message("c", b""), SYNC)
    recorder.read_until("Z")
    recorder.close()


def copy_out(recorder):
    """COPY to the client."""
    begin(recorder)
    recorder.send(query("COPY (SELECT n, 'row ' || n FROM generate_series(1, 3) n) TO STDOUT"))
    recorder.read_until("Z")
    recorder.close()


def asynchronous(recorder):
    """Messages that answer nothing: a notice, a notification, a changed parameter and its return by rollback."""
    begin(recorder)
    for sql in ("DO $$ BEGIN RAISE NOTICE 'hello'; END $$", "LISTEN news", "NOTIFY news, 'extra'", "BEGIN",
                "SET TimeZone = 'Europe/Zurich'", "ROLLBACK"):
        recorder.send(query(sql))
        recorder.read_until("Z")
    recorder.close()


def cancel(recorder):
    """A query that another connection cancels."""
    begin(recorder)
    recorder.send(query("SELECT pg_sleep(30)"))
    watcher = type(recorder)(recorder.path)
    begin(watcher)
    asleep = b""
    while not asleep.endswith(b"1"):  # a cancel that comes before the query would be forgotten
        watcher.send(query("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"))
        asleep = watcher.read_until("D")
        watcher.read_until("Z")
    watcher.close()
    other = type(recorder)(recorder.path)
    other.send(packet(struct.pack(">HH", 1234, 5678) + recorder.process_id + recorder.secret))
    other.read_to_end()
    recorder.read_until("Z")
    recorder.close()


def cancel_request(recorder):
    """A CancelRequest: the server closes and says nothing."""
    recorder.send(packet(struct.pack(">HHII", 1234, 5678, 4711, 815)))
    recorder.read_to_end()


def function_call(recorder):
    """The old function call, here int4pl(40, 2)."""
    begin(recorder)
    arguments = b"".join(struct.pack(">i", len(value)) + value for value in (b"40", b"2"))
    recorder.send(message("F", struct.pack(">IHH", 177, 0, 2) + arguments + struct.pack(">H", 0)))
    recorder.read_until("Z")
    recorder.close()


ALL = {name: scene for name, scene in list(globals().items())
       if callable(scene) and scene.__doc__ and scene.__module__ == __name__}
