"""FETCH: sections against Python's own MIME parser, flags, partials, what streams."""

import email
import email.policy
import re

from imap_wire import Literal, letter

NESTED = b"""\
From: a@example.org\r
Subject: nested\r
MIME-Version: 1.0\r
Content-Type: multipart/mixed; boundary="outer"\r
\r
preamble\r
--outer\r
Content-Type: text/plain\r
\r
first\r
--outer\r
Content-Type: message/rfc822\r
Content-Description: inner\r
\r
From: b@example.org\r
Subject: inside\r
Content-Type: multipart/alternative; boundary=inner\r
\r
--inner\r
Content-Type: text/plain\r
X-Mark: yes\r
\r
deep plain\r
--inner\r
Content-Type: text/html\r
\r
<p>deep\r
--inner--\r
\r
--outer--\r
epilogue\r
"""


def section(client, what, number=1):
    """Octets of BODY.PEEK[what], or None for NIL."""
    (_, line), = client.ok(f"FETCH {number} (BODY.PEEK[{what}])").fetches
    head, _, data = line.partition(b"\r\n")
    if b"{" not in head:
        assert head.endswith(b" NIL)"), line
        return None
    octets = int(re.search(rb"\{(\d+)\}$", head).group(1))
    assert data[octets:] == b")"
    return data[:octets]


def test_sections(imap):
    client = imap()
    client.append(NESTED)
    header, body = NESTED.split(b"\r\n\r\n", 1)
    assert section(client, "") == NESTED
    assert section(client, "HEADER") == header + b"\r\n\r\n"
    assert section(client, "TEXT") == body
    assert section(client, "1") == b"first"
    assert section(client, "1.MIME") == b"Content-Type: text/plain\r\n\r\n"
    assert section(client, "2.MIME").startswith(b"Content-Type: message/rfc822\r\n")
    inner = email.message_from_bytes(NESTED).get_payload(1).get_payload(0)
    assert section(client, "2.HEADER").startswith(b"From: b@example.org\r\nSubject: inside\r\n")
    assert section(client, "2.HEADER.FIELDS (subject)") == b"Subject: inside\r\n\r\n"
    assert section(client, "2.1") == b"deep plain"
    assert section(client, "2.1.MIME") == b"Content-Type: text/plain\r\nX-Mark: yes\r\n\r\n"
    assert section(client, "2.2") == b"<p>deep"
    assert inner.get_payload(1).get_payload().strip() == "<p>deep"
    assert section(client, "2.TEXT").startswith(b"--inner\r\n")
    for missing in ("3", "1.1", "2.3", "1.HEADER", "2.1.TEXT", "1.2.3.4"):
        assert section(client, missing) is None, missing


def test_header_fields(imap):
    client = imap()
    client.append(letter(1, extra="X-Long: one\r\n two\r\nReceived: a\r\nReceived: b\r\n"))
    assert section(client, "HEADER.FIELDS (X-Long RECEIVED)") == (
        b"X-Long: one\r\n two\r\nReceived: a\r\nReceived: b\r\n\r\n"
    )
    rest = section(client, "HEADER.FIELDS.NOT (received x-long from)")
    assert b"Received" not in rest and b"From" not in rest and rest.endswith(b"example.org>\r\n\r\n")
    assert section(client, "HEADER.FIELDS (X-None)") == b"\r\n"


def test_partials(imap):
    client = imap()
    message = letter(1, body="0123456789" * 10)
    client.append(message)
    for offset, count in ((0, 5), (3, 7), (len(message) - 2, 100), (len(message), 5), (1 << 31, 1)):
        (_, line), = client.ok(f"FETCH 1 (BODY.PEEK[]<{offset}.{count}>)").fetches
        data = message[offset:offset + count]
        assert line == b"(BODY[]<%d> {%d}\r\n%s)" % (offset, len(data), data)


def test_rfc822_items(imap):
    client = imap()
    client.append(letter(1))
    header, body = letter(1).split(b"\r\n\r\n", 1)
    header += b"\r\n\r\n"
    (_, line), = client.ok("FETCH 1 (RFC822.HEADER RFC822.SIZE)").fetches
    assert line == b"(RFC822.HEADER {%d}\r\n%s RFC822.SIZE %d)" % (len(header), header, len(letter(1)))
    assert rb"\Seen" not in client.ok("FETCH 1 FLAGS").fetches[0][1]
    (_, line), = client.ok("FETCH 1 (RFC822.TEXT)").fetches
    assert line.startswith(b"(RFC822.TEXT {%d}\r\n%s" % (len(body), body)) and rb"\Seen" in line


