"""What a session does: each step changes or asks something and knows every answer."""

import asyncio
import struct

from wire import COPY_DONE, FLUSH, SYNC, bind, cancel, close, describe, execute, fields, message, parse, query, row, text

ROLES = ("none", "app_trust", "app_md5")
ZONES = ("UTC", "Asia/Tokyo", "America/New_York", "Asia/Kathmandu")
NAMES = ("p0", "p1", "p2")
SHARED_TEXT = "SELECT $1::text || ':shared'"


def new_value(own, name):
    values = {"application_name": own.mark, "work_mem": lambda: f"{own.random.randint(5, 60)}MB",
              "search_path": lambda: own.random.choice(("public", "pg_catalog, public", "s1, public")),
              "TimeZone": lambda: own.random.choice(ZONES), "soak.mark": own.mark, "role": lambda: own.random.choice(ROLES)}
    return values[name]()


def setting(own, is_local=False):
    """(text, name, value) of a change."""
    name = own.random.choice(tuple(own.settings))
    value = new_value(own, name)
    listed = name == "search_path"
    if own.random.random() < 0.3:
        return f"SELECT set_config('{name}', '{value}', {str(is_local).lower()})", name, value
    quoted = value if listed else f"'{value}'"
    return f"SET {'LOCAL ' if is_local else ''}{name} TO {quoted}", name, value


async def verify(own):
    await own.verify()


async def change(own):
    words, name, value = setting(own)
    await own.ask(words)
    own.settings[name] = value


async def change_back(own):
    name = own.random.choice(("work_mem", "search_path", "TimeZone"))
    await own.ask(own.random.choice((f"RESET {name}", f"SET {name} TO DEFAULT")))
    own.settings[name] = {"work_mem": "4MB", "search_path": '"$user", public', "TimeZone": "UTC"}[name]


async def change_in_transaction(own):
    """SET, SET LOCAL, savepoints and their ends, in one write or one by one."""
    before, words = dict(own.settings), ["BEGIN"]
    first, name, value = setting(own)
    own_after = {**before, name: value}
    words.append(first)
    if own.random.random() < 0.5:
        second, name, value = setting(own)
        words += ["SAVEPOINT a", second, own.random.choice(("ROLLBACK TO a", "RELEASE a"))]
        if words[-1] == "RELEASE a":
            own_after[name] = value
    if own.random.random() < 0.4:
        words.append(setting(own, is_local=True)[0])
    end = own.random.choice(("COMMIT", "COMMIT", "ROLLBACK"))
    words.append(end)
    if own.random.random() < 0.5:
        await own.ask(*words)
    else:
        for each in words:
            await own.ask(each)
            await asyncio.sleep(0)
    own.settings = own_after if end == "COMMIT" else before
    await own.verify()


async def discard(own):
    await own.ask("DISCARD ALL")
    own.settings_at_start()
    own.prepared.clear()
    await own.verify()


async def prepare(own):
    """A name that others use for other texts: prepared, described, executed, closed, executed though it is not there."""
    name = own.random.choice(NAMES)
    if name not in own.prepared:
        if own.random.random() < 0.3:
            messages = await own.exchange(f"bind {name}, not there", bind(name, ["x"]), execute(), SYNC)
            if [fields(body)["C"] for kind, body in messages if kind == "E"] != ["26000"]:
                raise own.wrong(f"{name} is not prepared here, and yet: {messages}")
            return
        mark = "shared" if own.random.random() < 0.5 else own.mark()
        words = SHARED_TEXT if mark == "shared" else f"SELECT $1::text || ':{mark}'"
        if own.random.random() < 0.3:
            await own.ask(f"PREPARE {name} (text) AS {words}")
        else:
            messages = await own.exchange(f"parse {name}: {words}", parse(name, words), describe(name), SYNC)
            own.expect_kinds(messages, "1tTZ", f"parse {name}")
        own.prepared[name] = mark
    await use(own, name)


