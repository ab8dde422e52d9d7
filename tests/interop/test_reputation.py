"""What mail of a sender was worth: domains that are proven, addresses, and what follows for their next mail."""

import json
import smtplib

import pytest
from conftest import served
from dns_zone import Zone
from imap_wire import Imap
from test_queue import arrived, text, until

ZONE = """
    bulk.test. TXT "v=spf1 ip4:127.0.0.0/8 -all"
    _dmarc.bulk.test. TXT "v=DMARC1; p=none"
    news.bulk.test. TXT "v=spf1 ip4:127.0.0.0/8 -all"
    friend.test. TXT "v=spf1 ip4:127.0.0.0/8 -all"
    nobody.test. TXT "v=spf1 ip4:127.0.0.0/8 -all"
    strict.test. TXT "v=spf1 -all"
    _dmarc.strict.test. TXT "v=DMARC1; p=reject"
    wicked.test. TXT "v=spf1 ip4:127.0.0.0/8 -all"
    wicked.test.list.test. A 127.0.0.2
    test.list.test. A 127.0.0.2
"""
# The classifier would have its own say.
LIST = 'dns_lists = [{ zone = "list.test", of = "domains", codes = { "127.0.0.2" = "reject" } }]\n'
SETTINGS = f'log = "server=info"\n[spam]\nclassifier = false\n{LIST}[inbound]\nexempt = []\n'
# Each in a network of its own.
ONE, TWO, THREE, FOUR = "127.1.1.1", "127.2.2.2", "127.3.3.3", "127.4.4.4"


@pytest.fixture
def server(request, tmp_path):
    zone = Zone(tmp_path / "zone")
    zone.set(ZONE)
    serving = served(SETTINGS + getattr(request, "param", "") + zone.settings)
    try:
        yield next(serving)
    finally:
        for _ in serving:
            pass
        zone.stop()


def smtp_from(server, source):
    return smtplib.SMTP("127.0.0.1", server.ports["smtp"], "client.test", source_address=(source, 0))


def send(server, sender, accounts, source, count=1):
    with smtp_from(server, source) as smtp:
        for number in range(count):
            message = f"From: {sender}\r\nSubject: {sender} {number}\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\n\r\n{number}\r\n"
            smtp.sendmail(sender, [account.address for account in accounts], message.encode())


def client(server, account, mailbox="INBOX"):
    one = Imap(server.connect("imaps"))
    one.login(account)
    one.ok("SELECT", mailbox)
    return one


def shown(server, sender):
    """What is known of each; none of who is not known."""
    done = server.cli("--json", "reputation", "show", sender, codes=(0, 3))
    return {row["sender"]: row for row in json.loads(done)["senders"]} if done else {}


def known(server, sender, **numbers):
    """Waits until so much is known, give or take what has faded."""

    def close():
        row = shown(server, sender).get(sender, {})
        return all(abs(row.get(name, 0) - number) < 0.05 for name, number in numbers.items())

    until(close)
    return shown(server, sender)[sender]


def sort(server, accounts, source, target, count):
    for account in accounts:
        one = client(server, account, source)
        if source == "INBOX":
            arrived(one, count)
        one.ok(f"MOVE 1:{count} {target}")


def in_mailbox(server, account, mailbox):
    (line,) = client(server, account).ok(f"STATUS {mailbox} (MESSAGES)").of(b"STATUS")
    return int(line.split(b"MESSAGES ")[1].rstrip(b")"))


def condemned(server):
    """Three accounts that moved three messages of bulk.test, given by ONE, to Junk."""
    accounts = [server.new_account() for _ in range(3)]
    send(server, "s@bulk.test", accounts, ONE, 3)
    sort(server, accounts, "INBOX", "Junk", 3)
    assert known(server, "bulk.test", junk=9, inbox=9)["repute"] == "bad"
    return accounts


