"""Annotations (RFC 5464), also with LIST (RFC 9590) and as special uses (RFC 6154 §5.4), seen from
outside."""

import re

import pytest
from imap_wire import Literal, Literal8

VALUE_OCTETS_MAX = 65_536
ENTRIES_MAX = 100


def entries(answer):
    """{mailbox: {entry: value}} of the METADATA responses, quoted values and literals alike."""
    found = {}
    for line in answer.of(b"METADATA"):
        mailbox, rest = re.match(rb'("[^"]*"|\S+) \((.*)\)$', line, re.DOTALL).groups()
        here = found.setdefault(mailbox.strip(b'"').decode(), {})
        while rest:
            name, rest = re.match(rb'("[^"]*"|\S+) (.*)', rest, re.DOTALL).groups()
            literal = re.match(rb"~?\{(\d+)\}\r\n", rest)
            if literal:
                start, octets = literal.end(), int(literal.group(1))
                value, rest = rest[start:start + octets], rest[start + octets:]
            elif rest.startswith(b"NIL"):
                value, rest = None, rest[3:]
            else:
                quoted = re.match(rb'"((?:[^"\\]|\\.)*)"', rest)
                value, rest = re.sub(rb"\\(.)", rb"\1", quoted.group(1)), rest[quoted.end():]
            here[name.strip(b'"').decode()] = value
            rest = rest.removeprefix(b" ")
    return found


def value(client, mailbox, name):
    return entries(client.ok("GETMETADATA", mailbox, name))[mailbox.strip('"')][name]


def test_capabilities(imap):
    (shown,) = imap().ok("CAPABILITY").of(b"CAPABILITY")
    assert {b"METADATA", b"LIST-METADATA"} <= set(shown.split())
    assert b"JMAPACCESS" not in shown
    imap().bad("GETJMAPACCESS")


@pytest.mark.parametrize("octets", [b"", b"plain", b'"\\', b"two\r\nlines", "é".encode(), b"\xff\xfe"])
def test_values_come_back_as_they_were(imap, octets):
    imap(select=None).ok("SETMETADATA INBOX (/private/comment", Literal(octets), ")")
    assert value(imap(select=None), "INBOX", "/private/comment") == octets


def test_values_with_nul(imap):
    octets = bytes(range(256))
    client = imap(select=None)
    client.ok('SETMETADATA "" (/private/vendor/test/octets', Literal8(octets), ")")
    assert value(client, '""', "/private/vendor/test/octets") == octets
    client.bad("SETMETADATA INBOX (/private/comment", Literal(b"\0"), ")")


def test_entries_are_found_in_any_case_and_by_depth(imap):
    client = imap(select=None)
    client.ok('SETMETADATA Sent (/private/a/b "1" /private/A "2" /private/a/b/c "3" /shared/a "4")')
    depth = lambda depth: entries(client.ok(f"GETMETADATA (DEPTH {depth}) Sent /private/a"))["Sent"]
    assert depth("0") == {"/private/a": b"2"}
    assert depth("1") == {"/private/a": b"2", "/private/a/b": b"1"}
    assert depth("infinity") == {"/private/a": b"2", "/private/a/b": b"1", "/private/a/b/c": b"3"}
    both = entries(client.ok("GETMETADATA Sent (/SHARED/a /private/none)"))["Sent"]
    assert both == {"/SHARED/a": b"4", "/private/none": None}


def test_maxsize(imap):
    client = imap(select=None)
    client.ok('SETMETADATA INBOX (/private/a "12345" /private/b "123" /private/c "1234567")')
    told = client.ok("GETMETADATA (MAXSIZE 5) INBOX (/private/a /private/b /private/c)")
    assert entries(told)["INBOX"] == {"/private/a": b"12345", "/private/b": b"123"}
    assert told.code == b"METADATA LONGENTRIES 7"
    assert client.ok("GETMETADATA (MAXSIZE 7) INBOX /private/c").code == b""


def test_limits_and_all_or_nothing(imap):
    client = imap(select=None)
    most = Literal(b"x" * VALUE_OCTETS_MAX)
    client.ok("SETMETADATA INBOX (/private/a", most, ")")
    more = Literal(b"x" * (VALUE_OCTETS_MAX + 1))
    refused = client.no("SETMETADATA INBOX (/private/b NIL /shared/c", Literal(b"1"), "/private/a", more, ")")
    assert refused.code == b"METADATA MAXSIZE %d" % VALUE_OCTETS_MAX
    assert value(client, "INBOX", "/shared/c") is None
    for number in range(1, ENTRIES_MAX):
        client.ok(f'SETMETADATA INBOX (/private/{number} "1")')
    assert client.no('SETMETADATA INBOX (/private/b "1")').code == b"METADATA TOOMANY"
    client.ok('SETMETADATA INBOX (/private/a NIL /private/b "1")')
    assert client.no('SETMETADATA nowhere (/private/b "1")').code == b"NONEXISTENT"
    assert client.no('SETMETADATA "" (/shared/comment "1")').code == b"NOPERM"
    client.bad('SETMETADATA INBOX (comment "1")')


