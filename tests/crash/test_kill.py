"""Kill the server at random moments and see that nothing it acknowledged is lost or seen half.

Workers deliver by LMTP, append, store flags, move and expunge on two accounts; each keeps a model of
what was acknowledged and what was asked and not answered. After `kill -9` the server is started
again on the same folder, everything is read back and compared, and `palomar check` must be clean.

PALOMAR_KILLS sets how often (default 8; the full campaign is 200). PALOMAR_SEED repeats a run.
"""

import hashlib
import imaplib
import json
import os
import random
import re
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

KILLS = int(os.environ.get("PALOMAR_KILLS", "8"))
SEED = int(os.environ.get("PALOMAR_SEED", str(random.randrange(1 << 30))))
BINARY = os.environ.get("PALOMAR_BIN", str(Path(__file__).parents[2] / "target/release/palomar"))
WORKERS = 32
RESTART_SECONDS_MAX = 2.0
GONE = "gone"


class Server:
    """The shipped binary on a data folder."""

    def __init__(self, data, offset, settings=None):
        """`settings`: a configuration file."""
        self.data, self.offset = data, offset
        self.config = ["--config", str(settings)] if settings else []
        self.start()

    def start(self):
        started = time.monotonic()
        self.process = subprocess.Popen(
            [BINARY, "dev", "--data", str(self.data), "--port-offset", str(self.offset), "--json", *self.config],
            stdout=subprocess.PIPE,
            stderr=open(f"{self.data}.log", "ab"),
        )
        line = self.process.stdout.readline()
        self.restart_seconds = time.monotonic() - started
        assert line, Path(f"{self.data}.log").read_text()[-2000:]
        told = json.loads(line)
        self.ports = told["ports"]
        self.accounts = [(a["address"], a["password"]) for a in told["accounts"]][:2]

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def imap(self, account):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        client = imaplib.IMAP4_SSL("127.0.0.1", self.ports["imaps"], ssl_context=context, timeout=30)
        client.login(*self.accounts[account])
        return client


class Fate:
    """What a message may have become: every (place, flagged) that is consistent with the answers."""

    def __init__(self, acknowledged):
        self.states = {("INBOX", False)} if acknowledged else {("INBOX", False), (GONE, False)}

    def may(self, change):
        self.states |= {change(state) for state in self.states}

    def must(self, change):
        self.states = {change(state) for state in self.states}


def message(token):
    body = (token + " ") * random.randrange(5, 400)
    digest = hashlib.sha256(body.encode()).hexdigest()
    text = f"From: a@example.org\r\nTo: b@example.test\r\nSubject: {token}\r\nX-Sum: {digest}\r\n"
    return (text + f"Message-ID: <{token}@example.org>\r\n\r\n{body}\r\n").encode()


class Worker(threading.Thread):
    """One client: delivers or appends, then works on its own messages."""

    def __init__(self, server, number, kill_round, fates, lock):
        super().__init__(daemon=True)
        self.server, self.number, self.account = server, number, number % 2
        self.prefix = f"k{kill_round}w{number}m"
        self.fates, self.lock, self.answers = fates, lock, 0

    def run(self):
        try:
            if self.number % 4 < 2:
                self.deliver()
            else:
                self.work()
        except (OSError, EOFError, imaplib.IMAP4.abort, AssertionError):
            pass  # the server was killed: what was not answered stays open in the model

    def fate(self, token, fate=None):
        with self.lock:
            if fate:
                self.fates[self.account][token] = fate
            return self.fates[self.account][token]

    def deliver(self):
        address = self.server.accounts[self.account][0]
        with socket.create_connection(("127.0.0.1", self.server.ports["lmtp"]), timeout=30) as s:
            replies = s.makefile("rb")

            def expect(code):
                while True:
                    line = replies.readline()
                    if not line:
                        raise EOFError
                    assert line.startswith(code), line
                    if line[3:4] != b"-":
                        return

            expect(b"220")
            s.sendall(b"LHLO crash.test\r\n")
            expect(b"250")
            for count in range(10_000):
                token = f"{self.prefix}{count}x"
                s.sendall(f"MAIL FROM:<a@example.org>\r\nRCPT TO:<{address}>\r\nDATA\r\n".encode())
                expect(b"250"), expect(b"250"), expect(b"354")
                self.fate(token, Fate(False))
                s.sendall(message(token) + b".\r\n")
                expect(b"250")
                self.fate(token, Fate(True))
                self.answers += 1

    def work(self):
        client = self.server.imap(self.account)
        client.select("INBOX")
        for count in range(10_000):
            token = f"{self.prefix}{count}x"
            self.fate(token, Fate(False))
            kind, data = client.append("INBOX", None, None, message(token))
            assert kind == "OK", data
            fate = self.fate(token, Fate(True))
            uid = re.search(rb"APPENDUID \d+ (\d+)", data[0]).group(1).decode()
            self.answers += 1
            step = random.randrange(4)
            if step == 1:
                self.ask(fate, lambda s: (s[0], True), client, "STORE", uid, "+FLAGS", r"(\Flagged)")
            elif step == 2:
                self.ask(fate, lambda s: (s[0], True), client, "STORE", uid, "+FLAGS", r"(\Flagged)")
                self.ask(fate, lambda s: ("Archive", s[1]), client, "MOVE", uid, "Archive")
            elif step == 3:
                client.uid("STORE", uid, "+FLAGS.SILENT", r"(\Deleted)")
                self.ask(fate, lambda _: (GONE, False), client, "EXPUNGE", uid)

    def ask(self, fate, change, client, *command):
        with self.lock:
            fate.may(change)
        kind, data = client.uid(*command)
        assert kind == "OK", data
        with self.lock:
            fate.must(change)
        self.answers += 1


