"""Each extension of the capability list, on the wire."""

import base64
import re

import pytest
from imap_wire import Imap, Literal, Literal8, letter, numbers

BEFORE_LOGIN = {
    "IMAP4REV1", "IMAP4REV2", "LITERAL-", "SASL-IR", "ENABLE", "ID", "NAMESPACE", "IDLE",
}
AFTER_LOGIN = BEFORE_LOGIN - {"LITERAL-", "SASL-IR"} | {
    "LITERAL+", "UNSELECT", "UIDPLUS", "MOVE", "CHILDREN", "ESEARCH", "SEARCHRES", "LIST-EXTENDED",
    "LIST-STATUS", "STATUS=SIZE", "SPECIAL-USE", "CREATE-SPECIAL-USE", "CONDSTORE", "QRESYNC",
    "MULTIAPPEND", "BINARY", "WITHIN", "QUOTA", "UTF8=ACCEPT", "OBJECTID", "INPROGRESS",
}


def filled(client, count):
    for number in range(1, count + 1):
        client.append(letter(number))
    client.ok("NOOP")
    return client


def modseq(line):
    return int(re.search(rb"MODSEQ \((\d+)\)", line).group(1))


def highest(client, mailbox="INBOX"):
    (line,) = client.ok(f"STATUS {mailbox} (HIGHESTMODSEQ)").of(b"STATUS")
    return int(re.search(rb"HIGHESTMODSEQ (\d+)", line).group(1))


def test_capabilities(palomar, imap):
    client = imap(login=False)
    (before,) = client.ok("CAPABILITY").of(b"CAPABILITY")
    assert BEFORE_LOGIN <= set(before.decode().upper().split())
    client = imap()
    (after,) = client.ok("CAPABILITY").of(b"CAPABILITY")
    names = set(after.decode().upper().split())
    assert AFTER_LOGIN <= names
    assert any(name.startswith("APPENDLIMIT=") for name in names)
    # Quirk 11: new Outlook misuses it.
    assert "UIDONLY" not in names


def test_enable(imap):
    client = imap(select=None)
    (enabled,) = client.ok("ENABLE CONDSTORE X-UNKNOWN UTF8=ACCEPT").of(b"ENABLED")
    assert set(enabled.split()) == {b"CONDSTORE", b"UTF8=ACCEPT"}


def test_id(imap):
    client = imap(login=False)
    (told,) = client.ok('ID ("name" "test" "version" NIL)').of(b"ID")
    assert b"Palomar" in told
    client.ok("ID NIL")


def test_namespace(imap):
    assert imap(select=None).ok("NAMESPACE").of(b"NAMESPACE") == [b'(("" "/")) (("Other Users/" "/")) NIL']


def test_unselect_keeps_deleted_messages(imap):
    client = filled(imap(), 2)
    client.ok(r"STORE 1 +FLAGS (\Deleted)")
    client.ok("UNSELECT")
    client.bad("FETCH 1 (UID)")
    assert client.ok("SELECT INBOX").numbered(b"EXISTS") == [(2, b"")]
    client.ok("CLOSE")
    assert client.ok("SELECT INBOX").numbered(b"EXISTS") == [(1, b"")]


def test_uidplus(imap):
    client = imap()
    answer = client.ok("APPEND INBOX", Literal(letter(1)))
    validity, uid = re.match(rb"APPENDUID (\d+) (\d+)$", answer.code).groups()
    assert int(validity) > 0 and uid == b"1"
    client.append(letter(2))
    answer = client.ok("COPY 1:2 Archive")
    assert re.match(rb"COPYUID \d+ 1:2 1:2$", answer.code)
    client.ok(r"STORE 1:2 +FLAGS.SILENT (\Deleted)")
    client.ok("UID EXPUNGE 2:9")
    assert client.ok("UID SEARCH ALL").of(b"SEARCH") == [b"1"]


def test_copy_to_a_mailbox_that_is_not_there(imap):
    client = filled(imap(), 1)
    assert client.no("COPY 1 Nowhere").code == b"TRYCREATE"
    assert client.no("MOVE 1 Nowhere").code == b"TRYCREATE"
    assert client.no("APPEND Nowhere", Literal(letter())).code == b"TRYCREATE"


