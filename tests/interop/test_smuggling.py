"""What must not pass as something else: ends of messages that are none, in and out, and octets that
come in clear beside STARTTLS, from clients and from servers. The plain cases of reception are in
test_smtp.py and test_submission.py."""

import contextlib
import json
import smtplib
import socket
import threading

import pytest
from conftest import Raw, served
from imap_wire import letter
from postfix_peer import DOMAIN, PLAIN
from smtp_wire import Smtp, stuffed
from test_peers import peers, report, until  # noqa: F401 (fixtures)
from test_smtp import END, FALSE_ENDS, SENDER, content, inbox, smtp  # noqa: F401 (fixtures)

INNER = "MAIL FROM:<evil@example.org>\r\nRCPT TO:<{}>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n"


@pytest.mark.parametrize("end", FALSE_ENDS)
@pytest.mark.parametrize("protocol", ["submission", "lmtp"])
def test_only_crlf_dot_crlf_ends_data_on_other_ports(palomar, smtp, inbox, account, protocol, end):
    client = smtp(protocol)
    sender = SENDER
    if protocol == "submission":
        client.starttls(palomar.tls)
        client.wants(250, "EHLO client.example")
        client.login(account)
        sender = account.address
    client.envelope(sender, account.address)
    client.wants(354, "DATA")
    outer = f"From: {sender}\r\nSubject: outer\r\n\r\nouter".encode()
    # Cut where it hurts: each octet of the false end is a packet of its own.
    for piece in (outer, *(end[at:at + 1] for at in range(len(end))), INNER.format(account.address).encode()):
        client.raw.send(piece)
    # INNER ends the outer message and is part of it.
    assert client.reply().startswith("250" if b"\0" in end else "554 5.6.11")
    client.wants(250, "NOOP")
    stored = inbox()
    assert len(stored) == (b"\0" in end)
    assert all(b"\r\n\r\nouter" in one and one.startswith(f"Return-Path: <{sender}>".encode()) for one in stored)


@pytest.mark.parametrize("end", FALSE_ENDS)
def test_chunks_have_no_other_end_than_their_size(smtp, inbox, account, end):
    client = smtp()
    client.envelope(SENDER, account.address)
    message = b"Subject: outer\r\n\r\nouter" + end + INNER.format(account.address).encode()
    client.raw.send(b"BDAT %d\r\n%sBDAT 0 LAST\r\nNOOP\r\n" % (len(message), message))
    replies = [client.reply()[:3] for _ in range(3)]
    assert replies == (["250"] * 3 if b"\0" in end else ["554", "503", "250"]), replies
    assert len(inbox()) == (b"\0" in end)


def test_who_speaks_before_the_greeting_is_answered_in_order(smtp, inbox, account):
    client = smtp(greet=False)
    said = f"EHLO client.example\r\nMAIL FROM:<{SENDER}>\r\nRCPT TO:<{account.address}>\r\nDATA\r\n"
    client.raw.send(said.encode() + stuffed(letter()) + b"QUIT\r\n")
    assert [client.reply()[:3] for _ in range(7)] == ["220", "250", "250", "250", "354", "250", "221"]
    assert [content(one) for one in inbox()] == [letter()]


def test_what_comes_with_stls_is_dropped(palomar, account):
    with palomar.connect("pop3") as raw:
        raw.line()
        raw.send(f"STLS\r\nUSER {account.address}\r\nPASS {account.password}\r\n")
        assert raw.line().startswith(b"+OK") and raw.is_silent()
        raw.starttls(palomar.tls)
        raw.send("STAT\r\n")
        # The injected login did not happen.
        assert raw.line().startswith(b"-ERR")
        raw.send(f"USER {account.address}\r\nPASS {account.password}\r\nSTAT\r\n")
        assert [raw.line()[:3] for _ in range(3)] == [b"+OK"] * 3


def test_what_comes_with_imap_starttls_is_dropped(palomar, account):
    with palomar.connect("imap") as raw:
        raw.line()
        raw.send(f'a STARTTLS\r\nb LOGIN {account.address} "{account.password}"\r\nc NOOP\r\n')
        assert raw.line().startswith(b"a OK") and raw.is_silent()
        raw.starttls(palomar.tls)
        raw.send("d SELECT INBOX\r\n")
        assert raw.line().startswith((b"d BAD", b"d NO"))


DOTS = [
    ".\r\n", "..\r\n", ".a\r\n..b\r\n...\r\n", "a\r\n.\r\n.\r\n", "x" * 8_191 + "\r\n.\r\n" + "y" * 8_190 + "\r\n..\r\n",
]


@pytest.mark.parametrize("number", range(len(DOTS)))
@pytest.mark.parametrize("domain", [DOMAIN, PLAIN])
def test_lines_of_dots_leave_as_they_are(peers, number, domain):
    """To a Postfix that takes LF.LF for an end, in chunks and in lines."""
    token = f"dots-{domain}-"
    body = DOTS[number] + INNER.format(f"box@{domain}")
    peers.send(f"box@{domain}", peers.letter(number, token, body=body))
    until(lambda: peers.there(f"<{token}{number}@"), peers.postfix)
    (stored,) = peers.there(f"<{token}{number}@")
    assert stored.endswith(b"\r\n\r\n" + body.encode())
    assert not peers.there("Subject: smuggled") and "evil@" not in peers.postfix.log()


