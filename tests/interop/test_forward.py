"""Aliases that lead elsewhere, what comes back of them, and addresses that take the rest."""

import re
import secrets
import smtplib

import pytest
from conftest import Account, served
from imap_wire import letter
from test_queue import Two, arrived, text, two, until  # noqa: F401


def by_port_25(server, sender, *to, message=None):
    with smtplib.SMTP("localhost", server.ports["smtp"]) as smtp:
        return smtp.sendmail(sender, list(to), message or letter(1))


def test_mail_goes_on_in_our_name(two):
    two.sender.cli("alias", "set", "bob@example.test", "bob@other.test")
    bob = two.inbox(two.receiver, two.bob)
    by_port_25(two.sender, "carla@far.test", "bob@example.test")
    body = text(arrived(bob), 1)
    (sender,) = re.findall(rb"Return-Path: <([^>]*)>", body)
    assert sender.startswith(b"SRS0=") and sender.endswith(b"=far.test=carla@example.test")
    until(lambda: not two.queue()["messages"])
    # What comes back goes to its sender: here, to somebody of the other server.
    two.receiver.cli("domain", "add", "far.test")
    carla = Account("carla@far.test", secrets.token_urlsafe(12))
    two.receiver.cli("account", "add", carla.address, "--password-stdin", stdin=carla.password)
    inbox = two.inbox(two.receiver, carla)
    by_port_25(two.sender, "", sender.decode().lower(), message=letter(2))
    body = text(arrived(inbox), 1)
    assert b"Return-Path: <>" in body and b"Subject: letter 2" in body
    # Nobody else can have mail sent on like this.
    forged = sender.decode().replace("=far.test=carla", "=far.test=victim")
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        by_port_25(two.sender, "", forged)
    assert all(code == 550 for code, _ in refused.value.recipients.values())


def test_here_and_there(two):
    two.sender.cli("alias", "set", "team@example.test", two.ana.address, "bob@other.test")
    ana, bob = two.inbox(two.sender, two.ana), two.inbox(two.receiver, two.bob)
    by_port_25(two.sender, "carla@far.test", "team@example.test")
    body = text(arrived(ana), 1)
    assert b"Return-Path: <carla@far.test>" in body
    assert b"SRS0=" in text(arrived(bob), 1)
    until(lambda: not two.queue()["messages"])


def test_what_goes_on_and_is_refused_comes_back(two):
    two.sender.cli("alias", "set", "gone@example.test", "nobody@other.test")
    ana = two.inbox(two.sender, two.ana)
    two.send("gone@example.test")
    body = text(arrived(ana), 1)
    assert b"Final-Recipient: rfc822; nobody@other.test" in body and b"Action: failed" in body


def test_an_address_for_the_rest(two):
    two.sender.cli("alias", "set", "*@example.test", two.ana.address)
    ana = two.inbox(two.sender, two.ana)
    by_port_25(two.sender, "carla@far.test", "whoever@example.test")
    arrived(ana)
    # Who has the address still gets its mail, and tags are still theirs.
    other = two.sender.new_account("other")
    inbox = two.inbox(two.sender, other)
    by_port_25(two.sender, "carla@far.test", other.address.replace("@", "+tag@"))
    arrived(inbox)
    two.sender.cli("alias", "remove", "*@example.test")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        by_port_25(two.sender, "carla@far.test", "whoever@example.test")


def test_a_kill_while_mail_goes_on_sends_nothing_twice(two):
    two.sender.cli("alias", "set", "team@example.test", two.ana.address, "bob@other.test")
    # Nobody takes what goes on before the end: nothing is undecided between the two.
    two.receiver.stop()
    count = 0
    for _ in range(8):
        for _ in range(3):
            count += 1
            by_port_25(two.sender, "carla@far.test", "team@example.test", message=letter(count))
        two.sender.kill()
        two.sender.start()
    two.receiver.start()
    until(lambda: not any(site["connections"] for site in two.queue()["sites"]))
    two.sender.cli("queue", "retry")
    ana, bob = two.inbox(two.sender, two.ana), two.inbox(two.receiver, two.bob)
    for inbox in (ana, bob):
        arrived(inbox, count)
    until(lambda: not two.queue()["messages"])
    for inbox in (ana, bob):
        subjects = [re.search(rb"Subject: letter (\d+)\r", text(inbox, number))[1] for number in range(1, count + 1)]
        assert sorted(map(int, subjects)) == list(range(1, count + 1))
        assert inbox.ok("STATUS INBOX (MESSAGES)").of(b"STATUS")[0].endswith(b"(MESSAGES %d)" % count)