def test_move(imap):
    client = filled(imap(), 4)
    answer = client.ok("MOVE 2:3 Archive")
    lines = answer.untagged
    copied = next(at for at, line in enumerate(lines) if b"[COPYUID " in line)
    gone = [at for at, line in enumerate(lines) if line.endswith(b" EXPUNGE")]
    # RFC 6851 §4.3: COPYUID comes before the first EXPUNGE.
    assert len(gone) == 2 and copied < min(gone)
    assert re.search(rb"\[COPYUID \d+ 2:3 1:2\]", lines[copied])
    client.ok("UID MOVE 4 Archive")
    client.ok("SELECT Archive")
    subjects = client.ok("FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)])").fetches
    assert [re.search(rb"letter (\d)", line).group(1) for _, line in subjects] == [b"2", b"3", b"4"]


def test_children_and_special_use_in_plain_list(imap):
    client = imap(select=None)
    client.ok("CREATE a/b")
    told = client.ok('LIST "" "*"').of(b"LIST")
    assert rb'(\HasChildren) "/" "a"' in told and rb'(\HasNoChildren) "/" "a/b"' in told
    for use in ("Drafts", "Sent", "Archive", "Junk", "Trash"):
        assert any(f"\\{use}".encode() in line and line.endswith(f'"{use}"'.encode()) for line in told)


def test_literal_minus_before_login(imap):
    client = imap(login=False)
    client.no("LOGIN", Literal(b"nobody@example.test"), Literal(b"x"))
    client.raw.send(b"a LOGIN {5000+}\r\n" + b"x" * 5000 + b" y\r\n")
    assert client.until(b"a BAD")


def test_literal_plus_after_login(imap):
    client = imap()
    client.append(letter(1, body="x" * 100_000))


def test_synchronising_literals_wait(imap):
    client = imap()
    message = letter()
    client.raw.send(b"a APPEND INBOX {%d}\r\n" % len(message))
    assert client.response().startswith(b"+ ")
    client.raw.send(message + b"\r\n")
    assert client.until(b"a OK")


def test_sasl_ir(palomar, account):
    said = base64.b64encode(f"\0{account.address}\0{account.password}".encode())
    with Imap(palomar.connect("imaps")) as client:
        client.ok("AUTHENTICATE PLAIN", said)
        client.ok("SELECT INBOX")


def test_plain_without_initial_response(palomar, account):
    said = base64.b64encode(f"\0{account.address}\0{account.password}".encode())
    with Imap(palomar.connect("imaps")) as client:
        client.raw.send(b"a AUTHENTICATE PLAIN\r\n")
        assert client.response().startswith(b"+ ")
        client.raw.send(said + b"\r\n")
        assert client.until(b"a ")[-1].startswith(b"a OK")
    with Imap(palomar.connect("imaps")) as client:
        client.raw.send(b"a AUTHENTICATE PLAIN\r\n")
        assert client.response().startswith(b"+ ")
        client.raw.send(b"*\r\n")
        assert client.until(b"a ")[-1].startswith(b"a BAD")


def test_esearch(imap):
    client = filled(imap(), 5)
    tag = client.send("SEARCH RETURN (MIN MAX COUNT ALL) 2:4")
    answer = client.answer(tag)
    assert answer.of(b"ESEARCH") == [b'(TAG "%s") MIN 2 MAX 4 COUNT 3 ALL 2:4' % tag]
    (line,) = client.ok("UID SEARCH RETURN () ALL").of(b"ESEARCH")
    assert line.endswith(b" UID ALL 1:5")
    (line,) = client.ok("SEARCH RETURN (COUNT) SUBJECT nothing").of(b"ESEARCH")
    assert line.endswith(b" COUNT 0")
    (line,) = client.ok("SEARCH RETURN (MIN) SUBJECT nothing").of(b"ESEARCH")
    assert b"MIN" not in line
    assert client.ok("SEARCH 2,4").of(b"SEARCH") == [b"2 4"]


