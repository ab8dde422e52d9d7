"""Mail that goes round: counted by the servers that it passed, known again where it was sent on."""

import json
import re
import secrets
import smtplib

import pytest
from conftest import Account, served
from imap_wire import letter
from test_queue import Two, arrived, text, until

RECEIVED_MAX = 7


@pytest.fixture
def short():
    yield from served(f"[inbound]\nreceived_max = {RECEIVED_MAX}\n")


def passed(hops):
    return b"Received: from a.test by b.test; Mon, 23 Nov 2026 08:04:05 +0000\r\n" * hops + letter(1)


def code(send):
    try:
        send()
    except smtplib.SMTPDataError as error:
        assert b"5.4.6" in error.smtp_error
        return error.smtp_code
    return 250


def test_as_many_servers_as_the_setting_says_and_one_more(short):
    account = short.new_account()
    mine = lambda hops: passed(hops).replace(b"Carla <carla@example.org>", account.address.encode())
    for hops, wanted in ((RECEIVED_MAX, 250), (RECEIVED_MAX + 1, 554)):
        with smtplib.SMTP("localhost", short.ports["smtp"]) as smtp:
            assert code(lambda: smtp.sendmail("a@far.test", [account.address], passed(hops))) == wanted
        with smtplib.SMTP_SSL("localhost", short.ports["submissions"], context=short.tls) as smtp:
            smtp.login(account.address, account.password)
            assert code(lambda: smtp.sendmail(account.address, [account.address], mine(hops))) == wanted


def test_without_a_setting_a_hundred(palomar, account):
    for hops, wanted in ((100, 250), (101, 554)):
        with smtplib.SMTP("localhost", palomar.ports["smtp"]) as smtp:
            assert code(lambda: smtp.sendmail("a@far.test", [account.address], passed(hops))) == wanted


@pytest.fixture
def round_trip():
    """Two servers, each the other's smart host."""
    receiving = served('log = "server=info"\n[outbound]\ndirect = false\n')
    receiver = next(receiving)
    settings = 'log = "server=info"\n[outbound]\nsmart_host = "127.0.0.1:{}"\nretry_seconds_min = 1\nretry_seconds_max = 2\n'
    sending = served(settings.format(receiver.ports["smtp"]))
    sender = next(sending)
    assert receiver.stop()
    receiver.settings.write_text(settings.format(sender.ports["smtp"]))
    receiver.start()
    try:
        two = Two(sender, receiver)
        # Each has `example.test` of its own: the sender's people are of another domain.
        two.ana = Account("ana@ring.test", secrets.token_urlsafe(12))
        sender.cli("domain", "add", "ring.test")
        sender.cli("account", "add", two.ana.address, "--password-stdin", stdin=two.ana.password)
        yield two
    finally:
        for generator in (sending, receiving):
            for _ in generator:
                pass


def is_empty(server):
    return not json.loads(server.cli("queue", "list", "--json"))["queue"]["messages"]


def test_aliases_that_lead_to_each_other_end_in_one_report(round_trip):
    two = round_trip
    two.sender.cli("alias", "set", "ring@ring.test", "ring@other.test", two.ana.address)
    two.receiver.cli("alias", "set", "ring@other.test", "Ring@ring.test")
    two.send("ring@other.test")
    ana = two.inbox(two.sender, two.ana)
    arrived(ana, 2)
    bodies = [text(ana, number) for number in (1, 2)]
    (copy,) = [body for body in bodies if b"Content-Type: multipart/report" not in body]
    (report,) = [body for body in bodies if body != copy]
    # Each alias sent it on once; ana's own copy came when it came to her server first.
    assert re.findall(rb"^Delivered-To: (\S+)\r$", copy, re.M) == [b"ring@other.test"]
    assert b"Status: 5.4.6" in report and b"Final-Recipient: rfc822; ring@" in report, report
    until(lambda: not two.queue()["messages"])
    until(lambda: is_empty(two.receiver))
    logs = two.sender.log.read_text() + two.receiver.log.read_text()
    assert len(re.findall(r"goes on .*alias=ring@", logs, re.I)) == 2, logs
    assert ana.ok("STATUS INBOX (MESSAGES)").of(b"STATUS")[0].endswith(b"(MESSAGES 2)")


def test_mail_without_a_sender_ends_as_well(round_trip):
    two = round_trip
    two.sender.cli("alias", "set", "ring@ring.test", "ring@other.test")
    two.receiver.cli("alias", "set", "ring@other.test", "ring@ring.test")
    with smtplib.SMTP("localhost", two.sender.ports["smtp"]) as smtp:
        smtp.sendmail("", ["ring@ring.test"], letter(1))
    until(lambda: "goes round" in two.sender.log.read_text())
    for server in (two.sender, two.receiver):
        until(lambda: is_empty(server))
