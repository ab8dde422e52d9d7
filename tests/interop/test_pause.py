"""What one account may send: its own limits, and a pause that keeps what waits."""

import json
import re
import smtplib

import pytest
from test_limits import send, server, submission  # noqa: F401
from test_queue import arrived, text, two, until  # noqa: F401


def details(server, account):
    return json.loads(server.cli("account", "show", account.address, "--json"))["account"]["sending"]


def refused(server, account, *to):
    with submission(server, account) as smtp, pytest.raises(smtplib.SMTPRecipientsRefused) as found:
        send(smtp, account, *to)
    return set(found.value.recipients.values())


def test_an_accounts_own_limits_go_before_the_settings(server):
    account = server.new_account()
    server.cli("account", "limits", account.address, "--hour", "2")
    with submission(server, account) as smtp:
        smtp.mail(account.address)
        assert [smtp.rcpt(f"r{n}@elsewhere.test")[0] for n in range(3)] == [250, 250, 450]
        smtp.rset()
        # More than the settings allow, and then any number within an hour, up to the day's.
        server.cli("account", "limits", account.address, "--hour", "7")
        smtp.mail(account.address)
        assert [smtp.rcpt(f"r{n}@elsewhere.test")[0] for n in range(8)] == [250] * 7 + [450]
        smtp.rset()
        server.cli("account", "limits", account.address, "--hour", "0", "--day", "8")
        send(smtp, account, *(f"r{n}@elsewhere.test" for n in range(8)))
    assert {code for code, _ in refused(server, account, "s@elsewhere.test")} == {450}
    assert details(server, account) == {
        "paused": False, "recipients_hour_max": 0, "recipients_day_max": 8, "recipients_hour": 8, "recipients_day": 8,
    }
    server.kill()
    server.start()
    assert details(server, account)["recipients_day_max"] == 8
    server.cli("account", "limits", account.address, "--day", "9")
    assert details(server, account)["recipients_hour_max"] == 0
    server.cli("account", "limits", account.address, "--hour", "default", "--day", "default")
    found = details(server, account)
    assert found["recipients_hour_max"] is None and found["recipients_day_max"] is None
    server.cli("account", "limits", account.address, codes=(2,))
    server.cli("account", "limits", "nobody@example.test", "--hour", "1", codes=(3,))


def test_a_paused_account_sends_nothing_and_what_waited_goes_on(two):
    sender, ana = two.sender, two.ana
    other = sender.new_account("other")
    two.receiver.stop()
    two.send("bob@other.test")
    until(lambda: any(site["failures"] for site in two.queue()["sites"]))
    sender.cli("account", "sending", ana.address, "pause")
    for to in ("bob@other.test", other.address):
        ((code, said),) = refused(sender, ana, to)
        assert code == 450 and said.startswith(b"4.7.1 ")
    (row,) = [row for row in json.loads(sender.cli("account", "list", "--json"))["accounts"] if row["address"] == ana.address]
    assert row["sending_paused"] and details(sender, ana)["paused"]
    assert "paused" in sender.cli("account", "show", ana.address)
    # The host is back, and gets nothing; others' mail goes. Also after a kill.
    two.receiver.start()
    for again in (False, True):
        if again:
            sender.kill()
            sender.start()
        sender.cli("queue", "retry")
        with submission(sender, other) as smtp:
            send(smtp, other, "bob@other.test")
        until(lambda: len(two.queue()["messages"]) == 1)
        (waiting,) = two.queue()["messages"]
        assert waiting["from"] == ana.address and "paused" in waiting["waits"]
        assert "waits: sending of its account is paused" in sender.cli("queue", "list")
    sender.cli("account", "sending", ana.address, "resume")
    bob = arrived(two.inbox(two.receiver, two.bob), 3)
    until(lambda: not two.queue()["messages"])
    senders = [re.search(rb"Return-Path: <([^>]*)>", text(bob, number))[1].decode() for number in (1, 2, 3)]
    assert sorted(senders) == sorted(one.address for one in (ana, other, other))
    two.send("bob@other.test")
    arrived(bob, 4)
    assert not details(sender, ana)["paused"]


def test_what_is_dropped_while_its_account_pauses_is_gone(two):
    two.receiver.stop()
    two.send("bob@other.test")
    until(lambda: any(site["failures"] for site in two.queue()["sites"]))
    two.sender.cli("account", "sending", two.ana.address, "pause")
    two.receiver.start()
    two.sender.cli("queue", "retry")
    (waiting,) = two.queue()["messages"]
    two.sender.cli("queue", "drop", waiting["id"])
    two.sender.cli("account", "sending", two.ana.address, "resume")
    two.send("bob@other.test")
    bob = arrived(two.inbox(two.receiver, two.bob), 1)
    until(lambda: not two.queue()["messages"])
    assert bob.ok("STATUS INBOX (MESSAGES)").of(b"STATUS")[0].endswith(b"(MESSAGES 1)")
