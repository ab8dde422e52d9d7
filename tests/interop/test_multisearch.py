"""ESEARCH over several mailboxes (RFC 7377)."""

import re

from imap_wire import letter


def found(answer):
    """{mailbox: (UIDVALIDITY, rest)}"""
    lines = {}
    for line in answer.of(b"ESEARCH"):
        one = re.fullmatch(
            rb'\(TAG "\S+" MAILBOX "?([^"]+?)"? UIDVALIDITY (\d+)\) UID ?(.*)', line
        )
        assert one, line
        assert one[1] not in lines, "one answer a mailbox"
        lines[one[1].decode()] = (int(one[2]), one[3].decode())
    return lines


def rests(answer):
    return {mailbox: rest for mailbox, (_, rest) in found(answer).items()}


def tree(client):
    for name in ["Tree", "Tree/A", "Tree/A/Deep", "Tree/B", "Other"]:
        client.ok(f"CREATE {name}")
    for name in ["INBOX", "Tree", "Tree/A", "Tree/A/Deep", "Other"]:
        for number in range(2):
            client.append(letter(number, subject=f"frobozz {number}"), mailbox=name)
    client.ok("NOOP")


def test_sources(imap):
    client = imap(select=None)
    tree(client)
    ask = lambda where: rests(client.ok(f'ESEARCH IN ({where}) SUBJECT "frobozz"'))
    assert ask("inboxes") == {"INBOX": "ALL 1:2"}
    assert ask("mailboxes (Tree Other Missing)") == {"Tree": "ALL 1:2", "Other": "ALL 1:2"}
    assert set(ask("subtree Tree")) == {"Tree", "Tree/A", "Tree/A/Deep"}
    assert set(ask("subtree-one Tree")) == {"Tree", "Tree/A"}
    assert set(ask("personal")) == {"INBOX", "Tree", "Tree/A", "Tree/A/Deep", "Other"}
    client.ok("SUBSCRIBE Other")
    assert set(ask("subscribed inboxes")) >= {"INBOX", "Other"}
    # A mailbox named twice is searched once.
    assert set(ask("mailboxes Tree subtree Tree")) == {"Tree", "Tree/A", "Tree/A/Deep"}


def test_answers(imap):
    client = imap(select=None)
    tree(client)
    answer = client.ok('ESEARCH IN (personal) RETURN (MIN MAX COUNT) SUBJECT "frobozz 1"')
    assert set(rests(answer).values()) == {"MIN 2 MAX 2 COUNT 1"}
    # Nothing found, nothing said; message numbers beyond the end are no error.
    assert found(client.ok('ESEARCH IN (personal) RETURN (COUNT) SUBJECT "xyzzy"')) == {}
    assert found(client.ok("ESEARCH IN (personal) 100:200")) == {}
    status = client.ok("STATUS Tree (UIDVALIDITY)").of(b"STATUS")[0]
    validity = int(re.search(rb"UIDVALIDITY (\d+)", status)[1])
    assert found(client.ok("ESEARCH IN (mailboxes Tree) 2"))["Tree"] == (validity, "ALL 2")


def test_the_selected_mailbox(imap):
    client = imap(select=None)
    tree(client)
    client.bad("ESEARCH UNSEEN")
    client.bad("ESEARCH IN (selected) UNSEEN")
    client.ok("SELECT Other")
    assert rests(client.ok("ESEARCH 1")) == {"Other": "ALL 1"}
    both = client.ok("ESEARCH IN (selected inboxes) ALL")
    assert rests(both) == {"Other": "ALL 1:2", "INBOX": "ALL 1:2"}
    client.bad("ESEARCH IN (inboxes) RETURN (SAVE) ALL")
    assert found(client.ok("ESEARCH RETURN (SAVE) 2")) == {}
    assert client.ok("UID SEARCH RETURN (ALL) UID $").of(b"ESEARCH")[0].endswith(b"UID ALL 2")
    # It stays selected, and what others do to it is still told.
    assert client.ok("FETCH 1 (UID)").fetches


def test_recent_stays(imap):
    """A search takes no \\Recent marks."""
    client = imap(select=None)
    tree(client)
    client.ok("ESEARCH IN (personal) ALL")
    (line,) = client.ok("STATUS Other (RECENT)").of(b"STATUS")
    assert b"RECENT 2" in line