def test_what_several_accounts_call_junk_is_junk_for_others_until_they_take_it_back(server):
    accounts, other = condemned(server), server.new_account()
    row = shown(server, "bulk.test")["bulk.test"]
    assert row["junk_accounts"] == 3 and row["unwanted_percent"] > 80, row
    # The domain is known wherever it comes from, also below its organizational domain.
    send(server, "s@bulk.test", [other], TWO)
    send(server, "x@news.bulk.test", [other], TWO)
    assert in_mailbox(server, other, "Junk") == 2 and in_mailbox(server, other, "INBOX") == 0
    assert b"X-Palomar-Junk: REPUTATION: mail of bulk.test was mostly unwanted here" in text(client(server, other, "Junk"), 1)
    told = server.cli("why", other.address, "--mailbox", "Junk", "--uid", "1")
    assert "It was put into Junk because of:\n  REPUTATION: mail of bulk.test was mostly unwanted" in told, told
    assert f"counts for the reputation of bulk.test, {TWO}, 127.2.2.0/24." in told, told
    # What was decided so is no evidence: nothing is known of the address that gave it.
    assert shown(server, TWO) == {}
    # Nor is it when somebody's mail program agrees.
    client(server, other, "Junk").ok("STORE 1:2 +FLAGS ($Junk)")
    until(lambda: json.loads(server.cli("--json", "junk", "status", other.address))["junk"]["junk"] == 2)
    assert shown(server, TWO) == {}
    assert known(server, "bulk.test", junk=9, inbox=9, found=0)

    # What is known outlives a kill.
    server.kill()
    server.start()
    send(server, "s@bulk.test", [other], TWO)
    assert in_mailbox(server, other, "Junk") == 3
    # Who takes it back has it mended for all.
    sort(server, accounts, "Junk", "INBOX", 3)
    assert known(server, "bulk.test", junk=0, wanted=9)["repute"] == "good"
    send(server, "s@bulk.test", [other], TWO)
    assert in_mailbox(server, other, "INBOX") == 1 and in_mailbox(server, other, "Junk") == 3


def test_one_account_alone_does_not_condemn(server):
    account, other = server.new_account(), server.new_account()
    send(server, "s@bulk.test", [account], ONE, 12)
    sort(server, [account], "INBOX", "Junk", 12)
    row = known(server, "bulk.test", junk=12)
    assert row["repute"] == "unknown" and row["messages"] < 4, row
    send(server, "s@bulk.test", [other], ONE)
    assert in_mailbox(server, other, "INBOX") == 1


def test_an_address_speaks_where_no_good_domain_does(server):
    accounts, other = condemned(server), server.new_account()
    send(server, "f@friend.test", accounts, THREE, 3)
    sort(server, accounts, "INBOX", "Archive", 3)
    assert known(server, "friend.test", wanted=9)["repute"] == "good"
    assert shown(server, ONE)[ONE]["repute"] == "bad"
    # Of the network nothing follows: four times as much would have to be known of it.
    assert shown(server, ONE)["127.1.1.0/24"]["repute"] == "unknown"
    send(server, "f@friend.test", [other], ONE)
    send(server, "n@nobody.test", [other], ONE)
    send(server, "n@nobody.test", [other], "127.1.1.2")
    assert in_mailbox(server, other, "INBOX") == 2 and in_mailbox(server, other, "Junk") == 1
    told = server.cli("why", other.address, "--mailbox", "Junk", "--uid", "1")
    assert f"REPUTATION: mail from {ONE} was mostly unwanted here" in told, told

    worst = json.loads(server.cli("--json", "reputation", "list", "--limit", "2"))["senders"]
    assert {row["sender"] for row in worst} <= {"bulk.test", ONE, "127.1.1.0/24"} and len(worst) == 2, worst
    best = json.loads(server.cli("--json", "reputation", "list", "--best", "--limit", "1"))["senders"]
    assert best[0]["sender"] in ("friend.test", THREE, "127.3.3.0/24"), best
    table = server.cli("reputation", "list", "--worst")
    assert "bad" in table and "bulk.test" in table, table
    assert server.cli("reputation", "forget", ONE) == "done\n"
    assert ONE not in shown(server, ONE)
    send(server, "n@nobody.test", [other], ONE)
    assert in_mailbox(server, other, "INBOX") == 3
    server.cli("reputation", "forget", ONE, codes=(0,))
    server.cli("reputation", "forget", "never.test", codes=(3,))
    server.cli("reputation", "show", "not a name", codes=(3,))


@pytest.mark.parametrize("server", ["messages_hour_max = 100\n"], indirect=True)
def test_forged_mail_and_names_tried_out_count_against_the_address_alone(server):
    account = server.new_account()
    with smtp_from(server, FOUR) as smtp:
        for _ in range(24):
            with pytest.raises(smtplib.SMTPDataError):
                smtp.sendmail("t@bulk.test", [account.address], b"From: boss@strict.test\r\n\r\nx\r\n")
        smtp.mail("t@bulk.test")
        assert {smtp.rcpt(f"nobody{n}@example.test")[0] for n in range(20)} == {550}
    row = known(server, FOUR, forged=24, unknown_recipients=20)
    assert row["repute"] == "bad" and row["junk"] == 0, row
    assert shown(server, "strict.test") == {} and shown(server, "bulk.test") == {}
    # What is left of its hour (three quarters) goes four times as fast as others' would.
    assert 15 <= taken(server, FOUR, 30) <= 19
    assert taken(server, THREE, 30) == 30


