"""Mailboxes shared between accounts (RFC 4314, RFC 8440) on the shipped binary."""

import contextlib
import re
import secrets

import pytest
from conftest import Account
from imap_wire import Imap, Literal, letter


class People:
    """An owner and two others, each with as many connections as wanted."""

    def __init__(self, palomar, stack):
        self.palomar, self.stack = palomar, stack
        self.owner, self.bea, self.carl = (palomar.new_account() for _ in range(3))

    def connect(self, account, select=None, enable=""):
        client = self.stack.enter_context(Imap(self.palomar.connect("imaps")))
        client.login(account)
        if enable:
            client.ok("ENABLE", enable)
        if select:
            client.ok("SELECT", f'"{select}"')
        return client

    def shared(self, name="Team"):
        """The name that others see."""
        return f"Other Users/{self.owner.address}/{name}"

    def share(self, rights, who=None, name="Team"):
        """The owner's connection, after a mailbox was made and shared with Bea."""
        client = self.connect(self.owner)
        client.run("CREATE", name)
        client.ok("SETACL", name, (who or self.bea).address, rights)
        return client


@pytest.fixture
def people(palomar):
    with contextlib.ExitStack() as stack:
        yield People(palomar, stack)


def names(client, pattern="*"):
    found = client.ok('LIST ""', f'"{pattern}"').of(b"LIST")
    return {re.search(rb'"/" "?([^"]*)"?$', line).group(1).decode() for line in found}


def test_a_shared_mailbox_is_seen_by_who_may(people):
    owner = people.share("lr")
    bea, carl = people.connect(people.bea), people.connect(people.carl)
    shared = people.shared()
    assert shared in names(bea) and shared not in names(carl)
    assert names(bea, "Other Users/%") == {f"Other Users/{people.owner.address}"}
    assert names(bea, "Other Users/*") >= {shared}
    assert b"\\NonExistent" in b"".join(bea.ok('LIST "" "Other Users"').of(b"LIST"))
    assert bea.ok(f'MYRIGHTS "{shared}"').of(b"MYRIGHTS")[0].endswith(b" lr")
    # One that may not be seen is not told from one that is not there.
    for name in (shared, people.shared("Drafts"), people.shared("Nothing"), "Other Users/x@example.test/INBOX"):
        assert carl.no(f'SELECT "{name}"').code == b"NONEXISTENT"
        assert carl.no(f'STATUS "{name}" (MESSAGES)').code == b"NONEXISTENT"
        assert carl.no(f'MYRIGHTS "{name}"').code == b"NONEXISTENT"
        assert carl.no(f'GETACL "{name}"').code == b"NONEXISTENT"
    assert bea.no(f'GETACL "{shared}"').code == b"NOPERM"
    (line,) = owner.ok("GETACL Team").of(b"ACL")
    assert line == b'"Team" "%s" lrswipkxteacd "%s" lr' % (people.owner.address.encode(), people.bea.address.encode()) or \
        line.replace(b'"', b"") == b"Team %s lrswipkxteacd %s lr" % (people.owner.address.encode(), people.bea.address.encode())
    told = bea.ok('LIST "" "*" RETURN (MYRIGHTS)').of(b"MYRIGHTS")
    assert any(line.startswith(b'"Other Users/') and line.endswith(b" lr") for line in told), told
    assert any(line.startswith(b"INBOX ") and line.endswith(b" lrswipkxteacd") for line in told), told
    owner.ok("DELETEACL Team", people.bea.address)
    assert not any(people.owner.address in name for name in names(bea))


