"""A real Postfix on loopback: its own configuration, queue and ports, TLS with a CA of the test, and
one mailbox for everybody at `peer.test` and `plain.test`. Its master starts as root only; without root it is asked of sudo."""

import contextlib
import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from pathlib import Path

DOMAIN = "peer.test"
PLAIN = "plain.test"
MAIN = """\
compatibility_level = 3.6
queue_directory = {base}/queue
data_directory = {base}/data
mail_owner = postfix
setgid_group = postdrop
maillog_file = {base}/log
maillog_file_prefixes = /tmp, /var
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.{domain}
mydestination =
alias_maps =
alias_database =
mynetworks = 127.0.0.0/8
virtual_mailbox_domains = {domain}, {plain}
virtual_mailbox_maps = static:box/
virtual_mailbox_base = {base}/mail
virtual_mailbox_limit = 0
virtual_minimum_uid = 1
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
# What comes is what goes: nothing is added, dropped, folded or broken.
local_header_rewrite_clients =
always_add_missing_headers = no
message_drop_headers =
smtp_line_length_limit = 0
header_size_limit = 10000000
header_address_token_limit = 100000
message_size_limit = 104857600
disable_mime_input_processing = yes
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_error_sleep_time = 0
smtputf8_enable = yes
# As lenient as it gets: LF ends a line, and LF.LF the message.
smtpd_forbid_bare_newline = no
smtpd_tls_security_level = may
smtpd_tls_cert_file = {base}/server.pem
smtpd_tls_key_file = {base}/server.key
smtpd_tls_received_header = yes
smtp_tls_loglevel = 1
tls_random_source = dev:/dev/urandom
minimal_backoff_time = 1
maximal_backoff_time = 2
queue_run_delay = 1
smtp_connect_timeout = 5
{more}
"""
MASTER = """\
{port} inet n - n - - smtpd
{plain_port} inet n - n - - smtpd
 -o smtpd_discard_ehlo_keywords=8bitmime,smtputf8,dsn,chunking,pipelining,size,starttls,enhancedstatuscodes
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def as_root(*words, check=True):
    words = [str(word) for word in words]
    command = words if os.getuid() == 0 else ["sudo", "-n", *words]
    return subprocess.run(command, capture_output=True, text=True, check=check)


def certificates(folder, name):
    """A CA, and a certificate of it for `name` and `localhost`."""
    openssl = lambda *words: subprocess.run(["openssl", *words], cwd=folder, capture_output=True, check=True)
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "9", "-subj", "/CN=Test CA")
    openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", f"/CN={name}")
    (folder / "names").write_text(f"subjectAltName=DNS:{name},DNS:localhost\n")
    openssl(
        "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
        "-days", "9", "-extfile", "names", "-out", "server.pem",
    )


class Postfix:
    """`port` is its SMTP port; `plain_port` takes the same mail and offers no extension."""

    def __init__(self, folder):
        self.base = Path(folder)
        self.port, self.plain_port = free_port(), free_port()
        for part in ("config", "data", "queue", "mail"):
            (self.base / part).mkdir(parents=True)
        certificates(self.base, f"mx.{DOMAIN}")
        self.tls = ssl.create_default_context(cafile=self.base / "ca.pem")
        self.running = False

    def start(self, more="", resolv=None):
        """`more`: lines of main.cf. `resolv`: a resolv.conf that it alone sees."""
        uid, gid = (65534, 65534) if os.getuid() == 0 else (os.getuid(), os.getgid())
        main = MAIN.format(base=self.base, domain=DOMAIN, plain=PLAIN, uid=uid, gid=gid, more=more)
        (self.base / "config/main.cf").write_text(main)
        (self.base / "config/master.cf").write_text(MASTER.format(port=self.port, plain_port=self.plain_port))
        self.own(uid)
        if resolv:
            script = 'mount --bind "$0" /etc/resolv.conf && exec postfix -c "$1" start'
            done = as_root("unshare", "--mount", "sh", "-c", script, resolv, self.base / "config", check=False)
            assert done.returncode == 0, (done.stderr, self.log())
        else:
            self.run("start")
        self.running = True
        end = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            assert time.monotonic() < end, self.log()

    def own(self, uid):
        """Its master wants folders of certain owners, and its parts must reach them."""
        as_root("chown", "postfix", self.base / "data")
        as_root("chown", "root", self.base / "queue", self.base / "config", *(self.base / "config").iterdir())
        as_root("chown", str(uid), self.base / "mail")
        for folder in (self.base, *self.base.parents):
            if folder.parent != Path("/") and os.stat(folder).st_uid in (0, os.getuid()):
                as_root("chmod", "a+x", folder)

    def run(self, word):
        done = as_root("postfix", "-c", self.base / "config", word, check=False)
        assert done.returncode == 0, (done.stderr, self.log())

    def set(self, *settings):
        """Settings of main.cf, from now on."""
        as_root("postconf", "-c", self.base / "config", *settings)
        self.run("reload")

    def is_empty(self):
        """Whether nothing waits in its queue."""
        return not as_root("postqueue", "-c", self.base / "config", "-j").stdout.strip()

    def stop(self):
        if self.running:
            self.running = False
            self.run("stop")

    def remove(self):
        self.stop()
        as_root("rm", "-rf", self.base / "queue", self.base / "data", self.base / "mail")
        shutil.rmtree(self.base, ignore_errors=True)

    def log(self):
        return as_root("cat", self.base / "log", check=False).stdout

    def mail(self):
        """Messages in the mailbox, with the line ends that they had: Postfix writes LF for CRLF (and a bare LF
        as it came, which ends a line for it)."""
        new = self.base / "mail/box/new"
        names = as_root("ls", new, check=False).stdout.split()
        return [(new / name).read_bytes().replace(b"\n", b"\r\n") for name in names]


def content(stored):
    """A message of the mailbox without the fields that Postfix put on top of it."""
    own = rb"(?:(?:Return-Path|X-Original-To|Delivered-To): [^\r]*\r\n)*Received: (?:[^\r]|\r\n[ \t]|\r(?!\n))*\r\n"
    match = re.match(own, stored)
    assert match and b"Postfix" in match.group(), stored[:500]
    return stored[match.end():]
