"""`crossfade convert`: the same psql calls through PgBouncer with its ini, and through Crossfade with what became of it."""

import os
import pathlib
import shutil
import subprocess

import yaml

import proxy
from clusters import DATABASE, free_port, unprivileged
from through import Through
from waiting import until

PGBOUNCER = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
CALLS = ("SELECT name FROM side", "SELECT current_user", "SELECT 1/0", "SHOW application_name", "SELECT nothing")


class Convert(Through):
    def convert(self, ini):
        """(status, YAML, complaints)"""
        result = subprocess.run([proxy.CROSSFADE, "convert", str(ini)], capture_output=True, text=True, timeout=30, cwd="/")
        return result.returncode, result.stdout, result.stderr

    def check(self, text):
        path = self.proxy.home / "converted.yaml"
        path.write_text(text)
        path.chmod(0o600)
        return subprocess.run([proxy.CROSSFADE, "check", str(path)], capture_output=True, text=True, timeout=30, cwd="/")

    def test_debian(self):
        """Debian's pgbouncer.ini as installed → a configuration that `check` accepts, and what it lacks in comments"""
        ini = pathlib.Path("/etc/pgbouncer/pgbouncer.ini")
        if not ini.exists():
            self.skipTest("PgBouncer is not installed")
        status, text, complaints = self.convert(ini)
        self.assertEqual(status, 1, complaints)
        self.assertIn("names no database", complaints)
        self.assertIn("# Not carried over:", text)
        checked = self.check(text)
        self.assertEqual(checked.returncode, 0, text + checked.stdout + checked.stderr)

    def psql(self, port, command, **more):
        environment = {**self.environment(port=port, host="127.0.0.1", user="app_scram"), "PGPASSWORD": proxy.CLIENT_PASSWORD,
                       "PGSSLMODE": "disable", "PGAPPNAME": "the same", **more}
        result = subprocess.run(["psql", "-X", "-A", "-v", "VERBOSITY=verbose", "-c", command], env=environment, cwd="/",
                                capture_output=True, text=True, timeout=30)
        return result.returncode, result.stdout, result.stderr

    def write_ini(self, folder, port):
        users = folder / "userlist.txt"
        users.write_text(f'"app_scram" "{proxy.CLIENT_PASSWORD}"\n"boss" "a ""quoted"" secret"\n')
        ini = folder / "pgbouncer.ini"
        ini.write_text(f"""\
; as PgBouncer reads it
[databases]
{DATABASE} = host=127.0.0.1 port={self.house.blue.port} user=postgres pool_size=4
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
admin_users = boss
pool_mode = transaction
default_pool_size = 5
query_timeout = 20
ignore_startup_parameters = extra_float_digits
""")
        for path in (folder, users, ini):
            shutil.chown(path, **({"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {"user": os.geteuid()}))
        return ini

    def test_end_to_end(self):
        """PgBouncer with an ini, Crossfade with the YAML made of it → psql hears the same from both, the console included"""
        folder = self.proxy.home / "pgbouncer"
        folder.mkdir()
        port = free_port()
        ini = self.write_ini(folder, port)
        log = open(folder / "log", "wb")
        self.addCleanup(log.close)
        process = subprocess.Popen([PGBOUNCER, str(ini)], cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, **unprivileged())
        self.addCleanup(process.wait, 10)
        self.addCleanup(process.kill)
        until(lambda: self.psql(port, "SELECT 1")[0] == 0, "PgBouncer answers")
        heard = [self.psql(port, call) for call in CALLS]
        status, text, complaints = self.convert(ini)
        self.assertEqual((status, complaints), (0, ""), text)
        settings = yaml.safe_load(text)
        self.assertEqual(settings["pairs"][DATABASE]["pool"], {"mode": "transaction", "size": 5})
        self.assertEqual(settings["pairs"][DATABASE]["databases"], {DATABASE: {"pool": {"size": 4}}})
        self.assertEqual(settings["pairs"][DATABASE]["limits"], {"query_timeout": "20000ms"})
        settings["pairs"][DATABASE]["listen"] = "127.0.0.1:0"
        settings["admin"] = {"listen": "127.0.0.1:0"}
        crossfade = proxy.Proxy(settings)
        self.addCleanup(crossfade.stop)
        own_port = crossfade.address(DATABASE)[1]
        self.assertEqual([self.psql(own_port, call) for call in CALLS], heard)
        boss = {"PGUSER": "boss", "PGPASSWORD": 'a "quoted" secret', "PGDATABASE": "pgbouncer"}
        columns = [self.psql(each, "SHOW STATS", **boss)[1].splitlines()[0] for each in (port, own_port)]
        self.assertEqual(columns[0], columns[1])
        self.assertNotEqual(self.psql(own_port, "SELECT 1", PGDATABASE="postgres")[0], 0)