def test_reading_alone(people):
    owner = people.share("lr")
    owner.append(letter(1), "Team")
    bea = people.connect(people.bea)
    answer = bea.ok(f'SELECT "{people.shared()}"')
    assert answer.code == b"READ-ONLY" and b"PERMANENTFLAGS ()" in b" ".join(answer.untagged)
    assert bea.ok("FETCH 1 (BODY[TEXT] EMAILID FLAGS)").fetches
    assert b"\\Seen" not in b"".join(bea.ok("FETCH 1 FLAGS").untagged)
    for command in ("STORE 1 +FLAGS (\\Seen)", "EXPUNGE", "MOVE 1 INBOX"):
        assert bea.no(command).code in (b"NOPERM", b"READ-ONLY"), command
    assert bea.no(f'APPEND "{people.shared()}"', Literal(letter(2))).code == b"NOPERM"
    assert bea.no(f'DELETE "{people.shared()}"').code == b"NOPERM"
    assert bea.no(f'RENAME "{people.shared()}" "{people.shared("Mine")}"').code == b"NOPERM"
    assert bea.no(f'CREATE "{people.shared("Team/Sub")}"').code == b"NOPERM"
    assert bea.no(f'SETACL "{people.shared()}" {people.bea.address} lra').code == b"NOPERM"
    # Ids of the owner's messages are not taken for one's own.
    (email,) = re.findall(rb"EMAILID \(([^)]+)\)", b"".join(bea.ok("FETCH 1 EMAILID").untagged))
    assert email.count(b"-") == 1
    assert bea.ok("SEARCH EMAILID", email).of(b"SEARCH") == [b"1"]
    (kept,) = re.findall(rb"EMAILID \(([^)]+)\)", b"".join(people.connect(people.owner, "Team").ok("FETCH 1 EMAILID").untagged))
    assert b"-" not in kept


def test_flags_by_their_rights(people):
    owner = people.share("lrs")
    owner.append(letter(1), "Team", "(\\Flagged old)")
    owner.ok("SELECT Team")
    bea = people.connect(people.bea)
    answer = bea.ok(f'SELECT "{people.shared()}"')
    assert answer.code == b"READ-WRITE" and b"PERMANENTFLAGS (\\Seen)]" in b" ".join(answer.untagged)

    def flags():
        owner.ok("NOOP")
        (line,) = owner.ok("FETCH 1 FLAGS").untagged
        return set(re.search(rb"FLAGS \(([^)]*)\)", line).group(1).split()) - {b"\\Recent"}

    # What may not be changed stays as it is.
    bea.ok("STORE 1 FLAGS (\\Seen \\Deleted \\Answered new)")
    assert flags() == {b"\\Seen", b"\\Flagged", b"old"}
    bea.ok("STORE 1 FLAGS ()")
    assert flags() == {b"\\Flagged", b"old"}
    bea.ok("FETCH 1 BODY[TEXT]")
    assert flags() == {b"\\Seen", b"\\Flagged", b"old"}
    owner.ok("SETACL Team", people.bea.address, "lrw")
    bea.ok("STORE 1 FLAGS (\\Deleted new)")
    assert flags() == {b"\\Seen", b"new"}
    owner.ok("SETACL Team", people.bea.address, "lrt")
    bea.ok("STORE 1 +FLAGS (\\Deleted \\Flagged)")
    assert flags() == {b"\\Seen", b"\\Deleted", b"new"}
    assert bea.no("EXPUNGE").code == b"NOPERM"
    owner.ok("SETACL Team", people.bea.address, "lrte")
    assert bea.ok("EXPUNGE").numbered(b"EXPUNGE") == [(1, b"")]


def test_changes_are_pushed_to_every_member(people):
    owner = people.share("lrswite")
    owner.ok("SETACL Team", people.carl.address, "lr")
    owner.ok("SELECT Team")
    bea, carl = people.connect(people.bea, people.shared()), people.connect(people.carl, people.shared())
    carl.idle()
    owner.idle()
    bea.append(letter(1), f'"{people.shared()}"')
    for one in (carl, owner):
        assert one.until(b" EXISTS")[-1] == b"* 1 EXISTS"
    bea.ok("NOOP")
    bea.ok("STORE 1 +FLAGS (\\Flagged \\Deleted)")
    for one in (carl, owner):
        assert b"\\Flagged" in one.until(b" FETCH ")[-1]
    bea.ok("EXPUNGE")
    for one in (carl, owner):
        assert one.until(b" EXPUNGE")[-1] == b"* 1 EXPUNGE"
        one.done()


