"""The clients of a chaos run, and their book: what was acknowledged, what failed, what nobody knows."""

import itertools
import random
import threading
import time

import psycopg2

PAUSE_SECONDS = 0.05  # before a client that has lost its connection tries again


class Book:
    def __init__(self, world, clients, database, accounts, seed):
        self.world, self.database, self.accounts, self.seed = world, database, accounts, seed
        self.numbers = itertools.count(1)
        self.acknowledged, self.failed, self.unknown = set(), set(), set()
        self.codes = {}
        self.ends = {}  # of those that are not acknowledged: when, and the error
        self.unread = []  # when a session did not read what it had written
        self.lost_connections = 0
        self.longest = 0.0
        self.is_over = threading.Event()
        self.threads = [threading.Thread(target=self.work, args=(client,)) for client in range(clients)]

    def open(self):
        for thread in self.threads:
            thread.start()

    def close(self):
        self.is_over.set()
        for thread in self.threads:
            thread.join(120)

    def compare(self, there):
        """Lines that should be there and are not; that should not and are."""
        return self.acknowledged - there, self.failed & there

    def times_of(self, rows):
        """When the transactions of such lines ended, and what their clients were told."""
        numbers = [int(row[0].strip("()").split(",")[0]) for row in rows]
        return [self.ends.get(number) for number in numbers]

    def summary(self):
        return (f"{len(self.acknowledged)} transactions acknowledged, {len(self.failed)} failed, {len(self.unknown)} unknown, {self.lost_connections} lost "
                f"connections, longest {self.longest * 1000:.0f} ms, errors by code {dict(sorted(self.codes.items()))}")

    def connect(self):
        host, port = self.world.proxy.address()
        connection = psycopg2.connect(host=host, port=port, user="postgres", dbname=self.database, connect_timeout=10, sslmode="disable")
        connection.autocommit = True
        return connection

    def work(self, client):
        dice = random.Random(f"{self.seed} {client}")
        connection = None
        while not self.is_over.is_set():
            if connection is None or connection.closed:
                try:
                    connection = self.connect()
                except (psycopg2.Error, KeyError, TypeError):
                    self.lost_connections += 1
                    time.sleep(PAUSE_SECONDS)
                    continue
            began = time.monotonic()
            self.transact(connection, client, next(self.numbers), dice)
            self.longest = max(self.longest, time.monotonic() - began)

    def transact(self, connection, client, number, dice):
        """One transaction, and what is known of its end."""
        cursor = connection.cursor()
        is_committing = False
        try:
            kind = dice.random()
            if kind < 0.3:
                is_committing = True
                cursor.execute("INSERT INTO lines (id, client) VALUES (%s, %s)", (number, client))
            else:
                one, other = dice.sample(range(1, self.accounts + 1), 2)
                amount = dice.randint(1, 10)
                cursor.execute("BEGIN")
                cursor.execute("UPDATE accounts SET balance = balance - %s WHERE id = %s", (amount, min(one, other)))
                cursor.execute("UPDATE accounts SET balance = balance + %s WHERE id = %s", (amount, max(one, other)))
                cursor.execute("INSERT INTO lines (id, client) VALUES (%s, %s)", (number, client))
                if kind > 0.95:
                    cursor.execute("ROLLBACK")
                    self.failed.add(number)
                    return
                is_committing = True
                cursor.execute("COMMIT")
                if cursor.statusmessage != "COMMIT":
                    self.failed.add(number)
                    return
            self.acknowledged.add(number)
            # What it has written, it must read.
            cursor.execute("SELECT count(*) FROM lines WHERE id = %s", (number,))
            if cursor.fetchone()[0] != 1:
                self.unread.append(f"{time.monotonic() - self.world.began:.2f} s: {number}")
        except psycopg2.Error as error:
            self.note(number, error, is_committing, connection)

    def note(self, number, error, is_committing, connection):
        code = error.pgcode or "connection lost"
        self.codes[code] = self.codes.get(code, 0) + 1
        if number not in self.acknowledged:
            # A connection that is gone with its COMMIT says nothing of it; an error that leaves it open does.
            is_open_question = is_committing and (connection.closed or code in ("connection lost", "08006", "08007"))
            (self.unknown if is_open_question else self.failed).add(number)
            self.ends[number] = f"{time.monotonic() - self.world.began:.2f} s: {code} {str(error)[:80]!r}"
        if not connection.closed:
            try:
                connection.cursor().execute("ROLLBACK")
            except psycopg2.Error:
                connection.close()
