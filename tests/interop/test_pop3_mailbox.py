"""POP3 beside IMAP on one mailbox, over restarts, and with every message of the corpus."""

import poplib
import re
import smtplib

import pytest
from imap_wire import Literal
from test_pop3 import box, client, letter, octets, uids  # noqa: F401

BATCH = 50


def test_a_message_that_is_expunged_meanwhile_is_never_another(palomar, box):
    pop3 = client(palomar, box)
    before = uids(pop3)
    with palomar.imap(box) as imap:
        imap.select("INBOX")
        imap.store("2", "+FLAGS", r"(\Deleted)")
        assert imap.expunge()[1] == [b"2"]
        imap.append("INBOX", None, None, letter(4))
    # The list is frozen.
    assert pop3.stat()[0] == 3 and uids(pop3) == before
    for command in (lambda: pop3.retr(2), lambda: pop3.top(2, 0)):
        with pytest.raises(poplib.error_proto):
            command()
    assert octets(pop3.retr(3)) == letter(3)
    pop3.dele(2)
    pop3.dele(3)
    pop3.quit()
    pop3 = client(palomar, box)
    assert [octets(pop3.retr(n)) for n in (1, 2)] == [letter(1), letter(4)]
    after = uids(pop3)
    assert after[0] == before[0] and after[1] not in before
    pop3.quit()


def test_an_imap_client_sees_what_pop3_did(palomar, box):
    with palomar.imap(box) as imap:
        imap.select("INBOX")
        pop3 = client(palomar, box)
        pop3.retr(1)
        pop3.top(2, 10)
        pop3.retr(3)
        pop3.dele(3)
        imap.noop()
        assert imap.search(None, "SEEN")[1] == [b""]
        pop3.quit()
        imap.noop()
        assert imap.search(None, "ALL")[1] == [b"1 2"]
        # What RETR sent is seen, what TOP showed is not.
        assert imap.search(None, "SEEN")[1] == [b"1"]
        pop3 = client(palomar, box)
        pop3.retr(2)
        pop3.close()
        # Without QUIT too; the session ends when the server reads that it is over.
        client(palomar, box).quit()
        imap.noop()
        assert imap.search(None, "SEEN")[1] == [b"1 2"]


def test_a_message_that_comes_back_is_the_same(palomar, box):
    pop3 = client(palomar, box)
    before = uids(pop3)
    pop3.quit()
    with palomar.imap(box) as imap:
        imap.select("INBOX")
        imap.uid("MOVE", "1", "Archive")
        imap.select("Archive")
        imap.uid("MOVE", "1", "INBOX")
    pop3 = client(palomar, box)
    assert uids(pop3) == [before[1], before[2], before[0]]
    assert octets(pop3.retr(3)) == letter(1)
    pop3.quit()


def test_unique_ids_stay_over_restarts(fresh_palomar):
    account = fresh_palomar.accounts[0]
    pop3 = client(fresh_palomar, account)
    before = uids(pop3)
    sizes = pop3.list()[1]
    pop3.dele(1)
    pop3.quit()
    fresh_palomar.kill()
    fresh_palomar.start()
    pop3 = client(fresh_palomar, account)
    assert uids(pop3) == before[1:]
    assert [line.split()[1] for line in pop3.list()[1]] == [line.split()[1] for line in sizes[1:]]
    pop3.quit()


def test_an_account_made_anew_has_other_unique_ids(palomar):
    """Clients that leave mail on the server would take it for known."""
    address = palomar.new_account().address

    def inbox():
        palomar.cli("password", "set", address, "--password-stdin", stdin="a long password 1")
        account = type(palomar.accounts[0])(address, "a long password 1")
        with palomar.imap(account) as imap:
            imap.append("INBOX", None, None, letter(1))
        pop3 = client(palomar, account)
        found = uids(pop3)
        pop3.quit()
        return found

    first = inbox()
    palomar.cli("account", "remove", address, "--yes")
    palomar.cli("account", "add", address, "--password-stdin", stdin="a long password 2")
    assert not set(first) & set(inbox())


def as_sent(message):
    """What POP3 must make of a stored message: CRLF at every line end, one at the end."""
    crlf = re.sub(rb"\r?\n", b"\r\n", message)
    return crlf if not crlf or crlf.endswith(b"\r\n") else crlf + b"\r\n"


def retrieved(raw, numbers):
    """Messages by RETR, octet for octet, pipelined."""
    raw.send("".join(f"RETR {number}\r\n" for number in numbers))
    for number in numbers:
        told = raw.line()
        assert told.startswith(b"+OK "), (number, told)
        body = b""
        while True:
            line = raw.line() + b"\r\n"
            if line == b".\r\n":
                break
            body += line[1:] if line.startswith(b".") else line
        yield int(told.split()[1]), body


def login(palomar, account):
    raw = palomar.connect("pop3s")
    raw.send(f"USER {account.address}\r\nPASS {account.password}\r\n")
    for _ in range(3):
        assert raw.line().startswith(b"+OK")
    return raw


def test_the_corpus_appended(palomar, account, imap, corpus):
    messages = [path.read_bytes() for path in corpus]
    client = imap(select=None)
    for start in range(0, len(messages), BATCH):
        client.ok("APPEND", "INBOX", *map(Literal, messages[start:start + BATCH]))
    with login(palomar, account) as raw:
        answers = retrieved(raw, range(1, len(corpus) + 1))
        for path, message, (told, body) in zip(corpus, messages, answers, strict=True):
            assert told == len(message), path
            assert body == as_sent(message), path


def test_the_corpus_delivered(palomar, account, corpus):
    """By LMTP, with lines as SMTP wants them; what comes before the message is the trace."""
    lmtp = smtplib.LMTP("127.0.0.1", palomar.ports["lmtp"])
    sent = []
    for path in corpus:
        message = as_sent(path.read_bytes())
        # A bare CR is refused (no smuggling), NUL too.
        if re.search(rb"\r(?!\n)|\0", message):
            continue
        refused = lmtp.sendmail("x@example.org", [account.address], message)
        assert refused == {}, (path, refused)
        sent.append((path, message))
    lmtp.quit()
    assert len(sent) > len(corpus) - 20
    with login(palomar, account) as raw:
        for (path, message), (told, body) in zip(sent, retrieved(raw, range(1, len(sent) + 1)), strict=True):
            assert told == len(body), path
            assert body.endswith(message), path
