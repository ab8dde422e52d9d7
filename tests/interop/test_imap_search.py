"""SEARCH: every key, on messages that tell the keys apart."""

import pytest
from imap_wire import Literal

MESSAGES = [
    # (flags, INTERNALDATE, message)
    (r"(\Seen)", "10-Jan-2020 23:30:00 -0200", (
        "From: Ana Núñez <ana@example.org>\r\nTo: Bruno <bruno@example.net>\r\nSubject: plain hello\r\n"
        "Date: Fri, 10 Jan 2020 23:30:00 -0200\r\nX-Mark: one two\r\nMessage-ID: <1@x>\r\n\r\nShort text.\r\n"
    )),
    (r"(\Flagged $Work)", "11-Jan-2020 00:30:00 +0000", (
        "From: =?utf-8?q?Jos=C3=A9?= <jose@example.org>\r\nTo: ana@example.org\r\nCc: Carla <carla@example.net>\r\n"
        "Subject: =?iso-8859-1?Q?Gr=FC=DFe_aus?=\r\n =?iso-8859-1?Q?_K=F6ln?=\r\n"
        "Date: Sat, 11 Jan 2020 00:30:00 +0000\r\nMessage-ID: <2@x>\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        "RWwgw7FhbmTDuiBjb3JyZSBsZWpvcw==\r\n"
    )),
    (r"(\Answered \Deleted \Draft)", "12-Jan-2020 12:00:00 +0000", (
        "From: shop@example.com\r\nTo: ana@example.org\r\nBcc: hidden@example.net\r\nSubject: offer\r\n"
        "Date: Sun, 12 Jan 2020 12:00:00 +0000\r\nMessage-ID: <3@x>\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n\r\nPrice: 100=E2=82=AC for a long=\r\nword\r\n--b\r\n"
        "Content-Type: text/html; charset=utf-8\r\n\r\n<p>Special&nbsp;<b>off</b>er &amp; more</p>\r\n--b--\r\n"
        + "x" * 2000 + "\r\n"
    )),
    ("()", "01-Mar-2021 08:00:00 +0100", (
        "From: 山田 <yamada@example.jp>\r\nTo: list@example.org\r\nSubject: \r\nMessage-ID: <4@x>\r\n\r\n\r\n"
    )),
]

CASES = [
    ("ALL", "1 2 3 4"),
    ("1,3", "1 3"),
    ("2:*", "2 3 4"),
    ("UID 4,1", "1 4"),
    ("NOT 2:3", "1 4"),
    ("ANSWERED", "3"), ("UNANSWERED", "1 2 4"),
    ("DELETED", "3"), ("UNDELETED", "1 2 4"),
    ("DRAFT", "3"), ("UNDRAFT", "1 2 4"),
    ("FLAGGED", "2"), ("UNFLAGGED", "1 3 4"),
    ("SEEN", "1"), ("UNSEEN", "2 3 4"),
    ("KEYWORD $work", "2"), ("UNKEYWORD $Work", "1 3 4"), ("KEYWORD $None", ""),
    ("FROM ana", "1"), ("FROM EXAMPLE.ORG", "1 2"), ("FROM {josé}", "2"), ("FROM {NÚÑEZ}", "1"),
    ("FROM {山田}", "4"),
    ("TO ana@", "2 3"), ("CC carla", "2"), ("BCC hidden", "3"), ("TO hidden", ""),
    ("SUBJECT hello", "1"), ("SUBJECT {grüße aus köln}", "2"), ("SUBJECT {GRÜSSE}", ""),
    ('SUBJECT ""', "1 2 3 4"),
    ("HEADER X-Mark two", "1"), ('HEADER X-Mark ""', "1"), ("HEADER X-None x", ""),
    ("HEADER Message-ID 3@", "3"), ('HEADER Cc ""', "2"),
    ("BODY short", "1"), ("BODY {ÑANDÚ}", "2"), ("BODY corre", "2"), ("BODY hort", "1"), ("BODY hello", ""),
    ("BODY {100€}", "3"), ("BODY longword", "3"), ("BODY {special}", "3"), ("BODY {& more}", "3"),
    ("TEXT hello", "1"), ("TEXT {köln}", "2"), ("TEXT {ñandú}", "2"), ("TEXT x-mark", "1"),
    ("LARGER 2000", "3"), ("SMALLER 2000", "1 2 4"),
    # INTERNALDATE's day is that of UTC: 1 is of 11 January there.
    ("BEFORE 11-Jan-2020", ""), ("ON 11-Jan-2020", "1 2"), ("SINCE 12-Jan-2020", "3 4"),
    ("BEFORE 12-Jan-2020", "1 2"), ("ON 1-Mar-2021", "4"),
    # SENT… looks at the Date field's own day, whatever its zone.
    ("SENTON 10-Jan-2020", "1"), ("SENTON 11-Jan-2020", "2"), ("SENTBEFORE 12-Jan-2020", "1 2"),
    ("SENTSINCE 11-Jan-2020 SENTBEFORE 1-Jan-2021", "2 3"),
    ("OR SEEN FLAGGED", "1 2"), ("OR (SEEN 1) (OR 4 DELETED)", "1 3 4"),
    ("NOT (OR SEEN FLAGGED)", "3 4"), ("UNSEEN NOT DELETED 2:4", "2 4"),
    ("(UNSEEN (NOT DELETED))", "2 4"), ("NOT NOT SEEN", "1"),
    ("OLDER 1000", "1 2 3 4"), ("YOUNGER 1000", ""),
]