def test_seen_is_told_in_the_same_line(imap):
    client = imap()
    client.append(letter(1))
    (_, line), = client.ok("FETCH 1 (BODY[TEXT])").fetches
    assert rb"FLAGS (\Seen" in line
    (_, line), = client.ok("FETCH 1 (BODY[TEXT])").fetches
    assert b"FLAGS" not in line
    client.append(letter(2))
    (_, line), = client.ok("UID FETCH 2 (FLAGS BODY[])").fetches
    assert line.startswith(rb"(UID 2 FLAGS (\Seen") and line.count(b"FLAGS") == 1


def test_macros(imap):
    client = imap()
    client.append(letter(1))
    for macro, wanted in (
        ("FAST", (b"FLAGS", b"INTERNALDATE", b"RFC822.SIZE")),
        ("ALL", (b"FLAGS", b"INTERNALDATE", b"RFC822.SIZE", b"ENVELOPE")),
        ("FULL", (b"FLAGS", b"INTERNALDATE", b"RFC822.SIZE", b"ENVELOPE", b"BODY (")),
    ):
        (_, line), = client.ok(f"FETCH 1 {macro}").fetches
        assert all(item in line for item in wanted), line


def test_envelope_and_structure(imap):
    client = imap()
    client.append(NESTED)
    (_, line), = client.ok("FETCH 1 (ENVELOPE BODYSTRUCTURE)").fetches
    assert b'ENVELOPE (NIL "nested" ((NIL NIL "a" "example.org"))' in line
    assert b'"message" "rfc822"' in line.lower() and b'"inside"' in line


def test_a_large_message_streams(imap):
    """Several chunks of the store, several pieces of output."""
    client = imap()
    message = letter(1, body="".join(f"{n:078}\r\n" for n in range(40_000)))
    assert len(message) > 3_000_000
    client.append(message)
    assert section(client, "") == message
    assert section(client, "TEXT") == message.split(b"\r\n\r\n", 1)[1]
    (_, line), = client.ok("FETCH 1 (BODY.PEEK[]<262100.1000000>)").fetches
    assert line.split(b"\r\n", 1)[1][:-1] == message[262_100:1_262_100]


def test_fetch_of_many_messages(imap):
    client = imap()
    client.ok("APPEND INBOX", *(Literal(letter(number)) for number in range(1, 901)))
    client.ok("NOOP")
    found = client.ok("FETCH 1:* (UID FLAGS RFC822.SIZE ENVELOPE)").fetches
    assert [n for n, _ in found] == list(range(1, 901))
    found = client.ok("UID FETCH 100:200,890:* (BODY.PEEK[])").fetches
    assert [n for n, _ in found] == [*range(100, 201), *range(890, 901)]
    assert all(letter(n) in line for n, line in found)
    # Each page of rows is one commit.
    found = client.ok("FETCH 1:300 (BODY[TEXT])").fetches
    assert len(found) == 300 and all(rb"\Seen" in line for _, line in found)
    assert client.ok("STATUS INBOX (UNSEEN)").of(b"STATUS") == [b"INBOX (UNSEEN 600)"]
    client.ok(r"STORE 1:* FLAGS (\Answered $Done)")
    assert client.ok("SEARCH RETURN (COUNT) KEYWORD $Done ANSWERED UNSEEN").of(b"ESEARCH")[0].endswith(
        b"COUNT 900"
    )


def test_store(imap):
    client = imap()
    for number in (1, 2):
        client.append(letter(number))
    client.ok("NOOP")
    flags = lambda answer: {n: set(re.search(rb"FLAGS \((.*?)\)", line).group(1).split()) - {rb"\Recent"}
                            for n, line in answer.fetches}
    assert flags(client.ok(r"STORE 1:2 FLAGS (\Seen $A)")) == {n: {rb"\Seen", b"$A"} for n in (1, 2)}
    assert flags(client.ok(r"STORE 1 +FLAGS \Flagged")) == {1: {rb"\Seen", b"$A", rb"\Flagged"}}
    assert flags(client.ok(r"STORE 1 -FLAGS ($A \Seen)")) == {1: {rb"\Flagged"}}
    assert client.ok(r"STORE 1:2 FLAGS.SILENT ()").fetches == []
    assert flags(client.ok("FETCH 1:2 FLAGS")) == {1: set(), 2: set()}
    (_, line), = client.ok(r"UID STORE 2 +FLAGS (\Draft)").fetches
    assert b"UID 2" in line