def test_messages_travel_between_accounts(people):
    owner = people.share("lrsi")
    uid = owner.append(letter(1), "Team", "(\\Seen \\Flagged)", '"17-Jul-1996 02:44:25 +0000"')
    bea = people.connect(people.bea, people.shared())
    answer = bea.ok(f"UID COPY {uid} INBOX")
    assert re.match(rb"COPYUID \d+ %d 1$" % uid, answer.code)
    mine = people.connect(people.bea, "INBOX")
    (line,) = [rest for _, rest in mine.ok("FETCH 1 (FLAGS INTERNALDATE BODY.PEEK[])").fetches]
    assert letter(1) in line and b"17-Jul-1996" in line and b"\\Flagged" in line and b"\\Seen" in line
    # Into the shared one: with the flags that Bea may set there.
    mine.ok("STORE 1 +FLAGS (\\Answered)")
    answer = mine.ok(f'UID COPY 1 "{people.shared()}"')
    owner.ok("SELECT Team")
    assert owner.ok("SEARCH SEEN UNFLAGGED UNANSWERED").of(b"SEARCH") == [b"2"]
    assert bea.no(f"UID MOVE {uid} INBOX").code == b"NOPERM"
    owner.ok("SETACL Team", people.bea.address, "+te")
    assert bea.ok(f"UID MOVE {uid} Archive").numbered(b"EXPUNGE") == [(1, b"")]
    assert mine.ok("STATUS Archive (MESSAGES)").of(b"STATUS")[0].endswith(b"(MESSAGES 1)")
    # REPLACE and CATENATE over the border.
    bea.ok("NOOP")
    answer = bea.ok(f'REPLACE 1 INBOX CATENATE (URL "/Other%20Users/{people.owner.address}/Team/;UID=2" TEXT', Literal(b"more\r\n"), ")")
    assert answer.numbered(b"EXPUNGE") == [(1, b"")]
    mine.ok("NOOP")
    assert b"more\r\n" in mine.ok("FETCH * BODY.PEEK[TEXT]").fetches[-1][1]
    assert owner.ok("NOOP").word == b"OK"
    assert owner.ok("STATUS Team (MESSAGES)").of(b"STATUS")[0].endswith(b"(MESSAGES 0)")


def test_mailboxes_below_a_shared_one(people):
    owner = people.share("lrkxa")
    bea, carl = people.connect(people.bea), people.connect(people.carl)
    sub = people.shared("Team/Sub")
    answer = bea.ok(f'CREATE "{sub}"')
    assert re.match(rb"MAILBOXID \(F\d+-\d+\)$", answer.code)
    assert "Team/Sub" in names(owner) and sub in names(bea)
    assert bea.no(f'CREATE "Other Users/{people.owner.address}/New"').code == b"NONEXISTENT"
    bea.no(f'RENAME "{sub}" Mine')
    bea.ok(f'RENAME "{sub}" "{people.shared("Team/Other")}"')
    # Who administers gives rights to others.
    bea.ok(f'SETACL "{people.shared("Team/Other")}" {people.carl.address} lr')
    assert names(carl, "Other Users/*") >= {people.shared("Team/Other")}
    bea.ok(f'DELETE "{people.shared("Team/Other")}"')
    assert "Team/Other" not in names(owner)
    assert not any(people.owner.address in name for name in names(carl))
    (line,) = owner.ok("LISTRIGHTS Team", people.carl.address).of(b"LISTRIGHTS")
    assert line.endswith(b' "" l r s w i p k x t e a')
    assert owner.no("SETACL Team", people.owner.address, "l").code == b"CANNOT"
    assert owner.no("SETACL Team nobody@example.test lr").code == b"NONEXISTENT"


