"""What is found out about mail of strangers, and what follows: SPF, DKIM, DMARC, lists of domains."""

import base64
import re
import smtplib

import dkim
import nacl.signing
import pytest
from conftest import served
from dns_zone import Zone
from imap_wire import Imap, letter
from test_queue import arrived, text

HOST = "mail.example.test"
KEY = nacl.signing.SigningKey.generate()
PUBLIC = base64.b64encode(bytes(KEY.verify_key)).decode()
ZONE = f"""
    good.test. TXT "v=spf1 ip4:127.0.0.1 -all"
    bad.test. TXT "v=spf1 ip4:192.0.2.1 -all"
    strict.test. TXT "v=spf1 -all"
    _dmarc.strict.test. TXT "v=DMARC1; p=reject"
    _dmarc.sub.strict.test. TXT "v=DMARC1; p=none"
    milder.test. TXT "v=spf1 -all"
    _dmarc.milder.test. TXT "v=DMARC1; p=quarantine"
    s1._domainkey.strict.test. TXT "v=DKIM1; k=ed25519; p={PUBLIC}"
    wicked.test.list.test. A 127.0.0.2
    test.list.test. A 127.0.0.2
    test.all.test. A 127.0.0.2
    invalid.all.test. A 127.0.0.2
    good.test.all.test. A 127.0.0.2
    wicked.test. TXT "v=spf1 ip4:127.0.0.1 -all"
    shaky.test. TXT "v=spf1 include:spf.forged -all"
    _dmarc.shaky.test. TXT "v=DMARC1; p=reject"
    easy.test. TXT "v=spf1 include:spf.forged -all"
    _dmarc.easy.test. TXT "v=DMARC1; p=none"
"""


class Inbox:
    def __init__(self, server, account):
        self.server, self.account = server, account

    def client(self, mailbox="INBOX"):
        client = Imap(self.server.connect("imaps"))
        client.login(self.account)
        client.ok("SELECT", mailbox)
        return client

    def send(self, sender, message, to=None):
        with smtplib.SMTP("localhost", self.server.ports["smtp"], local_hostname="client.test") as smtp:
            smtp.sendmail(sender, [to or self.account.address], message)

    def results(self, mailbox="INBOX", number=1):
        """Unfolded Authentication-Results of ours, and the whole message."""
        client = self.client(mailbox)
        body = text(client if mailbox == "Junk" else arrived(client, number), number)
        fields = re.findall(rb"(?m)^Authentication-Results: ([^\r\n]*(?:\r\n[ \t][^\r\n]*)*)", body)
        assert len(fields) <= 1, body
        return re.sub(rb"\r\n[ \t]+", b" ", fields[0]).decode() if fields else "", body


def message_from(address, extra=b""):
    return extra + letter(1).replace(b"Carla <carla@example.org>", address.encode())


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    zone = Zone(tmp_path_factory.mktemp("zone"))
    zone.set(ZONE)
    lists = '[spam]\ndns_lists = [{ zone = "list.test", of = "domains", codes = { "127.0.0.2" = "reject" } }, { zone = "all.test", of = "domains", codes = { "127.0.0.2" = "reject" } }]\n'
    serving = served('log = "server=info"\n' + lists + zone.settings)
    try:
        one = next(serving)
        one.zone = zone
        yield one
    finally:
        for _ in serving:
            pass
        zone.stop()


@pytest.fixture
def inbox(server):
    return Inbox(server, server.new_account())


def test_a_list_that_has_everybody_is_not_asked(server, inbox):
    inbox.send("ana@good.test", message_from("ana@good.test"))
    inbox.results()
    told = server.log.read_text()
    assert "DNS list all.test not used" in told and "lists everybody" in told
    with pytest.raises(smtplib.SMTPDataError) as refused:
        inbox.send("eva@wicked.test", message_from("eva@wicked.test"))
    assert refused.value.smtp_code == 550


def test_spf_passes(inbox):
    inbox.send("ana@good.test", message_from("ana@good.test"))
    told, body = inbox.results()
    assert told.startswith(f"{HOST};") and "spf=pass" in told and "smtp.mailfrom=good.test" in told
    assert "dmarc=none" in told and "header.from=good.test" in told
    assert body.index(b"Return-Path:") < body.index(b"Authentication-Results:") < body.index(b"Received:")


def test_spf_fails_and_decides_nothing_alone(inbox):
    inbox.send("ana@bad.test", message_from("ana@bad.test"))
    told, _ = inbox.results()
    assert "spf=fail" in told and "smtp.mailfrom=bad.test" in told


