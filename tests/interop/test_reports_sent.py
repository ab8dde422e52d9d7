"""Reports that a Palomar sends: DMARC of mail that came in, TLS of hosts that were called."""

import contextlib
import email
import gzip
import http.server
import json
import re
import smtplib
import ssl
import threading
import time
import xml.etree.ElementTree

import dkim
import pytest
from conftest import served
from dns_zone import Zone
from imap_wire import letter
from test_dkim import judged, message_of
from test_dns import ENFORCE, Net, policy_server, web_certificate
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
    sending = served(settings + f'ca_file = "{ca}"\n[reports]\nprivate_networks = true\n' + zone.settings)
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


TLS = """
    other.test. MX 10 mx.other.test.
    mx.other.test. A 127.0.0.1
    _smtp._tls.other.test. TXT "v=TLSRPTv1; rua={rua}"
"""


def policies(octets):
    """Policies of a TLS report by their type: (successes, failures, what failed)."""
    report = json.loads(octets)
    found = {}
    for one in report["policies"]:
        summary = one["summary"]
        key = one["policy"]["policy-type"], "policy-string" in one["policy"]
        found[key] = (summary["total-successful-session-count"], summary["total-failure-session-count"], one.get("failure-details", []), one["policy"])
    return report, found


def sessions(net, count):
    """Waits until so many sessions were counted for the report to other.test."""
    until(lambda: net.pending().get(("tls", "other.test"), 0) >= count)


def test_a_domain_hears_of_tls_towards_its_hosts(net):
    own = "_{port}._tcp.mx.other.test. TLSA "
    records = TLS.replace("{rua}", "mailto:bob@other.test")
    net.publish_keys(records + own + "{good}")
    bob = net.inbox(net.receiver, net.bob)
    net.send("bob@other.test")
    arrived(bob)
    sessions(net, 1)
    # Another key than the host has: no mail goes there, and the domain is told of it all the same.
    net.set(records + own + "{bad}")
    net.sender.stop()
    net.sender.start()
    net.send("bob@other.test")
    net.waits("TLS handshake")
    sessions(net, 2)
    sent = net.send_reports("--now")["tls", "other.test"]
    assert (sent["fate"], sent["to"]) == ("sent", ["bob@other.test"])
    message, part, octets = net.report(net.bob, 2)
    report, _ = policies(octets)
    by_string = {tuple(one["policy"]["policy-string"]): one for one in report["policies"]}
    good, bad = by_string[(net.tlsa(),)], by_string[("3 1 1 " + "ab" * 32,)]
    assert good["summary"] == {"total-successful-session-count": 1, "total-failure-session-count": 0}
    assert "failure-details" not in good
    assert good["policy"]["policy-domain"] == "other.test" and good["policy"]["mx-host"] == ["mx.other.test"]
    failures = bad["summary"]["total-failure-session-count"]
    assert failures >= 1 and bad["summary"]["total-successful-session-count"] == 0
    (detail,) = bad["failure-details"]
    assert (detail["result-type"], detail["failed-session-count"]) == ("tlsa-invalid", failures)
    assert (detail["receiving-mx-hostname"], detail["receiving-ip"], detail["sending-mta-ip"]) == ("mx.other.test", "127.0.0.1", "127.0.0.1")
    day = time.strftime("%Y-%m-%d", time.gmtime())
    assert report["date-range"]["start-datetime"] == f"{day}T00:00:00Z"
    assert report["organization-name"] == "example.test" and report["contact-info"] == "noreply-tls-report@example.test"
    # As RFC 8460 5.3 has the mail.
    assert message["From"] == "<noreply-tls-report@example.test>" and message["Return-Path"] == "<>"
    assert (message["TLS-Report-Domain"], message["TLS-Report-Submitter"]) == ("other.test", "example.test")
    assert message["TLS-Required"] == "No" and message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "tlsrpt" and part.get_content_type() == "application/tlsrpt+gzip"
    assert re.sub(r"\s+", " ", message["Subject"]) == f"Report Domain: other.test Submitter: example.test Report-ID: <{report['report-id']}>"
    assert part.get_filename().startswith("example.test!other.test!") and part.get_filename().endswith(".json.gz")
    assert net.signed(net.bob, 2)
    # The session that brought it is not told of, and what waits goes on when the record is right.
    net.set(records + own + "{good}")
    net.sender.stop()
    net.sender.start()
    net.sender.cli("queue", "retry")
    arrived(net.inbox(net.receiver, net.bob), 3)
    until(lambda: not net.queue()["messages"])


