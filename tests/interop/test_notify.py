"""NOTIFY (RFC 5465) on the shipped binary: told without asking, between commands."""

import os
import re
import time

import pytest
from imap_wire import Literal, letter


@pytest.fixture
def other(imap):
    return imap(select=None)


def status(line):
    """Mailbox and items of a STATUS response."""
    name, items = re.match(rb'\* STATUS "?([^"(]*?)"? \((.*)\)$', line).groups()
    words = items.split()
    return name.decode(), {words[at].decode(): int(words[at + 1]) for at in range(0, len(words), 2)}


def test_another_mailbox_tells_its_status(imap, other):
    client = imap()
    answer = client.ok("NOTIFY SET STATUS (personal (MessageNew MessageExpunge))")
    told = dict(status(line) for line in answer.untagged)
    assert told["Archive"]["MESSAGES"] == 0 and "UIDNEXT" in told["Archive"] and "UIDVALIDITY" in told["Archive"]
    assert "INBOX" not in told, "the selected one is SELECTED's"
    other.append(letter(1), "Archive")
    name, items = status(client.response())
    assert (name, items["MESSAGES"], items["UIDNEXT"]) == ("Archive", 1, 2)
    other.ok("SELECT Archive")
    other.ok("STORE 1 +FLAGS (\\Deleted)")
    other.ok("EXPUNGE")
    name, items = status(client.response())
    assert (name, items["MESSAGES"], items["UIDNEXT"]) == ("Archive", 0, 2)
    # Of the selected one nothing is heard: it was not asked for.
    other.append(letter(1), "INBOX")
    assert not client.ok("NOOP").untagged
    # §3: no event is told from here on, whatever the command.
    client.ok("NOTIFY NONE")
    other.append(letter(2), "Archive")
    other.append(letter(2), "INBOX")
    assert not client.ok("NOOP").untagged
    assert client.raw.is_silent()


def test_the_selected_mailbox_at_once(imap, other):
    client = imap()
    client.ok("NOTIFY SET (selected (MessageNew (UID FLAGS BODY.PEEK[HEADER.FIELDS (Subject)]) MessageExpunge FlagChange))")
    uid = other.append(letter(1), "INBOX", "(\\Flagged)")
    heard = client.until(b" FETCH ")
    assert b"* 1 EXISTS" in heard
    assert b"UID %d" % uid in heard[-1] and b"\\Flagged" in heard[-1] and b"Subject: letter 1" in heard[-1]
    other.ok("SELECT INBOX")
    other.ok("STORE 1 +FLAGS (\\Answered)")
    assert b"\\Answered" in client.until(b" FETCH ")[-1]
    other.ok("STORE 1 +FLAGS (\\Deleted)")
    client.until(b"\\Deleted")
    other.ok("EXPUNGE")
    assert client.response() == b"* 1 EXPUNGE"
    # In IDLE the same is told.
    client.idle()
    other.append(letter(2), "INBOX")
    heard = client.until(b" FETCH ")
    assert b"* 1 EXISTS" in heard and b"Subject: letter 2" in heard[-1]
    client.done()


def test_selected_delayed_waits_with_expunges(imap, other):
    client = imap()
    for number in (1, 2):
        client.append(letter(number))
    client.ok("NOOP")
    client.ok("NOTIFY SET (selected-delayed (MessageNew MessageExpunge))")
    other.ok("SELECT INBOX")
    other.ok("STORE 1 +FLAGS (\\Deleted)")
    other.ok("EXPUNGE")
    other.append(letter(3), "INBOX")
    assert client.response() == b"* 3 EXISTS"
    # Numbers are as they were until a command lets them move.
    assert [number for number, _ in client.ok("FETCH 2 UID").fetches] == [2]
    assert client.ok("NOOP").numbered(b"EXPUNGE") == [(1, b"")]


def test_without_flag_changes(imap, other):
    client = imap()
    client.append(letter(1))
    client.ok("NOTIFY SET (selected (MessageNew MessageExpunge))")
    other.ok("SELECT INBOX")
    other.ok("STORE 1 +FLAGS (\\Flagged)")
    assert not client.ok("NOOP").fetches


