"""A full disk answers a temporary error and loses nothing; when there is room again, mail flows again.

The data folder is a small file system of its own (tmpfs), which needs root; in CI that is a must.
"""

import os
import subprocess

import pytest

from test_kill import Server, found, message
import socket

MEGABYTES = 48


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "palomar-test", str(disk)],
        capture_output=True,
    )
    if mounted.returncode:
        if os.environ.get("CI"):
            pytest.fail(f"no small file system: {mounted.stderr}")
        pytest.skip("mounting needs root")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


class Lmtp:
    """One LMTP connection that tells each final reply."""

    def __init__(self, server):
        self.socket = socket.create_connection(("127.0.0.1", server.ports["lmtp"]), timeout=60)
        self.replies = self.socket.makefile("rb")
        self.reply()
        self.say(b"LHLO full.test\r\n")

    def reply(self):
        while True:
            line = self.replies.readline()
            if line[3:4] != b"-":
                return line

    def say(self, words):
        self.socket.sendall(words)
        return self.reply()

    def deliver(self, to, text):
        assert self.say(b"MAIL FROM:<a@example.org>\r\n").startswith(b"250")
        answer = self.say(f"RCPT TO:<{to}>\r\n".encode())
        if not answer.startswith(b"250"):
            assert self.say(b"RSET\r\n").startswith(b"250")
            return answer
        assert self.say(b"DATA\r\n").startswith(b"354")
        return self.say(text + b".\r\n")


def big(token):
    # Random octets in hexadecimal: compression makes little of it.
    noise = os.urandom(120_000).hex()
    lines = "\r\n".join(noise[at : at + 76] for at in range(0, len(noise), 76))
    return f"Subject: {token}\r\n\r\n{lines}\r\n".encode()


def test_full_disk_defers_and_loses_nothing(small_disk):
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"\1" * (4 << 20))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        offset = 20_000 + probe.getsockname()[1] % 20_000
    data = small_disk / "data"
    data.mkdir()
    server = Server(data, offset)
    try:
        to = server.accounts[0][0]
        lmtp, accepted, refused = Lmtp(server), [], 0
        for number in range(600):
            reply = lmtp.deliver(to, big(f"full{number}x"))
            if reply.startswith(b"250"):
                accepted.append(f"full{number}x")
            else:
                assert reply[:1] == b"4", reply
                refused += 1
                if refused >= 3:
                    break
        assert refused >= 3, "the disk never filled"
        assert accepted
        assert subjects(server) == accepted  # still readable while full
        ballast.unlink()
        token = b"later"
        for _ in range(3):
            reply = Lmtp(server).deliver(to, message("later1x"))
            if reply.startswith(b"250"):
                break
            # A store that met the error in the middle of a write accepts nothing until restart.
            assert reply[:1] == b"4", reply
            server.kill()
            server.start()
        assert reply.startswith(b"250"), (token, reply)
        server.kill()
        server.start()
        assert subjects(server) == [*accepted, "later1x"]
        assert "later1x" in found(server, 0)
    finally:
        server.kill()


def subjects(server):
    client = server.imap(0)
    client.select("INBOX", readonly=True)
    kind, data = client.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    texts = [item[1].decode().strip() for item in data if isinstance(item, tuple)]
    return [t.removeprefix("Subject: ") for t in texts if t.endswith("x") and " " not in t[9:]]
