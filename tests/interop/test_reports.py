"""Reports of others about our domains: taken out of the mail that brings them, kept, told."""

import gzip
import io
import json
import smtplib
import time
import zipfile
from email.message import EmailMessage

import pytest
from conftest import served
from dns_zone import Zone
from imap_wire import Imap
from test_queue import arrived, text

NOW = int(time.time()) // 86400 * 86400
ZONE = """
    google.test. TXT "v=spf1 ip4:127.0.0.1 -all"
    _dmarc.google.test. TXT "v=DMARC1; p=reject"
    forger.test. TXT "v=spf1 ip4:127.0.0.1 -all"
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    zone = Zone(tmp_path_factory.mktemp("zone"))
    zone.set(ZONE)
    serving = served('log = "server=info"\n' + zone.settings)
    try:
        yield next(serving)
    finally:
        for _ in serving:
            pass
        zone.stop()


def aggregate(domain, number, org="Google Inc.", rows=(("192.0.2.1", 7, "pass", "fail", "none"),)):
    """As Google writes them."""
    records = "".join(
        f"""<record><row><source_ip>{ip}</source_ip><count>{count}</count><policy_evaluated>
        <disposition>{done}</disposition><dkim>{dkim}</dkim><spf>{spf}</spf></policy_evaluated></row>
        <identifiers><header_from>{domain}</header_from></identifiers><auth_results><dkim>
        <domain>{domain}</domain><result>{dkim}</result><selector>s1</selector></dkim><spf>
        <domain>{domain}</domain><result>{spf}</result></spf></auth_results></record>"""
        for ip, count, dkim, spf, done in rows
    )
    return f"""<?xml version="1.0" encoding="UTF-8" ?>
