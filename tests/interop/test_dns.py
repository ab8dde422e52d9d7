"""Mail to hosts that DNS names, and DANE, with a real name server and a signed zone."""

import contextlib
import hashlib
import http.server
import socketserver
import ssl
import subprocess
import threading

import pytest
from conftest import served
from dns_zone import Zone
from imap_wire import letter
from test_queue import Two, arrived, text, until


def openssl(*words, stdin=None):
    return subprocess.run(["openssl", *map(str, words)], input=stdin, capture_output=True, check=True).stdout


def web_certificate(folder, name):
    """A CA, and a certificate of it for a name: (CA file, certificate file, key file)."""
    ca, ca_key, cert, key = (folder / one for one in ("web-ca.pem", "web-ca.key", "web.pem", "web.key"))
    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *new, "-keyout", ca_key, "-out", ca, "-subj", "/CN=Web CA", "-days", "9")
    openssl("req", "-x509", *new, "-keyout", key, "-out", cert, "-subj", "/CN=web", "-days", "9", "-CA", ca, "-CAkey", ca_key,
            "-addext", f"subjectAltName=DNS:{name}", "-addext", "basicConstraints=critical,CA:FALSE")
    return ca, cert, key


class Net(Two):
    """A sender that asks the zone, and a receiver that the zone leads to."""

    def __init__(self, sender, receiver, zone):
        super().__init__(sender, receiver)
        self.zone = zone

    def address(self, domain):
        self.receiver.cli("domain", "add", domain)
        from conftest import Account

        bob = Account(f"bob@{domain}", "a-long-password")
        self.receiver.cli("account", "add", bob.address, "--password-stdin", stdin=bob.password)
        return bob

    def tlsa(self, usage=3, selector=1):
        """Data of the TLSA record of the receiver's certificate."""
        pem = self.receiver.data / "tls/server.pem"
        der = openssl("pkey", "-pubin", "-outform", "DER", stdin=openssl("x509", "-in", pem, "-noout", "-pubkey"))
        return f"{usage} {selector} 1 {hashlib.sha256(der).hexdigest()}"

    def set(self, records):
        self.zone.set(records.format(port=self.port, good=self.tlsa(), bad="3 1 1 " + "ab" * 32))

    def report(self, *wanted):
        body = text(arrived(self.inbox(self.sender, self.ana)), 1)
        for one in wanted:
            assert one in body, body
        until(lambda: not self.queue()["messages"])

    def waits(self, *reasons):
        until(lambda: any(site["failures"] > 0 for site in self.queue()["sites"]))
        told = self.sender.log.read_text()
        for reason in reasons:
            assert reason in told, told[-3000:]


@pytest.fixture
def net(tmp_path):
    zone = Zone(tmp_path / "zone")
    receiving = served()
    receiver = next(receiving)
    settings = f'log = "server=info"\n[outbound]\nport = {receiver.ports["smtp"]}\nretry_seconds_min = 1\nretry_seconds_max = 2\n'
    ca, *web = web_certificate(tmp_path, "mta-sts.other.test")
    authorities = tmp_path / "authorities.pem"
    authorities.write_bytes(ca.read_bytes() + receiver.ca.read_bytes())
    sending = served(settings + f'ca_file = "{authorities}"\n' + zone.settings)
    one = Net(next(sending), receiver, zone)
    one.port, one.web = receiver.ports["smtp"], web
    try:
        yield one
    finally:
        for generator in (sending, receiving):
            for _ in generator:
                pass
        zone.stop()


def test_the_best_host_that_answers(net):
    # The first host is not there, the second has no address, the third is the receiver.
    net.set("""
        other.test. MX 5 gone.other.test.
        other.test. MX 7 nowhere.other.test.
        other.test. MX 10 mx.other.test.
        gone.other.test. A 127.0.0.77
        mx.other.test. A 127.0.0.1
    """)
    bob = net.inbox(net.receiver, net.bob)
    net.send("bob@other.test")
    assert b"with ESMTPS" in text(arrived(bob), 1)


def test_without_mx_the_domain_is_the_host(net):
    net.set("bare.test. A 127.0.0.1")
    bob = net.inbox(net.receiver, net.address("bare.test"))
    net.send("bob@bare.test")
    arrived(bob)


def test_names_in_other_scripts_and_aliases(net):
    net.set("""
        xn--bcher-kva.test. MX 10 alias.test.
        alias.test. CNAME mx.test.
        mx.test. A 127.0.0.1
    """)
    bob = net.inbox(net.receiver, net.address("bücher.test"))
    net.send("bob@xn--bcher-kva.test")
    arrived(bob)


def test_an_address_instead_of_a_domain(net):
    """RFC 5321 §4.1.3: nobody is asked; the host there has no such domain, and says so."""
    net.send("bob@[127.0.0.1]")
    net.report(b"Remote-MTA: dns; 127.0.0.1", b"Diagnostic-Code: smtp; 550", b"Final-Recipient: rfc822; bob@[127.0.0.1]")


