"""REPLACE (RFC 8508) and CATENATE (RFC 4469) on the shipped binary, seen by two clients."""

import re

from imap_wire import Literal, letter

MULTIPART = (
    b"From: Carla <carla@example.org>\r\nTo: ana@example.test\r\nSubject: parts\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain\r\n\r\nfirst\r\n"
    b"--b\r\nContent-Type: text/html\r\n\r\n<p>second</p>\r\n--b--\r\n"
)


def body(client, uid):
    ((_, line),) = client.ok(f"UID FETCH {uid} BODY.PEEK[]").fetches
    octets = int(re.search(rb"BODY\[\] \{(\d+)\}\r\n", line).group(1))
    start = line.index(b"}\r\n") + 3
    return line[start:start + octets]


def uid_of(client, answer):
    (line,) = [line for line in answer.untagged if b"APPENDUID" in line]
    return int(re.search(rb"APPENDUID \d+ (\d+)\]", line).group(1))


def test_replace_is_one_change_for_all(imap):
    client, other = imap(select="Drafts"), imap(select="Drafts")
    first = client.append(letter(1), "Drafts", "(\\Draft)")
    kept = client.append(letter(2), "Drafts")
    client.ok("NOOP")
    other.ok("NOOP")
    answer = client.ok("REPLACE 1 Drafts (\\Draft \\Seen)", Literal(letter(3)))
    uid = uid_of(client, answer)
    assert uid > kept
    # APPENDUID comes before EXPUNGE (RFC 8508 §4.3).
    kinds = [line.split()[1:3] for line in answer.untagged]
    assert [b"OK", b"[APPENDUID"] in kinds
    assert kinds.index([b"OK", b"[APPENDUID"]) < kinds.index([b"1", b"EXPUNGE"])
    told = other.ok("NOOP")
    assert (1, b"") in told.numbered(b"EXPUNGE")
    assert [number for number, _ in told.numbered(b"EXISTS")][-1] >= 2
    for one in (client, other):
        assert one.ok("UID SEARCH ALL").of(b"SEARCH") == [b"%d %d" % (kept, uid)]
        assert body(one, uid) == letter(3)
    assert client.ok(f"UID REPLACE {kept} INBOX", Literal(letter(4))).word == b"OK"
    assert client.ok("UID SEARCH ALL").of(b"SEARCH") == [b"%d" % uid]
    client.no(f"UID REPLACE {first} Drafts", Literal(letter(5)))
    answer = client.no(f"UID REPLACE {uid} Nowhere", Literal(letter(5)))
    assert answer.code == b"TRYCREATE"
    assert client.ok("UID SEARCH ALL").of(b"SEARCH") == [b"%d" % uid]


def test_replace_tells_qresync(imap):
    client = imap(select="Drafts", enable="QRESYNC")
    uid = client.append(letter(1), "Drafts")
    client.ok("NOOP")
    answer = client.ok(f"UID REPLACE {uid} Drafts", Literal(letter(2)))
    assert re.match(rb"HIGHESTMODSEQ \d+$", answer.code), answer
    assert answer.of(b"VANISHED") == [b"%d" % uid]


def test_replace_needs_a_writable_mailbox(imap):
    client = imap(select="Drafts")
    uid = client.append(letter(1), "Drafts")
    client.ok("EXAMINE Drafts")
    assert client.no(f"UID REPLACE {uid} Drafts", Literal(letter(2))).code == b"READ-ONLY"
    client.ok("UNSELECT")
    client.bad(f"UID REPLACE {uid} Drafts", Literal(letter(2)))


def test_replace_counts_what_it_gives_back(palomar, account, imap):
    client = imap(select="Drafts")
    large = letter(1, body="x" * 70_000)
    uid = client.append(large, "Drafts")
    palomar.cli("quota", "set", account.address, "--octets", "100000")
    assert client.no("APPEND Drafts", Literal(large)).code == b"OVERQUOTA"
    answer = client.ok(f"UID REPLACE {uid} Drafts", Literal(letter(2, body="y" * 90_000)))
    uid = uid_of(client, answer)
    answer = client.no(f"UID REPLACE {uid} Drafts", Literal(letter(3, body="z" * 110_000)))
    assert answer.code == b"OVERQUOTA"
    assert client.ok("UID SEARCH ALL").of(b"SEARCH") == [b"%d" % uid]


