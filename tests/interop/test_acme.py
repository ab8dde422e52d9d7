"""Certificates are got from an authority (Debian's pebble), by each challenge, and renewed."""

import json
import os
import select
import socket
import ssl
import stat
import subprocess
import time
import urllib.request

import pytest
from conftest import binary
from dns_zone import free_port

SECONDS_MAX = 90
HOST = "mx.example.test"


def wait_for(found, what):
    until = time.monotonic() + SECONDS_MAX
    while not (value := found()):
        assert time.monotonic() < until, what
        # Another process is waited for; it has no event that we could hear.
        select.select([], [], [], 0.1)
    return value


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


class Authority:
    """pebble with its fake DNS."""

    def __init__(self, folder, palomar):
        folder.mkdir()
        self.folder, self.ca = folder, palomar.ca
        self.dns, self.control, self.port, self.manage = (free_port() for _ in range(4))
        self.http, self.tls = free_port(), free_port()
        self.config = folder / "pebble.json"
        self.config.write_text(json.dumps({"pebble": {
            "listenAddress": f"127.0.0.1:{self.port}",
            "managementListenAddress": f"127.0.0.1:{self.manage}",
            "certificate": str(palomar.data / "tls/server.pem"),
            "privateKey": str(palomar.data / "tls/server.key"),
            "httpPort": self.http, "tlsPort": self.tls, "ocspResponderURL": "",
            "externalAccountBindingRequired": False,
        }}))
        self.names = subprocess.Popen(
            ["pebble-challtestsrv", "-dns01", f"127.0.0.1:{self.dns}", "-http01", "", "-https01", "",
             "-tlsalpn01", "", "-management", f"127.0.0.1:{self.control}", "-defaultIPv4", "",
             "-defaultIPv6", ""],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        self.process = None
        wait_for(lambda: answers(self.control), "challtestsrv")
        for name in (HOST, "mail.example.test", "mta-sts.example.test"):
            self.tell("add-a", {"host": f"{name}.", "addresses": ["127.0.0.1"]})
        self.tell("add-a", {"host": "autoconfig.example.test.", "addresses": ["192.0.2.1"]})
        self.start()

    def start(self):
        environment = os.environ | {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_AUTHZREUSE": "0"}
        with open(self.folder / "pebble.log", "ab") as log:
            self.process = subprocess.Popen(
                ["pebble", "-config", self.config, "-dnsserver", f"127.0.0.1:{self.dns}"],
                env=environment, stdout=log, stderr=log,
            )
        wait_for(lambda: answers(self.port) and answers(self.manage), "pebble")
        context = ssl.create_default_context(cafile=self.ca)
        with urllib.request.urlopen(f"https://localhost:{self.manage}/roots/0", context=context) as found:
            self.root = found.read().decode()

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def close(self):
        self.stop()
        self.names.kill()
        self.names.wait()

    def tell(self, what, body):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.control}/{what}", json.dumps(body).encode(), method="POST"
        )
        urllib.request.urlopen(request).close()


