"""Junk is learnt from what people do with their mail, and every message tells why it is where it is."""

import json
import smtplib
import time

import pytest
from conftest import served
from dns_zone import Zone
from imap_wire import Imap
from test_queue import arrived, text, until

SECONDS_MAX = 60
ZONE = """
    good.test. TXT "v=spf1 ip4:127.0.0.1 -all"
"""
OFFER = "cheap pills viagra casino winner click discount unsubscribe lottery million"
NEWS = "meeting agenda minutes budget quarterly report attached colleague schedule lunch"


@pytest.fixture
def server(tmp_path):
    zone = Zone(tmp_path / "zone")
    zone.set(ZONE)
    settings = 'log = "server=info"\n[spam]\nclassifier_lessons_min = 4\n' + zone.settings
    serving = served(settings)
    try:
        yield next(serving)
    finally:
        for _ in serving:
            pass
        zone.stop()


def mail(words, number):
    return (
        f"From: someone{number} <s{number}@good.test>\r\nTo: you@example.test\r\n"
        f"Subject: {words.split()[number % 4]} {number}\r\nMessage-ID: <{words[:4]}{number}@good.test>\r\n"
        f"Date: Mon, 23 Nov 2026 10:00:00 +0000\r\n\r\n{words} {number}\r\n"
    ).encode()


def send(server, messages, *accounts):
    with smtplib.SMTP("localhost", server.ports["smtp"], local_hostname="client.test") as smtp:
        for message in messages:
            smtp.sendmail("s@good.test", [account.address for account in accounts], message)


def client(server, account, mailbox):
    one = Imap(server.connect("imaps"))
    one.login(account)
    one.ok("SELECT", mailbox)
    return one


def learnt(server, junk, wanted, account=None):
    """Waits until so much is learnt."""
    until = time.monotonic() + SECONDS_MAX
    while True:
        words = [account.address] if account else []
        found = json.loads(server.cli("--json", "junk", "status", *words))["junk"]
        if (found["junk"], found["wanted"]) == (junk, wanted):
            return
        assert time.monotonic() < until, found
        assert found["junk"] <= junk and found["wanted"] <= wanted, found


def why(server, account, *words):
    return server.cli("why", account.address, *words)


def taught(server, account):
    """Eight messages, sorted by hand: four junk, four filed."""
    send(server, [mail(OFFER, n) for n in range(4)] + [mail(NEWS, n) for n in range(4)], account)
    inbox = client(server, account, "INBOX")
    arrived(inbox, 8)
    inbox.ok("MOVE 1:4 Junk")
    inbox.ok("MOVE 1:4 Archive")
    learnt(server, 4, 4, account)
    return inbox


def test_what_is_moved_to_junk_is_junk_the_next_time(server):
    account, other = server.new_account(), server.new_account()
    inbox = taught(server, account)
    send(server, [mail(OFFER, 10), mail(NEWS, 10)], account, other)
    # What is wanted is in the INBOX, of whoever taught and of the other, who learns from the server.
    assert b"agenda" in text(arrived(inbox, 1), 1)
    assert b"agenda" in text(arrived(client(server, other, "INBOX"), 1), 1)
    assert b"pills" in text(client(server, other, "Junk"), 1)
    junk = client(server, account, "Junk")
    assert b"pills" in text(junk, 5)

    told = why(server, account, "--mailbox", "Junk", "--uid", "5")
    assert "It is in Junk, with UID 5." in told and "It was put into Junk because of:" in told
    assert "spf    pass" in told and "CLASSIFIER" in told and "casino" in told, told
    told = json.loads(server.cli("--json", "why", account.address, "--message-id", "meet10@good.test"))["why"]
    assert told["mailbox"] == "INBOX" and not told["explained"]["junk"]
    assert told["explained"]["junk_percent"] < 20 and told["sorted"] is None

    # It was wrong: moved back it teaches the other way, and says so.
    junk.ok("UID MOVE 5 INBOX")
    learnt(server, 4, 5, account)
    told = why(server, account, "--message-id", "<chea10@good.test>")
    assert "It is in INBOX" in told and "somebody here showed that it is wanted; that was learnt." in told


def test_too_little_decides_nothing_and_files_teach_the_server(server, tmp_path):
    account = server.new_account()
    for kind, words in (("junk", OFFER), ("wanted", NEWS)):
        folder = tmp_path / kind
        folder.mkdir()
        for number in range(4):
            (folder / f"{number}.eml").write_bytes(mail(words, number))
    server.cli("junk", "learn", "--junk", str(tmp_path / "junk"))
    learnt(server, 4, 0)
    send(server, [mail(OFFER, 20)], account)
    inbox = arrived(client(server, account, "INBOX"), 1)
    told = json.loads(server.cli("--json", "why", account.address, "--uid", "1"))["why"]
    assert told["explained"]["junk_percent"] is None
    assert "4 learnt" in server.cli("junk", "learn", "--wanted", str(tmp_path / "wanted"))
    send(server, [mail(OFFER, 21)], account)
    assert b"pills" in text(client(server, account, "Junk"), 1)
    inbox.ok("NOOP")
    server.cli("why", account.address, "--uid", "99", codes=(3,))
    server.cli("why", account.address, codes=(2,))


def test_a_lesson_outlives_a_kill_and_is_learnt_once(server):
    account = server.new_account()
    send(server, [mail(OFFER, n) for n in range(3)], account)
    inbox = arrived(client(server, account, "INBOX"), 3)
    inbox.ok("MOVE 1:3 Junk")
    server.kill()
    server.start()
    # The next change of the account has its log heard.
    client(server, account, "Junk").ok("STORE 1 +FLAGS (\\Seen)")
    learnt(server, 3, 0, account)
    server.kill()
    server.start()
    client(server, account, "Junk").ok("STORE 2 +FLAGS (\\Seen)")
    send(server, [mail(NEWS, 1)], account)
    arrived(client(server, account, "INBOX"), 1).ok("MOVE 1 Archive")
    learnt(server, 3, 1, account)


def test_mail_that_also_goes_on_elsewhere_is_judged_too(server):
    """An alias with somebody elsewhere in it: the queue sees to all of it."""
    account = server.new_account()
    server.cli("alias", "set", f"team-{account.address}", account.address, "out@elsewhere.test")
    inbox = taught(server, account)
    with smtplib.SMTP("localhost", server.ports["smtp"], local_hostname="client.test") as smtp:
        for message in (mail(OFFER, 20), mail(NEWS, 20)):
            smtp.sendmail("s@good.test", [f"team-{account.address}"], message)
    until(lambda: b"MESSAGES 5" in inbox.ok("STATUS Junk (MESSAGES)").of(b"STATUS")[0])
    told = why(server, account, "--mailbox", "Junk", "--uid", "5")
    assert "spf    pass" in told and "CLASSIFIER" in told, told
    arrived(inbox, 1)
    assert "It was taken" in why(server, account, "--message-id", "<meet20@good.test>")
