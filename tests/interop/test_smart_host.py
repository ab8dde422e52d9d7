"""A smart host that wants a login: Palomar logs in at the submission ports of another Palomar, over TLS
with a proven host alone; passwords are in no log."""

import base64
import contextlib
import socketserver
import threading

import pytest
from conftest import Account, served
from test_queue import Two, arrived, text, until

PASSWORD = "kept words 42"


class Login(Two):
    """The receiver is a provider: Ana has an account there too, and sends by it."""

    def __init__(self, sender, receiver):
        super().__init__(sender, receiver)
        self.there = Account(self.ana.address, PASSWORD)
        receiver.cli("account", "add", self.there.address, "--password-stdin", stdin=PASSWORD)

    def waits(self, *reasons):
        until(lambda: any(site["failures"] > 0 for site in self.queue()["sites"]))
        shown = self.sender.cli("queue", "list") + self.sender.log.read_text()
        for reason in reasons:
            assert reason in shown, shown[-3000:]
        assert self.queue()["messages"]

    def again(self, logins):
        """Started again, with these logins."""
        self.sender.stop()
        self.logins.write_text(logins)
        self.sender.start()

    def log_is_clean(self):
        secret = PASSWORD.encode()
        plain = b"\0" + self.there.address.encode() + b"\0" + secret
        log = self.sender.log.read_bytes() + self.receiver.log.read_bytes()
        assert len(log) > 1000
        for said in (secret, base64.b64encode(secret), base64.b64encode(plain), plain):
            assert said not in log


@contextlib.contextmanager
def provider(tmp_path, settings, logins=None):
    """`settings` and `logins` are given the provider's ports; logins also Ana's address there."""
    receiving = served('log = "trace"\n')
    receiver = next(receiving)
    (tmp_path / "logins").write_text("")
    outbound = f'[outbound]\nca_file = "{receiver.ca}"\nlogins_file = "{tmp_path / "logins"}"\n'
    outbound += "retry_seconds_min = 1\nretry_seconds_max = 2\n" + settings.format(**receiver.ports)
    sending = served('log = "trace"\n' + outbound)
    one = Login(next(sending), receiver)
    one.logins = tmp_path / "logins"
    logins = logins or "localhost:{submission} {ana} {password}\nlocalhost:{submissions} {ana} {password}\n"
    one.again(logins.format(ana=one.ana.address, password=PASSWORD, **receiver.ports))
    try:
        yield one
    finally:
        for generator in (sending, receiving):
            for _ in generator:
                pass


@pytest.mark.parametrize("host", ["localhost:{submission}", "tls://localhost:{submissions}"])
def test_logs_in(tmp_path, host):
    with provider(tmp_path, f'smart_host = "{host}"\n') as net:
        bob = net.inbox(net.receiver, net.bob)
        net.send("bob@other.test")
        body = text(arrived(bob), 1)
        # Twice: Ana here, and we there.
        assert body.count(b"with ESMTPSA") == 2
        until(lambda: not net.queue()["messages"])
        assert " pkix" in net.sender.log.read_text()
        net.log_is_clean()


def test_a_wrong_password_keeps_the_mail(tmp_path):
    wrong = "localhost:{submission} {ana} not-the-password\n"
    with provider(tmp_path, 'smart_host = "localhost:{submission}"\n', wrong) as net:
        net.send("bob@other.test")
        net.waits("535")
        bob = net.inbox(net.receiver, net.bob)
        net.again(f"localhost:{net.receiver.ports['submission']} {net.there.address} {PASSWORD}\n")
        arrived(bob)
        until(lambda: not net.queue()["messages"])
        assert "not-the-password" not in net.sender.log.read_text()


def test_nobody_else_hears_the_password(tmp_path):
    """The port is right and the name is not what the certificate has."""
    by_address = "127.0.0.2:{submission} {ana} {password}\n"
    with provider(tmp_path, 'smart_host = "127.0.0.2:{submission}"\n', by_address) as net:
        port = net.receiver.ports["submission"]
        with relay("127.0.0.2", port) as heard:
            net.send("bob@other.test")
            net.waits("TLS handshake")
            assert heard, "nobody called"
        assert "AUTH" not in net.receiver.log.read_text()


@contextlib.contextmanager
def relay(address, port):
    """A man in the middle who hands all on; gives how many called."""
    import socket

    called = []

    class Pipe(socketserver.BaseRequestHandler):
        def handle(self):
            called.append(self.client_address)
            with socket.create_connection(("127.0.0.1", port)) as behind:
                back = threading.Thread(target=copy, args=(behind, self.request), daemon=True)
                back.start()
                copy(self.request, behind)
                back.join(10)

    def copy(source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    with socketserver.ThreadingTCPServer((address, port), Pipe) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield called
        finally:
            server.shutdown()


class Clear(socketserver.StreamRequestHandler):
    """Offers login and no TLS."""

    def handle(self):
        self.wfile.write(b"220 clear.test ESMTP\r\n")
        for line in self.rfile:
            self.server.heard.append(line)
            reply = b"250-clear.test\r\n250 AUTH PLAIN LOGIN\r\n" if line.upper().startswith(b"EHLO") else b"221 bye\r\n"
            self.wfile.write(reply)


def test_no_password_without_tls(tmp_path):
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Clear) as server:
        server.heard = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host = f"localhost:{server.server_address[1]}"
        with provider(tmp_path, f'smart_host = "{host}"\n', host + " {ana} {password}\n") as net:
            net.send("bob@other.test")
            net.waits("TLS is required")
        assert server.heard and not [line for line in server.heard if b"AUTH" in line.upper()]
        server.shutdown()


def test_a_domain_with_a_login_of_its_own(tmp_path):
    """Two domains by one host: one has its login, the other none, which the port then refuses."""
    settings = 'routes = ["other.test=localhost:{submission}", "*.other.test=localhost:{submission}"]\n'
    with provider(tmp_path, settings, "other.test {ana} {password}\n") as net:
        net.receiver.cli("domain", "add", "below.other.test")
        bob, ana = net.inbox(net.receiver, net.bob), net.inbox(net.sender, net.ana)
        net.send("bob@other.test")
        assert text(arrived(bob), 1).count(b"with ESMTPSA") == 2
        net.send("bob@below.other.test")
        body = text(arrived(ana), 1)
        assert b"Action: failed" in body and b"530 5.7.0" in body
        sites = net.sender.log.read_text()
        assert f"localhost:{net.receiver.ports['submission']} for other.test" in sites
