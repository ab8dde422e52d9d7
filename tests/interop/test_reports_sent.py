"""Reports that a Palomar sends: DMARC of mail that came in, TLS of hosts that were called."""

import email
import gzip
import json
import re
import smtplib
import time
import xml.etree.ElementTree

import dkim
import pytest
from conftest import served
from dns_zone import Zone
from imap_wire import letter
from test_dkim import judged, message_of
from test_dns import Net, web_certificate
from test_queue import arrived, text, until

SPACE = {"d": "urn:ietf:params:xml:ns:dmarc-2.0"}
BASE = """
    other.test. MX 10 mx.other.test.
    mx.other.test. A 127.0.0.1
    good.test. TXT "v=spf1 ip4:127.0.0.1 -all"
    strict.test. TXT "v=spf1 -all"
"""


class Reporting(Net):
    """The sender of reports gets mail in names of domains whose reports go to the receiver."""

    def mail(self, sender, author, codes=(250,)):
        message = letter(1).replace(b"Carla <carla@example.org>", author.encode())
        with smtplib.SMTP("localhost", self.sender.ports["smtp"], local_hostname="client.test") as smtp:
            try:
                smtp.sendmail(sender, [self.ana.address], message)
                code = 250
            except smtplib.SMTPDataError as refused:
                code = refused.smtp_code
        assert code in codes

    def pending(self):
        found = json.loads(self.sender.cli("reports", "pending", "--json"))["reports_pending"]
        return {(one["kind"], one["domain"]): one["counted"] for one in found}

    def send_reports(self, *words):
        found = json.loads(self.sender.cli("reports", "send", *words, "--json"))["reports_sent"]
        return {(one["report"]["kind"], one["report"]["domain"]): one for one in found}

    def publish_keys(self, records):
        """Of our own domain, so that reports are signed."""
        list_keys = lambda: json.loads(self.sender.cli("domain", "dkim", "list", "example.test", "--json"))["dkim_keys"]
        until(lambda: len(list_keys()) == 2)
        own = json.loads(self.sender.cli("domain", "dns", "example.test", "--json"))["records"]
        self.keys = {one["name"].encode(): one["data"].encode() for one in own if "_domainkey" in one["name"]}
        for key in list_keys():
            self.sender.cli("domain", "dkim", "use", "example.test", key["selector"])
        self.set(records)

    def report(self, account, number=1):
        """A report that arrived: the message, and what is in its file."""
        raw = message_of(text(arrived(self.inbox(self.receiver, account), number), number))
        message = email.message_from_bytes(raw)
        (part,) = [part for part in message.walk() if part.get_filename()]
        return message, part, gzip.decompress(part.get_payload(decode=True))

    def signed(self, account, number=1):
        raw = message_of(text(arrived(self.inbox(self.receiver, account), number), number))
        raw = raw[raw.index(b"DKIM-Signature:") : raw.rindex(b")")]
        return all(judged(raw, index, lambda name, timeout=5: self.keys[name]) for index in (0, 1))


@pytest.fixture
def net(tmp_path):
    zone = Zone(tmp_path / "zone")
    receiving = served()
    receiver = next(receiving)
    settings = f'log = "server=info"\n[outbound]\nport = {receiver.ports["smtp"]}\nretry_seconds_min = 1\nretry_seconds_max = 2\n'
    ca, *web = web_certificate(tmp_path, "mta-sts.other.test")
    sending = served(settings + f'ca_file = "{ca}"\n' + zone.settings)
    one = Reporting(next(sending), receiver, zone)
    one.port, one.web = receiver.ports["smtp"], web
    try:
        yield one
    finally:
        for generator in (sending, receiving):
            for _ in generator:
                pass
        zone.stop()


def records_of(octets):
    """Rows of a DMARC report, by who wrote and what was done."""
    root = xml.etree.ElementTree.fromstring(octets)
    found = {}
    for record in root.findall("d:record", SPACE):
        read = lambda path, record=record: record.findtext("/".join(f"d:{one}" for one in path.split("/")), None, SPACE)
        assert read("row/source_ip") in ("127.0.0.1", "::1")
        key = (read("identifiers/header_from"), read("identifiers/envelope_from"), read("row/policy_evaluated/disposition"))
        found[key] = (int(read("row/count")), read("row/policy_evaluated/spf"), read("row/policy_evaluated/dkim"),
                      read("auth_results/spf/result"))
    return root, found


def test_a_domain_hears_of_mail_in_its_name(net):
    records = BASE + """
        _dmarc.strict.test. TXT "v=DMARC1; p=reject; rua=mailto:bob@other.test"
        strict.test._report._dmarc.other.test. TXT "v=DMARC1"
    """
    net.publish_keys(records)
    net.mail("thief@good.test", "boss@strict.test", (550,))
    net.mail("thief@good.test", "boss@strict.test", (550,))
    net.mail("thief@good.test", "boss@deep.strict.test", (550,))
    # Who is not asked for a report of is not counted.
    net.mail("ana@good.test", "ana@good.test")
    assert net.pending() == {("dmarc", "strict.test"): 3}
    # Nothing goes before its day is over, unless it is asked for.
    assert net.send_reports() == {}
    sent = net.send_reports("--now")
    assert sent["dmarc", "strict.test"]["to"] == ["bob@other.test"]
    message, part, octets = net.report(net.bob)
    root, rows = records_of(octets)
    assert rows == {
        ("strict.test", "good.test", "reject"): (2, "fail", "fail", "pass"),
        ("deep.strict.test", "good.test", "reject"): (1, "fail", "fail", "pass"),
    }
    published = root.find("d:policy_published", SPACE)
    assert (published.findtext("d:domain", None, SPACE), published.findtext("d:p", None, SPACE)) == ("strict.test", "reject")
    metadata = root.find("d:report_metadata", SPACE)
    begin, end = (int(metadata.findtext(f"d:date_range/d:{one}", None, SPACE)) for one in ("begin", "end"))
    assert begin % 86400 == 0 and begin <= time.time() and end <= time.time() + 1
    id = metadata.findtext("d:report_id", None, SPACE)
    subject = re.sub(r"\s+", " ", message["Subject"])
    assert subject == f"Report Domain: strict.test Submitter: example.test Report-ID: <{id}>"
    assert part.get_filename() == f"example.test!strict.test!{begin}!{end}!{id}.xml.gz"
    assert part.get_content_type() == "application/gzip"
    assert message["From"] == "<noreply-dmarc@example.test>" and message["Return-Path"] == "<>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert net.signed(net.bob)
    # What was told is told once.
    assert net.pending() == {} and net.send_reports("--now") == {}