def test_annotations_go_with_their_mailbox(imap):
    client = imap(select=None)
    client.ok("CREATE one/two")
    client.ok('SETMETADATA one/two (/shared/comment "two")')
    client.ok('SETMETADATA INBOX (/private/comment "in")')
    client.ok("RENAME one three")
    assert value(client, "three/two", "/shared/comment") == b"two"
    client.ok("DELETE three/two")
    client.ok("CREATE three/two")
    assert value(client, "three/two", "/shared/comment") is None
    client.ok("RENAME INBOX old")
    assert value(client, "INBOX", "/private/comment") == b"in"
    assert value(client, "old", "/private/comment") == b"in"


def test_list_metadata(imap):
    """RFC 9590 §3."""
    client = imap(select=None)
    client.ok("CREATE a/b")
    client.ok('SETMETADATA a/b (/shared/vendor/x/color "#b71c1c")')
    client.ok("SUBSCRIBE a/b")
    told = client.ok('LIST "" a* RETURN (METADATA (/shared/vendor/x/color) STATUS (MESSAGES))')
    names = [line.split(b'"')[-2] for line in told.of(b"LIST")]
    assert names == [b"a", b"a/b"]
    color = "/shared/vendor/x/color"
    assert entries(told) == {"a": {color: None}, "a/b": {color: b"#b71c1c"}}
    assert len(told.of(b"STATUS")) == 2
    # Not of what is listed for its children alone.
    told = client.ok(
        'LIST (SUBSCRIBED RECURSIVEMATCH) "" a RETURN (METADATA /shared/vendor/x/color STATUS (MESSAGES))'
    )
    (only,) = told.of(b"LIST")
    assert b"CHILDINFO" in only and not entries(told) and not told.of(b"STATUS")


def test_special_use(imap):
    """RFC 6154 §5.4."""
    client = imap(select=None)
    client.ok("CREATE Gone")
    assert value(client, "Trash", "/private/specialuse") == b"\\Trash"
    special = lambda: {
        line.split(b'"')[-2] for line in client.ok('LIST (SPECIAL-USE) "" *').of(b"LIST") if b"\\Trash" in line
    }
    assert special() == {b"Trash"}
    for mailbox, wanted in [("Gone", "\\Trash"), ("Gone", "\\Nonsense"), ("INBOX", "\\Junk")]:
        answer = client.no(f"SETMETADATA {mailbox} (/private/specialuse", Literal(wanted.encode()), ")")
        assert answer.code == b"USEATTR", mailbox
    client.ok("SETMETADATA Trash (/private/specialuse NIL)")
    client.ok("SETMETADATA Gone (/private/specialuse", Literal(b"\\trash"), ")")
    assert special() == {b"Gone"}
    assert value(client, "Trash", "/private/specialuse") is None


def test_changes_are_told_to_those_who_enabled_it(imap):
    listening, deaf, writing = imap(enable="METADATA"), imap(), imap(select=None)
    lonely = imap(select=None, enable="METADATA")
    lonely.idle()
    writing.ok('SETMETADATA Sent (/shared/comment "1" /private/comment "2")')
    (heard,) = lonely.until(b"METADATA")
    assert set(heard.split()[2:]) == {b'"Sent"', b"/shared/comment", b"/private/comment"}
    told = listening.ok("NOOP").of(b"METADATA")
    assert [set(line.split()) for line in told] == [{b'"Sent"', b"/shared/comment", b"/private/comment"}]
    assert not deaf.ok("NOOP").of(b"METADATA")
    assert not writing.ok("NOOP").of(b"METADATA")
    # Not to the one who did it, and only once.
    assert not listening.ok('SETMETADATA Sent (/private/comment "3")').of(b"METADATA")
    assert not listening.ok("NOOP").of(b"METADATA")
    assert lonely.until(b"/private/comment")
    assert not lonely.done().of(b"METADATA")


def test_annotations_are_kept_over_a_restart_and_agree_with_the_log(fresh_palomar):
    from imap_wire import Imap

    account = fresh_palomar.new_account()
    with Imap(fresh_palomar.connect("imaps")) as client:
        client.login(account)
        client.ok('SETMETADATA Sent (/private/comment "kept")')
        client.ok('SETMETADATA "" (/private/a "1" /private/b "2")')
        client.ok('SETMETADATA "" (/private/b NIL)')
    fresh_palomar.kill()
    fresh_palomar.start()
    with Imap(fresh_palomar.connect("imaps")) as client:
        client.login(account)
        assert value(client, "Sent", "/private/comment") == b"kept"
        everything = entries(client.ok('GETMETADATA (DEPTH infinity) "" /private'))
        assert everything[""]["/private/a"] == b"1" and "/private/b" not in everything[""]
    fresh_palomar.cli("check")