<feedback><report_metadata><org_name>{org}</org_name><email>noreply@google.test</email>
<report_id>{number}</report_id><date_range><begin>{NOW - 86400}</begin><end>{NOW - 1}</end></date_range>
</report_metadata><policy_published><domain>{domain}</domain><adkim>r</adkim><aspf>r</aspf><p>reject</p>
<sp>reject</sp><pct>100</pct></policy_published>{records}</feedback>""".encode()


def zipped(content):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("google.test!example.test!1!2.xml", content)
    return file.getvalue()


def mail(octets, subtype, domain="example.test", sender="noreply@google.test", name="", alone=True):
    message = EmailMessage()
    message["From"] = f"reports <{sender}>"
    message["To"] = f"postmaster@{domain}"
    message["Subject"] = f"Report domain: {domain} Submitter: google.test Report-ID: 1"
    name = name or f"google.test!{domain}!{NOW - 86400}!{NOW - 1}.{subtype}"
    if alone:
        message.set_content(octets, "application", subtype, filename=name)
    else:
        message.set_content("This is a report.")
        message.add_attachment(octets, "application", subtype, filename=name)
    return message


def send(server, account, message):
    sender = message["From"].addresses[0].addr_spec
    with smtplib.SMTP("localhost", server.ports["smtp"], local_hostname="mx.google.test") as smtp:
        smtp.send_message(message, sender, [account.address])


def shown(server, domain, *more):
    found = json.loads(server.cli("--json", "reports", "show", domain, *more))["reports"]
    return found[0] if found else None


def inbox(server, account):
    client = Imap(server.connect("imaps"))
    client.login(account)
    client.ok("SELECT INBOX")
    return client


def test_reports_of_mail_are_added_up(server):
    account = server.new_account()
    server.cli("domain", "add", "one.test")
    rows = [("192.0.2.1", 7, "pass", "pass", "none"), ("203.0.113.9", 3, "fail", "fail", "reject")]
    send(server, account, mail(zipped(aggregate("one.test", 1, rows=rows)), "zip", "one.test"))
    # The same again is the same report; its mail comes all the same.
    send(server, account, mail(zipped(aggregate("one.test", 1, rows=rows)), "zip", "one.test"))
    gz = gzip.compress(aggregate("one.test", 2, rows=[("2001:db8::1", 5, "fail", "pass", "none")]))
    send(server, account, mail(gz, "gzip", "one.test", alone=False))
    found = shown(server, "one.test")["mail"]
    assert [found[key] for key in ("reports", "messages", "passed", "rejected")] == [2, 15, 12, 3]
    assert found["by"] == [{"organization": "Google Inc.", "reports": 2, "count": 15, "good": 12}]
    assert [(row["address"], row["messages"], row["spf"], row["dkim"], row["failed"]) for row in found["sources"]] == [
        ("192.0.2.1", 7, 7, 7, 0), ("2001:db8::1", 5, 5, 0, 0), ("203.0.113.9", 3, 0, 0, 3)
    ]
    assert b"Report domain: one.test" in text(arrived(inbox(server, account), 3), 3)
    told = server.cli("reports", "show", "one.test")
    assert "15 messages in 2 reports; 12 (80.0 %) proven, 3 refused" in told
    # What was kept is there after a kill.
    server.kill()
    server.start()
    assert shown(server, "one.test")["mail"]["messages"] == 15


def test_reports_of_tls(server):
    account = server.new_account()
    server.cli("domain", "add", "two.test")
    day = time.strftime("%Y-%m-%d", time.gmtime(NOW - 86400))
    report = {
        "organization-name": "Google Inc.",
        "date-range": {"start-datetime": f"{day}T00:00:00Z", "end-datetime": f"{day}T23:59:59Z"},
        "contact-info": "smtp-tls-reporting@google.test",
        "report-id": "2026_two.test",
        "policies": [{
            "policy": {
                "policy-type": "sts", "policy-domain": "two.test",
                "policy-string": ["version: STSv1", "mode: enforce", "mx: mx.two.test", "max_age: 86400"],
                "mx-host": ["mx.two.test"],
            },
            "summary": {"total-successful-session-count": 42, "total-failure-session-count": 3},
            "failure-details": [{
                "result-type": "certificate-expired", "sending-mta-ip": "192.0.2.7",
                "receiving-mx-hostname": "mx.two.test", "failed-session-count": 3,
            }],
        }],
    }
    octets = gzip.compress(json.dumps(report).encode())
    message = EmailMessage()
    message["From"] = "reports <noreply@google.test>"
    message["Subject"] = "Report Domain: two.test Submitter: google.test Report-ID: <2026@google.test>"
    message["TLS-Report-Domain"], message["TLS-Report-Submitter"] = "two.test", "google.test"
    message.set_content("This is a TLS report.")
    message.add_attachment(octets, "application", "tlsrpt+gzip", filename="google.test!two.test!1!2!1.json.gz")
    message.replace_header("Content-Type", 'multipart/report; report-type="tlsrpt"')
    send(server, account, message)
    found = shown(server, "two.test")["tls"]
    assert (found["succeeded"], found["failed"]) == (42, 3)
    assert found["failures"] == [{"result": "certificate-expired", "host": "mx.two.test", "sessions": 3}]
    assert "certificate-expired at mx.two.test" in server.cli("reports", "show", "two.test")


def test_what_nobody_is_proven_to_have_sent_is_not_counted(server):
    account = server.new_account()
    server.cli("domain", "add", "three.test")
    content = gzip.compress(aggregate("three.test", 1))
    send(server, account, mail(content, "gzip", "three.test", sender="noreply@forger.test"))
    found = shown(server, "three.test")
    assert found["unproven"] == 1 and found["mail"]["messages"] == 0
    assert shown(server, "three.test", "--unproven")["mail"]["messages"] == 7


def test_bombs_garbage_and_reports_of_others_are_only_mail(server):
    account = server.new_account()
    server.cli("domain", "add", "four.test")
    bomb = aggregate("four.test", 1).replace(b"</feedback>", b" " * (64 << 20) + b"</feedback>")
    unreadable = [gzip.compress(bomb), gzip.compress(aggregate("four.test", 2))[:200], b"PK\x03\x04zzz", b"<feedback>"]
    foreign = gzip.compress(aggregate("elsewhere.test", 3))
    for octets in [*unreadable, foreign]:
        send(server, account, mail(octets, "gzip", "four.test"))
    arrived(inbox(server, account), 5)
    log = server.log.read_text()
    assert log.count("a report that cannot be read") == len(unreadable)
    assert "not about a domain that is here" in log
    assert shown(server, "four.test", "--unproven") is None