@pytest.fixture(scope="module")
def client(palomar):
    from imap_wire import Imap

    account = palomar.new_account()
    with Imap(palomar.connect("imaps")) as one:
        one.login(account)
        for flags, date, message in MESSAGES:
            one.ok("APPEND INBOX", flags, f'"{date}"', Literal(message.encode()))
        one.ok("SELECT INBOX")
        yield one


def parts(key):
    """`{text}` as a literal, the rest as it stands."""
    before, brace, after = key.partition("{")
    if not brace:
        return [key]
    text, _, rest = after.partition("}")
    return [before.strip(), Literal(text.encode()), *([rest.strip()] if rest.strip() else [])]


@pytest.mark.parametrize(("key", "expected"), CASES, ids=[key for key, _ in CASES])
def test_key(client, key, expected):
    charset = ["CHARSET UTF-8"] if not key.isascii() else []
    (line,) = client.ok("SEARCH", *charset, *parts(key)).untagged
    assert line.split()[2:] == expected.encode().split()
    (line,) = client.ok("UID SEARCH RETURN (COUNT ALL)", *charset, *parts(key)).of(b"ESEARCH")
    assert line.split(b"COUNT ")[1].split()[0] == b"%d" % len(expected.split())


@pytest.mark.parametrize("key", [
    "", "BOGUS", "NOT", "OR SEEN", "SUBJECT", "BEFORE yesterday", "ON 31-Feb-2020", "LARGER x", "(SEEN",
    "SEEN)", "UID x", "0", "KEYWORD", "HEADER x", "CHARSET", "RETURN (BOGUS) ALL",
])
def test_what_is_no_search_is_bad(client, key):
    client.bad(f"SEARCH {key}")


def test_unknown_charsets_are_told(client):
    assert client.no("SEARCH CHARSET KLINGON ALL").code.startswith(b"BADCHARSET")


def test_new_old_and_recent(palomar):
    from imap_wire import Imap, letter

    account = palomar.new_account()
    with Imap(palomar.connect("imaps")) as one:
        one.login(account)
        one.append(letter(1))
        one.ok("SELECT INBOX")
        one.append(letter(2))
        one.ok("NOOP")
        assert one.ok("SEARCH RECENT").of(b"SEARCH") == [b"1 2"]
        assert one.ok("SEARCH NEW").of(b"SEARCH") == [b"1 2"]
        one.ok(r"STORE 1 +FLAGS.SILENT (\Seen)")
        assert one.ok("SEARCH NEW").of(b"SEARCH") == [b"2"]
        one.ok("SELECT INBOX")
        assert one.ok("SEARCH OLD").of(b"SEARCH") == [b"1 2"]