def test_catenate_makes_a_message_of_parts(imap):
    client = imap()
    uid = client.append(MULTIPART)
    (validity,) = re.findall(rb"UIDVALIDITY (\d+)", client.ok("STATUS INBOX (UIDVALIDITY)").of(b"STATUS")[0])
    url = f"/INBOX;UIDVALIDITY={validity.decode()}/;UID={uid}"
    answer = client.ok(
        f'APPEND INBOX (\\Seen) CATENATE (URL "{url}/;SECTION=HEADER" TEXT', Literal(b"--b\r\n"),
        f'URL "{url}/;SECTION=1.MIME" URL ";UID={uid}/;SECTION=1" TEXT', Literal(b" and more\r\n--b\r\n"),
        f'URL "{url}/;SECTION=2.MIME" URL "{url}/;SECTION=2/;PARTIAL=3.6" TEXT', Literal(b"\r\n--b--\r\n"),
        ")",
    )
    (made,) = re.findall(rb"APPENDUID \d+ (\d+)", answer.code)
    expect = MULTIPART.replace(b"first\r\n", b"first and more\r\n").replace(b"<p>second</p>", b"second")
    assert body(client, int(made)) == expect
    # The Subject alone, from a field list with a space in it.
    answer = client.ok(f'APPEND INBOX CATENATE (URL "{url}/;SECTION=HEADER.FIELDS%20(Subject)")')
    (made,) = re.findall(rb"APPENDUID \d+ (\d+)", answer.code)
    assert body(client, int(made)) == b"Subject: parts\r\n\r\n"
    # A whole message twice, as a digest would.
    answer = client.ok(f'APPEND INBOX CATENATE (URL "{url}" URL "{url}") CATENATE (URL "{url}")')
    (first, last) = re.findall(rb"APPENDUID \d+ (\d+):(\d+)", answer.code)[0]
    assert body(client, int(first)) == MULTIPART * 2
    assert body(client, int(last)) == MULTIPART


def test_catenate_refuses_what_is_not_there(imap):
    client = imap()
    uid = client.append(MULTIPART)
    good = f"/INBOX/;UID={uid}"
    for url in (
        f"/INBOX/;UID={uid + 1}", f"/Nowhere/;UID={uid}", f"/INBOX;UIDVALIDITY=1/;UID={uid}",
        f"{good}/;SECTION=9", "imap://ana@localhost/INBOX/;UID=1", f"/INBOX;UID={uid}",
    ):
        answer = client.no(f'APPEND INBOX CATENATE (URL "{good}" URL "{url}" TEXT', Literal(b"x"), ")")
        assert answer.code == b'BADURL "%s"' % url.encode()
    client.bad("APPEND INBOX CATENATE ()")
    client.no("APPEND INBOX CATENATE (TEXT", Literal(b""), ")")
    assert client.ok("UID SEARCH ALL").of(b"SEARCH") == [b"%d" % uid]


def test_catenate_is_limited_as_append_is(imap):
    client = imap()
    (limit,) = re.findall(rb"APPENDLIMIT=(\d+)", b" ".join(client.ok("CAPABILITY").untagged))
    # Parts that are too large together, each of them small.
    part = 9 << 20
    uid = client.append(letter(1, body="x" * part))
    count = int(limit) // part + 1
    urls = " ".join([f'URL "/INBOX/;UID={uid}"'] * count)
    assert client.no(f"APPEND INBOX CATENATE ({urls})").code == b"TOOBIG"
    urls = " ".join([f'URL "/INBOX/;UID={uid}"'] * 2)
    client.ok(f"APPEND INBOX CATENATE ({urls})")


def test_replace_with_catenate(imap):
    client = imap(select="Drafts")
    uid = client.append(MULTIPART, "Drafts")
    client.ok("NOOP")
    answer = client.ok(
        f"UID REPLACE {uid} Drafts CATENATE (TEXT", Literal(b"Cc: dora@example.org\r\n"),
        f'URL "/Drafts/;UID={uid}")',
    )
    made = uid_of(client, answer)
    assert body(client, made) == b"Cc: dora@example.org\r\n" + MULTIPART
    assert client.ok("UID SEARCH ALL").of(b"SEARCH") == [b"%d" % made]


def saved(client, uid):
    ((_, line),) = client.ok(f"UID FETCH {uid} (SAVEDATE INTERNALDATE)").fetches
    return re.search(rb'SAVEDATE "([^"]+)" INTERNALDATE "([^"]+)"', line).groups()


def test_savedate_is_that_of_the_mailbox(imap):
    """RFC 8514: a copy is saved when it is made, whatever its INTERNALDATE."""
    client = imap()
    uid = client.append(letter(1), "INBOX", '"17-Jul-1996 02:44:25 +0000"')
    first, internal = saved(client, uid)
    assert internal == b"17-Jul-1996 02:44:25 +0000"
    assert b"-1996" not in first
    copy = client.ok(f"UID COPY {uid} Archive").code.split()[-1].decode()
    twin = client.ok(f"UID COPY {uid} INBOX").code.split()[-1].decode()
    client.ok("NOOP")
    assert saved(client, twin)[1] == internal
    client.ok("SELECT Archive")
    assert saved(client, copy)[1] == internal
    # All of them today, none of them when they were dated.
    day = saved(client, copy)[0].split(b" ")[0].decode()
    for mailbox, uids in (("Archive", [copy]), ("INBOX", [str(uid), twin])):
        client.ok(f"SELECT {mailbox}")
        expect = [" ".join(uids).encode()]
        assert client.ok(f"UID SEARCH SAVEDSINCE {day}").of(b"SEARCH") == expect
        assert client.ok("UID SEARCH SAVEDATESUPPORTED").of(b"SEARCH") == expect
        assert client.ok("UID SEARCH SAVEDON 17-Jul-1996").of(b"SEARCH") in ([], [b""])
