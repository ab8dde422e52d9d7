"""Two Palomars and a Postfix on loopback, each other's correspondents by a signed zone: the corpus goes between
all of them over TLS, octet for octet. `b.test` is known by DANE, `a.test` and Postfix's `peer.test` by MTA-STS.
Whoever takes STARTTLS out on the way, or shows another certificate, gets no mail: it waits, and arrives once
the way is free again.
"""

import json
import re
import shutil
import smtplib
import tempfile
import time
from pathlib import Path

import pytest
from dns_zone import Zone, free_port
from imap_wire import Imap, letter
from net_peers import Resolver, Served, Wire, policy_server
from postfix_peer import DOMAIN, Postfix, as_root, certificates
from test_smtp_corpus import refusal, to_send

A, B, P = "a.test", "b.test", DOMAIN
# Where each is found; a Wire leads from there to its port.
ADDRESSES = {A: "127.0.2.1", B: "127.0.2.2", P: "127.0.2.3"}
WEB = {A: "127.0.2.11", P: "127.0.2.13"}
POLICY = "version: STSv1\nmode: enforce\nmx: mx.{}\nmax_age: 86400\n"
RECORDS = """
{domain}. MX 10 mx.{domain}.
mx.{domain}. A {address}
"""
STS = """
_mta-sts.{domain}. TXT "v=STSv1; id=1;"
mta-sts.{domain}. A {address}
"""
OUTBOUND = """
[outbound]
account_recipients_hour_max = 0
account_recipients_day_max = 0
port = {port}
ca_file = "{authorities}"
retry_seconds_min = 1
retry_seconds_max = 2
# What DANE and MTA-STS ask is to be seen, not what is remembered.
tls_remembered_days = 0
"""
# What servers put on top.
TRACE = rb"(?:(?:Return-Path|X-Original-To|Delivered-To|Received|Received-SPF|Authentication-Results|DKIM-Signature|X-Palomar-[A-Za-z-]+):(?:[^\r]|\r\n[ \t])*\r\n)*"