def found(server, account):
    """token → [(place, flagged)] of all that is there; each body must be whole."""
    client = server.imap(account)
    there = {}
    for place in ("INBOX", "Archive"):
        kind, data = client.select(place, readonly=True)
        assert kind == "OK", data
        if int(data[0]) == 0:
            continue
        kind, data = client.fetch("1:*", "(FLAGS BODY.PEEK[])")
        assert kind == "OK"
        for item in data:
            if not isinstance(item, tuple):
                continue
            head, _, body = item[1].partition(b"\r\n\r\n")
            token = re.search(rb"Subject: (\S+)", head)
            total = re.search(rb"X-Sum: (\S+)", head)
            if not token or not total:
                continue  # sample mail of the fresh folder
            assert hashlib.sha256(body[:-2]).hexdigest().encode() == total.group(1), head
            flagged = rb"\Flagged" in item[0]
            there.setdefault(token.group(1).decode(), []).append((place, flagged))
    client.logout()
    return there


def compare(fates, there):
    for token, fate in fates.items():
        places = there.pop(token, [])
        assert len(places) <= 1, f"{token} is there twice: {places}"
        state = places[0] if places else (GONE, False)
        possible = {(GONE, False) if s[0] == GONE else s for s in fate.states}
        assert state in possible, f"{token}: {state} is not among {possible}"
        fate.states = {state}
    assert not there, f"nobody sent {list(there)[:3]}"


def test_kill_at_random_moments(tmp_path):
    random.seed(SEED)
    print(f"PALOMAR_SEED={SEED}")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        offset = 20_000 + probe.getsockname()[1] % 20_000
    data = tmp_path / "data"
    data.mkdir()
    server = Server(data, offset)
    fates, lock, answers, restarts = [{}, {}], threading.Lock(), 0, []
    for kill_round in range(KILLS):
        workers = [Worker(server, n, kill_round, fates, lock) for n in range(WORKERS)]
        for worker in workers:
            worker.start()
        wait_for_work(workers)
        # The moment is what is random here; nothing is waited for by this.
        time.sleep(random.random() * 0.7)
        server.kill()
        for worker in workers:
            worker.join(timeout=60)
            assert not worker.is_alive()
        answers += sum(worker.answers for worker in workers)
        server.start()
        restarts.append(server.restart_seconds)
        for account in range(2):
            compare(fates[account], found(server, account))
        if kill_round % 4 == 3 or kill_round == KILLS - 1:
            server.kill()
            check = subprocess.run([BINARY, "check", "--data", str(data)], capture_output=True)
            assert check.returncode == 0, check.stdout + check.stderr
            server.start()
    server.kill()
    print(f"{KILLS} kills, {answers} acknowledged changes, slowest restart {max(restarts):.2f} s")
    assert answers > KILLS * 20
    assert max(restarts) < RESTART_SECONDS_MAX * (3 if os.environ.get("CI") else 1)


def wait_for_work(workers):
    """Ready when most workers have had an answer, so that a kill meets work in flight."""
    deadline = time.monotonic() + 60
    while sum(worker.answers > 0 for worker in workers) < WORKERS * 3 // 4:
        assert time.monotonic() < deadline, "the workers get no answers"
        workers[0].join(timeout=0.02)