@contextlib.contextmanager
def web_reader(net, codes):
    """https://reports.other.test at a port of its own, which answers with these codes in turn."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.server.got.append((self.path, self.headers["Content-Type"], body))
            self.send_response(codes[len(self.server.got) - 1])
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*net.web)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.got = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def test_a_report_is_posted_and_tried_again(net):
    with web_reader(net, [503, 201]) as reader:
        uri = f"https://reports.other.test:{reader.server_address[1]}/tls"
        net.publish_keys(TLS.replace("{rua}", uri) + "reports.other.test. A 127.0.0.1\n")
        net.send("bob@other.test")
        arrived(net.inbox(net.receiver, net.bob))
        sessions(net, 1)
        fate = net.send_reports("--now")["tls", "other.test"]
        assert fate["fate"] == "later" and "503" in fate["why"]
        assert net.pending() == {("tls", "other.test"): 1}
        fate = net.send_reports("--now")["tls", "other.test"]
        assert (fate["fate"], fate["to"], fate["report"]["tries"]) == ("sent", [uri], 1)
        assert net.pending() == {}
    (path, kind, first), (_, _, second) = reader.got
    assert (path, kind) == ("/tls", "application/tlsrpt+gzip")
    report, found = policies(gzip.decompress(second))
    assert found["no-policy-found", False][:2] == (1, 0)
    assert json.loads(gzip.decompress(first))["report-id"] == report["report-id"]


def test_a_policy_in_testing_tells_what_would_fail(net):
    records = TLS.replace("{rua}", "mailto:bob@other.test") + """
        _mta-sts.other.test. TXT "v=STSv1; id=1;"
        mta-sts.other.test. A 127.0.0.23
    """
    policy = ENFORCE.format("mx.other.test").replace("enforce", "testing")
    with policy_server(net, policy):
        net.publish_keys(records)
        # Its certificate is of an authority that nobody knows; mail goes there in testing.
        net.send("bob@other.test")
        arrived(net.inbox(net.receiver, net.bob))
    sessions(net, 1)
    assert net.send_reports("--now")["tls", "other.test"]["fate"] == "sent"
    _, _, octets = net.report(net.bob, 2)
    _, found = policies(octets)
    successes, failures, (detail,), told = found["sts", True]
    assert (successes, failures, detail["result-type"]) == (0, 1, "certificate-not-trusted")
    assert told["policy-string"] == policy.splitlines() and told["mx-host"] == ["mx.other.test"]


def test_a_policy_that_cannot_be_had_is_told(net):
    records = TLS.replace("{rua}", "mailto:bob@other.test") + """
        _mta-sts.other.test. TXT "v=STSv1; id=1;"
        mta-sts.other.test. A 127.0.0.23
    """
    with policy_server(net, "no policy"):
        net.publish_keys(records)
        net.send("bob@other.test")
        arrived(net.inbox(net.receiver, net.bob))
    sessions(net, 2)
    net.send_reports("--now")
    _, found = policies(net.report(net.bob, 2)[2])
    assert found["sts", False][2][0]["result-type"] == "sts-policy-invalid"
    assert found["no-policy-found", False][:2] == (1, 0)


def test_nobody_has_reports_posted_to_this_network(net):
    net.sender.stop()
    settings = net.sender.settings.read_text()
    assert "private_networks = true" in settings
    net.sender.settings.write_text(settings.replace("private_networks = true", "private_networks = false"))
    net.sender.start()
    with web_reader(net, [200]) as reader:
        uri = f"https://reports.other.test:{reader.server_address[1]}/tls"
        net.publish_keys(TLS.replace("{rua}", uri) + "reports.other.test. A 127.0.0.1\n")
        net.send("bob@other.test")
        arrived(net.inbox(net.receiver, net.bob))
        sessions(net, 1)
        fate = net.send_reports("--now")["tls", "other.test"]
        assert fate["fate"] == "later" and "no address" in fate["why"]
        assert reader.got == []
