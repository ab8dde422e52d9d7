"""The outbound queue between two servers: sent, refused, waiting, killed, held, dropped."""

import json
import secrets
import smtplib
import socketserver
import threading
import time

import pytest
from conftest import Account, served
from imap_wire import Imap, letter


class Two:
    """A sender, and a receiver with a domain of its own, which is the sender's smart host."""

    def __init__(self, sender, receiver):
        self.sender, self.receiver = sender, receiver
        self.ana = sender.new_account("ana")
        self.bob = Account("bob@other.test", secrets.token_urlsafe(12))
        receiver.cli("domain", "add", "other.test")
        receiver.cli("account", "add", self.bob.address, "--password-stdin", stdin=self.bob.password)

    def send(self, *to, message=None, options=()):
        with smtplib.SMTP_SSL("localhost", self.sender.ports["submissions"], context=self.sender.tls) as smtp:
            smtp.login(self.ana.address, self.ana.password)
            message = message or letter(1).replace(b"Carla <carla@example.org>", self.ana.address.encode())
            return smtp.sendmail(self.ana.address, list(to), message, mail_options=["body=8bitmime"], rcpt_options=list(options))

    def queue(self):
        return json.loads(self.sender.cli("queue", "list", "--json"))["queue"]

    def inbox(self, server, account):
        client = Imap(server.connect("imaps"))
        client.login(account)
        client.ok("SELECT INBOX")
        return client


def wait_for_mail(client, count=1):
    """Until so many messages are there: IDLE tells."""
    client.idle()
    have = lambda: client.raw and None
    del have
    while True:
        line = client.response()
        if line.endswith(b" EXISTS") and int(line.split()[1]) >= count:
            break
    client.done()


def arrived(client, count=1):
    told = client.ok("NOOP").numbered(b"EXISTS")
    if not (told and told[-1][0] >= count):
        (line,) = client.ok("STATUS INBOX (MESSAGES)").of(b"STATUS")
        if int(line.split(b"MESSAGES ")[1].rstrip(b")")) < count:
            wait_for_mail(client, count)
    return client


def text(client, number):
    return client.ok(f"FETCH {number} BODY.PEEK[]").fetches[0][1]