class Server:
    """`palomar serve` with certificates of an authority."""

    def __init__(self, folder, authority, settings):
        self.folder, self.authority = folder, authority
        self.data, self.imaps = folder / "data", free_port()
        self.config = folder / "palomar.toml"
        self.config.write_text(f"""
            data = "{self.data}"
            host_name = "{HOST}"
            log = "info"
            [[listener]]
            protocol = "imaps"
            address = "127.0.0.1:{self.imaps}"
            [[listener]]
            protocol = "https"
            address = "127.0.0.1:{authority.tls}"
            [dns]
            servers = ["127.0.0.1:{authority.dns}"]
            dnssec = "off"
            [acme]
            terms_agreed = true
            directory_url = "https://localhost:{authority.port}/dir"
            directory_ca_file = "{authority.ca}"
            contacts = ["admin@example.test"]
            http_address = "127.0.0.1:{authority.http}"
            {settings}
        """)
        self.log = folder / "palomar.log"
        self.start()

    def start(self):
        self.before = self.log.stat().st_size if self.log.exists() else 0
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [binary(), "serve", "--config", self.config], stdout=log, stderr=log
            )
        wait_for(self.ready, "palomar")

    def ready(self):
        assert self.process.poll() is None, self.log.read_text()[-3000:]
        return "ready" in self.log.read_text()[self.before :]

    def stop(self):
        self.process.terminate()
        assert self.process.wait(30) == 0, self.log.read_text()[-3000:]

    def cli(self, *words):
        done = subprocess.run(
            [binary(), *words, "--config", self.config], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    def rows(self):
        return json.loads(self.cli("--json", "certificate", "list"))["certificates"]

    def issued(self, name):
        return next((row for row in self.rows() if row["names"][:1] == [name] and row["renew_at"]), None)

    def seen(self, name):
        """The certificate that a client sees which trusts the authority and asks for a name."""
        context = ssl.create_default_context(cadata=self.authority.root)
        with socket.create_connection(("127.0.0.1", self.imaps), 10) as sock:
            with context.wrap_socket(sock, server_hostname=name) as tls:
                return tls.getpeercert()


@pytest.fixture
def authority(tmp_path, palomar):
    one = Authority(tmp_path / "authority", palomar)
    yield one
    one.close()


@pytest.fixture
def server(tmp_path, authority):
    servers = []

    def start(settings=""):
        servers.append(Server(tmp_path, authority, settings))
        return servers[-1]

    yield start
    for one in servers:
        if one.process.poll() is None:
            one.stop()


def names(certificate):
    return {name for _, name in certificate["subjectAltName"]}


def test_http_01_by_sni_renewed_and_kept(server, authority):
    one = server()
    wait_for(lambda: one.issued(HOST), "the host's certificate")
    first = one.seen(HOST)
    assert names(first) == {HOST}
    # A domain gets one for those of its names that lead here.
    one.cli("domain", "add", "example.test")
    one.cli("certificate", "renew", HOST)
    wait_for(lambda: one.issued("mail.example.test"), "the domain's certificate")
    assert names(one.seen("mta-sts.example.test")) == {"mail.example.test", "mta-sts.example.test"}
    again = wait_for(
        lambda: (now := one.seen(HOST)) and now["serialNumber"] != first["serialNumber"] and now, "renewal"
    )
    assert names(again) == {HOST}

    folder = one.data / "acme"
    for path in folder.rglob("*"):
        if path.is_file():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    key = (folder / "certificates" / f"{HOST}.key").read_text()
    # Without the authority a server starts with what it has, and goes on with it.
    one.stop()
    authority.stop()
    one.start()
    assert one.seen(HOST)["serialNumber"] == again["serialNumber"]
    one.cli("certificate", "renew", HOST)
    failed = wait_for(lambda: (row := one.issued(HOST)) and row["failure"] and row, "a failure")
    assert failed["next_try"] > time.time() + 3000 and failed["not_after"] > time.time()
    assert one.seen(HOST)["serialNumber"] == again["serialNumber"]
    assert "failed:" in one.cli("certificate", "list")
    assert (folder / "certificates" / f"{HOST}.key").read_text() == key, "the key is kept"


def test_tls_alpn_01(server):
    one = server('challenge = "tls-alpn-01"\nkey_reuse = false')
    wait_for(lambda: one.issued(HOST), "a certificate")
    first = one.seen(HOST)
    key = (one.data / "acme/certificates" / f"{HOST}.key").read_text()
    one.cli("certificate", "renew")
    wait_for(lambda: one.seen(HOST)["serialNumber"] != first["serialNumber"], "renewal")
    assert (one.data / "acme/certificates" / f"{HOST}.key").read_text() != key


def test_dns_01_and_its_command(server, authority, tmp_path):
    command = tmp_path / "records"
    command.write_text(f"""#!/usr/bin/env python3
import json, sys, urllib.request
verb, name, value = sys.argv[1:]
open("{tmp_path}/calls", "a").write(verb + " " + name + "\\n")
body = {{"host": name + "."}} | ({{"value": value}} if verb == "present" else {{}})
what = "set-txt" if verb == "present" else "clear-txt"
urllib.request.urlopen("http://127.0.0.1:{authority.control}/" + what, json.dumps(body).encode())
""")
    command.chmod(0o755)
    one = server(f'challenge = "dns-01"\ndns_command = "{command}"\nnames = ["*.example.test"]')
    wait_for(lambda: one.issued(HOST), "a certificate")
    assert names(one.seen("any.example.test")) == {HOST, "*.example.test"}
    calls = (tmp_path / "calls").read_text().split("\n")[:-1]
    assert sorted(calls) == sorted(
        f"{verb} _acme-challenge.{name}" for verb in ("present", "cleanup") for name in (HOST, "example.test")
    )


def test_who_is_not_believed_is_told_why_and_serves_all_the_same(server, authority):
    # The authority looks for the answer where nobody is.
    authority.tell("clear-a", {"host": f"{HOST}."})
    authority.tell("add-a", {"host": f"{HOST}.", "addresses": ["127.0.0.9"]})
    one = server()
    row = wait_for(lambda: next((row for row in one.rows() if row["failure"]), None), "a failure")
    assert HOST in row["failure"] and row["not_after"] == 0, row
    # One that nobody knows is there until then: TLS works.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", one.imaps), 10) as sock:
        with context.wrap_socket(sock, server_hostname=HOST) as tls:
            assert tls.recv(100).startswith(b"* OK")
    authority.tell("clear-a", {"host": f"{HOST}."})
    authority.tell("add-a", {"host": f"{HOST}.", "addresses": ["127.0.0.1"]})
    one.cli("certificate", "renew")
    assert wait_for(lambda: one.issued(HOST), "a certificate")["failure"] is None
    one.seen(HOST)
