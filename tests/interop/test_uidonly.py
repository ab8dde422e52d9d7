"""UIDONLY (RFC 9586) on the shipped binary, and hiding it from one account."""

from imap_wire import Literal, letter, numbers


def test_numbers_are_gone(palomar, account, imap):
    palomar.cli("account", "capabilities", account.address, "--show", "UIDONLY")
    client, other = imap(select=None), imap()
    client.ok("ENABLE UIDONLY")
    uids = [other.append(letter(number)) for number in range(1, 6)]
    answer = client.ok("SELECT INBOX")
    assert not any(b"[UNSEEN" in line for line in answer.untagged), answer
    assert answer.numbered(b"EXISTS") == [(5, b"")]
    for command in ("FETCH 1 FLAGS", "STORE 1 +FLAGS (\\Seen)", "COPY 1 Archive", "MOVE 1 Archive",
                    "SEARCH ALL", "SORT (DATE) UTF-8 ALL", "THREAD REFERENCES UTF-8 ALL",
                    "UID SEARCH 1:2", 'REPLACE 1 INBOX CATENATE (URL ";UID=1")'):
        assert client.bad(command).code == b"UIDREQUIRED", command
    assert client.bad("REPLACE 1 INBOX", Literal(b"x")).code == b"UIDREQUIRED"
    answer = client.ok(f"UID FETCH {uids[1]}:* (FLAGS UID RFC822.SIZE)")
    told = answer.numbered(b"UIDFETCH")
    assert [uid for uid, _ in told] == uids[1:]
    assert not answer.fetches
    assert all(b"UID" not in rest and b"FLAGS (" in rest for _, rest in told), told
    assert client.ok(f"UID FETCH {uids[0]} UID").numbered(b"UIDFETCH") == [(uids[0], b"(UID %d)" % uids[0])]
    ((uid, rest),) = client.ok(f"UID STORE {uids[2]} +FLAGS (\\Flagged)").numbered(b"UIDFETCH")
    assert uid == uids[2] and rest.startswith(b"(FLAGS (")
    # What others do.
    other.ok("NOOP")
    other.ok(f"UID STORE {uids[3]} +FLAGS (\\Answered)")
    other.ok(f"UID STORE {uids[0]},{uids[4]} +FLAGS (\\Deleted)")
    other.ok("EXPUNGE")
    answer = client.ok("NOOP")
    assert not answer.numbered(b"EXPUNGE") and not answer.fetches
    assert sorted(number for line in answer.of(b"VANISHED") for number in numbers(line)) == [uids[0], uids[4]]
    assert uids[3] in [uid for uid, _ in answer.numbered(b"UIDFETCH")]
    client.ok(f"UID STORE {uids[1]} +FLAGS.SILENT (\\Deleted)")
    assert client.ok("EXPUNGE").of(b"VANISHED") == [b"%d" % uids[1]]
    assert client.ok(f"UID MOVE {uids[2]} Archive").of(b"VANISHED") == [b"%d" % uids[2]]
    assert client.ok("UID SEARCH RETURN (ALL) ALL").of(b"ESEARCH")[0].endswith(b"UID ALL %d" % uids[3])


def test_an_account_that_is_shown_it(palomar, account, imap):
    """New Outlook misuses it (quirk 11): nobody is shown it who was not meant."""
    other = palomar.new_account()
    palomar.cli("account", "capabilities", account.address, "--show", "uidonly", "--hide", "notify")
    told = palomar.cli("account", "show", account.address)
    assert "shown     UIDONLY" in told and "hidden    NOTIFY" in told
    client = imap(select=None)
    names = b" ".join(client.ok("CAPABILITY").untagged)
    assert b" UIDONLY" in names and b" NOTIFY" not in names
    assert client.ok("ENABLE UIDONLY").of(b"ENABLED") == [b"UIDONLY"]
    # Another account is not, on the same connection.
    client.ok("UNAUTHENTICATE")
    client.login(other)
    names = b" ".join(client.ok("CAPABILITY").untagged)
    assert b" UIDONLY" not in names and b" NOTIFY" in names
    assert not client.ok("ENABLE UIDONLY").of(b"ENABLED")
    client.ok("SELECT INBOX")
    client.ok("SEARCH ALL")
    palomar.cli("account", "capabilities", account.address, "--hide", "UIDONLY", "--show", "NOTIFY")
    client = imap(select=None)
    assert b" UIDONLY" not in b" ".join(client.ok("CAPABILITY").untagged)