@pytest.mark.parametrize("domain, wanted", [
    ("none.test", [b"Status: 5.1.2", b"There is no domain none.test"]),
    ("null.test", [b"Status: 5.1.10", b"null.test takes no mail"]),
    ("loop.test", [b"Status: 5.4.6", b"leads back to this server"]),
    ("empty.test", [b"Status: 5.1.10"]),
])
def test_what_can_never_be_delivered_is_reported_at_once(net, domain, wanted):
    name = net.sender.told.get("host_name", "mail.example.test")
    net.set(f"""
        null.test. MX 0 .
        loop.test. MX 10 {name}.
        loop.test. MX 20 other.test.
        empty.test. TXT "no host"
    """)
    net.send(f"bob@{domain}")
    net.report(*wanted)


def test_a_forged_answer_decides_nothing(net):
    net.set("a.forged. MX 10 mx.test.\nmx.test. A 127.0.0.1")
    net.send("bob@a.forged")
    net.waits("DNSSEC validation failed")
    assert net.queue()["messages"]


def test_no_name_server_decides_nothing(net):
    net.zone.stop()
    net.send("bob@other.test")
    net.waits()
    assert net.queue()["messages"]


def test_dane(net):
    net.set("""
        other.test. MX 10 mx.other.test.
        mx.other.test. A 127.0.0.1
        _{port}._tcp.mx.other.test. TLSA {good}
    """)
    bob = net.inbox(net.receiver, net.bob)
    net.send("bob@other.test")
    arrived(bob)
    until(lambda: " dane" in net.sender.log.read_text())


def test_dane_refuses_another_certificate(net):
    net.set("""
        other.test. MX 10 mx.other.test.
        mx.other.test. A 127.0.0.1
        _{port}._tcp.mx.other.test. TLSA {bad}
    """)
    net.send("bob@other.test")
    net.waits("TLS handshake")
    # The right record, among others: it goes.
    bob = net.inbox(net.receiver, net.bob)
    net.sender.stop()
    net.set("""
        other.test. MX 10 mx.other.test.
        mx.other.test. A 127.0.0.1
        _{port}._tcp.mx.other.test. TLSA {bad}
        _{port}._tcp.mx.other.test. TLSA {good}
    """)
    net.sender.start()
    arrived(bob)


def test_who_needs_no_tls_is_not_kept_by_dane(net):
    """RFC 8689 5: other mail to the same domain waits meanwhile."""
    net.set("""
        other.test. MX 10 mx.other.test.
        mx.other.test. A 127.0.0.1
        _{port}._tcp.mx.other.test. TLSA {bad}
    """)
    bob = net.inbox(net.receiver, net.bob)
    net.send("bob@other.test")
    net.waits("TLS handshake")
    urgent = letter(2).replace(b"Carla <carla@example.org>", net.ana.address.encode())
    net.send("bob@other.test", message=b"TLS-Required: no\r\n" + urgent)
    assert b"TLS-Required: no" in text(arrived(bob), 1)
    (waiting,) = net.queue()["messages"]
    assert waiting["recipients"][0]["address"] == "bob@other.test"


def test_records_that_are_not_proven_ask_nothing(net):
    net.set("""
        a.insecure. MX 10 mx.insecure.
        mx.insecure. A 127.0.0.1
        _{port}._tcp.mx.insecure. TLSA {bad}
    """)
    bob = net.inbox(net.receiver, net.address("a.insecure"))
    net.send("bob@a.insecure")
    arrived(bob)
    until(lambda: not net.queue()["messages"])
    assert " dane" not in net.sender.log.read_text()


class Clear(socketserver.StreamRequestHandler):
    """A server without STARTTLS: somebody who takes it out on the way."""

    def handle(self):
        self.wfile.write(b"220 clear.test ESMTP\r\n")
        for line in self.rfile:
            self.server.heard.append(line)
            self.wfile.write(b"221 bye\r\n" if line.upper().startswith(b"QUIT") else b"250 clear.test\r\n")


def test_a_downgrade_is_refused(net):
    """RFC 7672 §2.2: with TLSA records no mail goes in clear."""
    with socketserver.ThreadingTCPServer(("127.0.0.9", net.port), Clear) as server:
        server.heard = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        net.set("""
            other.test. MX 10 mx.other.test.
            mx.other.test. A 127.0.0.9
            _{port}._tcp.mx.other.test. TLSA {good}
        """)
        net.send("bob@other.test")
        net.waits()
        assert server.heard and not [line for line in server.heard if line.upper().startswith((b"MAIL", b"DATA"))]
        server.shutdown()
    assert net.queue()["messages"]


WEB = "127.0.0.23"
STS = """
    other.test. MX 10 {host}.
    mx.other.test. A 127.0.0.1
    _mta-sts.other.test. TXT "v=STSv1; id={id};"
    mta-sts.other.test. A 127.0.0.23
"""


