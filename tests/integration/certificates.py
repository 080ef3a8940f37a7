"""Certificates of a run, made with the openssl command line: authorities, servers, clients, good and bad ones."""

import functools
import os
import shutil
import subprocess

from clusters import make_scratch

NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1"


class Authority:
    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.certificate, self.key = folder / f"{name}.crt", folder / f"{name}.key"
        openssl("req", "-x509", *EC_KEY, "-nodes", "-keyout", self.key, "-out", self.certificate, "-days", "30", "-subj", f"/CN={name}")
        (folder / f"{name}.index").write_text("")
        self.settings = folder / f"{name}.cnf"
        self.settings.write_text(f"[ca]\ndefault_ca=own\n[own]\ndatabase={folder}/{name}.index\ndefault_md=sha256\n"
                                 f"crlnumber={folder}/{name}.number\n")
        (folder / f"{name}.number").write_text("01\n")

    def sign(self, name, subject, extension="", days="30"):
        """A key and a certificate for it: (certificate file, key file)."""
        certificate, key, request = (self.folder / f"{name}.{end}" for end in ("crt", "key", "csr"))
        openssl("req", *EC_KEY, "-nodes", "-keyout", key, "-out", request, "-subj", subject)
        words = ["x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial", "-days", days,
                 "-out", certificate]
        if extension:
            (self.folder / f"{name}.ext").write_text(extension)
            words += ["-extfile", self.folder / f"{name}.ext"]
        openssl(*words)
        key.chmod(0o600)
        return certificate, key

    def revoke(self, certificate):
        """The list of what this authority has taken back, with `certificate` in it."""
        revocations = self.folder / f"{self.name}.crl"
        own = ["ca", "-config", self.settings, "-cert", self.certificate, "-keyfile", self.key]
        openssl(*own, "-revoke", certificate)
        openssl(*own, "-gencrl", "-crldays", "30", "-out", revocations)
        return revocations


EC_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")


def openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


class Certificates:
    """All that the cases need. Attributes are (certificate, key) but for the authorities and the revocations."""

    def __init__(self):
        self.folder = make_scratch()
        self.authority, self.stranger = Authority(self.folder, "authority"), Authority(self.folder, "stranger")
        self.server = self.authority.sign("server", "/CN=localhost", NAMES)
        self.elsewhere = self.authority.sign("elsewhere", "/CN=elsewhere.example", "subjectAltName=DNS:elsewhere.example")
        self.expired = self.authority.sign("expired", "/CN=localhost", NAMES, days="-1")
        self.app = self.authority.sign("app", "/CN=app_cert")
        self.app_expired = self.authority.sign("app_expired", "/CN=app_cert", days="-1")
        self.app_revoked = self.authority.sign("app_revoked", "/CN=app_cert")
        self.app_strange = self.stranger.sign("app_strange", "/CN=app_cert")
        self.revocations = self.authority.revoke(self.app_revoked[0])

    def lend(self, pair, folder, owner=None):
        """Copies for someone who insists on owning the key: (certificate, key)."""
        copies = tuple(shutil.copy(each, folder / each.name) for each in pair)
        if owner and os.geteuid() == 0:
            for copy in copies:
                shutil.chown(copy, owner, owner)
        os.chmod(copies[1], 0o600)
        return copies


@functools.cache
def certificates():
    """Made when first asked for."""
    return Certificates()
