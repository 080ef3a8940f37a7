"""The one certificate of a run, which every server and proxy shows."""

import os
import subprocess


def make_certificate(directory, user):
    """Certificate and key, made once per directory, as files of the servers' user."""
    certificate, key = f"{directory}/server.crt", f"{directory}/server.key"
    if not os.path.exists(key):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", "/CN=127.0.0.1", "-keyout", key, "-out", certificate], check=True, capture_output=True)
        os.chmod(key, 0o600)
        if user:
            for file in (certificate, key):
                os.chown(file, user.pw_uid, user.pw_gid)
    return certificate, key