def test_a_domain_that_asks_for_it_is_not_forged(inbox):
    with pytest.raises(smtplib.SMTPDataError) as refused:
        inbox.send("thief@good.test", message_from("boss@strict.test"))
    assert refused.value.smtp_code == 550 and b"5.7.26" in refused.value.smtp_error
    # Also of its subdomains without a record of their own; not where there is one.
    with pytest.raises(smtplib.SMTPDataError):
        inbox.send("thief@good.test", message_from("boss@deep.strict.test"))
    inbox.send("thief@good.test", message_from("boss@sub.strict.test"))
    told, _ = inbox.results()
    assert "dmarc=fail" in told and "spf=pass" in told
    assert "DMARC" in inbox.server.log.read_text()


def test_quarantine_is_junk(inbox):
    inbox.send("thief@good.test", message_from("boss@milder.test"))
    told, body = inbox.results("Junk")
    assert "dmarc=fail" in told and b"X-Palomar-Junk: DMARC" in body
    (status,) = inbox.client().ok("STATUS INBOX (MESSAGES)").of(b"STATUS")
    assert b"MESSAGES 0" in status


def signed(message, **options):
    secret = base64.b64encode(bytes(KEY))
    field = dkim.sign(message, b"s1", b"strict.test", secret, signature_algorithm=b"ed25519-sha256", **options)
    return field + message


@pytest.mark.parametrize("canonical", [(b"relaxed", b"relaxed"), (b"simple", b"simple"), (b"relaxed", b"simple")])
def test_a_signature_by_another_program_vouches(inbox, canonical):
    message = message_from("boss@strict.test")
    inbox.send("list@good.test", signed(message, canonicalize=canonical))
    told, _ = inbox.results()
    assert "dkim=pass" in told and "header.d=strict.test" in told and "dmarc=pass" in told and "header.s=s1" in told


def test_a_changed_message_is_not_vouched_for(inbox):
    message = signed(message_from("boss@strict.test")) + b"Pay me.\r\n"
    with pytest.raises(smtplib.SMTPDataError) as refused:
        inbox.send("list@good.test", message)
    assert b"5.7.26" in refused.value.smtp_error


def test_results_of_others_that_claim_to_be_ours_are_removed(inbox):
    forged = f"Authentication-Results: {HOST}; dkim=pass\r\n header.d=bank.test\r\nX-Palomar-Junk: no\r\n".encode()
    kept = b"X-Other: 1\r\n"
    inbox.send("ana@good.test", message_from("ana@good.test", forged + kept))
    told, body = inbox.results()
    assert "bank.test" not in told and b"bank.test" not in body and b"X-Other: 1" in body and b"X-Palomar-Junk" not in body


def comes_again(inbox, author):
    with pytest.raises(smtplib.SMTPDataError) as refused:
        inbox.send("ana@good.test", message_from(author))
    return refused.value.smtp_code == 451 and refused.value.smtp_error.startswith(b"4.4.3")


def test_a_dns_failure_defers_and_decides_nothing(inbox):
    # Whether the author's domain asks for anything is not known; whether SPF passes, where it asks to refuse.
    assert comes_again(inbox, "ana@a.forged") and "DNS did not answer for" in inbox.server.log.read_text()
    with pytest.raises(smtplib.SMTPDataError) as refused:
        inbox.send("ana@shaky.test", message_from("ana@shaky.test"))
    assert refused.value.smtp_code == 451
    # Where it asks for nothing, nothing depends on the answer; nor where another one decides already.
    inbox.send("ana@easy.test", message_from("ana@easy.test"))
    told, _ = inbox.results()
    assert "spf=temperror" in told and "dmarc=temperror" in told
    inbox.send("ana@a.forged", signed(message_from("boss@strict.test")))
    told, _ = inbox.results(number=2)
    assert "spf=temperror" in told and "dmarc=pass" in told


def test_mail_does_not_wait_for_dns_where_nobody_wants_that(server):
    zone = server.zone.settings
    serving = served(f"[inbound]\ndns_failure_hours_max = 0\n{zone}")
    other = next(serving)
    try:
        inbox = Inbox(other, other.new_account())
        inbox.send("ana@a.forged", message_from("ana@a.forged"))
        told, _ = inbox.results()
        assert "spf=temperror" in told and "dmarc=temperror" in told
    finally:
        for _ in serving:
            pass


def test_null_senders_are_checked_by_their_name(inbox):
    inbox.send("", message_from("postmaster@good.test"))
    told, _ = inbox.results()
    assert "smtp.helo=client.test" in told


def test_a_listed_domain_is_refused(inbox):
    with pytest.raises(smtplib.SMTPDataError) as refused:
        inbox.send("ana@wicked.test", message_from("ana@wicked.test"))
    assert b"5.7.1" in refused.value.smtp_error


def test_who_logged_in_is_not_inspected(inbox):
    with smtplib.SMTP_SSL("localhost", inbox.server.ports["submissions"], context=inbox.server.tls) as smtp:
        smtp.login(inbox.account.address, inbox.account.password)
        smtp.sendmail(inbox.account.address, [inbox.account.address], message_from(inbox.account.address))
    told, _ = inbox.results()
    assert told == ""