def test_searchres(imap):
    client = filled(imap(), 5)
    assert client.ok("SEARCH RETURN (SAVE) 2:4").untagged == []
    assert [n for n, _ in client.ok("FETCH $ (UID)").fetches] == [2, 3, 4]
    assert client.ok("UID SEARCH $ SUBJECT 3").of(b"SEARCH") == [b"3"]
    client.ok("SEARCH RETURN (SAVE MIN) 3:5")
    assert [n for n, _ in client.ok("FETCH $ (UID)").fetches] == [3]
    client.ok("SEARCH RETURN (SAVE MIN MAX) 2:5")
    assert [n for n, _ in client.ok("FETCH $ (UID)").fetches] == [2, 5]
    client.ok(r"STORE $ +FLAGS.SILENT (\Deleted)")
    client.ok("EXPUNGE")
    assert client.ok("FETCH $ (UID)").fetches == []
    client.ok("SEARCH RETURN (SAVE) ALL")
    client.ok("COPY $ Archive")
    client.ok("SELECT Archive")
    assert client.ok("FETCH $ (UID)").fetches == []


def test_list_extended(imap):
    client = imap(select=None)
    for name in ("Foo", "Foo/Bar", "Moo", "Vega/Solo"):
        client.ok("CREATE", name)
    for name in ("Foo/Bar", "Moo", "Gone"):
        client.ok("SUBSCRIBE", name)
    told = client.ok('LIST (SUBSCRIBED) "" "*"').of(b"LIST")
    by_name = {line.rsplit(b'"/" ', 1)[1].strip(b'"'): line for line in told}
    assert {b"Foo/Bar", b"Moo", b"Gone"} <= set(by_name) and b"Foo" not in by_name
    assert rb"\NonExistent" in by_name[b"Gone"] and rb"\NonExistent" not in by_name[b"Moo"]
    assert all(rb"\Subscribed" in line for line in told)
    told = client.ok('LIST (SUBSCRIBED RECURSIVEMATCH) "" "%"').of(b"LIST")
    (foo,) = [line for line in told if b'"Foo"' in line]
    assert foo.endswith(b'"Foo" ("CHILDINFO" ("SUBSCRIBED"))') and rb"\Subscribed" not in foo
    told = client.ok('LIST "" ("Foo" "M%") RETURN (CHILDREN SUBSCRIBED)').of(b"LIST")
    assert [line.rsplit(b" ", 1)[1] for line in told] == [b'"Foo"', b'"Moo"']
    told = client.ok('LIST (SPECIAL-USE) "" "*"').of(b"LIST")
    assert {line.rsplit(b" ", 1)[1].strip(b'"') for line in told} == {
        b"Drafts", b"Sent", b"Archive", b"Junk", b"Trash",
    }
    client.bad('LIST (RECURSIVEMATCH) "" "*"')
    client.ok("DELETE Vega")
    (vega,) = client.ok('LIST "" "V%"').of(b"LIST")
    assert rb"\NonExistent" in vega and rb"\Noselect" in vega and rb"\HasChildren" in vega


def test_lsub(imap):
    client = imap(select=None)
    client.ok("CREATE Foo/Bar")
    client.ok("SUBSCRIBE Foo/Bar")
    told = client.ok('LSUB "" "*"').of(b"LSUB")
    assert any(line.endswith(b'"Foo/Bar"') for line in told)
    told = client.ok('LSUB "" "F%"').of(b"LSUB")
    assert len(told) == 1 and told[0].endswith(b'"Foo"') and rb"\Noselect" in told[0]
    client.ok("UNSUBSCRIBE Foo/Bar")
    assert client.ok('LSUB "" "F*"').of(b"LSUB") == []


def test_list_status_and_size(imap):
    client = filled(imap(), 3)
    size = sum(len(letter(number)) for number in range(1, 4))
    answer = client.ok('LIST "" "INBOX" RETURN (STATUS (MESSAGES UNSEEN SIZE UIDNEXT))')
    assert len(answer.of(b"LIST")) == 1
    assert answer.of(b"STATUS") == [b"INBOX (MESSAGES 3 UNSEEN 3 SIZE %d UIDNEXT 4)" % size]
    client.ok("CREATE x/y")
    client.ok("DELETE x")
    answer = client.ok('LIST "" "x*" RETURN (STATUS (MESSAGES))')
    assert answer.of(b"STATUS") == [b'"x/y" (MESSAGES 0)']