async def use(own, name):
    value, mark = own.mark(), own.prepared[name]
    choice = own.random.random()
    if choice < 0.2:
        await own.expect(f"EXECUTE {name} ('{value}')", [[f"{value}:{mark}"]])
    elif choice < 0.35:
        own.expect_kinds(await own.exchange(f"parse {name} again", parse(name, "SELECT 1"), SYNC), "EZ", f"parse {name} again")
    elif choice < 0.5:
        own.expect_kinds(await own.exchange(f"close {name}", close(name), SYNC), "3Z", f"close {name}")
        del own.prepared[name]
    else:
        messages = await own.exchange(f"execute {name}", bind(name, [value]), execute(), SYNC)
        own.expect_kinds(messages, "2DCZ", f"execute {name}")
        if row(messages[1][1]) != [f"{value}:{mark}"]:
            raise own.wrong(f"execute {name}: {row(messages[1][1])}, not {value}:{mark}")


async def pipeline(own):
    """Several segments at once, errors in some: what follows an error in its segment is skipped."""
    pieces, kinds, values, segments = [], "", [], own.random.randint(1, 5)
    for _ in range(segments):
        failed = False
        for _ in range(own.random.randint(0, 4)):
            value, bad = own.mark(), own.random.random() < 0.15
            words = "SELECT 1 / (length($1) - length($1))" if bad else "SELECT $1::text"
            pieces += [parse("", words), bind("", [value]), execute()]
            if not failed:
                kinds += "1E" if bad else "12DC"  # the server divides when it plans, at Bind
                values += [] if bad else [value]
                failed = bad
        pieces.append(SYNC)
        kinds += "Z"
    messages = await own.exchange(f"a pipeline of {segments} segments", *pieces, syncs=segments)
    own.expect_kinds(messages, kinds, "a pipeline")
    seen = [row(body)[0] for kind, body in messages if kind == "D"]
    if seen != values:
        raise own.wrong(f"a pipeline: {seen}, not {values}")


async def write(own):
    """A committed row is counted; one whose commit was not answered may or may not be there."""
    mark = own.mark()
    ends_well = own.random.random() < 0.7
    await own.ask("BEGIN", f"INSERT INTO public.soak_journal VALUES ('{mark}')")
    await own.expect(f"SELECT count(*) FROM public.soak_journal WHERE mark = '{mark}'", [["1"]])
    if not ends_well:
        await own.ask("ROLLBACK")
        return
    own.ledger.unknown += 1
    await own.ask("COMMIT")
    own.ledger.unknown -= 1
    own.ledger.committed += 1


async def copy_in(own):
    """COPY that is done, that the client fails, and that the server fails."""
    mark, how = own.mark(), own.random.choice(("done", "fail", "bad"))
    own.say(f"COPY, {how}")
    own.wire.send(query("COPY public.soak_journal FROM STDIN"))
    await own.wire.until("G")
    lines = b"".join(f"{mark}.{i}\n".encode() for i in range(20)) + (b"too\tmany\n" if how == "bad" else b"")
    if how == "done":
        own.ledger.unknown += 20
    end = message(b"f", text("no more")) if how == "fail" else COPY_DONE
    own.wire.send(message(b"d", lines[:100]), message(b"d", lines[100:]), end)
    messages = await own.wire.reply()
    own.expect_kinds(messages, "CZ" if how == "done" else "EZ", f"COPY, {how}")
    if how == "done":
        own.ledger.unknown -= 20
        own.ledger.committed += 20


async def copy_out(own):
    mark = own.mark()
    messages = await own.ask(f"COPY (SELECT '{mark}' FROM generate_series(1, 50)) TO STDOUT")
    lines = b"".join(body for kind, body in messages if kind == "d").decode().split()
    if lines != [mark] * 50:
        raise own.wrong(f"COPY out: {lines[:3]}…")


async def portal(own):
    """Rows fetched in pieces, with Flush and no Sync between."""
    own.say("a portal in pieces")
    own.wire.send(parse("", "SELECT $1::text || i FROM generate_series(1, 45) i"), bind("", [own.name]), execute(20), FLUSH)
    messages = await own.wire.until("sE")
    own.wire.send(execute(20), FLUSH)
    messages += await own.wire.until("sE")
    own.wire.send(execute(20), SYNC)
    messages += await own.wire.reply()
    own.expect_kinds(messages, "12" + "D" * 20 + "s" + "D" * 20 + "s" + "DDDDDCZ", "a portal")
    if row(messages[-3][1]) != [f"{own.name}45"]:
        raise own.wrong(f"a portal: {row(messages[-3][1])}")


