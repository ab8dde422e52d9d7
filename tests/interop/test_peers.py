"""Mail to and from a real Postfix: the corpus octet for octet both ways over TLS, what the envelope
says (8BITMIME, SMTPUTF8, DSN), a host that refuses, defers and rejects late, reports; swaks and
smtp-source as clients.

Postfix has one mailbox, for everybody at `peer.test`, and at `plain.test`, whose port offers no
extension. Mail between the two goes along routes.
"""

import email
import email.policy
import json
import re
import smtplib
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from conftest import served
from imap_wire import Imap, letter
from postfix_peer import DOMAIN, PLAIN, Postfix, content
from test_smtp import content as content_here
from test_smtp_corpus import refusal, to_send

BATCH = 50
RECIPIENTS = """
smtpd_recipient_restrictions = check_recipient_access inline:{
  { refused@peer.test = 550 5.7.1 no }, { deferred@peer.test = 451 4.7.1 later } }
smtpd_end_of_data_restrictions = check_recipient_access inline:{
  { late-refused@peer.test = 554 5.6.0 not this }, { late-deferred@peer.test = 452 4.3.1 full } }
"""


def report(stored):
    """A report's header, groups of fields, and what it gives back (RFC 6522, RFC 3464, RFC 6533)."""
    message = email.message_from_bytes(stored, policy=email.policy.default)
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type").removeprefix("global-") == "delivery-status"
    text, status, back = message.iter_parts()
    assert text.get_content_maintype() == "text"
    assert status.get_content_type() in ("message/delivery-status", "message/global-delivery-status")
    groups = status.as_bytes().decode().replace("\r\n", "\n").split("\n\n")[1:]
    parsed = [email.message_from_string(group) for group in groups if group.strip()]
    unfolded = [{name.lower(): " ".join(value.split()) for name, value in group.items()} for group in parsed]
    return message, unfolded, back


class Peers:
    """Palomar and Postfix, each other's only correspondents."""

    def __init__(self, postfix, palomar):
        self.postfix, self.palomar = postfix, palomar
        postfix.beside = palomar
        self.ana = palomar.new_account("ana")
        self.boxes = 0

    def inbox(self):
        client = Imap(self.palomar.connect("imaps"))
        client.login(self.ana)
        client.ok("SELECT INBOX")
        return client

    def submission(self):
        smtp = smtplib.SMTP_SSL("localhost", self.palomar.ports["submissions"], context=self.palomar.tls)
        smtp.ehlo()
        smtp.login(self.ana.address, self.ana.password)
        return smtp

    def queue(self):
        return json.loads(self.palomar.cli("queue", "list", "--json"))["queue"]["messages"]

    def here(self, after=0):
        """What came into Ana's INBOX after so many messages."""
        with self.inbox() as client:
            fetches = client.ok(f"FETCH {after + 1}:* BODY.PEEK[]").fetches
        found = []
        for number, line in fetches:
            octets, _, rest = line.split(b"BODY[] ", 1)[1].partition(b"}\r\n")
            if number > after:
                found.append(rest[:int(octets.lstrip(b"~{"))])
        return found

    def count(self):
        with self.inbox() as client:
            (line,) = client.ok("STATUS INBOX (MESSAGES)").of(b"STATUS")
        return int(line.split(b"MESSAGES ")[1].rstrip(b")"))

    def arrived(self, before, more=1):
        until(lambda: self.count() >= before + more, self.postfix)
        return self.here(before)

    def there(self, token):
        """What came into the mailbox of Postfix with this in its header."""
        token = token.encode()
        return [content(one) for one in self.postfix.mail() if token in one.partition(b"\r\n\r\n")[0]]

    def send(self, to, message, options=(), rcpt=()):
        with self.submission() as smtp:
            assert smtp.sendmail(self.ana.address, [to], message, list(options), list(rcpt)) == {}

    def letter(self, number, subject="letter", body=None, extra=""):
        text = letter(number, subject, body, extra)
        return text.replace(b"Carla <carla@example.org>", self.ana.address.encode())