def test_status(imap):
    client = filled(imap(), 3)
    client.ok(r"STORE 1 +FLAGS.SILENT (\Deleted \Seen)")
    (line,) = client.ok(
        "STATUS INBOX (MESSAGES UNSEEN DELETED DELETED-STORAGE APPENDLIMIT MAILBOXID UIDVALIDITY)"
    ).of(b"STATUS")
    assert b"MESSAGES 3 UNSEEN 2 DELETED 1 DELETED-STORAGE %d " % len(letter(1)) in line
    assert re.search(rb"APPENDLIMIT [1-9]\d* MAILBOXID \(\w+\) UIDVALIDITY [1-9]", line)
    assert client.no("STATUS Nowhere (MESSAGES)").code == b"NONEXISTENT"


def test_create_special_use(imap):
    client = imap(select=None)
    client.ok("DELETE Junk")
    answer = client.ok(r"CREATE Spam (USE (\Junk))")
    assert re.match(rb"MAILBOXID \(\w+\)$", answer.code)
    (line,) = client.ok('LIST (SPECIAL-USE) "" "Spam"').of(b"LIST")
    assert rb"\Junk" in line
    assert client.no(r"CREATE Spam2 (USE (\Junk))").code == b"USEATTR"
    assert client.no(r"CREATE Views (USE (\All))").code == b"USEATTR"
    assert client.ok('LIST "" "Views"').of(b"LIST") == []


def test_condstore(imap):
    client, other = filled(imap(), 3), imap()
    answer = client.ok("SELECT INBOX (CONDSTORE)")
    before = int(re.search(rb"\[HIGHESTMODSEQ (\d+)\] \S", b"\n".join(answer.untagged)).group(1))
    answer = client.ok(r"STORE 2 +FLAGS (\Flagged)")
    (_, line), = answer.fetches
    changed = modseq(line)
    assert changed > before
    assert highest(client) == changed
    fetched = client.ok(f"FETCH 1:* (FLAGS) (CHANGEDSINCE {before})").fetches
    assert [n for n, _ in fetched] == [2] and modseq(fetched[0][1]) == changed
    assert client.ok(f"SEARCH MODSEQ {changed}").of(b"SEARCH") == [b"2 (MODSEQ %d)" % changed]
    assert client.ok("SEARCH MODSEQ 999999999").untagged == [b"* SEARCH"]
    # A conditional STORE leaves alone what changed meanwhile.
    other.ok(r"STORE 1 +FLAGS (\Answered)")
    answer = client.ok(rf"STORE 1:3 (UNCHANGEDSINCE {changed}) +FLAGS.SILENT (\Seen)")
    assert answer.code == b"MODIFIED 1"
    assert {n for n, line in answer.fetches if b"FLAGS" not in line} == {2, 3}
    answer = client.ok(rf"UID STORE 1 (UNCHANGEDSINCE 1) +FLAGS (\Seen)")
    assert answer.code == b"MODIFIED 1"
    # Quirk 18: MODSEQ in every FETCH.
    assert all(b"MODSEQ (" in line for _, line in client.ok("FETCH 1:3 (UID)").fetches)


def test_esearch_with_modseq(imap):
    client = filled(imap(), 3)
    for number in (3, 1):
        client.ok(rf"STORE {number} +FLAGS (\Seen)")
    found = dict(client.ok("FETCH 1:* (MODSEQ)").fetches)
    seq = {number: modseq(line) for number, line in found.items()}
    start = min(seq.values())
    for returns, wanted in (
        ("MIN", seq[1]), ("MAX", seq[3]), ("MIN MAX", max(seq[1], seq[3])), ("COUNT", max(seq.values())),
    ):
        (line,) = client.ok(f"SEARCH RETURN ({returns}) MODSEQ {start}").of(b"ESEARCH")
        assert line.endswith(b"MODSEQ %d" % wanted), (returns, line)