def test_anyone_and_negative_rights(people):
    owner = people.share("lr")
    owner.ok("SETACL Team anyone lrs")
    carl = people.connect(people.carl)
    assert carl.ok(f'MYRIGHTS "{people.shared()}"').of(b"MYRIGHTS")[0].endswith(b" lrs")
    owner.ok("SETACL Team", f"-{people.carl.address}", "rs")
    assert carl.ok(f'MYRIGHTS "{people.shared()}"').of(b"MYRIGHTS")[0].endswith(b" l")
    assert carl.no(f'SELECT "{people.shared()}"').code == b"NOPERM"
    assert people.shared() in names(carl)
    # Of another domain nobody is anyone.
    domain = f"d{secrets.token_hex(4)}.test"
    people.palomar.cli("domain", "add", domain)
    stranger = Account(f"dora@{domain}", secrets.token_urlsafe(12))
    people.palomar.cli("account", "add", stranger.address, "--password-stdin", stdin=stranger.password)
    dora = people.connect(stranger)
    assert people.shared() not in names(dora)
    assert dora.no(f'SELECT "{people.shared()}"').code == b"NONEXISTENT"
    owner.ok("SETACL Team", stranger.address, "lr")
    assert people.shared() in names(dora)
    # Other tests look at all that their accounts see.
    owner.ok("DELETEACL Team anyone")


def test_rights_end_at_once(people):
    owner = people.share("lrswite")
    bea = people.connect(people.bea, people.shared())
    bea.ok("FETCH 1:* FLAGS")
    owner.ok("DELETEACL Team", people.bea.address)
    assert bea.no("SEARCH ALL").code == b"NOPERM"
    owner.append(letter(1), "Team")
    heard = bea.until(lambda line: b"BYE" in line) if bea.send("NOOP") else []
    assert not any(b"EXISTS" in line for line in heard)


def test_what_goes_with_the_owner(people):
    people.share("lr")
    bea = people.connect(people.bea)
    assert people.shared() in names(bea)
    people.palomar.cli("account", "disable", people.owner.address)
    assert people.shared() not in names(bea)
    assert bea.no(f'SELECT "{people.shared()}"').code == b"NONEXISTENT"
    people.palomar.cli("account", "enable", people.owner.address)
    assert people.shared() in names(bea)
    people.palomar.cli("account", "remove", people.owner.address, "--yes")
    assert not any(people.owner.address in name for name in names(bea))


def test_annotations_of_shared_mailboxes(people):
    owner = people.share("lrw")
    bea = people.connect(people.bea)
    shared = people.shared()
    bea.ok(f'SETMETADATA "{shared}" (/private/comment "mine" /shared/comment "ours")')
    assert b'"mine"' in b"".join(bea.ok(f'GETMETADATA "{shared}" /private/comment').untagged)
    told = b"".join(owner.ok("GETMETADATA Team (/private/comment /shared/comment)").untagged)
    assert b'"ours"' in told and b'"mine"' not in told
    owner.ok("SETACL Team", people.bea.address, "lr")
    assert bea.no(f'SETMETADATA "{shared}" (/shared/comment NIL)').code == b"NOPERM"
    bea.ok(f'SETMETADATA "{shared}" (/private/comment NIL)')


def test_it_survives_a_restart_and_the_check(fresh_palomar):
    with contextlib.ExitStack() as stack:
        people = People(fresh_palomar, stack)
        people.share("lrs")
        fresh_palomar.stop()
        assert "0 faults" in fresh_palomar.cli("check") or fresh_palomar.cli("check")
        fresh_palomar.start()
        bea = people.connect(people.bea)
        assert people.shared() in names(bea)
        assert bea.ok(f'MYRIGHTS "{people.shared()}"').of(b"MYRIGHTS")[0].endswith(b" lrs")
        people.connect(people.owner).ok("RENAME Team Crew")
        assert names(bea, "Other Users/*") >= {people.shared("Crew")}
