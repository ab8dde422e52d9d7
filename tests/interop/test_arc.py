"""ARC: chains of another program judged, ours judged by it, and who seals them trusted."""

import base64
import json
import re
import smtplib

import dkim
import pytest
from conftest import served
from dns_zone import Zone
from test_dkim import message_of
from test_dns import openssl
from test_inbound import Inbox, message_from
from test_queue import Two, arrived, text, until

HOST = "mail.example.test"
ZONE = """
    spf.test. TXT "v=spf1 ip4:127.0.0.1 -all"
    _dmarc.spf.test. TXT "v=DMARC1; p=reject"
    1.0.0.127.in-addr.arpa. PTR client.spf.test.
    client.spf.test. A 127.0.0.1
"""


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    """A private key (PEM) and the text of its record."""
    file = tmp_path_factory.mktemp("key") / "key"
    pem = openssl("genrsa", "-traditional", "2048")
    file.write_bytes(pem)
    public = base64.b64encode(openssl("rsa", "-in", file, "-pubout", "-outform", "DER")).decode()
    return pem, f"v=DKIM1; k=rsa; p={public}"


def published(name, record):
    return f'{name} TXT "{record[:200]}" "{record[200:]}"\n'


@pytest.fixture(scope="module")
def server(tmp_path_factory, key):
    zone = Zone(tmp_path_factory.mktemp("zone"))
    names = ("list.test", "stranger.test")
    zone.set(ZONE + "".join(published(f"arc._domainkey.{name}.", key[1]) for name in names))
    serving = served('log = "server=info"\n[inbound]\narc_trusted_sealers = ["List.test"]\n' + zone.settings)
    try:
        yield next(serving)
    finally:
        for _ in serving:
            pass
        zone.stop()


@pytest.fixture
def inbox(server):
    return Inbox(server, server.new_account())


def sealed(message, key, domain, dmarc="pass", arc="none"):
    """By dkimpy."""
    found = f"Authentication-Results: mx.{domain}; arc={arc}; dmarc={dmarc} header.from=spf.test\r\n".encode()
    name = domain.encode()
    fields = dkim.arc_sign(found + message, b"arc", name, key[0], b"mx." + name)
    assert len(fields) == 3
    return b"".join(fields) + message


def test_without_a_chain(inbox):
    inbox.send("ana@spf.test", message_from("ana@spf.test"))
    told, _ = inbox.results()
    assert "arc=none" in told and "dmarc=pass" in told
    # By which name depends on the machine's hosts file.
    assert "iprev=pass" in told and "policy.iprev=127.0.0.1" in told
    assert "polrec.p=reject" in told and "polrec.domain=spf.test" in told


def test_a_chain_by_another_program(inbox, key):
    message = sealed(message_from("ana@none.test"), key, "stranger.test")
    inbox.send("ana@none.test", message)
    told, _ = inbox.results()
    assert "arc=pass (i=1 stranger.test)" in told
    again = re.sub(rb"^", b"X-Other: 1\r\n", message, count=1)
    again = again.replace(b"\r\n\r\n", b"\r\n\r\nMore.\r\n", 1)
    inbox.send("ana@none.test", again)
    told, _ = inbox.results(number=2)
    assert "arc=fail" in told
    inbox.send("ana@none.test", sealed(message, key, "list.test", arc="pass"))
    told, _ = inbox.results(number=3)
    assert "arc=pass (i=2 list.test)" in told


def test_who_is_trusted_is_believed(inbox, key):
    """The list changed a message whose author asks to refuse what was changed."""
    message = message_from("boss@spf.test")
    with pytest.raises(smtplib.SMTPDataError):
        inbox.send("list@list.test", message)
    for refused in (sealed(message, key, "stranger.test"), sealed(message, key, "list.test", "fail"),
                    sealed(message, key, "list.test").replace(b"letter", b"Letter")):
        with pytest.raises(smtplib.SMTPDataError) as error:
            inbox.send("list@list.test", refused)
        assert b"5.7.26" in error.value.smtp_error
    inbox.send("list@list.test", sealed(message, key, "list.test"))
    told, body = inbox.results()
    assert "arc=pass" in told and "dmarc=fail" in told and b"X-Palomar-Junk" not in body
    assert "local policy: arc=pass as[1].d=list.test as[1].s=arc" in re.sub(r"\s+", " ", told)


class Forwarding(Two):
    def __init__(self, sender, receiver, zone):
        super().__init__(sender, receiver)
        self.zone = zone
        keys = lambda: json.loads(sender.cli("domain", "dkim", "list", "example.test", "--json"))["dkim_keys"]
        until(lambda: len(keys()) == 2)
        for one in keys():
            sender.cli("domain", "dkim", "use", "example.test", one["selector"])
        records = json.loads(sender.cli("domain", "dns", "example.test", "--json"))["records"]
        self.public = {one["name"]: one["data"] for one in records if "_domainkey" in one["name"]}
        zone.set(ZONE + "".join(published(*one) for one in self.public.items()))


@pytest.fixture
def forwarding(tmp_path):
    zone = Zone(tmp_path / "zone")
    zone.set(ZONE)
    receiving = served('log = "server=info"\n[inbound]\narc_trusted_sealers = ["example.test"]\n' + zone.settings)
    receiver = next(receiving)
    sending = served(f'log = "server=info"\n[outbound]\nsmart_host = "127.0.0.1:{receiver.ports["smtp"]}"\nretry_seconds_min = 1\n' + zone.settings)
    try:
        yield Forwarding(next(sending), receiver, zone)
    finally:
        for generator in (sending, receiving):
            for _ in generator:
                pass
        zone.stop()


def test_what_goes_on_is_sealed(forwarding):
    """SPF passed here, and cannot there: the seal says so."""
    forwarding.sender.cli("alias", "set", "bob@example.test", "bob@other.test")
    bob = forwarding.inbox(forwarding.receiver, forwarding.bob)
    with smtplib.SMTP("localhost", forwarding.sender.ports["smtp"]) as smtp:
        smtp.sendmail("ana@spf.test", ["bob@example.test"], message_from("ana@spf.test"))
    body = message_of(text(arrived(bob), 1)).rsplit(b")", 1)[0]
    assert body.count(b"ARC-Seal: i=1;") == 1
    told = re.sub(rb"\s+", b" ", body).decode()
    assert f"ARC-Authentication-Results: i=1; {HOST}; iprev=pass" in told
    assert "arc=pass (i=1 example.test)" in told and "local policy: arc=pass as[1].d=example.test" in told
    # An independent verifier says the same, and notices what is changed.
    lookup = lambda name, timeout=5: forwarding.public.get(name.decode().rstrip(".") + ".", "").encode()
    verdict, details, why = dkim.arc_verify(body, dnsfunc=lookup)
    assert verdict == dkim.CV_Pass, why
    assert [one["as-domain"] for one in details] == [b"example.test"]
    for old, new in ((b"Subject: letter", b"Subject: Letter"), (b"arc=none", b"arc=pass"), (b"\r\n\r\n", b"\r\n\r\nMore. ")):
        assert old in body
        assert dkim.arc_verify(body.replace(old, new, 1), dnsfunc=lookup)[0] == dkim.CV_Fail, new
