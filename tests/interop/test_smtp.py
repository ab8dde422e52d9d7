"""SMTP reception and LMTP at their edges, over raw sockets: line ends, commands, paths, chunks,
replies; and that what was answered with 250 is in the mailbox at once."""

import contextlib
import re
import threading

import pytest
from imap_wire import letter
from smtp_wire import Smtp, stuffed

SENDER = "carla@example.org"
END = b"\r\n.\r\n"
# What other servers took for the end of DATA (SMTP smuggling, 2023).
FALSE_ENDS = [
    b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\n", b"\r\n.\r", b"\r.\r\n", b"\r.\n", b"\n.\r",
    b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\r\n.\r\r\n",
]


@pytest.fixture
def smtp(palomar):
    """Makes connections that are greeted and closed with the test."""
    with contextlib.ExitStack() as open_connections:

        def connect(protocol="smtp", greet=True):
            client = Smtp(open_connections.enter_context(palomar.connect(protocol)))
            if greet:
                client.greeting("LHLO" if protocol == "lmtp" else "EHLO")
            return client

        yield connect


@pytest.fixture
def inbox(imap):
    """Reads all of the test account's INBOX, oldest first."""
    client = imap()

    def read():
        client.ok("NOOP")
        fetches = client.ok("UID FETCH 1:* BODY.PEEK[]").fetches
        found = []
        for _, line in fetches:
            octets, _, rest = line.split(b"BODY[] ", 1)[1].partition(b"}\r\n")
            found.append(rest[:int(octets.lstrip(b"~{"))])
        return found

    return read


def content(stored):
    """A stored message without the fields that its reception put on top."""
    match = re.match(rb"Return-Path: [^\r]*\r\nReceived: (?:[^\r]|\r\n\t)*\r\n", stored)
    assert match, stored[:500]
    return stored[match.end():]


def test_250_means_that_the_message_is_there(smtp, inbox, account):
    client = smtp()
    for number in range(3):
        client.envelope(SENDER, account.address)
        assert client.data(stuffed(letter(number))).startswith("250 2.0.0")
        assert content(inbox()[-1]) == letter(number)
        assert len(inbox()) == number + 1


def test_trace_fields(palomar, smtp, inbox, account):
    client = smtp()
    client.starttls(palomar.tls)
    client.wants(250, "EHLO [192.0.2.1]")
    client.envelope(SENDER, account.address)
    assert client.data(stuffed(letter())).startswith("250")
    client.wants(250, "HELO my_host")
    client.wants(250, "MAIL FROM:<>")
    client.wants(250, f"RCPT TO:<{account.address}>")
    client.wants(250, f"RCPT TO:<{palomar.accounts[0].address}>")
    assert client.data(stuffed(letter())).startswith("250")
    first, second = (message.split(letter())[0].decode() for message in inbox())
    date = r"\w{3}, \d{1,2} \w{3} \d{4} \d\d:\d\d:\d\d \+0000"
    for_whom = re.escape(account.address)
    assert re.fullmatch(
        rf"Return-Path: <{SENDER}>\r\nReceived: from \[192\.0\.2\.1\] \(\[127\.0\.0\.1\]\)\r\n"
        rf"\tby \S+ \(Palomar\) with ESMTPS id \S+\r\n\t\(TLS[^)]*\)\r\n"
        rf"\tfor <{for_whom}>; {date}\r\n", first,
    ), first
    # More than one recipient: none is told (RFC 5321 §7.2).
    assert re.fullmatch(
        rf"Return-Path: <>\r\nReceived: from my_host \(\[127\.0\.0\.1\]\)\r\n"
        rf"\tby \S+ \(Palomar\) with SMTP id \S+\r\n\t\(TLS[^)]*\); {date}\r\n", second,
    ), second


@pytest.mark.parametrize("end", FALSE_ENDS)
def test_only_crlf_dot_crlf_ends_data(smtp, inbox, account, end):
    smuggled = f"MAIL FROM:<evil@example.org>\r\nRCPT TO:<{account.address}>\r\nDATA\r\n".encode()
    client = smtp()
    client.envelope(SENDER, account.address)
    reply = client.data(b"Subject: outer\r\n\r\nouter" + end + smuggled + b"Subject: inner" + END)
    assert reply.startswith("250" if b"\0" in end else "554 5.6.11"), reply
    # One reply, and the connection is where it was.
    client.wants(250, "NOOP")
    stored = inbox()
    assert len(stored) == (b"\0" in end)
    assert all(message.startswith(b"Return-Path: <carla@") for message in stored)


@pytest.mark.parametrize("text", [b"a\nb", b"a\rb", b"\ra", b"\na", b"a\r\r\nb", b"a\n\r\nb"])
def test_bare_line_ends_are_refused(smtp, inbox, account, text):
    client = smtp()
    client.envelope(SENDER, account.address)
    assert client.data(b"Subject: x\r\n\r\n" + text + END).startswith("554 5.6.11")
    client.envelope(SENDER, account.address)
    client.raw.send(b"BDAT %d LAST\r\n%s" % (len(text), text))
    assert client.reply().startswith("554 5.6.11")
    assert inbox() == []


