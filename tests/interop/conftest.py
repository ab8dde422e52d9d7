"""The shipped binary, started on an empty folder, for all black-box tests.

PALOMAR_BIN names the binary; without it the release build is taken, then the debug build. One server
serves a whole run; tests make accounts of their own (`palomar.new_account()`) and so never meet.
`fresh_palomar` is a server of one test's own, for tests that stop it.
"""

import contextlib
import imaplib
import itertools
import json
import os
import secrets
import select
import shutil
import socket
import ssl
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PORTS = (1993, 1143, 1995, 1110, 1465, 1587, 1025, 1024)
START_SECONDS_MAX = 60
REPLY_SECONDS_MAX = 30


def binary():
    named = os.environ.get("PALOMAR_BIN")
    built = [ROOT / "target" / kind / "palomar" for kind in ("release", "debug")]
    found = [Path(named)] if named else [path for path in built if path.exists()]
    if not found or not found[0].exists():
        pytest.exit(f"no binary: build it or set PALOMAR_BIN (looked for {named or built})", 2)
    return found[0]


def free_offset():
    """An offset at which every port is free now."""
    for offset in itertools.count(10_000 + os.getpid() % 2_000 * 16, 7):
        offset = 10_000 + offset % 50_000
        with contextlib.ExitStack() as held:
            try:
                for port in PORTS:
                    probe = held.enter_context(socket.socket())
                    probe.bind(("127.0.0.1", port + offset))
            except (OSError, OverflowError):
                continue
            return offset
    raise AssertionError("unreachable")


@dataclass(frozen=True)
class Account:
    address: str
    password: str


class Raw:
    """A connection seen as octets: what a protocol test says and hears, with a time-out on each
    answer instead of a pause before it."""

    def __init__(self, sock, seconds=REPLY_SECONDS_MAX):
        self.sock = sock
        self.sock.settimeout(seconds)
        self.buffer = b""

    def send(self, data):
        self.sock.sendall(data.encode() if isinstance(data, str) else data)

    def fill(self):
        data = self.sock.recv(1 << 16)
        if not data:
            raise EOFError(f"closed after {self.buffer[-500:]!r}")
        self.buffer += data

    def line(self):
        """One line without its CRLF."""
        while b"\r\n" not in self.buffer:
            self.fill()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def octets(self, count):
        while len(self.buffer) < count:
            self.fill()
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def rest(self):
        """All that comes until the peer closes."""
        with contextlib.suppress(EOFError, ConnectionResetError):
            while True:
                self.fill()
        data, self.buffer = self.buffer, b""
        return data

    def is_silent(self, seconds=0.2):
        """Whether nothing comes for so long. For what must not be said; nothing waits for it."""
        if self.buffer or (isinstance(self.sock, ssl.SSLSocket) and self.sock.pending()):
            return False
        return not select.select([self.sock], [], [], seconds)[0]

    def starttls(self, context, name="localhost"):
        assert not self.buffer, self.buffer
        self.sock = context.wrap_socket(self.sock, server_hostname=name)

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Palomar:
    """`palomar dev` on a data folder."""

    host = "127.0.0.1"

    def __init__(self, data, settings=""):
        """`settings`: lines of a configuration file."""
        self.data = Path(data)
        self.settings = self.data.with_name(self.data.name + ".toml") if settings else None
        if settings:
            self.settings.write_text(settings)
        self.log = self.data.with_name(self.data.name + ".log")
        self.offset = free_offset()
        self.start()

    def start(self):
        command = [binary(), "dev", "--data", self.data, "--port-offset", str(self.offset), "--json"]
        if self.settings:
            command += ["--config", self.settings]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
        ready = select.select([self.process.stdout], [], [], START_SECONDS_MAX)[0]
        line = self.process.stdout.readline() if ready else b""
        assert line, f"did not start: {self.log.read_text()[-2000:]}"
        self.told = json.loads(line)
        self.ports = self.told["ports"]
        self.ca = Path(self.told["ca"])
        self.accounts = [Account(a["address"], a["password"]) for a in self.told["accounts"]]
        self.tls = ssl.create_default_context(cafile=self.ca)

    def stop(self):
        """As systemd would; whether it ended well."""
        self.process.terminate()
        code = self.process.wait(30)
        self.process.stdout.close()
        return code == 0

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def cli(self, *words, stdin="", codes=(0,)):
        """A command beside the running server; its standard output."""
        done = subprocess.run(
            [binary(), *words, "--data", self.data],
            input=stdin, capture_output=True, text=True, timeout=60,
        )
        assert done.returncode in codes, (words, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def new_account(self, name="u"):
        """An account that no other test knows, with its special-use mailboxes and no mail."""
        # A letter first: what starts with `-` is an option to the clients.
        password = "p" + secrets.token_urlsafe(12)
        account = Account(f"{name}{secrets.token_hex(6)}@example.test", password)
        self.cli("account", "add", account.address, "--password-stdin", stdin=account.password)
        return account

    def connect(self, protocol, seconds=REPLY_SECONDS_MAX):
        """A connection to one of the ports, with TLS where TLS comes first."""
        sock = socket.create_connection((self.host, self.ports[protocol]), timeout=seconds)
        if protocol in ("imaps", "pop3s", "submissions"):
            sock = self.tls.wrap_socket(sock, server_hostname="localhost")
        return Raw(sock, seconds)

    def imap(self, account):
        """A logged-in imaplib client; a context manager."""
        client = imaplib.IMAP4_SSL(
            "localhost", self.ports["imaps"], ssl_context=self.tls, timeout=REPLY_SECONDS_MAX
        )
        client.login(account.address, account.password)
        return client

    def resident_octets(self):
        """Memory of the server's process."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) * 1024


def served(settings=""):
    folder = Path(tempfile.mkdtemp(prefix="palomar-test-"))
    server = Palomar(folder / "data", settings)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            ended = server.stop()
        else:
            ended = True
        log = server.log.read_text(errors="replace")
        shutil.rmtree(folder, ignore_errors=True)
        # A panic is caught by the runtime and costs one connection: tests would not notice.
        assert "panicked at" not in log, log[-4000:]
        assert ended, log[-4000:]


@pytest.fixture(scope="session")
def palomar():
    """The server of the whole run."""
    yield from served()


@pytest.fixture
def fresh_palomar():
    """A server of this test alone."""
    yield from served()


@pytest.fixture
def account(palomar):
    return palomar.new_account()


def corpus_paths():
    """Messages to be stored and read back: PALOMAR_CORPUS, a folder, or the repository's own."""
    folder = Path(os.environ.get("PALOMAR_CORPUS") or ROOT / "tests" / "corpus")
    return sorted(path for path in folder.rglob("*.eml") if path.stat().st_size)


@pytest.fixture(scope="session")
def corpus():
    """Paths of all messages of the corpus."""
    paths = corpus_paths()
    assert len(paths) > 50, "the corpus is missing"
    return paths


@pytest.fixture
def imap(palomar, account):
    """Makes raw IMAP connections of this test's account, logged in and with a mailbox selected
    unless told otherwise; they are closed with the test."""
    from imap_wire import Imap

    with contextlib.ExitStack() as open_connections:

        def connect(select="INBOX", login=True, enable="", protocol="imaps", seconds=REPLY_SECONDS_MAX):
            client = open_connections.enter_context(Imap(palomar.connect(protocol, seconds)))
            if login:
                client.login(account)
            if enable:
                client.ok("ENABLE", enable)
            if login and select:
                client.ok("SELECT", select)
            return client

        yield connect