def until(done, net, seconds=60):
    """For what servers do in their own time."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, net.logs()
        time.sleep(0.02)


class Net:
    def __init__(self, folder):
        self.folder, self.open, self.wires, self.users = Path(folder), [], {}, {}
        self.port = free_port()

    def build(self):
        """Names, wires and policies."""
        self.zone = Zone(self.folder / "zone")
        self.open.append(self.zone.stop)
        self.palomar = {domain: Served(self.folder / domain, domain) for domain in (A, B)}
        self.postfix = Postfix(self.folder / "postfix")
        targets = {A: self.palomar[A].ports["smtp"], B: self.palomar[B].ports["smtp"], P: self.postfix.port}
        records = ""
        for domain, target in targets.items():
            forged = self.certified(f"forged-{domain}", f"mx.{domain}")
            self.wires[domain] = Wire((ADDRESSES[domain], self.port), target, forged)
            self.open.append(self.wires[domain].close)
            records += RECORDS.format(domain=domain, address=ADDRESSES[domain])
        for domain, address in WEB.items():
            records += STS.format(domain=domain, address=address)
            web = policy_server(address, self.certified(f"web-{domain}", f"mta-sts.{domain}"), POLICY.format(domain))
            if web is None:
                pytest.skip("port 443 cannot be bound by this user")
            self.open += [web.server_close, web.shutdown]
        self.zone.set(records + f"_{self.port}._tcp.mx.{B}. TLSA {self.palomar[B].certificate()}\n")
        self.resolver = Resolver(self.folder / "resolver", self.zone)
        self.open.append(self.resolver.stop)

    def certified(self, folder, name):
        (self.folder / folder).mkdir()
        certificates(self.folder / folder, name)
        return self.folder / folder

    def start(self):
        self.build()
        authorities = self.folder / "authorities.pem"
        # Not those of the forged: a certificate is wrong when nobody we know has signed it.
        trusted = [self.palomar[A].folder, self.palomar[B].folder, self.postfix.base, *self.folder.glob("web-*")]
        authorities.write_text("".join((one / "ca.pem").read_text() for one in trusted))
        authorities.chmod(0o644)
        for domain, palomar in self.palomar.items():
            palomar.configure(OUTBOUND.format(port=self.port, authorities=authorities) + self.zone.settings)
            palomar.start()
            self.open.append(palomar.end)
            palomar.cli("domain", "add", domain)
            self.users[domain] = palomar.account("ana" if domain == A else "bob")
        self.open.append(self.postfix.remove)
        nexthop = ", ".join(f"{{ {domain} = smtp:{domain}:{self.port} }}" for domain in (A, B))
        self.postfix.start(
            f"relay_domains = {A}, {B}\ntransport_maps = inline:{{ {nexthop} }}\n"
            "smtp_dns_support_level = dnssec\nsmtp_host_lookup = dns\nsmtp_tls_security_level = dane\n"
            f"smtp_tls_CAfile = {authorities}\n"
            f"smtp_tls_policy_maps = inline:{{ {{ {A}:{self.port} = secure match=mx.{A} }}, {{ {A} = secure match=mx.{A} }} }}\n",
            self.resolver.resolv,
        )
        return self

    def close(self):
        for end in reversed(self.open):
            end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def logs(self):
        tails = [palomar.log.read_text()[-2500:] for palomar in self.palomar.values()]
        return "\n---\n".join([*tails, self.postfix.log()[-2500:]])

    def address(self, domain):
        return f"box@{P}" if domain == P else self.users[domain].address

    def session(self, domain):
        """Submission at a Palomar, or a session with Postfix."""
        if domain == P:
            return smtplib.SMTP("localhost", self.postfix.port)
        palomar = self.palomar[domain]
        smtp = smtplib.SMTP_SSL("localhost", palomar.ports["submissions"], context=palomar.tls)
        smtp.login(self.users[domain].address, self.users[domain].password)
        return smtp

    def send(self, way, messages):
        sender, to = way
        with self.session(sender) as smtp:
            for data in messages:
                eight = [] if data.isascii() else ["BODY=8BITMIME"]
                assert smtp.sendmail(self.address(sender), [self.address(to)], data, eight) == {}

    def mail(self, domain):
        """All that came."""
        if domain == P:
            return self.postfix.mail()
        with Imap(self.palomar[domain].connect("imaps")) as client:
            client.login(self.users[domain])
            client.ok("SELECT INBOX")
            return [octets(line) for _, line in client.ok("FETCH 1:* BODY.PEEK[]").fetches]

    def count(self, domain):
        if domain == P:
            return len(self.postfix.mail())
        with Imap(self.palomar[domain].connect("imaps")) as client:
            client.login(self.users[domain])
            (line,) = client.ok("STATUS INBOX (MESSAGES)").of(b"STATUS")
        return int(line.split(b"MESSAGES ")[1].rstrip(b")"))

    def waiting(self, domain):
        """Senders' queues, as text."""
        if domain == P:
            return as_root("postqueue", "-c", self.postfix.base / "config", "-j").stdout
        queue = json.loads(self.palomar[domain].cli("queue", "list", "--json"))["queue"]
        return json.dumps(queue) if queue["messages"] else ""

    def retry(self, domain):
        if domain == P:
            as_root("postqueue", "-c", self.postfix.base / "config", "-f")
        else:
            self.palomar[domain].cli("queue", "retry")

    def log(self, domain):
        return self.postfix.log() if domain == P else self.palomar[domain].log.read_text()


def octets(line):
    count, _, rest = line.split(b"BODY[] ", 1)[1].partition(b"}\r\n")
    return rest[:int(count.lstrip(b"~{"))]


@pytest.fixture(scope="module")
def net():
    net = Net(tempfile.mkdtemp(prefix="palomar-peer-"))
    try:
        yield net.start()
    finally:
        net.close()


WAYS = [(A, B), (B, A), (A, P), (B, P), (P, A), (P, B)]
# How the one that is called is known, in the log of the one that calls.
KNOWN = {
    (A, B): " dane", (B, A): " sts", (A, P): " sts", (B, P): " sts",
    (P, A): f"Verified TLS connection established to mx.{A}", (P, B): f"Verified TLS connection established to mx.{B}",
}