def until(done, seconds=30):
    """For what nothing tells of: the queue's state, asked for."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "did not happen"


@pytest.fixture
def two():
    receiving = served()
    receiver = next(receiving)
    sending = served(
        f'[outbound]\nsmart_host = "127.0.0.1:{receiver.ports["smtp"]}"\nretry_seconds_min = 1\nretry_seconds_max = 2\n'
    )
    sender = next(sending)
    try:
        yield Two(sender, receiver)
    finally:
        for one in (sending, receiving):
            for _ in one:
                pass


def test_mail_goes_to_the_smart_host(two):
    bob = two.inbox(two.receiver, two.bob)
    assert two.send("bob@other.test") == {}
    body = text(arrived(bob), 1)
    assert b"Return-Path: <" + two.ana.address.encode() in body
    # TLS was offered, and used; what came in was written down by both.
    assert body.count(b"Received: ") == 2 and b"with ESMTPS" in body and b"with ESMTPSA" in body
    until(lambda: not two.queue()["messages"])


def test_ours_and_theirs_in_one_message(two):
    other = two.sender.new_account()
    ana, bob = two.inbox(two.sender, other), two.inbox(two.receiver, two.bob)
    two.send("bob@other.test", other.address)
    assert b"letter 1" in text(arrived(bob), 1)
    body = text(arrived(ana), 1)
    assert body.startswith(b"(BODY[] {") and b"Return-Path: <" in body and body.count(b"Received: ") == 1


def test_who_is_refused_for_good_is_reported(two):
    ana, bob = two.inbox(two.sender, two.ana), two.inbox(two.receiver, two.bob)
    message = letter(1).replace(b"Carla <carla@example.org>", two.ana.address.encode())
    message = message.replace(b"\r\n\r\n", b"\r\nContent-Language: es\r\n\r\n", 1)
    two.send("nobody@other.test", "bob@other.test", message=message)
    arrived(bob)
    report = text(arrived(ana), 1)
    assert b"From: Entrega de correo <MAILER-DAEMON@" in report and "Su mensaje no se ha entregado".encode() in report
    assert b"Action: failed" in report and b"Status: 5.1.1" in report
    assert b"Final-Recipient: rfc822; nobody@other.test" in report and b"bob@other.test" not in report.split(b"message/delivery-status")[1].split(b"--=_")[0]
    assert b"Diagnostic-Code: smtp; 550" in report and b"Return-Path: <>" in report
    until(lambda: not two.queue()["messages"])


def test_success_is_reported_when_asked_for(two):
    ana, bob = two.inbox(two.sender, two.ana), two.inbox(two.receiver, two.bob)
    two.send(two.ana.address, "bob@other.test", options=["NOTIFY=SUCCESS,FAILURE"])
    arrived(bob)
    # The message itself, and the report of its delivery here.
    arrived(ana, 2)
    bodies = [text(ana, 1), text(ana, 2)]
    assert any(b"Action: delivered" in body for body in bodies)


def test_a_dead_host_is_tried_again(two):
    two.receiver.stop()
    two.send("bob@other.test")
    until(lambda: any(site["failures"] > 0 for site in two.queue()["sites"]))
    (waiting,) = two.queue()["messages"]
    assert waiting["from"] == two.ana.address and waiting["recipients"][0]["address"] == "bob@other.test"
    assert "does not take mail" in two.sender.cli("queue", "list")
    two.receiver.start()
    two.sender.cli("queue", "retry")
    assert b"letter 1" in text(arrived(two.inbox(two.receiver, two.bob)), 1)


def test_a_kill_loses_nothing(two):
    two.receiver.stop()
    for number in range(5):
        two.send("bob@other.test", message=letter(number).replace(b"Carla <carla@example.org>", two.ana.address.encode()))
    two.sender.kill()
    two.receiver.start()
    two.sender.start()
    bob = arrived(two.inbox(two.receiver, two.bob), 5)
    found = b"".join(text(bob, number) for number in range(1, 6))
    assert all(b"Subject: letter %d\r\n" % number in found for number in range(5))
    until(lambda: not two.queue()["messages"])


def test_held_released_dropped(two):
    two.receiver.stop()
    two.send("bob@other.test")
    two.send("bob@other.test")
    first, second = (message["id"] for message in two.queue()["messages"])
    two.sender.cli("queue", "hold", first)
    two.sender.cli("queue", "drop", second)
    two.receiver.start()
    two.sender.cli("queue", "retry")
    (held,) = two.queue()["messages"]
    assert held["id"] == first and held["held"]
    assert "(held)" in two.sender.cli("queue", "list")
    bob = two.inbox(two.receiver, two.bob)
    two.sender.cli("queue", "release", first)
    arrived(bob)
    until(lambda: not two.queue()["messages"])
    two.sender.cli("queue", "drop", "Qffff", codes=(3,))
    two.sender.cli("queue", "hold", "x", codes=(3,))


def test_who_waits_too_long_is_told():
    """Expired at once: nobody listens on the smart host's port."""
    for server in served('[outbound]\nsmart_host = "127.0.0.1:9"\nretry_seconds_min = 1\nexpire_seconds = 6\nwarn_seconds = 1\n'):
        ana = server.new_account()
        with smtplib.SMTP_SSL("localhost", server.ports["submissions"], context=server.tls) as smtp:
            smtp.login(ana.address, ana.password)
            smtp.sendmail(ana.address, ["bob@other.test"], letter(1).replace(b"Carla <carla@example.org>", ana.address.encode()))
        with Imap(server.connect("imaps")) as client:
            client.login(ana)
            client.ok("SELECT INBOX")
            arrived(client, 2)
            late, never = text(client, 1), text(client, 2)
            assert b"Action: delayed" in late and b"Will-Retry-Until" in late
            assert b"Action: failed" in never and b"Status: 5.4.7" in never
        assert not json.loads(server.cli("queue", "list", "--json"))["queue"]["messages"]