@pytest.mark.parametrize("end", FALSE_ENDS)
@pytest.mark.parametrize("domain", [DOMAIN, PLAIN])
def test_binary_content_never_leaves_as_lines(peers, domain, end):
    before = peers.count()
    message = peers.letter(1, "binary") + b"outer" + end + INNER.format(f"box@{domain}").encode()
    with contextlib.closing(peers.palomar.connect("submissions")) as raw:
        client = Smtp(raw)
        client.greeting()
        client.login(peers.ana)
        client.wants(250, f"MAIL FROM:<{peers.ana.address}> BODY=BINARYMIME")
        client.wants(250, f"RCPT TO:<box@{domain}>")
        raw.send(b"BDAT %d LAST\r\n%s" % (len(message), message))
        assert client.reply().startswith("250")
    # Neither port offers BINARYMIME: it comes back, and the way back breaks no line either.
    stored = peers.arrived(before)
    assert len(stored) == 1
    _, (_, recipient), _ = report(stored[0])
    assert recipient["action"] == "failed" and recipient["status"] == "5.6.3"
    assert not peers.there("binary1@") and "evil@" not in peers.postfix.log()


@pytest.mark.parametrize("end", FALSE_ENDS)
def test_a_lenient_host_before_us_lets_nothing_through_twice(peers, end):
    """What Postfix takes for one message is one here, whatever stands in it."""
    before = peers.count()
    message = letter(1, "chunk") + b"outer" + end + INNER.format(peers.ana.address).encode() + b"tail\r\n"
    with contextlib.closing(Raw(socket.create_connection(("127.0.0.1", peers.postfix.port)))) as raw:
        client = Smtp(raw)
        client.greeting()
        client.envelope(f"carla@{DOMAIN}", peers.ana.address)
        raw.send(b"BDAT %d LAST\r\n%s" % (len(message), message))
        assert client.reply().startswith("250")
    until(peers.postfix.is_empty, peers.postfix)
    stored = peers.here(before)
    assert len(stored) == 1 and stored[0].startswith(b"Return-Path: <carla@")


class Hostile(threading.Thread):
    """A listener that says its lines, one for each line it hears, and keeps what it heard."""

    def __init__(self, *answers):
        super().__init__(daemon=True)
        self.answers, self.heard, self.calls = answers, [], 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self.listener.accept()
                self.calls += 1
                with contextlib.suppress(OSError, EOFError), contextlib.closing(Raw(sock)) as raw:
                    raw.send(b"220 hostile.test\r\n")
                    for answer in self.answers:
                        self.heard.append(raw.line())
                        raw.send(answer)
                    self.heard.append(raw.rest())

    def close(self):
        self.listener.close()


@pytest.fixture
def hostile():
    with contextlib.ExitStack() as ends:

        def against(*answers):
            server = Hostile(*answers)
            ends.callback(server.close)
            running = served(f'[outbound]\nroutes = ["{DOMAIN}=127.0.0.1:{server.port}"]\nretry_seconds_min = 1\nretry_seconds_max = 1\n')
            palomar = next(running)
            ends.callback(lambda: [None for _ in running])
            account = palomar.new_account()
            with smtplib.SMTP_SSL("localhost", palomar.ports["submissions"], context=palomar.tls) as client:
                client.login(account.address, account.password)
                message = letter().replace(b"Carla <carla@example.org>", account.address.encode())
                client.sendmail(account.address, [f"box@{DOMAIN}"], message)
            return server, palomar

        yield against


def queue(palomar):
    return json.loads(palomar.cli("queue", "list", "--json"))["queue"]


def wait_for(done):
    waiting = threading.Event()
    for _ in range(3_000):
        if done():
            return
        waiting.wait(0.01)
    raise AssertionError("did not happen")


HELLO = b"250-hostile.test\r\n250-STARTTLS\r\n250 SIZE 1000000\r\n"


def test_replies_in_clear_behind_starttls_are_not_believed(hostile):
    server, palomar = hostile(HELLO, b"220 go\r\n250-hostile.test\r\n250 AUTH PLAIN\r\n250 ok\r\n250 ok\r\n354 go\r\n250 taken\r\n")
    wait_for(lambda: server.calls > 2)
    assert not any(line.startswith((b"MAIL", b"RCPT", b"Subject")) for line in server.heard)
    (waiting,) = queue(palomar)["messages"]
    assert waiting["recipients"][0]["address"] == f"box@{DOMAIN}"


def test_replies_before_their_commands_deliver_nothing(hostile):
    """A server that says all of it at once: the message did not arrive just because of a 250."""
    said = b"250 hostile.test\r\n250 ok\r\n250 ok\r\n354 go\r\n250 taken\r\n"
    server, palomar = hostile(said)
    wait_for(lambda: server.calls > 2)
    assert [one["recipients"][0]["address"] for one in queue(palomar)["messages"]] == [f"box@{DOMAIN}"]