def test_qresync(imap):
    client, other = filled(imap(), 6), imap()
    (line,) = client.ok("STATUS INBOX (UIDVALIDITY)").of(b"STATUS")
    validity = int(re.search(rb"UIDVALIDITY (\d+)", line).group(1))
    since = highest(client)
    other.ok(r"STORE 2,5:6 +FLAGS.SILENT (\Deleted)")
    other.ok("EXPUNGE")
    other.ok(r"STORE 3 +FLAGS.SILENT (\Flagged)")
    again = imap(select=None, enable="QRESYNC")
    answer = again.ok(f"SELECT INBOX (QRESYNC ({validity} {since}))")
    (vanished,) = answer.of(b"VANISHED")
    assert vanished.startswith(b"(EARLIER) ") and numbers(vanished[10:]) == [2, 5, 6]
    (_, line), = answer.fetches
    assert b"UID 4" in line and rb"\Flagged" in line and modseq(line) > since
    assert answer.code == b"READ-WRITE"
    # Only what the client knows.
    answer = again.ok(f"SELECT INBOX (QRESYNC ({validity} {since} 1:4))")
    assert numbers(answer.of(b"VANISHED")[0][10:]) == [2]
    assert any(b"[CLOSED]" in line for line in answer.untagged)
    # Message 1 still has Uid 1 and message 2 has Uid 3: nothing up to Uid 3 needs to be told.
    answer = again.ok(f"SELECT INBOX (QRESYNC ({validity} {since} 1:6 (1:2 1,3)))")
    assert numbers(answer.of(b"VANISHED")[0][10:]) == [5, 6]
    # Another UIDVALIDITY: as without the parameter.
    answer = again.ok(f"SELECT INBOX (QRESYNC ({validity + 1} {since}))")
    assert not answer.of(b"VANISHED") and not answer.fetches
    answer = again.ok(f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {since} VANISHED)")
    assert numbers(answer.of(b"VANISHED")[0][10:]) == [2, 5, 6]
    again.ok(r"UID STORE 1 +FLAGS.SILENT (\Deleted)")
    answer = again.ok("EXPUNGE")
    assert answer.of(b"VANISHED") == [b"1"] and not answer.numbered(b"EXPUNGE")
    assert re.match(rb"HIGHESTMODSEQ \d+$", answer.code)
    answer = again.ok("UID MOVE 3 Archive")
    assert answer.of(b"VANISHED") == [b"3"]
    assert not imap(select=None).bad(f"SELECT INBOX (QRESYNC ({validity} {since}))").untagged


def test_multiappend_is_all_or_nothing(imap):
    client = imap()
    answer = client.ok(
        "APPEND INBOX", r"(\Seen)", Literal(letter(1)), r'" 1-Jan-2020 00:00:00 +0000"',
        Literal(letter(2)), Literal(letter(3)),
    )
    assert re.match(rb"APPENDUID \d+ 1:3$", answer.code)
    fetched = dict(client.ok("FETCH 1:3 (FLAGS INTERNALDATE)").fetches)
    assert rb"\Seen" in fetched[1] and rb"\Seen" not in fetched[2]
    assert b"01-Jan-2020 00:00:00 +0000" in fetched[2]
    # An empty message cancels the whole command (RFC 3502).
    client.no("APPEND INBOX", Literal(letter(4)), Literal(b""))
    assert client.ok("STATUS INBOX (MESSAGES)").of(b"STATUS") == [b"INBOX (MESSAGES 3)"]