def until(done, postfix, seconds=60):
    """For what two servers do in their own time; asked for, with both logs when it never comes."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, f"{postfix.log()[-4000:]}\n{postfix.beside.log.read_text()[-6000:]}"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def peers():
    folder = Path(tempfile.mkdtemp(prefix="palomar-peer-"))
    postfix = Postfix(folder / "postfix")
    running = served(
        f'[outbound]\nroutes = ["{DOMAIN}=127.0.0.1:{postfix.port}", "{PLAIN}=127.0.0.1:{postfix.plain_port}"]\nretry_seconds_min = 1\nretry_seconds_max = 2\n'
    )
    palomar = next(running)
    try:
        # Postfix proves who Palomar is; Palomar's TLS along a route is opportunistic.
        postfix.start(
            f"relay_domains = example.test\ntransport_maps = inline:{{ example.test=relay:[localhost]:{palomar.ports['smtp']} }}\n"
            f"smtp_tls_security_level = secure\nsmtp_tls_CAfile = {palomar.ca}\nsmtp_tls_secure_cert_match = localhost\n"
            "smtp_dns_support_level = disabled\nsmtp_host_lookup = native\n" + RECIPIENTS
        )
        yield Peers(postfix, palomar)
    finally:
        postfix.remove()
        for _ in running:
            pass


def with_sender(data, number, address):
    """A message of the corpus as somebody sends it: the header has its own From, Date and Message-ID
    on top and no other, and the rest is as it was."""
    head, mark, body = data.partition(b"\r\n\r\n")
    own = rb"(?im)^(from|sender|date|message-id|bcc)[ \t]*:.*(?:\r\n[ \t].*)*(?:\r\n|\Z)"
    head = re.sub(own, b"", head)
    top = f"From: <{address}>\r\nDate: Mon, 2 Nov 2026 10:00:00 +0000\r\nMessage-ID: <corpus.{number}@example.test>\r\n"
    return top.encode() + head + (mark or b"\r\n\r\n") + body


def suits(data):
    """Whether Postfix keeps it: of a header it drops NUL, and a blank before the colon."""
    head, mark, _ = data.partition(b"\r\n\r\n")
    return mark and not refusal(data) and not re.search(rb"(?m)\0|^[!-9;-~]+[ \t]+:", head)


def kept_by_postfix(data):
    """Postfix ends the header with an empty line before the first line that is no field."""
    at = 0
    while not data.startswith(b"\r\n", at):
        line = data[at:data.index(b"\r\n", at)]
        if not re.match(rb"[!-9;-~]+[ \t]*:|[ \t]", line):
            return data[:at] + b"\r\n" + data[at:]
        at += len(line) + 2
    return data


def test_the_corpus_goes_to_postfix(peers, corpus):
    sent = []
    with peers.submission() as smtp:
        for number, path in enumerate(corpus):
            data = to_send(path.read_bytes())
            if not suits(data):
                continue
            data = with_sender(data, number, peers.ana.address)
            eight = [] if data.isascii() else ["BODY=8BITMIME"]
            smtp.sendmail(peers.ana.address, [f"box@{DOMAIN}"], data, mail_options=eight)
            sent.append((path, number, data))
    until(lambda: not peers.queue(), peers.postfix, 300)
    until(lambda: len(peers.postfix.mail()) >= len(sent), peers.postfix)
    there = {}
    for stored in peers.postfix.mail():
        assert b"using TLSv1.3" in stored
        message = content(stored)
        # What Palomar's submission put on top.
        match = re.match(rb"Received: (?:[^\r]|\r\n\t)*\r\n", message)
        message = message[match.end():]
        number = re.search(rb"(?m)^Message-ID: <corpus\.(\d+)@", message).group(1)
        assert there.setdefault(int(number), message) is message, "twice"
    changed = [path for path, number, data in sent if there[number] != kept_by_postfix(data)]
    assert not changed
    assert len(sent) * 10 > len(corpus) * 9


def test_the_corpus_comes_from_postfix(peers, corpus):
    sent = []
    before = peers.count()
    with smtplib.SMTP("localhost", peers.postfix.port) as smtp:
        smtp.starttls(context=peers.postfix.tls)
        for path in corpus:
            data = to_send(path.read_bytes())
            if not suits(data):
                continue
            eight = [] if data.isascii() else ["BODY=8BITMIME"]
            smtp.sendmail(f"box@{DOMAIN}", [peers.ana.address], data, mail_options=eight)
            # A header that is none, or a line of an mbox before it: Postfix leaves them out.
            data = re.sub(rb"\A(?:>?From [^\r]*\r\n)+", b"", data)
            sent.append((path, kept_by_postfix(data)))
    there = set()
    for stored in peers.arrived(before, len(sent)):
        assert b" with ESMTPS id " in stored.split(b"\r\n\tfor")[0], stored[:500]
        message = content_here(stored)
        there.add(re.sub(rb"\AReceived: (?:[^\r]|\r\n[ \t])*\r\n", b"", message))
    changed = [path for path, data in sent if data not in there]
    assert not changed
    assert "Verified TLS connection established to localhost" in peers.postfix.log()


def test_8_bits_go_where_they_may(peers):
    message = peers.letter(1, "eight", body="Grüße\r\n")
    peers.send(f"box@{DOMAIN}", message, ["BODY=8BITMIME"])
    before = peers.count()
    peers.send(f"box@{PLAIN}", message, ["BODY=8BITMIME"])
    # RFC 6152 §3: returned, where the host does not take it.
    _, (_, recipient), _ = report(peers.arrived(before)[0])
    assert recipient["action"] == "failed" and recipient["status"] == "5.6.3"
    until(lambda: peers.there("eight1@"), peers.postfix)
    (stored,) = peers.there("eight1@")
    assert stored.endswith("\r\n\r\nGrüße\r\n".encode())
    # Seven bits go there as well, in the old way.
    peers.send(f"box@{PLAIN}", peers.letter(1, "seven"))
    until(lambda: peers.there("seven1@"), peers.postfix)
    assert peers.there("seven1@")[0].endswith(b"\r\n\r\nText 1.\r\n")


def test_addresses_in_utf8(peers):
    name = f"büro@{DOMAIN}"
    message = peers.letter(1, "utf8", extra="Comments: Größe\r\n")
    peers.send(name, message, ["SMTPUTF8", "BODY=8BITMIME"])
    until(lambda: peers.there("utf81@"), peers.postfix)
    (stored,) = peers.there("utf81@")
    assert "Comments: Größe".encode() in stored
    assert any(f"X-Original-To: {name}".encode() in one for one in peers.postfix.mail())
    before = peers.count()
    with smtplib.SMTP("localhost", peers.postfix.port) as smtp:
        smtp.sendmail(name, [peers.ana.address], letter(2, "back"), ["SMTPUTF8", "BODY=8BITMIME"])
    (back,) = peers.arrived(before)
    assert back.startswith(f"Return-Path: <{name}>\r\n".encode()) and b" with ESMTPS id " in back


def test_addresses_in_utf8_that_a_host_does_not_know(peers):
    before = peers.count()
    peers.send(f"büro@{PLAIN}", peers.letter(1, "nowhere"), ["SMTPUTF8"])
    _, (_, recipient), _ = report(peers.arrived(before)[0])
    assert recipient["action"] == "failed" and recipient["status"] == "5.6.7"
    assert not peers.there("nowhere1@")
    until(lambda: not peers.queue(), peers.postfix)


@pytest.mark.parametrize(
    "name, status, said",
    [("refused", "5.7.1", "550 5.7.1"), ("late-refused", "5.6.0", "554 5.6.0")],
)
def test_what_postfix_refuses_is_reported(peers, name, status, said):
    before = peers.count()
    peers.send(f"{name}@{DOMAIN}", peers.letter(1, name))
    message, (whole, recipient), back = report(peers.arrived(before)[0])
    assert message["Auto-Submitted"] == "auto-replied" and message["To"].addresses[0].addr_spec == peers.ana.address
    assert whole["reporting-mta"].startswith("dns;") and "arrival-date" in whole
    assert recipient["action"] == "failed" and recipient["status"] == status
    assert recipient["final-recipient"] == f"rfc822; {name}@{DOMAIN}"
    assert recipient["diagnostic-code"].startswith(f"smtp; {said}")
    assert f"{name}1@example.org" in back.as_string()
    assert not peers.there(f"<{name}1@")
    until(lambda: not peers.queue(), peers.postfix)


def test_what_postfix_defers_comes_once_it_takes_it(peers):
    for name in ("deferred", "late-deferred"):
        peers.send(f"{name}@{DOMAIN}", peers.letter(1, name))
    until(lambda: [one["recipients"][0]["attempts"] > 1 for one in peers.queue()] == [True, True], peers.postfix)
    said = [json.dumps(one["recipients"][0]) for one in peers.queue()]
    assert any("4.7.1" in one for one in said) and any("4.3.1" in one for one in said)
    peers.postfix.set("smtpd_recipient_restrictions=", "smtpd_end_of_data_restrictions=")
    until(lambda: not peers.queue(), peers.postfix)
    for name in ("deferred", "late-deferred"):
        until(lambda: peers.there(f"<{name}1@"), peers.postfix)
        assert len(peers.there(f"<{name}1@")) == 1


def test_who_promises_to_report_does(peers):
    before = peers.count()
    asked = ["NOTIFY=SUCCESS,FAILURE", f"ORCPT=rfc822;box+2Bold@{DOMAIN}"]
    peers.send(f"box@{DOMAIN}", peers.letter(1, "asked"), ["RET=HDRS", "ENVID=QQ+2B314"], asked)
    (stored,) = peers.arrived(before)
    message, (whole, recipient), back = report(stored)
    # Postfix took it over; Palomar says nothing besides.
    assert message["From"].addresses[0].addr_spec == f"MAILER-DAEMON@mx.{DOMAIN}"
    assert whole["original-envelope-id"] == "QQ+314"
    assert recipient["original-recipient"] == f"rfc822;box+old@{DOMAIN}"
    assert recipient["action"] == "delivered"
    assert back.get_content_type() == "text/rfc822-headers"


def test_for_whom_nobody_promises_palomar_reports(peers):
    before = peers.count()
    asked = ["NOTIFY=SUCCESS", f"ORCPT=rfc822;old@{PLAIN}"]
    peers.send(f"box@{PLAIN}", peers.letter(1, "asked-plain"), ["RET=HDRS", "ENVID=X1"], asked)
    message, (whole, recipient), back = report(peers.arrived(before)[0])
    assert message["From"].addresses[0].addr_spec == "MAILER-DAEMON@mail.example.test"
    assert whole["original-envelope-id"] == "X1" and recipient["action"] == "relayed"
    assert recipient["original-recipient"] == f"rfc822; old@{PLAIN}"
    assert back.get_content_type() == "text/rfc822-headers"
    until(lambda: peers.there("asked-plain1@"), peers.postfix)


def test_postfix_reports_whom_palomar_refuses(peers):
    with smtplib.SMTP("localhost", peers.postfix.port) as smtp:
        smtp.sendmail(f"carla@{DOMAIN}", ["nobody@example.test"], letter(1, "stray"))
    is_report = lambda one: b"multipart/report" in one and b"stray1@example.org" in one
    until(lambda: any(map(is_report, peers.postfix.mail())), peers.postfix)
    (stored,) = filter(is_report, peers.postfix.mail())
    _, (_, recipient), _ = report(content(stored))
    assert recipient["status"] == "5.1.1" and recipient["diagnostic-code"].startswith("smtp; 550 5.1.1")


def test_palomar_reports_what_it_delivered(peers):
    before = peers.count()
    with smtplib.SMTP("localhost", peers.postfix.port) as smtp:
        asked = ["NOTIFY=SUCCESS", "ORCPT=rfc822;ana@old.test"]
        smtp.sendmail(f"carla@{DOMAIN}", [peers.ana.address], letter(1, "told"), ["RET=HDRS", "ENVID=E1"], asked)
    (stored,) = peers.arrived(before)
    assert stored.startswith(f"Return-Path: <carla@{DOMAIN}>\r\nReceived: ".encode())
    is_report = lambda one: b"multipart/report" in one and b"told1@example.org" in one
    until(lambda: any(map(is_report, peers.postfix.mail())), peers.postfix)
    (told,) = filter(is_report, peers.postfix.mail())
    assert told.startswith(b"Return-Path: <>\r\n") and b"by mx.peer.test (Postfix) with ESMTPS" in told
    _, (whole, recipient), back = report(re.sub(rb"\A(?:Return-Path|X-Original-To|Delivered-To):.*\r\n", b"", told))
    assert whole["original-envelope-id"] == "E1" and recipient["action"] == "delivered"
    assert recipient["original-recipient"] == "rfc822; ana@old.test" and recipient["status"] == "2.0.0"
    assert back.get_content_type() == "text/rfc822-headers"
    # To herself.
    peers.send(peers.ana.address, peers.letter(1, "self"), ["RET=HDRS"], ["NOTIFY=SUCCESS"])
    mail = peers.arrived(before + 1, 2)
    assert sum(b"multipart/report" in one for one in mail) == 1


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_swaks(peers, mechanism):
    token = f"swaks-{mechanism.lower()}"
    done = subprocess.run(
        [
            "swaks", "--server", "localhost", "--port", str(peers.palomar.ports["submission"]), "--tls",
            "--auth", mechanism, "--auth-user", peers.ana.address, "--auth-password", peers.ana.password,
            "--from", peers.ana.address, "--to", f"box@{DOMAIN}", "--header", f"Subject: {token}",
            "--body", "one\n.\n..two\n", "--tls-ca-path", str(peers.palomar.ca), "--tls-verify",
        ],
        capture_output=True, text=True, timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    until(lambda: peers.there(token), peers.postfix)
    assert b"\r\n\r\none\r\n.\r\n..two\r\n" in peers.there(token)[0]


def test_smtp_source_with_several_sessions(peers):
    before, sessions, messages = peers.count(), 10, 200
    subprocess.run(
        [
            "smtp-source", "-s", str(sessions), "-m", str(messages), "-l", "4096", "-d",
            "-f", f"carla@{DOMAIN}", "-t", peers.ana.address, f"127.0.0.1:{peers.palomar.ports['smtp']}",
        ],
        check=True, capture_output=True, timeout=120,
    )
    # What was answered is there.
    assert peers.count() == before + messages
    # The same through Postfix, which has its own way to share connections.
    subprocess.run(
        [
            "smtp-source", "-s", str(sessions), "-m", str(messages), "-l", "4096", "-d",
            "-f", f"carla@{DOMAIN}", "-t", peers.ana.address, f"127.0.0.1:{peers.postfix.port}",
        ],
        check=True, capture_output=True, timeout=120,
    )
    until(lambda: peers.count() >= before + 2 * messages, peers.postfix)
    assert peers.count() == before + 2 * messages
