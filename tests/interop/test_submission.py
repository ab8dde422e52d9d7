"""Submission, and TLS of all SMTP ports: logins in every shape, injection around STARTTLS, who may
send as whom."""

import base64
import smtplib

import pytest
from imap_wire import letter
from smtp_wire import Smtp, stuffed
from test_smtp import SENDER, content, inbox, smtp  # noqa: F401 (fixtures)


def coded(text):
    return base64.b64encode(text.encode()).decode()


def own_letter(account, number=1, sender=None, extra=""):
    sender = account.address if sender is None else sender
    return letter(number, extra=extra).replace(b"carla@example.org>\r\nTo", sender.encode() + b">\r\nTo", 1)


@pytest.fixture
def submission(smtp, palomar):
    """A connection behind STARTTLS, greeted."""

    def connect():
        client = smtp("submission")
        client.starttls(palomar.tls)
        client.wants(250, "EHLO client.example")
        return client

    return connect


@pytest.mark.parametrize("protocol", ["smtp", "submission"])
def test_what_comes_with_starttls_is_dropped(palomar, smtp, account, protocol):
    client = smtp(protocol)
    client.raw.send(f"STARTTLS\r\nEHLO evil\r\nMAIL FROM:<{SENDER}>\r\nXYZZY\r\n")
    assert client.reply().startswith("220")
    assert client.raw.is_silent()
    client.raw.starttls(palomar.tls)
    # No answer to what came in the clear, and no greeting is known.
    client.wants("503 5.5.1 Say EHLO", f"MAIL FROM:<{SENDER}>")
    words = client.wants(250, "EHLO client.example")
    assert "STARTTLS" not in words
    client.wants("503 5.5.1", "STARTTLS")
    client.wants(501, "STARTTLS x")


def test_starttls_forgets_the_transaction(palomar, smtp, inbox, account):
    client = smtp()
    client.envelope(SENDER, account.address)
    client.starttls(palomar.tls)
    client.wants(503, "DATA")
    client.wants(503, f"RCPT TO:<{account.address}>")
    client.wants(250, "EHLO again")
    client.wants(503, "DATA")
    client.envelope(SENDER, account.address)
    assert client.data(stuffed(letter())).startswith("250")
    assert len(inbox()) == 1


def test_nothing_before_tls_and_login(smtp, submission, account):
    client = smtp("submission")
    assert "AUTH" not in client.wants(250, "EHLO client.example")
    client.wants("530 5.7.0", f"MAIL FROM:<{account.address}>")
    for line in ("AUTH PLAIN " + coded("\0a\0b"), "AUTH LOGIN", "AUTH XYZZY", "AUTH"):
        client.wants("538 5.7.11", line)
    client = submission()
    client.wants("530 5.7.0", f"MAIL FROM:<{account.address}>")
    words = client.wants(250, "EHLO client.example")
    assert {"PLAIN", "LOGIN", "SCRAM-SHA-256"} <= set(words.split("AUTH ")[1].split())


def test_ways_of_login(submission, account):
    name, password = coded(account.address), coded(account.password)
    plain = coded(f"\0{account.address}\0{account.password}")
    for lines in (
        [f"AUTH PLAIN {plain}"], ["auth plain", plain], ["AUTH LOGIN", name, password],
        [f"AUTH LOGIN {name}", password], [f"auth login {name}", password],
        [f"Auth Login {name} ", password],
    ):
        client = submission()
        replies = [client.say(line) for line in lines]
        assert replies[-1].startswith("235 2.7.0"), (lines, replies)
        prompts = [base64.b64decode(reply[4:]) for reply in replies[:-1]]
        if lines[0].lower().startswith("auth login"):
            assert prompts == [b"Username:", b"Password:"][-len(prompts):]
        client.wants("503 5.5.1", f"AUTH PLAIN {plain}")


def test_logins_that_fail(submission, account):
    client = submission()
    client.wants("504 5.5.4", "AUTH XYZZY")
    client.wants("501 5.5.2", "AUTH PLAIN ???")
    client.wants("501 5.5.2", "AUTH PLAIN =")
    for mechanism in ("PLAIN", "LOGIN", "SCRAM-SHA-256"):
        client.wants(334, f"AUTH {mechanism}")
        client.wants("501 5.7.0", "*")
    client.wants(334, "AUTH LOGIN")
    client.wants("501 5.5.2", "not base64")
    client.wants("535 5.7.8", "AUTH PLAIN " + coded(f"\0{account.address}\0wrong"))
    client.login(account)


def test_no_login_within_a_transaction(submission, account):
    client = submission()
    client.login(account)
    client.wants(250, f"MAIL FROM:<{account.address}>")
    client.wants(503, "AUTH PLAIN " + coded(f"\0{account.address}\0{account.password}"))