def test_binary(imap):
    client = imap()
    data = bytes(range(256)) * 300
    encoded = base64.encodebytes(data).replace(b"\n", b"\r\n").decode()
    head = (
        "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n"
    )
    body = (
        "--b\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n\r\na=3Db =C3=B1\r\n"
        f"--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        f"{encoded}\r\n--b\r\nContent-Type: x/y\r\nContent-Transfer-Encoding: x-odd\r\n\r\n?\r\n--b--\r\n"
    )
    client.append(letter(1, body=body, extra=head))
    (_, line), = client.ok("FETCH 1 (BINARY.PEEK[1])").fetches
    assert line == "(BINARY[1] {6}\r\na=b ñ)".encode()
    (_, line), = client.ok("FETCH 1 (BINARY.SIZE[2])").fetches
    assert line == b"(BINARY.SIZE[2] %d)" % len(data)
    (_, line), = client.ok("FETCH 1 (BINARY.PEEK[2])").fetches
    assert line == b"(BINARY[2] ~{%d}\r\n%s)" % (len(data), data)
    (_, line), = client.ok("FETCH 1 (BINARY.PEEK[2]<1.3>)").fetches
    assert line == b"(BINARY[2]<1> {3}\r\n\x01\x02\x03)"
    assert client.no("FETCH 1 (BINARY.PEEK[3])").code == b"UNKNOWN-CTE"
    assert rb"\Seen" not in client.ok("FETCH 1 (FLAGS)").fetches[0][1]
    assert rb"\Seen" in client.ok("FETCH 1 (BINARY[1])").fetches[0][1]
    message = letter(2, body="nul: \0\r\n")
    client.ok("APPEND INBOX", Literal8(message))
    assert message in client.ok("FETCH 2 (BINARY.PEEK[])").fetches[0][1]


def test_within(imap):
    client = filled(imap(), 2)
    client.ok("APPEND INBOX", '" 1-Jan-2020 00:00:00 +0000"', Literal(letter(3)))
    assert client.ok("SEARCH YOUNGER 3600").of(b"SEARCH") == [b"1 2"]
    assert client.ok("SEARCH OLDER 3600").of(b"SEARCH") == [b"3"]


def test_append_limit(imap):
    client = imap()
    (line,) = client.ok("CAPABILITY").of(b"CAPABILITY")
    limit = int(re.search(rb"APPENDLIMIT=(\d+)", line).group(1))
    client.raw.send(b"a APPEND INBOX {%d}\r\n" % (limit + 1))
    assert client.until(b"a ")[-1].startswith(b"a NO [TOOBIG]")
    client.raw.send(b"b APPEND INBOX {%d}\r\n" % limit)
    assert client.response().startswith(b"+ ")


def test_quota(palomar, account, imap):
    client = imap(select=None)
    assert client.ok("GETQUOTAROOT INBOX").untagged == [b"* QUOTAROOT INBOX"]
    assert client.no("GETQUOTAROOT Nowhere").code == b"NONEXISTENT"
    palomar.cli("quota", "set", account.address, "--octets", "100000")
    answer = client.ok("GETQUOTAROOT INBOX")
    assert answer.of(b"QUOTAROOT") == [b'INBOX "User quota"']
    (line,) = answer.of(b"QUOTA")
    assert re.match(rb'"User quota" \(STORAGE \d+ 97\)$', line)
    client.append(letter(1, body="x" * 60_000))
    assert client.no("APPEND INBOX", Literal(letter(2, body="x" * 60_000))).code == b"OVERQUOTA"
    (line,) = client.ok('GETQUOTA "User quota"').of(b"QUOTA")
    assert re.match(rb'"User quota" \(STORAGE 59 97\)$', line)
    assert client.no('GETQUOTA "other"')
    client.no('SETQUOTA "User quota" (STORAGE 9)')


def test_utf8_accept(imap):
    client = imap(select=None)
    client.ok('CREATE "Entw&APw-rfe"')
    assert any(b'"Entw&APw-rfe"' in line for line in client.ok('LIST "" "*"').of(b"LIST"))
    client.ok("ENABLE UTF8=ACCEPT")
    assert any('"Entwürfe"'.encode() in line for line in client.ok('LIST "" "*"').of(b"LIST"))
    client.ok('CREATE "Größe"')
    message = letter(1, subject="größe")
    client.raw.send(b'a APPEND "Gr\xc3\xb6\xc3\x9fe" UTF8 (~{%d+}\r\n%s)\r\n' % (len(message), message))
    assert client.until(b"a ")[-1].startswith(b"a OK")
    client.ok('SELECT "Größe"')
    assert client.ok('SEARCH SUBJECT "größe"').of(b"SEARCH") == [b"1"]


