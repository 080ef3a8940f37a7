"""Two PostgreSQL clusters, blue and green, shared by a whole run and stopped at its end."""

import atexit
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile

import psycopg2

from waiting import until

BIN = pathlib.Path("/usr/lib/postgresql/15/bin")
DATABASE = "shop"
PASSWORDS = {"app_password": "p w'1", "app_md5": "emdee5", "app_scram": "scr\u00e4m-\u2603"}
HBA = """\
local all all trust
hostssl all app_cert 127.0.0.1/32 cert
hostssl all app_tls 127.0.0.1/32 trust
hostnossl all app_plain 127.0.0.1/32 trust
host all app_cert,app_tls,app_plain 127.0.0.1/32 reject
host all app_password 127.0.0.1/32 password
host all app_md5 127.0.0.1/32 md5
host all app_scram 127.0.0.1/32 scram-sha-256
host all app_barred 127.0.0.1/32 reject
host all +ask_scram 127.0.0.1/32 scram-sha-256
host all +ask_md5 127.0.0.1/32 md5
host all +ask_password 127.0.0.1/32 password
host all all 127.0.0.1/32 trust
host replication postgres 127.0.0.1/32 trust
"""
# Green gets a type first, so that the object numbers of the two sides differ.
SCHEMA = """
CREATE TABLE side (name text NOT NULL);
INSERT INTO side VALUES ('{name}');
CREATE TABLE items (id int PRIMARY KEY, name text NOT NULL, price numeric(12, 2), made timestamptz DEFAULT '2020-01-01');
INSERT INTO items SELECT i, 'item ' || i, i * 1.5 FROM generate_series(1, 1000) i;
CREATE TABLE notes (id serial PRIMARY KEY, body text UNIQUE, weight int CONSTRAINT positive CHECK (weight > 0));
CREATE TABLE log (line text);
CREATE FUNCTION touch() RETURNS text LANGUAGE sql VOLATILE AS
  $$ INSERT INTO log VALUES ('touched'); SELECT current_setting('cluster_name') $$;
CREATE FUNCTION peek() RETURNS text LANGUAGE sql STABLE AS $$ SELECT current_setting('cluster_name') $$;
CREATE TYPE mood AS ENUM ('calm', 'cross');
GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC;
GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO PUBLIC;
"""


def unprivileged():
    """The keywords that make a child run as someone PostgreSQL accepts; root may not run it."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam("postgres")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_scratch():
    path = pathlib.Path(tempfile.mkdtemp(prefix="crossfade-test-"))
    path.chmod(0o755)
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


class Cluster:
    def __init__(self, name, scratch):
        self.name = name
        self.home = scratch / name
        self.home.mkdir(mode=0o755)
        if os.geteuid() == 0:
            shutil.chown(self.home, "postgres", "postgres")
        self.port = free_port()
        self.process = None

    @property
    def log(self):
        return self.home / "log"

    def run(self, program, *words):
        subprocess.run([BIN / program, *map(str, words)], check=True, cwd=self.home, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                       env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"}, **unprivileged())

    def create(self):
        self.run("initdb", "-D", self.home / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        (self.home / "data" / "pg_hba.conf").write_text(HBA)
        from certificates import certificates  # which needs a scratch folder of this module
        self.certificate, self.key = certificates().lend(certificates().server, self.home, "postgres")
        self.authority = shutil.copy(certificates().authority.certificate, self.home)

    def start(self):
        settings = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": self.home,
                    "cluster_name": self.name, "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off",
                    "max_connections": 400, "shared_buffers": "64MB", "max_prepared_transactions": 100,
                    "wal_level": "logical", "ssl": "on", "ssl_cert_file": self.certificate,
                    "ssl_key_file": self.key, "ssl_ca_file": self.authority, "autovacuum": "off", "log_min_messages": "warning", "timezone": "UTC"}
        words = [f"--{key}={value}" for key, value in settings.items()]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([BIN / "postgres", "-D", self.home / "data", *words], cwd=self.home,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, **unprivileged())
        until(self.is_up, f"{self.name} accepts connections", 30)

    def is_up(self):
        if self.process.poll() is not None:
            raise AssertionError(f"{self.name} ended at once:\n{self.log.read_text()[-2000:]}")
        try:
            self.connect(database="postgres").close()
            return True
        except psycopg2.OperationalError:
            return False

    def stop(self, how=signal.SIGINT):
        """SIGINT: fast. SIGQUIT: immediate, as after a crash."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(30)
        self.process = None

    def restart_if_down(self):
        if self.process is None or self.process.poll() is not None:
            self.start()

    def connect(self, user="postgres", database=DATABASE, **more):
        connection = psycopg2.connect(host=str(self.home), port=self.port, user=user, dbname=database, **more)
        connection.autocommit = True
        return connection

    def query(self, text, values=None, **more):
        """Rows of one statement, run on a connection of its own straight to this side."""
        connection = self.connect(**more)
        try:
            with connection.cursor() as cursor:
                cursor.execute(text, values)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def fill(self):
        self.query(f"CREATE DATABASE {DATABASE}", database="postgres")
        self.query("CREATE DATABASE bench", database="postgres")
        for role in ("app_trust", "app_barred", "app_cert", "app_tls", "app_plain"):
            self.query(f"CREATE ROLE {role} LOGIN", database="postgres")
        for role, password in PASSWORDS.items():
            method = "md5" if role == "app_md5" else "scram-sha-256"
            self.query(f"SET password_encryption = '{method}'; CREATE ROLE {role} LOGIN PASSWORD %s", (password,),
                       database="postgres")
        if self.name == "green":
            self.query("CREATE TYPE padding AS (a int, b text)")
        self.query(SCHEMA.format(name=self.name))
        self.run("pgbench", "-i", "-q", "-I", "dtgvp", "-s", "1", "-h", self.home, "-p", self.port, "-U", "postgres", "bench")

    def sessions(self, where="true"):
        """The client backends that are here now, but for the one that asks and a probe that looks in."""
        return self.query("SELECT pid, usename, application_name, state, query FROM pg_stat_activity "
                          f"WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() "
                          f"AND application_name <> 'crossfade health' AND ({where})")


class House:
    """Both clusters of a run."""

    def __init__(self):
        self.scratch = make_scratch()
        self.blue, self.green = Cluster("blue", self.scratch), Cluster("green", self.scratch)
        for cluster in self.both:
            cluster.create()
            atexit.register(cluster.stop, signal.SIGQUIT)
            cluster.start()
            cluster.fill()

    @property
    def both(self):
        return (self.blue, self.green)


def house():
    """The shared clusters, made when first asked for."""
    if not hasattr(house, "made"):
        house.made = House()
    return house.made