def taken(server, source, count):
    """How many of so many messages may begin."""
    with smtp_from(server, source) as smtp:
        smtp.ehlo()
        told = []
        for _ in range(count):
            told.append(smtp.mail("t@bulk.test")[0])
            smtp.rset()
        return told.count(250)


def test_what_lists_find_counts_whole_against_the_address_and_less_against_the_domain(server):
    account = server.new_account()
    for _ in range(12):
        with pytest.raises(smtplib.SMTPDataError):
            send(server, "w@wicked.test", [account], TWO)
    # What waits to be written is not lost when the server is stopped.
    server.stop()
    server.start()
    rows = shown(server, TWO)
    assert rows[TWO]["repute"] == "bad" and abs(rows[TWO]["found"] - 12) < 0.01, rows
    row = shown(server, "wicked.test")["wicked.test"]
    assert row["repute"] == "unknown" and abs(row["found"] - 12) < 0.01 and row["messages"] < 3.1, row
    # An unknown domain from there is Junk.
    send(server, "n@nobody.test", [account], TWO)
    assert in_mailbox(server, account, "Junk") == 1


@pytest.mark.parametrize("server", ["[greylist]\nenabled = true\ndelay_seconds = 600\nexempt_domains = [\"friend.test\"]\n"], indirect=True)
def test_a_good_domain_does_not_wait_for_greylisting(server):
    accounts = [server.new_account() for _ in range(3)]
    send(server, "f@friend.test", accounts, THREE, 3)
    sort(server, accounts, "INBOX", "Archive", 3)
    known(server, "friend.test", wanted=9)
    settings = server.settings.read_text()
    server.stop()
    server.settings.write_text(settings.replace('"friend.test"', '"other.test"'))
    server.start()
    send(server, "f@friend.test", accounts, ONE)
    with pytest.raises(smtplib.SMTPDataError) as waits:
        send(server, "s@bulk.test", accounts, ONE)
    assert waits.value.smtp_code in (450, 451)


@pytest.mark.parametrize("server", ["[reputation]\nenabled = false\n"], indirect=True)
def test_who_does_not_want_it_has_none(server):
    accounts = [server.new_account() for _ in range(3)]
    send(server, "s@bulk.test", accounts, ONE, 3)
    sort(server, accounts, "INBOX", "Junk", 3)
    send(server, "s@bulk.test", accounts, ONE)
    assert all(in_mailbox(server, account, "INBOX") == 1 for account in accounts)
    server.cli("reputation", "list", codes=(3,))


def test_mail_of_people_here_is_not_counted(server):
    accounts = [server.new_account() for _ in range(2)]
    with smtplib.SMTP_SSL("localhost", server.ports["submissions"], context=server.tls) as smtp:
        smtp.login(accounts[0].address, accounts[0].password)
        message = f"From: {accounts[0].address}\r\nSubject: x\r\n\r\nx\r\n"
        smtp.sendmail(accounts[0].address, [accounts[1].address], message.encode())
    sort(server, [accounts[1]], "INBOX", "Junk", 1)
    until(lambda: json.loads(server.cli("--json", "junk", "status", accounts[1].address))["junk"]["junk"] == 1)
    assert json.loads(server.cli("--json", "reputation", "list"))["senders"] == []


def test_networks_that_are_exempt_are_neither_judged_nor_counted(tmp_path):
    zone = Zone(tmp_path / "zone")
    zone.set(ZONE)
    try:
        for server in served(f'[inbound]\nexempt = ["{ONE}/32"]\n{zone.settings}'):
            account = server.new_account()
            send(server, "s@bulk.test", [account], ONE)
            with smtp_from(server, ONE) as smtp:
                smtp.ehlo()
                smtp.mail("s@bulk.test")
                assert smtp.rcpt("nobody@example.test")[0] == 550
            send(server, "s@friend.test", [account], TWO)
            known(server, "friend.test", inbox=1)
            assert shown(server, "bulk.test") == {} and shown(server, ONE) == {}
            assert "reputation" not in server.cli("why", account.address, "--uid", "1")
            # Without a server nobody knows.
            server.stop()
            server.cli("reputation", "list", codes=(3,))
    finally:
        zone.stop()
