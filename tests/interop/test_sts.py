"""MTA-STS from both sides: one Palomar serves its policy, another one fetches and enforces it."""

import http.client
import json
import re
import smtplib
import socket
import ssl
import subprocess
import xml.etree.ElementTree

import pytest
from conftest import REPLY_SECONDS_MAX, binary, served
from dns_zone import Zone, free_port
from imap_wire import letter
from test_dns import web_certificate
from test_queue import until

# Not the address of any other test's servers.
ADDRESS = "127.0.0.29"
HOST = "mx.other.test"
NAMES = f"{HOST},DNS:mta-sts.other.test"
CONFIG = """\
host_name = "{host}"
data = "{data}"
log = "info"
tls = [{{ certificate = "{web[1]}", key = "{web[2]}" }}]
[[listener]]
protocol = "smtp"
address = "{address}:{port}"
[[listener]]
protocol = "https"
address = "{https}:443"
[timeouts]
greeting_seconds = 2
[outbound]
ca_file = "{web[0]}"
[sts]
mode = "enforce"
{sts}
"""


class Serving:
    """`palomar serve`, as it would be installed."""

    def __init__(self, folder, zone, port):
        self.folder, self.zone, self.port = folder, zone, port
        self.data, self.log = folder / "data", folder / "log"
        self.web = web_certificate(folder, NAMES)
        self.process = None
        self.start()
        self.cli("domain", "add", "other.test")
        self.cli("account", "add", "bob@other.test", "--password-stdin", stdin="a-long-password")

    def start(self, sts="", https=ADDRESS):
        config = self.folder / "palomar.toml"
        text = CONFIG.format(host=HOST, data=self.data, web=self.web, address=ADDRESS, port=self.port, sts=sts, https=https)
        config.write_text(text + self.zone.settings)
        before = len(self.log.read_text()) if self.log.exists() else 0
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([binary(), "serve", "--config", config], stderr=log)
        until(lambda: "ready" in self.log.read_text()[before:] or self.process.poll() is not None)
        told = self.log.read_text()[before:]
        if "Permission denied" in told:
            pytest.skip("port 443 cannot be bound by this user")
        assert self.process.poll() is None, told

    def stop(self):
        self.process.terminate()
        assert self.process.wait(30) == 0

    def cli(self, *words, stdin=""):
        done = subprocess.run([binary(), *words, "--data", self.data], input=stdin, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    def records(self):
        """What DNS should say, as the server prints it."""
        printed = self.cli("domain", "dns", "other.test")
        self.zone.set(re.sub(r"(?m)^;.*$", "", printed).replace(" IN ", " ") + f"\n{HOST}. A {ADDRESS}\n")
        return printed

    def ask(self, host="mta-sts.other.test", path="/.well-known/mta-sts.txt", method="GET"):
        context = ssl.create_default_context(cafile=self.web[0])
        context.check_hostname = False
        connection = http.client.HTTPSConnection(ADDRESS, 443, context=context, timeout=REPLY_SECONDS_MAX)
        connection.request(method, path, headers={"Host": host})
        answer = connection.getresponse()
        return answer.status, answer.headers["Content-Type"], answer.read().decode()


@pytest.fixture
def serving(tmp_path):
    zone = Zone(tmp_path / "zone")
    serving = None
    try:
        serving = Serving(tmp_path, zone, free_port())
        yield serving
    finally:
        if serving and serving.process.poll() is None:
            serving.stop()
        zone.stop()


def test_the_policy_is_served(serving):
    status, kind, text = serving.ask()
    assert (status, kind) == (200, "text/plain")
    assert text == f"version: STSv1\r\nmode: enforce\r\nmx: {HOST}\r\nmax_age: 604800\r\n"
    assert serving.ask(method="HEAD") == (200, "text/plain", "")
    for host, path in (("mta-sts.none.test", "/.well-known/mta-sts.txt"), ("other.test", "/.well-known/mta-sts.txt"),
                       ("mta-sts.other.test", "/"), ("", "/.well-known/mta-sts.txt"), ("mta-sts", "/.well-known/mta-sts.txt")):
        assert serving.ask(host, path)[0] == 404, (host, path)
    assert serving.ask(method="POST")[0] == 405


def test_mail_programs_are_told(serving):
    for host, path in (("autoconfig.other.test", "/mail/config-v1.1.xml?emailaddress=x"), ("other.test", "/.well-known/autoconfig/mail/config-v1.1.xml")):
        status, kind, text = serving.ask(host, path)
        assert (status, kind) == (200, "text/xml")
        provider = xml.etree.ElementTree.fromstring(text).find("emailProvider")
        assert provider.find("domain").text == "other.test"
        # Nothing but SMTP from other servers is listened for.
        assert provider.find("incomingServer") is None and provider.find("outgoingServer") is None
    assert serving.ask("autoconfig.none.test", "/mail/config-v1.1.xml")[0] == 404
    printed = serving.cli("domain", "dns", "other.test")
    assert f"autoconfig.other.test. IN CNAME {HOST}." in printed and "_imaps._tcp.other.test. IN SRV 0 0 0 ." in printed


def test_requests_have_limits(serving):
    context = ssl.create_default_context(cafile=serving.web[0])

    def said(octets):
        with socket.create_connection((ADDRESS, 443), timeout=REPLY_SECONDS_MAX) as plain:
            with context.wrap_socket(plain, server_hostname="mta-sts.other.test") as sock:
                sock.sendall(octets)
                heard = b""
                while more := sock.recv(4096):
                    heard += more
                return heard

    assert said(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 9000).startswith(b"HTTP/1.1 431 ")
    # Who says nothing, or goes on saying little, is not waited for.
    assert said(b"") == b""
    assert said(b"GET / HTTP/1.1\r\n").startswith(b"HTTP/1.1 408 ")


def test_records_are_printed_and_checked(serving):
    printed = serving.records()
    (id,) = re.findall(r'(?m)^_mta-sts\.other\.test\. IN TXT "v=STSv1; id=([0-9a-f]{20});"', printed)
    assert f"mta-sts.other.test. IN CNAME {HOST}." in printed and "_smtp._tls.other.test. IN TXT" in printed
    checks = {one["name"]: one for one in json.loads(serving.cli("domain", "check", "other.test", "--json"))["checks"]}
    for name in ("_mta-sts.other.test.", "mta-sts.other.test.", "_smtp._tls.other.test.", "_dmarc.other.test."):
        assert checks[name]["state"] == "ok", checks[name]
    # A restart changes nothing; another policy has another id, which DNS does not show yet.
    for sts, same in (("", True), ("max_age_seconds = 86400", False)):
        serving.stop()
        serving.start(sts)
        assert (id in serving.cli("domain", "dns", "other.test")) == same
    checks = {one["name"]: one for one in json.loads(serving.cli("domain", "check", "other.test", "--json"))["checks"]}
    assert checks["_mta-sts.other.test."]["state"] == "other"
    # The record alone is not enough: the policy is fetched.
    serving.stop()
    serving.start(https="127.0.0.30")
    checks = {one["name"]: one for one in json.loads(serving.cli("domain", "check", "other.test", "--json"))["checks"]}
    assert checks["mta-sts.other.test."]["state"] == "other" and "cannot be fetched" in checks["mta-sts.other.test."]["why"]


def test_another_palomar_enforces_it(serving, tmp_path):
    serving.records()
    settings = f'log = "server=info"\n[outbound]\nport = {serving.port}\nretry_seconds_min = 1\nretry_seconds_max = 2\n'
    authorities = f'ca_file = "{serving.web[0]}"\n'
    for sender in served(settings + authorities + serving.zone.settings):
        ana = sender.new_account("ana")

        def send():
            with smtplib.SMTP_SSL("localhost", sender.ports["submissions"], context=sender.tls) as smtp:
                smtp.login(ana.address, ana.password)
                message = letter(1).replace(b"Carla <carla@example.org>", ana.address.encode())
                smtp.sendmail(ana.address, ["bob@other.test"], message)

        send()
        until(lambda: " sts" in sender.log.read_text())
        assert "delivered=1" in serving.log.read_text() and "MTA-STS policy" in sender.log.read_text()
        # Another policy, with another id: the host is not one of it any more.
        serving.stop()
        serving.start('mx = ["elsewhere.test"]')
        serving.records()
        sender.stop()
        sender.start()
        send()
        until(lambda: f"{HOST} is not a host of the MTA-STS policy of other.test" in sender.log.read_text())
        assert json.loads(sender.cli("queue", "list", "--json"))["queue"]["messages"]
