"""Two clients on one mailbox see each other's changes through IDLE, without asking."""

import re

import pytest
from imap_wire import letter, numbers


@pytest.fixture
def pair(imap):
    """One that works, one that idles, on a mailbox of five messages."""
    worker = imap()
    for number in range(1, 6):
        worker.append(letter(number))
    idler = imap()
    idler.idle()
    return worker, idler


def test_new_mail_is_told(pair):
    worker, idler = pair
    worker.append(letter(6))
    assert idler.until(b" EXISTS")[-1] == b"* 6 EXISTS"
    idler.done()
    assert idler.ok("FETCH 6 (BODY.PEEK[HEADER.FIELDS (SUBJECT)])").fetches[0][0] == 6


def test_mail_delivered_by_lmtp_is_told(palomar, account, pair):
    _, idler = pair
    lmtp = palomar.connect("lmtp")

    def say(line, code):
        lmtp.send(line + "\r\n")
        while True:
            reply = lmtp.line()
            assert reply.startswith(code), reply
            if reply[3:4] != b"-":
                return

    with lmtp:
        assert lmtp.line().startswith(b"220")
        say("LHLO test.example", b"250")
        say("MAIL FROM:<carla@example.org>", b"250")
        say(f"RCPT TO:<{account.address}>", b"250")
        say("DATA", b"354")
        say(letter(7).decode() + ".", b"250")
    assert idler.until(b" EXISTS")[-1] == b"* 6 EXISTS"


def test_reads_are_told(pair):
    worker, idler = pair
    worker.ok("FETCH 2 BODY[]")
    line = idler.until(b"FETCH")[-1]
    assert line.startswith(b"* 2 FETCH (") and rb"FLAGS (\Seen" in line
    worker.ok(r"STORE 2 -FLAGS (\Seen)")
    assert rb"\Seen" not in idler.until(b"* 2 FETCH")[-1]


def test_keywords_are_told_with_their_flags_line(pair):
    worker, idler = pair
    worker.ok("STORE 1 +FLAGS ($New-Keyword)")
    heard = idler.until(b"* 1 FETCH")
    assert b"$New-Keyword" in heard[-1]
    assert any(line.startswith(b"* FLAGS (") and b"$New-Keyword" in line for line in heard[:-1])


def test_moves_are_told_on_both_sides(pair, imap):
    worker, idler = pair
    other = imap(select="Archive")
    other.idle()
    worker.ok("MOVE 1,3 Archive")
    gone = [idler.until(b"EXPUNGE")[-1] for _ in range(2)]
    assert gone == [b"* 3 EXPUNGE", b"* 1 EXPUNGE"]
    assert other.until(b" EXISTS")[-1] == b"* 2 EXISTS"
    idler.done()
    assert [n for n, _ in idler.ok("FETCH 1:* (UID)").fetches] == [1, 2, 3]


def test_deletes_are_told(pair):
    worker, idler = pair
    worker.ok(r"STORE 2:3 +FLAGS (\Deleted)")
    worker.ok("EXPUNGE")
    heard = idler.until(b"EXPUNGE") + idler.until(b"EXPUNGE")
    told = [line for line in heard if line.endswith(b"EXPUNGE")]
    left = list(range(1, 6))
    for line in told:
        del left[int(re.match(rb"\* (\d+) ", line).group(1)) - 1]
    assert left == [1, 4, 5]


def test_vanished_is_told_under_qresync(imap):
    worker, idler = imap(), imap(select=None, enable="QRESYNC")
    for number in range(1, 6):
        worker.append(letter(number))
    idler.ok("SELECT INBOX")
    idler.idle()
    worker.ok("NOOP")
    worker.ok(r"STORE 2:4 +FLAGS.SILENT (\Deleted)")
    worker.ok("EXPUNGE")
    assert numbers(idler.until(b"VANISHED")[-1].removeprefix(b"* VANISHED ")) == [2, 3, 4]


def test_delayed_vanished_holds_highestmodseq_back(imap):
    """RFC 7162 §6: MODSEQ of later changes must not stand for messages that vanished before."""
    worker, client = imap(), imap(select=None, enable="QRESYNC")
    for number in range(1, 4):
        worker.append(letter(number))
    worker.ok("NOOP")
    client.ok("SELECT INBOX")
    (status,) = client.ok("STATUS INBOX (HIGHESTMODSEQ)").of(b"STATUS")
    before = int(re.search(rb"HIGHESTMODSEQ (\d+)", status).group(1))
    worker.ok(r"STORE 1 +FLAGS.SILENT (\Deleted)")
    worker.ok("EXPUNGE")
    worker.ok(r"STORE 1 +FLAGS (\Flagged)")
    answer = client.ok("FETCH 2 (FLAGS)")
    assert int(re.search(rb"MODSEQ \((\d+)\)", answer.fetches[0][1]).group(1)) > before
    held = re.search(rb"\* OK \[HIGHESTMODSEQ (\d+)\] \S", b"\n".join(answer.untagged))
    assert held and int(held.group(1)) <= before and not answer.of(b"VANISHED")
    answer = client.ok("NOOP")
    assert answer.of(b"VANISHED") == [b"1"] and b"HIGHESTMODSEQ" not in b"".join(answer.untagged)


def test_a_client_that_fetches_is_not_told_of_expunges(imap):
    """RFC 9051 §5.5: sequence numbers stay put for FETCH, STORE and SEARCH by number."""
    one, two = imap(), imap()
    for number in range(1, 4):
        one.append(letter(number))
    two.ok("NOOP")
    one.ok(r"STORE 1 +FLAGS.SILENT (\Deleted)")
    one.ok("EXPUNGE")
    answer = two.ok("FETCH 1:3 (UID)")
    assert not answer.numbered(b"EXPUNGE")
    assert [n for n, _ in answer.fetches] == [1, 2, 3]
    # What is gone and not yet told can still be read.
    assert letter(1) in two.ok("FETCH 1 BODY.PEEK[]").fetches[0][1]
    assert not two.ok("SEARCH SUBJECT letter").numbered(b"EXPUNGE")
    assert not two.ok(r"STORE 2 +FLAGS (\Seen)").numbered(b"EXPUNGE")
    assert two.ok("NOOP").numbered(b"EXPUNGE") == [(1, b"")]
    assert [n for n, _ in two.ok("FETCH 1:2 (UID)").fetches] == [1, 2]


def test_a_mailbox_deleted_under_a_session_ends_it(imap):
    one, two = imap(), imap(select=None)
    two.ok("CREATE Doomed")
    two.ok("SELECT Doomed")
    two.idle()
    one.ok("DELETE Doomed")
    assert two.until(b"* BYE")
    assert two.raw.rest() == b""


def test_a_mailbox_renamed_under_a_session_goes_on(imap):
    one, two = imap(), imap(select=None)
    two.ok("CREATE Before")
    two.ok("SELECT Before")
    one.ok("RENAME Before After")
    one.append(letter(), "After")
    assert two.ok("NOOP").numbered(b"EXISTS") == [(1, b"")]
