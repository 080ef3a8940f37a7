"""Another client of the same pool, which leaves the shared connection as strange as it can between any two requests."""

import threading

import psycopg2
import psycopg2.extensions

STRANGE = (
    "SET work_mem TO '77MB'", "SET search_path TO strange", "SET DateStyle TO 'Postgres, DMY'", "SET TIME ZONE 'Asia/Kathmandu'",
    "SET standard_conforming_strings TO off", "SET app.mark TO 'strange'", "SET ROLE app_md5", "PREPARE p0 AS SELECT 'strange'",
    "PREPARE pick AS SELECT 'strange'", "SET application_name TO 'strange'", "SET extra_float_digits TO -15", "SELECT 1/0",
    "SET bytea_output TO escape", "SET IntervalStyle TO sql_standard",
    "SET default_transaction_read_only TO on", "SET statement_timeout TO '1min'", "BEGIN; SELECT 1/0",
    "SELECT set_config('app.name', 'strange', false)", "DEALLOCATE p0", "RESET ROLE", "SET client_min_messages TO error",
    "SET SESSION AUTHORIZATION app_trust", "RESET SESSION AUTHORIZATION", "DISCARD ALL", "SET row_security TO off",
    "SET client_encoding TO SJIS", "SET client_encoding TO UTF8", "SET plan_cache_mode TO force_generic_plan",
)


class Disturber:
    """`with Disturber(address, database):` runs STRANGE round and round in a thread, on two sessions in turn."""

    def __init__(self, address, database):
        self.words = {"host": address[0], "port": address[1], "user": "postgres", "dbname": database, "sslmode": "disable"}
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.failure, self.count = None, 0

    def _run(self):
        try:
            sessions = [psycopg2.connect(**self.words) for _ in range(2)]
            for session in sessions:
                session.autocommit = True
            while not self.ended.is_set():
                self._disturb(sessions[self.count % 2], STRANGE[(self.count // 2) % len(STRANGE)])
                self.count += 1
            for session in sessions:
                session.close()
        except psycopg2.Error as failure:  # a session that was lost; the errors of statements are taken below
            self.failure = failure

    @staticmethod
    def _disturb(session, text):
        with session.cursor() as cursor:
            try:
                cursor.execute(text)
            except psycopg2.Error:
                if session.closed:
                    raise
            if session.info.transaction_status != psycopg2.extensions.TRANSACTION_STATUS_IDLE:
                cursor.execute("ROLLBACK")

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join(60)
        if self.thread.is_alive():
            raise AssertionError("a session of the disturber waits for ever")
        if self.failure is not None:
            raise AssertionError(f"a session of the disturber was lost: {self.failure}")