@contextlib.contextmanager
def policy_server(net, policy, status=200, kind="text/plain"):
    """https://mta-sts.other.test, which counts what it is asked."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append((self.headers["Host"], self.path))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(self.server.policy)))
            self.send_header("Location", "https://mta-sts.other.test/other")
            self.end_headers()
            self.wfile.write(self.server.policy.encode())

        def log_message(self, *_):
            pass

    try:
        server = http.server.ThreadingHTTPServer((WEB, 443), Answer)
    except PermissionError:
        pytest.skip("port 443 cannot be bound by this user")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*net.web)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.asked, server.policy = [], policy
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


ENFORCE = "version: STSv1\nmode: enforce\nmx: {}\nmax_age: 86400\n"


def sts(net, host="localhost", id=1):
    net.zone.set(STS.format(host=host, id=id))


def test_mta_sts_is_enforced(net):
    """The host is one that the policy names, and proves it; the policy is remembered."""
    with policy_server(net, ENFORCE.format("localhost")) as web:
        sts(net)
        bob = net.inbox(net.receiver, net.bob)
        net.send("bob@other.test")
        arrived(bob)
        until(lambda: " sts" in net.sender.log.read_text())
        assert web.asked == [("mta-sts.other.test", "/.well-known/mta-sts.txt")]
        net.send("bob@other.test")
        arrived(bob, 2)
        assert len(web.asked) == 1, "the same id: nothing new"
    # Neither a restart nor a web server that is gone makes it forgotten.
    net.sender.stop()
    net.sender.start()
    sts(net, host="mx.other.test", id=2)
    net.send("bob@other.test")
    net.waits("mx.other.test is not a host of the MTA-STS policy of other.test")


def test_mta_sts_wants_the_hosts_own_certificate(net):
    with policy_server(net, ENFORCE.format("*.other.test")):
        sts(net, host="mx.other.test")
        net.send("bob@other.test")
        net.waits("TLS handshake")
    assert net.queue()["messages"]


def test_mta_sts_in_testing_only_tells(net):
    with policy_server(net, ENFORCE.format("elsewhere.test").replace("enforce", "testing")):
        sts(net)
        bob = net.inbox(net.receiver, net.bob)
        net.send("bob@other.test")
        arrived(bob)
        until(lambda: "not a host of the MTA-STS policy in testing" in net.sender.log.read_text())


@pytest.mark.parametrize("status, kind, policy", [
    (302, "text/plain", ENFORCE.format("none.test")), (200, "text/html", ENFORCE.format("none.test")),
    (200, "text/plain", "no policy"), (200, "text/plain", ENFORCE.format("none.test") + "x" * (64 << 10)),
])
def test_what_is_no_policy_asks_nothing(net, status, kind, policy):
    with policy_server(net, policy, status, kind) as web:
        sts(net)
        bob = net.inbox(net.receiver, net.bob)
        net.send("bob@other.test")
        arrived(bob)
        assert len(web.asked) == 1
        assert "MTA-STS policy cannot be fetched" in net.sender.log.read_text()


def test_dane_comes_before_mta_sts(net):
    with policy_server(net, ENFORCE.format("elsewhere.test")):
        net.set(STS.format(host="mx.other.test", id=1) + "_{port}._tcp.mx.other.test. TLSA {good}")
        bob = net.inbox(net.receiver, net.bob)
        net.send("bob@other.test")
        arrived(bob)
        until(lambda: " dane" in net.sender.log.read_text())


def test_tls_that_was_there_is_expected_again(net):
    """Without DANE and MTA-STS too: a host that had TLS is not spoken to in clear the next day."""
    records = "other.test. MX 10 mx.other.test.\nmx.other.test. A {}"
    net.zone.set(records.format("127.0.0.1"))
    bob = net.inbox(net.receiver, net.bob)
    net.send("bob@other.test")
    arrived(bob)
    until(lambda: not net.queue()["messages"])
    net.sender.stop()
    with socketserver.ThreadingTCPServer(("127.0.0.9", net.port), Clear) as server:
        server.heard = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        net.zone.set(records.format("127.0.0.9"))
        net.sender.start()
        net.send("bob@other.test")
        net.waits()
        assert server.heard and not [line for line in server.heard if line.upper().startswith((b"MAIL", b"DATA"))]
        server.shutdown()
    assert net.queue()["messages"]


def test_required_tls_goes_to_a_host_that_dane_vouches_for(net):
    """RFC 8689."""
    from test_queue import parameters

    net.set("""
        other.test. MX 10 mx.other.test.
        mx.other.test. A 127.0.0.1
        _{port}._tcp.mx.other.test. TLSA {good}
    """)
    bob = net.inbox(net.receiver, net.bob)
    assert parameters(net, "REQUIRETLS")[0] == 250
    arrived(bob)