def test_objectid(imap):
    client = filled(imap(), 1)
    answer = client.ok("SELECT INBOX")
    mailbox = re.search(rb"\[MAILBOXID \((\w+)\)\]", b"\n".join(answer.untagged)).group(1)
    (line,) = client.ok("STATUS INBOX (MAILBOXID)").of(b"STATUS")
    assert line == b"INBOX (MAILBOXID (%s))" % mailbox
    (_, line), = client.ok("FETCH 1 (EMAILID THREADID)").fetches
    email, thread = re.match(rb"\(EMAILID \((\w+)\) THREADID \((\w+)\)\)$", line).groups()
    assert client.ok(b"SEARCH EMAILID " + email).of(b"SEARCH") == [b"1"]
    assert client.ok(b"SEARCH THREADID " + thread).of(b"SEARCH") == [b"1"]
    assert client.ok("SEARCH EMAILID nothing").untagged == [b"* SEARCH"]
    client.ok("COPY 1 Archive")
    client.ok("MOVE 1 Trash")
    client.ok("SELECT Trash")
    # RFC 8474 §5.1: a moved message keeps its id.
    assert email in client.ok("FETCH 1 (EMAILID)").fetches[0][1]
    client.ok("CREATE Before")
    (before,) = client.ok("STATUS Before (MAILBOXID)").of(b"STATUS")
    client.ok("RENAME Before After")
    (after,) = client.ok("STATUS After (MAILBOXID)").of(b"STATUS")
    assert before.split(b" ", 1)[1] == after.split(b" ", 1)[1]


def test_rename_of_inbox_moves_its_messages(imap):
    client = filled(imap(select="INBOX"), 2)
    client.ok("UNSELECT")
    client.ok("RENAME INBOX Old-mail")
    assert client.ok("STATUS INBOX (MESSAGES)").of(b"STATUS") == [b"INBOX (MESSAGES 0)"]
    assert client.ok("STATUS Old-mail (MESSAGES)").of(b"STATUS") == [b'"Old-mail" (MESSAGES 2)']


def test_response_codes(imap):
    client = imap(select=None)
    assert client.no("SELECT Nowhere").code == b"NONEXISTENT"
    assert client.no("DELETE Nowhere").code == b"NONEXISTENT"
    assert client.no("CREATE INBOX").code == b"ALREADYEXISTS"
    assert client.no("DELETE INBOX").code == b"CANNOT"
    assert client.no('CREATE "a//b"').code == b"CANNOT"
    client.ok("CREATE One")
    client.ok("CREATE Two")
    assert client.no("RENAME One Two").code == b"ALREADYEXISTS"
    client.ok("EXAMINE INBOX")
    assert client.no(r"STORE 1 +FLAGS (\Seen)").code == b"READ-ONLY"
    assert client.no("EXPUNGE").code == b"READ-ONLY"


def test_examine_leaves_messages_unseen(imap):
    client = filled(imap(), 1)
    assert client.ok("EXAMINE INBOX").code == b"READ-ONLY"
    assert letter(1) in client.ok("FETCH 1 BODY[]").fetches[0][1]
    assert client.ok("FETCH 1 (FLAGS)").fetches[0][1].count(rb"\Seen") == 0


def test_pipelined_commands_are_answered_in_order(imap):
    client = filled(imap(), 3)
    tags = [client.send(*command) for command in (
        ("FETCH 1:* (FLAGS)",), ("SEARCH ALL",), ("STATUS Archive (MESSAGES)",), ("NOOP",),
        ("APPEND INBOX", Literal(letter(4))), ("FETCH 4 (UID)",), ("BOGUS",), ("CHECK",),
    )]
    words = [client.answer(tag).word for tag in tags]
    assert words == [b"OK"] * 6 + [b"BAD", b"OK"]


def test_rev2(imap):
    client = filled(imap(), 2)
    client = imap(select=None, enable="IMAP4rev2")
    answer = client.ok("SELECT INBOX")
    assert not answer.numbered(b"RECENT")
    assert any(line.startswith(b"* LIST ") for line in answer.untagged)
    (line,) = client.ok("SEARCH ALL").of(b"ESEARCH")
    assert line.endswith(b" ALL 1:2")
    client.ok('CREATE "Ñandú"')
    (line,) = client.ok('LIST "" "Ñ*"').of(b"LIST")
    assert line.endswith('"Ñandú"'.encode())