def test_nul_octets_stay(smtp, inbox, account):
    client = smtp()
    client.envelope(SENDER, account.address)
    assert client.data(stuffed(b"Subject: x\r\n\r\na\0b\r\n")).startswith("250")
    # As it came: IMAP gives it as literal8.
    assert content(inbox()[0]) == b"Subject: x\r\n\r\na\0b\r\n"


@pytest.mark.parametrize("body", [b".\r\n", b"..\r\n", b".a\r\n..b\r\n...\r\n", b"a\r\n.\r\n\r\n"])
def test_dots(smtp, inbox, account, body):
    message = b"Subject: dots\r\n\r\n" + body
    client = smtp()
    client.envelope(SENDER, account.address)
    assert client.data(stuffed(message)).startswith("250")
    client.envelope(SENDER, account.address)
    assert client.data(b".Subject: needless\r\n" + stuffed(message)).startswith("250")
    assert [content(one) for one in inbox()] == [message, b"Subject: needless\r\n" + message]


def test_empty_message(smtp, inbox, account):
    client = smtp()
    client.envelope(SENDER, account.address)
    assert client.data(b".\r\n").startswith("250")
    assert [content(one) for one in inbox()] == [b""]


def test_long_lines(smtp, inbox, account):
    message = b"Subject: long\r\n\r\n" + b"x" * 998 + b"\r\n" + b"y" * 100_000 + b"\r\n"
    client = smtp()
    client.envelope(SENDER, account.address)
    assert client.data(stuffed(message)).startswith("250")
    assert content(inbox()[0]) == message
    for octets, code in ((1 << 20, "250"), ((1 << 20) + 1, "554 5.6.0")):
        client.envelope(SENDER, account.address)
        assert client.data(b"Subject: x\r\n\r\n" + b"z" * octets + END).startswith(code)


def test_command_lines(smtp):
    client = smtp()
    client.wants(250, "NOOP " + "x" * (4_096 - 7))
    client.wants("500 5.5.6", "NOOP " + "x" * (4_096 - 6))
    assert client.is_closed()
    client = smtp()
    client.raw.send("x" * 5_000)
    assert client.reply().startswith("500 5.5.6")
    for line in (b"NOOP\n", b"NOOP\rNOOP\r\n", b"NOOP\0\r\n", b"\n"):
        client = smtp()
        client.raw.send(line)
        assert client.reply().startswith("500 5.5.2"), line
        client.wants(250, "NOOP")


def test_plain_commands(smtp, account):
    client = smtp()
    client.wants(250, "rSeT")
    client.wants(501, "RSET x")
    client.wants(250, "NOOP any thing")
    client.wants(252, f"VRFY {account.address}")
    client.wants(252, "VRFY nobody")
    client.wants(501, "VRFY")
    client.wants(502, "EXPN staff")
    client.wants(214, "HELP")
    client.wants(500, "XYZZY")
    client.wants(500, "")
    client.wants(500, "LHLO x")
    client.wants(500, "AUTH PLAIN")
    client.wants(221, "QUIT")
    assert client.is_closed()


@pytest.mark.parametrize("verb", ["GET / HTTP/1.1", "POST /x HTTP/1.1", "CONNECT a:25 HTTP/1.0"])
@pytest.mark.parametrize("protocol", ["smtp", "submission", "lmtp"])
def test_http_is_cut_off(palomar, smtp, account, verb, protocol):
    client = smtp(protocol, greet=False)
    client.reply()
    client.raw.send(f"{verb}\r\nHost: x\r\n\r\nMAIL FROM:<{SENDER}>\r\n")
    assert client.reply().startswith("554 ")
    assert client.raw.rest() == b""


def test_too_many_errors(smtp):
    client = smtp()
    for _ in range(25):
        client.wants(500, "XYZZY")
    client.wants(500, "XYZZY")
    assert client.reply().startswith("421 4.7.0")
    assert client.is_closed()


def test_hello(smtp):
    client = smtp(greet=False)
    assert re.match(r"220 \S+ ESMTP", client.reply())
    client.wants("503 5.5.1", f"MAIL FROM:<{SENDER}>")
    client.wants(501, "EHLO")
    client.wants(501, "HELO ")
    client.wants(501, "EHLO " + "x" * 513)
    for name in ("[127.0.0.1]", "[IPv6:::1]", "DESKTOP3507CDS", "my_pc", "localhost", "x" * 512):
        words = client.wants(250, f"EHLO {name}").split("\n")
        keywords = {line[4:].split()[0] for line in words[1:]}
        assert keywords >= {
            "PIPELINING", "SIZE", "8BITMIME", "SMTPUTF8", "CHUNKING", "BINARYMIME", "DSN",
            "ENHANCEDSTATUSCODES", "STARTTLS",
        }
        assert "AUTH" not in keywords
        assert client.wants(250, f"HELO {name}").count("\n") == 0


def test_hello_ends_the_transaction(smtp, account):
    client = smtp()
    for line in ("EHLO again", "HELO again", "RSET"):
        client.envelope(SENDER, account.address)
        client.wants(250, line)
        client.wants(503, f"RCPT TO:<{account.address}>")
        client.wants(503, "DATA")