async def large(own):
    size = own.random.choice((10_000, 100_000, 1_000_000))
    rows = await own.rows(f"SELECT repeat('{own.name}', {size // 10})")
    if rows != [[own.name * (size // 10)]]:
        raise own.wrong(f"a large value of {len(rows[0][0])} characters")


async def error(own):
    for words, code in (("SELECT 1/0", "22012"), ("SELEC", "42601")):
        own.say(words)
        own.wire.send(query(words))
        messages = await own.wire.reply()
        if [fields(body)["C"] for kind, body in messages if kind == "E"] != [code]:
            raise own.wrong(f"{words}: {messages}")


async def temporary(own):
    """A table of our own under a name that all use."""
    mark = own.mark()
    await own.ask("CREATE TEMP TABLE soak_temp (mark text)", f"INSERT INTO soak_temp VALUES ('{mark}')")
    for _ in range(3):
        await own.expect("SELECT mark FROM pg_temp.soak_temp", [[mark]])
        await own.verify()
    await own.ask(own.random.choice(("DROP TABLE pg_temp.soak_temp", "DISCARD TEMP")))


async def lock(own):
    key = own.random.randint(1, 2**31 - 1)
    held = ("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")
    await own.ask(f"SELECT pg_advisory_lock({key})")
    await own.expect(held, [["1"]])
    await own.verify()
    await own.expect(f"SELECT pg_advisory_unlock({key})", [["t"]])
    await own.expect(held, [["0"]])


async def listen(own):
    """A channel of our own hears what is said on it, and no other's is heard."""
    channel, mark = f"ch_{own.name}".replace(".", "_"), own.mark()
    await own.ask(f"LISTEN {channel}")
    await own.verify()
    await own.ask(f"NOTIFY {channel}, '{mark}'")
    for _ in range(2000):
        if own.wire.notifications:
            break
        await asyncio.sleep(0.005)
        await own.ask("SELECT 1")
    if own.wire.notifications != [[channel.encode(), mark.encode()]]:
        raise own.wrong(f"notified of {own.wire.notifications}, not of {mark}")
    own.wire.notifications.clear()
    await own.ask(own.random.choice((f"UNLISTEN {channel}", "UNLISTEN *")))


async def cancelled(own):
    """A long statement is cancelled; only ours."""
    own.say("SELECT pg_sleep(5), to be cancelled")
    own.wire.send(query("SELECT pg_sleep(5)"))
    messages = None
    while messages is None:
        try:
            messages = await own.wire.until("Z", seconds=0.05 + own.random.random() / 4)
        except asyncio.TimeoutError:
            await cancel(own.address, own.wire.key)
            own.cancels += 1
    codes = [fields(body)["C"] for kind, body in messages if kind == "E"]
    if codes == ["57014"]:
        own.ledger.cancelled += 1
    elif codes:
        raise own.wrong(f"cancelled: {codes}")
    await settle(own)


async def settle(own):
    """A cancel request of ours that came late may hit one more of our own statements, as at a server."""
    for _ in range(3):
        own.say("SELECT 1, after a cancel")
        own.wire.send(query("SELECT 1"))
        codes = [fields(body)["C"] for kind, body in await own.wire.reply() if kind == "E"]
        if codes not in ([], ["57014"]):
            raise own.wrong(f"after a cancel: {codes}")


async def stray_cancel(own):
    await cancel(own.address, struct.pack("!ii", own.random.randint(1, 2**31 - 1), own.random.randint(0, 2**31 - 1)))
    await own.verify()


PINNING = (temporary, lock, listen)
STEPS = (verify,) * 6 + (change,) * 3 + (change_back, change_in_transaction, change_in_transaction, discard) + (prepare,) * 6 + \
    (pipeline,) * 3 + (write,) * 2 + (copy_in, copy_out, portal, large, error, error, stray_cancel) + PINNING
RARE = (cancelled,)