def own(data, token, address):
    """A message of the corpus as its sender has it: with From, Date and Message-ID of its own on top."""
    head, mark, body = data.partition(b"\r\n\r\n")
    other = rb"(?im)^(from|sender|date|message-id|bcc)[ \t]*:.*(?:\r\n[ \t].*)*(?:\r\n|\Z)"
    top = f"From: <{address}>\r\nDate: Mon, 2 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{token}@corpus.test>\r\n"
    return top.encode() + re.sub(other, b"", head) + (mark or b"\r\n\r\n") + body


def suits(data, way):
    """Postfix wants a header of fields (test_peers shows what it makes of others)."""
    if refusal(data) or b"\r\n\r\n" not in data:
        return False
    head = data.partition(b"\r\n\r\n")[0] + b"\r\n"
    return P not in way or re.fullmatch(rb"(?:[!-9;-~]+:(?:[^\r\n\0]|\r\n[ \t])*\r\n)*", head)


def without_trace(stored):
    """What was sent, of what is stored."""
    return stored[re.match(TRACE, stored).end():]


@pytest.mark.parametrize("way", WAYS, ids="-".join)
def test_the_corpus(net, corpus, way):
    sender, to = way
    # Between the two Palomars all of it; test_peers gives Postfix all of it.
    paths = corpus if P not in way else corpus[::4]
    sent = {}
    for number, path in enumerate(paths):
        data = to_send(path.read_bytes())
        if suits(data, way):
            token = f"{sender}.{to}.{number}"
            sent[token] = path, own(data, token, net.address(sender))
    assert len(sent) * 10 > len(paths) * 8
    before = net.count(to)
    net.send(way, [data for _, data in sent.values()])
    until(lambda: net.count(to) >= before + len(sent), net, 300)
    there = {}
    for stored in net.mail(to):
        if token := re.search(rb"(?m)^Message-ID: <([^>\r]*)@corpus\.test>", stored):
            assert re.search(rb"with E?SMTPS |using TLSv1\.3", stored), stored[:500]
            assert there.setdefault(token.group(1).decode(), stored) is stored, "twice"
    changed = [path for token, (path, data) in sent.items() if without_trace(there[token]) != data]
    assert not changed
    until(lambda: not net.waiting(sender), net)
    assert KNOWN[way] in net.log(sender)
    if sender != P:
        taken = [one for one in net.log(sender).splitlines() if "verdict=Accepted" in one and f'host="mx.{to}"' in one]
        assert len(taken) >= len(sent) and all("TLSv1.3" in one and KNOWN[way] in one for one in taken)


@pytest.mark.parametrize("way", WAYS, ids="-".join)
@pytest.mark.parametrize("mode, said", [
    ("strip", r"TLS is required|TLS is required, but was not offered"),
    ("forge", r"TLS handshake|Server certificate not (?:trusted|verified)"),
])
def test_a_downgrade_is_refused_and_the_mail_kept(net, way, mode, said):
    sender, to = way
    wire = net.wires[to]
    before, already = net.count(to), len(net.log(sender))
    del wire.heard[:]
    wire.mode = mode
    try:
        token = f"{mode}-{sender}-{to}"
        net.send(way, [own(letter(1), token, net.address(sender))])
        until(lambda: re.search(said, net.log(sender)[already:]), net)
        # It waits, with the reason, and nobody on the way has heard of it.
        until(lambda: net.waiting(sender), net)
        assert net.address(to) in net.waiting(sender)
        assert mode == "forge" or wire.heard, "the way was not taken"
        assert not wire.mail(), wire.heard
        assert net.count(to) == before
    finally:
        wire.mode = "open"
    net.retry(sender)
    until(lambda: net.count(to) == before + 1, net)
    until(lambda: not net.waiting(sender), net)
    (stored,) = [one for one in net.mail(to) if f"<{token}@corpus.test>".encode() in one]
    assert without_trace(stored) == own(letter(1), token, net.address(sender))