def test_a_login_outlives_hello_and_rset(submission, account):
    client = submission()
    client.login(account)
    client.wants(250, "EHLO again")
    client.wants(250, "RSET")
    client.wants(250, f"MAIL FROM:<{account.address}>")


def test_who_may_send_as_whom(palomar, submission, inbox, account):
    other = palomar.new_account()
    alias = f"alias-{account.address}"
    palomar.cli("alias", "set", alias, account.address)
    client = submission()
    client.login(account)
    for forged in (other.address, SENDER, f"nobody-{account.address}"):
        client.wants("550 5.7.1", f"MAIL FROM:<{forged}>")
    taken = 0
    for sender, code in (
        (account.address, "250"), (account.address.upper(), "250"), (alias, "250"),
        (other.address, "550 5.7.1"), (SENDER, "550 5.7.1"),
        (f"{account.address}>, X <{other.address}", "550 5.6.0"),
        (f"{account.address}>\r\nSender: <{other.address}", "550 5.7.1"),
        (f"{other.address}>\r\nSender: <{account.address}", "550 5.7.1"),
        (f"{account.address}>, X <{other.address}>\r\nSender: <{account.address}", "550 5.7.1"),
    ):
        client.envelope(account.address, account.address)
        assert client.data(stuffed(own_letter(account, sender=sender))).startswith(code), sender
        taken += code == "250"
    # A second From field, an envelope without sender.
    client.envelope(account.address, account.address)
    two = own_letter(account, extra=f"From: {other.address}\r\n")
    assert client.data(stuffed(two)).startswith("550 5.6.0")
    # RFC 5322 §3.6.2.
    both = own_letter(account, sender=f"{account.address}>, X <{alias}")
    client.envelope(account.address, account.address)
    assert client.data(stuffed(both)).startswith("550 5.6.0")
    client.envelope(account.address, account.address)
    assert client.data(stuffed(f"Sender: {other.address}\r\n".encode() + both)).startswith("550 5.7.1")
    client.envelope(account.address, account.address)
    assert client.data(stuffed(f"Sender: {alias}\r\n".encode() + both)).startswith("250")
    taken += 1
    for nobody in ("", "From: \r\n", "From: Ana\r\n", "From: friends:;\r\n", "From: <>\r\n"):
        client.envelope(account.address, account.address)
        lacks = f"{nobody}To: {account.address}\r\n\r\nText\r\n".encode()
        assert client.data(stuffed(lacks)).startswith("550 5.6.0"), nobody
    client.wants(250, "MAIL FROM:<>")
    client.wants(250, f"RCPT TO:<{account.address}>")
    assert client.data(stuffed(own_letter(account))).startswith("250")
    client.wants(250, f"MAIL FROM:<{account.address}>")
    client.wants("550 5.7.1 Sending to other servers", "RCPT TO:<x@example.org>")
    client.wants("550 5.1.1", f"RCPT TO:<nobody-{account.address}>")
    assert len(inbox()) == taken + 1


def test_what_a_submission_lacks_is_added(submission, inbox, account):
    client = submission()
    client.login(account)
    client.envelope(account.address, account.address)
    bare = f"From: {account.address}\r\nSubject: ünï\r\n\r\nText\r\n".encode()
    assert client.data(stuffed(bare)).startswith("250")
    stored = inbox()[0]
    assert b" with ESMTPSA id " in stored
    added = content(stored).removesuffix(bare)
    assert added.startswith(b"Date: ") and b"\r\nMessage-ID: <" in added and added.count(b"\r\n") == 2


def test_smtplib(palomar, inbox, account):
    ports = palomar.ports
    with smtplib.SMTP("localhost", ports["submission"], timeout=30) as client:
        client.starttls(context=palomar.tls)
        client.login(account.address, account.password)
        client.sendmail(account.address, [account.address], own_letter(account, 1))
    with smtplib.SMTP_SSL("localhost", ports["submissions"], context=palomar.tls, timeout=30) as client:
        client.login(account.address, account.password)
        refused = client.sendmail(
            account.address, [account.address, "x@example.org"], own_letter(account, 2)
        )
        assert list(refused) == ["x@example.org"]
    with smtplib.LMTP("127.0.0.1", ports["lmtp"]) as client:
        client.sendmail(SENDER, [account.address], letter(3))
    assert [content(one) for one in inbox()] == [
        own_letter(account, 1), own_letter(account, 2), letter(3),
    ]


def test_tls_first_port_has_no_starttls(palomar):
    with palomar.connect("submissions") as raw:
        client = Smtp(raw)
        assert "STARTTLS" not in client.greeting()
        client.wants("503 5.5.1", "STARTTLS")
