"""MESSAGELIMIT and SAVELIMIT (RFC 9738), and UIDBATCHES (RFC 10022), on the shipped binary."""

import re

import pytest
from conftest import served
from imap_wire import Imap, Literal, letter


@pytest.fixture(scope="module")
def limited():
    yield from served("[limits]\ncommand_messages_max = 3\nsaved_messages_max = 2\n")


@pytest.fixture
def client(limited):
    account = limited.new_account()
    with Imap(limited.connect("imaps")) as client:
        client.login(account)
        for number in range(1, 6):
            client.append(letter(number))
        client.ok("SELECT INBOX")
        yield client


def test_it_is_shown(client):
    told = b" ".join(client.ok("CAPABILITY").untagged)
    assert b" MESSAGELIMIT=3 SAVELIMIT=2 " in told


def test_fetch_and_store_take_the_newest(client):
    answer = client.ok("FETCH 1:* (UID)")
    assert answer.code == b"MESSAGELIMIT 3 3"
    assert [number for number, _ in answer.fetches] == [3, 4, 5]
    # The client goes on below what it was told.
    answer = client.ok("UID FETCH 1:2 (FLAGS)")
    assert answer.code == b"" and [number for number, _ in answer.fetches] == [1, 2]
    answer = client.ok("UID STORE 1:4 +FLAGS (\\Flagged)")
    assert answer.code == b"MESSAGELIMIT 3 2"
    assert client.ok("UID SEARCH UID 1:2 FLAGGED").of(b"SEARCH") == [b"2"]
    assert client.no("UID FETCH 1:* (FLAGS) (PARTIAL 1:4)").code == b"MESSAGELIMIT 3"
    assert client.ok("UID FETCH 1:* (FLAGS) (PARTIAL 1:3)").code == b""


def test_search_looks_at_the_newest(client):
    answer = client.ok("SEARCH SUBJECT letter")
    assert answer.of(b"SEARCH") == [b"3 4 5"] and answer.code == b"MESSAGELIMIT 3 3"
    answer = client.ok("UID SEARCH UID 1:2 SUBJECT letter")
    assert answer.of(b"SEARCH") == [b"1 2"] and answer.code == b""
    assert client.ok("SORT (ARRIVAL) UTF-8 ALL").code == b"MESSAGELIMIT 3 3"
    assert client.ok("THREAD REFS UTF-8 ALL").code == b"MESSAGELIMIT 3 3"


def test_copies_are_all_or_none(client):
    assert client.no("UID COPY 1:4 Archive").code == b"MESSAGELIMIT 2"
    assert client.no("UID MOVE 1:3 Archive").code == b"MESSAGELIMIT 2"
    assert client.ok("STATUS Archive (MESSAGES)").of(b"STATUS") == [b'"Archive" (MESSAGES 0)']
    client.ok("UID COPY 1:2 Archive")
    three = ["APPEND INBOX", Literal(b"a\r\n"), Literal(b"b\r\n"), Literal(b"c\r\n")]
    assert client.no(*three).code == b"MESSAGELIMIT 2"
    client.ok(*three[:3])


def test_expunge_in_parts(client):
    client.ok("STORE 1:3 +FLAGS.SILENT (\\Deleted)")
    client.ok("STORE 4:5 +FLAGS.SILENT (\\Deleted)")
    answer = client.ok("EXPUNGE")
    assert answer.code == b"MESSAGELIMIT 3 3"
    assert client.ok("UID SEARCH ALL").of(b"SEARCH") == [b"1 2"]
    assert client.ok("EXPUNGE").code == b""
    assert client.ok("STATUS INBOX (MESSAGES)").of(b"STATUS") == [b'INBOX (MESSAGES 0)']


def test_batches(imap):
    client = imap()
    client.ok("APPEND INBOX", *[Literal(letter(number)) for number in range(1, 901)])
    client.ok("APPEND INBOX", *[Literal(letter(number)) for number in range(901, 1302)])
    client.ok("UID STORE 100:200 +FLAGS.SILENT (\\Deleted)")
    client.ok("EXPUNGE")
    tag = client.send("UIDBATCHES 500")
    answer = client.answer(tag)
    assert answer.of(b"UIDBATCHES") == [b'(TAG "%s") 1301:802,801:302,301:1' % tag]
    assert client.ok("UIDBATCHES 500 2:2").of(b"UIDBATCHES")[0].endswith(b") 801:302")
    assert client.ok("UIDBATCHES 2000").of(b"UIDBATCHES")[0].endswith(b") 1301:1")
    assert client.ok("UIDBATCHES 500 4:9").of(b"UIDBATCHES")[0].endswith(b'")')
    assert client.no("UIDBATCHES 499").code == b"TOOSMALL"
    # Each batch has what it says.
    (line,) = client.ok("UIDBATCHES 600").of(b"UIDBATCHES")
    for batch in line.split(b") ")[1].split(b","):
        newest, oldest = map(int, batch.split(b":"))
        (found,) = client.ok(f"UID SEARCH RETURN (COUNT) UID {oldest}:{newest}").of(b"ESEARCH")
        assert re.search(rb"COUNT (\d+)", found).group(1) in (b"600",)