def test_without_a_way_out_it_is_refused(palomar, account):
    with smtplib.SMTP_SSL("localhost", palomar.ports["submissions"], context=palomar.tls) as smtp:
        smtp.login(account.address, account.password)
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            smtp.sendmail(account.address, ["bob@other.test"], letter(1))


def parameters(two, *words, to="bob@other.test"):
    """MAIL with these parameters, by a program that logged in."""
    with smtplib.SMTP_SSL("localhost", two.sender.ports["submissions"], context=two.sender.tls) as smtp:
        smtp.login(two.ana.address, two.ana.password)
        smtp.ehlo()
        code, said = smtp.mail(two.ana.address, list(words))
        if code == 250:
            assert smtp.rcpt(to)[0] == 250
            code, said = smtp.data(letter(1).replace(b"Carla <carla@example.org>", two.ana.address.encode()))
        return code, said, smtp.esmtp_features


def test_a_message_leaves_later(two):
    """RFC 4865."""
    bob = two.inbox(two.receiver, two.bob)
    began = time.time()
    code, _, features = parameters(two, "HOLDFOR=3")
    assert code == 250 and int(features["futurerelease"].split()[0]) > 86_400
    (waiting,) = two.queue()["messages"]
    assert began + 2 <= waiting["not_before"] <= time.time() + 3
    arrived(bob)
    assert time.time() >= began + 2
    # Longer than is offered; and one that waits for mailboxes here.
    far = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(began + 400 * 86_400))
    assert parameters(two, f"HOLDUNTIL={far}")[0] == 501
    ana = two.inbox(two.sender, two.ana)
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3))
    assert parameters(two, f"HOLDUNTIL={soon}", to=two.ana.address)[0] == 250
    assert two.queue()["messages"]
    arrived(ana)


def test_tls_that_is_required_is_not_just_any(two):
    """RFC 8689 §4.2.1: a host that nobody vouches for does not do."""
    ana = two.inbox(two.sender, two.ana)
    code, _, features = parameters(two, "REQUIRETLS")
    assert code == 250 and "requiretls" in features
    body = text(arrived(ana), 1)
    assert b"Action: failed" in body and b"Status: 5.7" in body


class Stalling(socketserver.StreamRequestHandler):
    """A server that takes a message's content and then thinks, until it is let go."""

    def handle(self):
        self.wfile.write(b"220 slow.test ESMTP\r\n")
        content = False
        for line in self.rfile:
            if content and line != b".\r\n":
                continue
            if content:
                content = False
                self.server.full.set()
                self.server.answers.wait(60)
                self.wfile.write(b"451 4.3.0 not now\r\n")
            elif line.upper().startswith(b"DATA"):
                content = True
                self.wfile.write(b"354 go\r\n")
            elif line.upper().startswith(b"QUIT"):
                self.wfile.write(b"221 bye\r\n")
                return
            else:
                self.wfile.write(b"250 slow.test\r\n")


def test_what_is_dropped_on_its_way_is_gone():
    """The host asks to come again with a message that somebody took out meanwhile."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Stalling) as host:
        host.full, host.answers = threading.Event(), threading.Event()
        threading.Thread(target=host.serve_forever, daemon=True).start()
        settings = f'log = "server=info"\n[outbound]\nsmart_host = "127.0.0.1:{host.server_address[1]}"\nretry_seconds_min = 1\nretry_seconds_max = 1\n'
        for server in served(settings):
            two = Two.__new__(Two)
            two.sender, two.ana = server, server.new_account("ana")
            two.send("bob@other.test")
            assert host.full.wait(60)
            (message,) = two.queue()["messages"]
            server.cli("queue", "drop", message["id"])
            assert not two.queue()["messages"]
            host.answers.set()
            until(lambda: "verdict=Temporary" in server.log.read_text())
            until(lambda: not two.queue()["sites"])
            server.stop()
            server.cli("check")
            server.start()
            assert not two.queue()["messages"]
            assert "ERROR" not in server.log.read_text()
        host.shutdown()
