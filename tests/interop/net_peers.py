"""What a network of mail servers on loopback is made of: Palomar as it is served (own name, own certificate,
own settings), a wire before a server that somebody sits on, web servers with policies, and a resolver that
validates, for programs that ask the system's."""

import contextlib
import http.server
import os
import re
import socket
import socketserver
import ssl
import subprocess
import threading
import time
from pathlib import Path

from conftest import Account, Palomar, binary
from dns_zone import free_port
from postfix_peer import as_root, certificates

PROTOCOLS = ("smtp", "submissions", "imaps")
SETTINGS = """\
host_name = "{name}"
log = "server=info"
{tls}
{listeners}
[inbound]
dmarc = "mark"
{more}
"""


class Served(Palomar):
    """`palomar serve` as `mx.{domain}`."""

    def __init__(self, folder, domain):
        self.folder, self.domain, self.name = Path(folder), domain, f"mx.{domain}"
        self.folder.mkdir()
        certificates(self.folder, self.name)
        self.data, self.settings, self.log = (self.folder / one for one in ("data", "palomar.toml", "log"))
        self.ca = self.folder / "ca.pem"
        self.tls = ssl.create_default_context(cafile=self.ca)
        self.ports = {protocol: free_port() for protocol in PROTOCOLS}
        self.certificate()

    def certificate(self):
        """Data of the TLSA record that its certificate is for (3 1 1)."""
        import hashlib

        openssl = lambda *words, stdin=None: subprocess.run(["openssl", *words], input=stdin, capture_output=True, check=True).stdout
        key = openssl("x509", "-in", self.folder / "server.pem", "-noout", "-pubkey")
        return f"3 1 1 {hashlib.sha256(openssl('pkey', '-pubin', '-outform', 'DER', stdin=key)).hexdigest()}"

    def configure(self, more):
        """`more`: tables of settings."""
        tls = f'[[tls]]\ncertificate = "{self.folder}/server.pem"\nkey = "{self.folder}/server.key"'
        listeners = "\n".join(
            f'[[listener]]\nprotocol = "{protocol}"\naddress = "127.0.0.1:{port}"' for protocol, port in self.ports.items()
        )
        self.settings.write_text(SETTINGS.format(name=self.name, tls=tls, listeners=listeners, more=more))

    def start(self):
        """Until it tells systemd, that is us, that it is ready."""
        told = self.folder / "notify"
        told.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready, open(self.log, "ab") as log:
            ready.bind(str(told))
            ready.settimeout(1)
            self.process = subprocess.Popen(
                [binary(), "serve", "--config", self.settings, "--data", self.data],
                stdout=subprocess.PIPE, stderr=log, env={**os.environ, "NOTIFY_SOCKET": str(told)},
            )
            for _ in range(60):
                with contextlib.suppress(TimeoutError):
                    assert b"READY=1" in ready.recv(1000)
                    return
                assert self.process.poll() is None, self.log.read_text()[-3000:]
            raise AssertionError(self.log.read_text()[-3000:])

    def account(self, name):
        account = Account(f"{name}@{self.domain}", "p-long-enough-words")
        self.cli("account", "add", account.address, "--password-stdin", stdin=account.password)
        return account

    def end(self):
        if self.process.poll() is None:
            assert self.stop(), self.log.read_text()[-4000:]
        assert "panicked at" not in self.log.read_text(errors="replace")


class Wire:
    """The way to a server, with somebody on it. `mode`: `open`, all goes through; `strip`, STARTTLS is not
    seen; `forge`, TLS is answered with another certificate for the same name. `heard`: lines in clear, and
    those behind a forged certificate."""

    def __init__(self, address, target, forged):
        self.target, self.mode, self.heard, self.forged = target, "open", [], forged
        wire = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                with contextlib.suppress(OSError):
                    wire.carry(self.request)

        socketserver.ThreadingTCPServer.allow_reuse_address = True
        # A server's many connections come at once: who finds no room waits for minutes.
        socketserver.ThreadingTCPServer.request_queue_size = 128
        self.server = socketserver.ThreadingTCPServer(address, Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def carry(self, front):
        mode = self.mode
        with socket.create_connection(("127.0.0.1", self.target)) as back:
            replies = threading.Thread(target=self.back, args=(back, front, mode), daemon=True)
            replies.start()
            self.forward(front, back, mode)
            replies.join(30)

    def back(self, back, front, mode):
        with contextlib.suppress(OSError):
            while data := back.recv(1 << 16):
                if mode == "strip":
                    data = re.sub(rb"(250[- ])STARTTLS", rb"\1XSTARTLT", data)
                front.sendall(data)
            front.shutdown(socket.SHUT_WR)

    def forward(self, front, back, mode):
        if mode == "open":
            while data := front.recv(1 << 16):
                back.sendall(data)
        else:
            lines = front.makefile("rb")
            for line in lines:
                if mode == "forge" and line.strip().upper() == b"STARTTLS":
                    return self.answer(front)
                self.heard.append(line)
                back.sendall(line)
        with contextlib.suppress(OSError):
            back.shutdown(socket.SHUT_WR)

    def answer(self, front):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.forged / "server.pem", self.forged / "server.key")
        front.sendall(b"220 come\r\n")
        with contextlib.suppress(OSError), context.wrap_socket(front, server_side=True) as inside:
            self.heard.append(inside.recv(1 << 16))

    def mail(self):
        """What was said of a message where somebody could hear it."""
        return [line for line in self.heard if line.upper().startswith((b"MAIL", b"RCPT", b"DATA", b"BDAT"))]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def policy_server(address, certificate, policy):
    """https://…/.well-known/mta-sts.txt at an address of its own; `None` when port 443 is not ours."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/.well-known/mta-sts.txt" else 404)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(policy)))
            self.end_headers()
            self.wfile.write(policy.encode())

        def log_message(self, *_):
            pass

    try:
        server = http.server.ThreadingHTTPServer((address, 443), Answer)
    except PermissionError:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "server.pem", certificate / "server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


UNBOUND = """\
server:
    interface: {address}@53
    access-control: 127.0.0.0/8 allow
    do-not-query-localhost: no
    do-daemonize: no
    chroot: ""
    username: ""
    directory: "{folder}"
    pidfile: "{folder}/unbound.pid"
    trust-anchor-file: "{anchor}"
    # RFC 6761 says that there is no such domain; here it is.
    local-zone: "test." nodefault
    use-syslog: no
    logfile: ""
remote-control:
    control-enable: no
stub-zone:
    name: "."
    stub-addr: 127.0.0.1@{port}
"""


class Resolver:
    """unbound before a zone: programs that take AD for a proof ask it, by a resolv.conf of their own."""

    def __init__(self, folder, zone, address="127.0.7.1"):
        folder = Path(folder)
        folder.mkdir()
        self.resolv = folder / "resolv.conf"
        self.resolv.write_text(f"nameserver {address}\noptions edns0 trust-ad\n")
        conf = folder / "unbound.conf"
        conf.write_text(UNBOUND.format(address=address, folder=folder, anchor=zone.anchor, port=zone.port))
        sudo = [] if os.getuid() == 0 else ["sudo", "-n"]
        self.log = open(folder / "unbound.log", "wb")
        self.process = subprocess.Popen([*sudo, "/usr/sbin/unbound", "-c", conf], stdout=self.log, stderr=self.log)
        end = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError), socket.create_connection((address, 53)):
                return
            assert self.process.poll() is None and time.monotonic() < end, (folder / "unbound.log").read_text()

    def stop(self):
        as_root("kill", self.process.pid, check=False)
        self.process.wait(20)
        self.log.close()
