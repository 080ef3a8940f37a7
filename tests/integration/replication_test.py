"""Replication connections: passed through, on the side that takes the writes, for life."""

import io
import pathlib
import select
import shutil
import subprocess

import psycopg2.extras

from clusters import BIN, DATABASE, make_scratch, unprivileged
from through import Through


class Replication(Through):
    def setUp(self):
        super().setUp()
        self.proxy.shift(100)  # replication is no read, wherever reads go

    def open(self, kind):
        host, port = self.proxy.address()
        connection = psycopg2.connect(host=host, port=port, user="postgres", dbname=DATABASE, sslmode="disable",
                                      connection_factory=kind, connect_timeout=30)
        self.addCleanup(connection.close)
        return connection

    def test_commands(self):
        """IDENTIFY_SYSTEM on a logical replication connection → blue's own answer; SQL works there too"""
        connection = self.open(psycopg2.extras.LogicalReplicationConnection)
        with connection.cursor() as cursor:
            cursor.execute("IDENTIFY_SYSTEM")
            system = cursor.fetchone()[0]
            cursor.execute("SELECT name FROM side")
            self.assertEqual(cursor.fetchone()[0], "blue")
        (expected,), = self.house.blue.query("SELECT system_identifier::text FROM pg_control_system()")
        self.assertEqual(system, expected)

    def test_logical_stream(self):
        """START_REPLICATION → changes of blue stream, feedback goes back, and the stream ends in order"""
        connection = self.open(psycopg2.extras.LogicalReplicationConnection)
        cursor = connection.cursor()
        cursor.execute("CREATE_REPLICATION_SLOT passing TEMPORARY LOGICAL test_decoding")
        cursor.start_replication(slot_name="passing", decode=True)
        self.house.blue.query("INSERT INTO log VALUES ('streamed')")
        seen = []
        while not any("streamed" in text for text in seen):
            message = cursor.read_message()
            if message is None:
                self.assertTrue(select.select([cursor], [], [], 30)[0], f"nothing more came behind {seen}")
                continue
            seen.append(message.payload)
            message.cursor.send_feedback(flush_lsn=message.data_start, reply=True)

    def test_first_copy(self):
        """what a subscription does for each table: a slot with its snapshot in a READ ONLY transaction → created, and used"""
        connection = self.open(psycopg2.extras.LogicalReplicationConnection)
        cursor = connection.cursor()
        cursor.execute("BEGIN READ ONLY ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("CREATE_REPLICATION_SLOT copying TEMPORARY LOGICAL pgoutput (SNAPSHOT 'use')")
        copied = io.StringIO()
        cursor.copy_expert("COPY side TO STDOUT", copied)
        self.assertEqual(copied.getvalue(), "blue\n")
        cursor.execute("COMMIT")

    def test_base_backup(self):
        """pg_basebackup through the proxy, the log with it or beside it under a slot of its own → a whole copy of blue's files"""
        for log in ("fetch", "stream"):
            with self.subTest(log=log):
                self.take_base_backup(log)

    def take_base_backup(self, log):
        target = make_scratch() / "copy"
        target.mkdir()
        if unprivileged():
            shutil.chown(target, "postgres", "postgres")
        host, port = self.proxy.address()
        subprocess.run([BIN / "pg_basebackup", "-h", host, "-p", str(port), "-U", "postgres", "-D", target, "-X", log,
                        "-c", "fast", "--no-sync"], check=True, cwd="/", timeout=60, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, **unprivileged())
        check = subprocess.run([BIN / "pg_verifybackup", "-n", target], cwd="/", timeout=60, text=True, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, **unprivileged())
        self.assertEqual((check.stdout.strip(), check.returncode), ("backup successfully verified", 0))
        self.assertTrue((pathlib.Path(target) / "backup_manifest").stat().st_size > 0)