def test_names_and_subscriptions(imap, other):
    client = imap(select=None, enable="IMAP4rev2")
    client.ok("NOTIFY SET (personal (MailboxName SubscriptionChange))")
    other.ok("CREATE Lists")
    assert client.response() == b'* LIST (\\HasNoChildren) "/" Lists'.replace(b"Lists", b'"Lists"')
    other.ok("CREATE Lists/Lemonade")
    heard = [client.response(), client.response()]
    assert heard == [b'* LIST (\\HasChildren) "/" "Lists"', b'* LIST (\\HasNoChildren) "/" "Lists/Lemonade"']
    other.ok("RENAME Lists Papers")
    assert client.response() == b'* LIST (\\HasChildren) "/" "Papers" ("OLDNAME" ("Lists"))'
    other.ok("SUBSCRIBE Papers")
    assert client.response() == b'* LIST (\\Subscribed \\HasChildren) "/" "Papers"'
    other.ok("UNSUBSCRIBE Papers")
    assert client.response() == b'* LIST (\\HasChildren) "/" "Papers"'
    other.ok("DELETE Papers/Lemonade")
    heard = {client.response(), client.response()}
    assert heard == {b'* LIST (\\HasNoChildren) "/" "Papers"', b'* LIST (\\NonExistent \\HasNoChildren) "/" "Papers/Lemonade"'}
    # What the client does itself it knows.
    assert not [line for line in client.ok("CREATE Mine").untagged if b"LIST" in line]
    client.ok("SUBSCRIBE Mine")
    client.ok("RENAME Mine Ours")
    client.ok("DELETE Ours")
    assert not client.ok("NOOP").untagged and client.raw.is_silent()


def test_flag_changes_elsewhere(imap, other):
    client = imap(select=None)
    other.append(letter(1), "Archive")
    client.ok("ENABLE CONDSTORE")
    client.ok("NOTIFY SET (mailboxes (Archive) (MessageNew MessageExpunge FlagChange))")
    other.ok("SELECT Archive")
    other.ok("STORE 1 +FLAGS (\\Seen)")
    name, items = status(client.response())
    assert name == "Archive" and items["UNSEEN"] == 0 and items["HIGHESTMODSEQ"] > 1 and "UIDVALIDITY" in items
    other.append(letter(2), "Drafts")
    assert client.raw.is_silent()


def test_subtrees_and_inboxes(imap, other):
    client = imap(select=None)
    for name in ("Lists", "Lists/a", "Listserv"):
        other.ok("CREATE", name)
    client.ok("NOTIFY SET (subtree Lists (MessageNew MessageExpunge)) (inboxes (MessageNew MessageExpunge))")
    other.append(letter(1), "Listserv")
    for name in ("Lists", "Lists/a", "INBOX"):
        other.append(letter(1), name)
        assert status(client.response())[0] == name


def test_annotations(imap, other):
    client = imap(select=None)
    client.ok("NOTIFY SET (personal (MailboxMetadataChange)) (mailboxes INBOX (ServerMetadataChange))")
    other.ok('SETMETADATA Archive (/private/comment "x")')
    assert client.response() == b'* METADATA "Archive" /private/comment'
    other.ok('SETMETADATA "" (/private/comment "x")')
    assert client.response() == b'* METADATA "" /private/comment'


def test_shared_mailboxes(palomar, account, imap, other):
    from conftest import Account  # noqa: F401
    from imap_wire import Imap

    owner = palomar.new_account()
    with Imap(palomar.connect("imaps")) as bob:
        bob.login(owner)
        bob.ok("CREATE Team")
        bob.ok("SETACL Team", account.address, "lr")
        client = imap(select=None)
        shared = f"Other Users/{owner.address}/Team"
        client.ok(f'NOTIFY SET (mailboxes "{shared}" (MessageNew MessageExpunge))')
        bob.append(letter(1), "Team")
        name, items = status(client.response())
        assert name == shared and items["MESSAGES"] == 1
        # §5.9: when access is lost, so are the news.
        bob.ok("DELETEACL Team", account.address)
        bob.append(letter(2), "Team")
        assert not [line for line in client.ok("NOOP").untagged if b"STATUS" in line]


def test_many_changes_cost_one_look(imap, other):
    client = imap(select=None)
    client.ok("NOTIFY SET (personal (MessageNew MessageExpunge))")
    other.ok("APPEND Archive", *[Literal(letter(number)) for number in range(300)])
    name, items = status(client.response())
    assert (name, items["MESSAGES"]) == ("Archive", 300)


def test_groups_at_the_limit_and_beyond(imap):
    client = imap(select=None)
    group = "(personal (MessageNew MessageExpunge))"
    client.ok("NOTIFY SET", " ".join([group] * 100))
    assert client.no("NOTIFY SET", " ".join([group] * 101)).code == b"NOTIFICATIONOVERFLOW"


def processor_seconds(palomar):
    fields = open(f"/proc/{palomar.process.pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("asked", ["(selected-delayed (MessageNew MessageExpunge))", "(personal (MessageNew MessageExpunge))"])
def test_what_cannot_be_told_yet_costs_nothing(palomar, imap, other, asked):
    """A session with news that have to wait must not ask for them again and again."""
    client = imap()
    for number in (1, 2):
        client.append(letter(number))
    client.ok("NOOP")
    client.ok("NOTIFY SET", asked)
    client.idle()
    other.ok("SELECT INBOX")
    other.ok("STORE 1 +FLAGS (\\Deleted)")
    other.ok("EXPUNGE")
    other.append(letter(3), "INBOX")
    before, began = processor_seconds(palomar), time.monotonic()
    for _ in range(4):
        client.raw.is_silent()
    assert processor_seconds(palomar) - before < (time.monotonic() - began) / 2
    client.done()
