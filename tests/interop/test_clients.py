"""Real clients, scripted, against the shipped binary: each does what its user would do.

Certificates are checked against the server's own CA wherever the client can; no client is told to
accept anything.
"""

import mailbox
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def need(program):
    """In CI a missing client is a failure; elsewhere the test says what is missing."""
    if shutil.which(program) is None:
        if os.environ.get("CI"):
            pytest.fail(f"{program} is not installed")
        pytest.skip(f"{program} is not installed")


def run(*command, stdin=None, env=None, cwd=None, codes=(0,)):
    done = subprocess.run(
        [str(part) for part in command],
        input=stdin,
        capture_output=True,
        timeout=120,
        env={**os.environ, **(env or {})},
        cwd=cwd,
    )
    assert done.returncode in codes, (command, done.returncode, done.stdout, done.stderr)
    return done.stdout


def letter(number, subject="letter"):
    return (
        f"From: Carla <carla@example.org>\r\nTo: ana@example.test\r\nSubject: {subject} {number}\r\n"
        f"Date: Mon, 2 Nov 2026 10:00:{number % 60:02} +0100\r\n"
        f"Message-ID: <{subject}{number}@example.org>\r\n\r\nText {number} ünï.\r\n"
    ).encode()


@pytest.fixture
def box(palomar):
    """A fresh account with five letters in its INBOX, and what a client needs to reach it."""
    account = palomar.new_account()
    with palomar.imap(account) as client:
        for number in range(1, 6):
            assert client.append("INBOX", None, None, letter(number))[0] == "OK"
    return account


def count(palomar, account, folder="INBOX"):
    with palomar.imap(account) as client:
        kind, data = client.select(folder, readonly=True)
        return int(data[0]) if kind == "OK" else None


def test_curl(palomar, box, tmp_path):
    need("curl")
    tls = ("--cacert", palomar.ca, "-sS", "-u", f"{box.address}:{box.password}")
    imaps = f"imaps://localhost:{palomar.ports['imaps']}"
    assert b"Subject: letter 2" in run("curl", *tls, f"{imaps}/INBOX;MAILINDEX=2")
    assert b"MESSAGES 5" in run("curl", *tls, imaps, "-X", "STATUS INBOX (MESSAGES)")
    assert run("curl", *tls, f"{imaps}/INBOX?SUBJECT%20letter").split()[2:] == b"1 2 3 4 5".split()
    new = tmp_path / "new.eml"
    new.write_bytes(letter(6))
    run("curl", *tls, "-T", new, f"{imaps}/INBOX")
    assert count(palomar, box) == 6
    starttls = f"imap://localhost:{palomar.ports['imap']}"
    assert b"MESSAGES 6" in run("curl", "--ssl-reqd", *tls, starttls, "-X", "STATUS INBOX (MESSAGES)")
    pop3s = f"pop3s://localhost:{palomar.ports['pop3s']}"
    assert run("curl", *tls, f"{pop3s}/6") == letter(6)
    assert len(run("curl", *tls, f"{pop3s}/").splitlines()) == 6
    smtps = f"smtps://localhost:{palomar.ports['submissions']}"
    to = ("--mail-from", box.address, "--mail-rcpt", box.address)
    sent = tmp_path / "sent.eml"
    sent.write_bytes(letter(7).replace(b"carla@example.org", box.address.encode()))
    run("curl", *tls, smtps, *to, "-T", sent)
    assert count(palomar, box) == 7


def mbsyncrc(palomar, account, folder):
    return (
        f"IMAPAccount t\nHost localhost\nPort {palomar.ports['imaps']}\nUser {account.address}\n"
        f"Pass {account.password}\nSSLType IMAPS\nCertificateFile {palomar.ca}\n\n"
        f"IMAPStore r\nAccount t\n\n"
        f"MaildirStore l\nPath {folder}/\nInbox {folder}/INBOX\nSubFolders Verbatim\n\n"
        f"Channel c\nFar :r:\nNear :l:\nPatterns *\nCreate Both\nExpunge Both\nSyncState *\n"
    )


def test_mbsync_two_ways_twice(palomar, box, tmp_path):
    need("mbsync")
    folder = tmp_path / "mail"
    folder.mkdir()
    rc = tmp_path / "mbsyncrc"
    rc.write_text(mbsyncrc(palomar, box, folder))
    run("mbsync", "-q", "-c", rc, "-a")
    inbox = mailbox.Maildir(folder / "INBOX")
    assert len(inbox) == 5
    assert {"Sent", "Drafts", "Trash", "Archive", "Junk"} <= {p.name for p in folder.iterdir()}
    # Both sides change: a local flag, a local new mail, a remote expunge and a remote new mail.
    keys = {m["Subject"]: key for key, m in inbox.items()}
    message = inbox[keys["letter 1"]]
    message.add_flag("F")
    inbox[keys["letter 1"]] = message
    local = mailbox.MaildirMessage(letter(8, "local").replace(b"\r\n", b"\n"))
    local.set_subdir("cur")
    local.add_flag("S")
    inbox.add(local)
    with palomar.imap(box) as client:
        client.select("INBOX")
        client.store("2", "+FLAGS", r"(\Deleted)")
        client.expunge()
        client.append("INBOX", None, None, letter(9, "remote"))
    run("mbsync", "-q", "-c", rc, "-a")
    assert sorted(m["Subject"] for m in mailbox.Maildir(folder / "INBOX")) == [
        "letter 1", "letter 3", "letter 4", "letter 5", "local 8", "remote 9",
    ]
    with palomar.imap(box) as client:
        client.select("INBOX", readonly=True)
        assert client.search(None, "FLAGGED")[1] == [b"1"]
        assert client.search(None, "SUBJECT", "local")[1] == [b"6"]
    before = sorted(p.name for p in (folder / "INBOX").rglob("*") if p.is_file())
    run("mbsync", "-q", "-c", rc, "-a")
    again = sorted(p.name for p in (folder / "INBOX").rglob("*") if p.is_file())
    assert [n for n in before if "mbsync" not in n] == [n for n in again if "mbsync" not in n]
    assert count(palomar, box) == 6


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_fetchmail(palomar, box, tmp_path, protocol):
    need("fetchmail")
    out, rc = tmp_path / "out.mbox", tmp_path / "rc"
    port = palomar.ports["imaps" if protocol == "imap" else "pop3s"]
    rc.write_text(
        f'poll localhost service {port} protocol {protocol} user "{box.address}" password '
        f'"{box.password}" keep fetchall ssl sslcertck sslcertfile "{palomar.ca}" '
        f'mda "cat >> {out}; echo >> {out}"\n'
    )
    rc.chmod(0o600)
    home = {"FETCHMAILHOME": str(tmp_path), "HOME": str(tmp_path)}
    run("fetchmail", "-f", rc, "--nodetach", "--nosyslog", env=home)
    text = out.read_bytes()
    assert [text.count(f"Subject: letter {n}".encode()) for n in range(1, 6)] == [1] * 5
    assert count(palomar, box) == 5


@pytest.mark.parametrize("kind", ["SimpleIMAPSSLRetriever", "SimplePOP3SSLRetriever"])
def test_getmail(palomar, box, tmp_path, kind):
    need("getmail")
    out, rc = tmp_path / "gm.mbox", tmp_path / "rc"
    out.touch()
    port = palomar.ports["imaps" if "IMAP" in kind else "pop3s"]
    folders = 'mailboxes = ("INBOX",)\n' if "IMAP" in kind else ""
    rc.write_text(
        f"[retriever]\ntype = {kind}\nserver = localhost\nport = {port}\nusername = {box.address}\n"
        f"password = {box.password}\nca_certs = {palomar.ca}\n{folders}[destination]\n"
        f"type = MDA_external\npath = /bin/sh\n"
        f'arguments = ("-c", "cat >> {out}")\nallow_root_commands = true\n'
        f"[options]\nread_all = false\ndelete = false\n"
    )
    for _ in range(2):  # the second run sees by the UIDs that nothing is new
        run("getmail", f"--getmaildir={tmp_path}", f"--rcfile={rc}", env={"HOME": str(tmp_path)})
    text = out.read_bytes()
    assert [text.count(f"Subject: letter {n}".encode()) for n in range(1, 6)] == [1] * 5


def test_mpop(palomar, box, tmp_path):
    need("mpop")
    rc, out = tmp_path / "rc", tmp_path / "mpop.mbox"
    rc.write_text(
        f"account t\nhost localhost\nport {palomar.ports['pop3s']}\nuser {box.address}\n"
        f"password {box.password}\ntls on\ntls_starttls off\ntls_trust_file {palomar.ca}\n"
        f"keep on\ndelivery mbox {out}\nuidls_file {tmp_path}/uidls\n"
    )
    rc.chmod(0o600)
    run("mpop", "-C", rc, "t")
    run("mpop", "-C", rc, "t")
    assert len(mailbox.mbox(out)) == 5


def test_swaks_and_msmtp(palomar, box, tmp_path):
    need("swaks"), need("msmtp")
    other = palomar.new_account()
    server = f"localhost:{palomar.ports['submission']}"
    login = ("--auth", "PLAIN", "--auth-user", box.address, "--auth-password", box.password)
    common = ("swaks", "--server", server, "--tls", "--tls-ca-path", palomar.ca, "--tls-verify")
    run(*common, *login, "--from", box.address, "--to", other.address, "--header", "Subject: swaks 1")
    run(
        "swaks", "--server", f"localhost:{palomar.ports['smtp']}", "--from", "x@example.org",
        "--to", other.address, "--header", "Subject: swaks 2",
    )
    run(
        "swaks", "--protocol", "LMTP", "--server", f"localhost:{palomar.ports['lmtp']}", "--from",
        "x@example.org", "--to", other.address, "--header", "Subject: swaks 3",
    )
    # Nobody sends as somebody else: swaks ends with 23 or 24 when MAIL or all RCPT are refused.
    forged = (*common, *login, "--from", other.address, "--to", box.address)
    run(*forged, codes=(23, 24, 26))
    rc = tmp_path / "msmtprc"
    rc.write_text(
        f"account t\nhost localhost\nport {palomar.ports['submissions']}\nauth on\nuser {box.address}\n"
        f"password {box.password}\nfrom {box.address}\ntls on\ntls_starttls off\n"
        f"tls_trust_file {palomar.ca}\n"
    )
    rc.chmod(0o600)
    text = f"From: {box.address}\nTo: {other.address}\nSubject: msmtp 4\n\nHello.\n".encode()
    run("msmtp", "-C", rc, "-a", "t", other.address, stdin=text)
    with palomar.imap(other) as client:
        client.select("INBOX", readonly=True)
        kind, data = client.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        subjects = [item[1].strip() for item in data if isinstance(item, tuple)]
    assert subjects == [b"Subject: swaks 1", b"Subject: swaks 2", b"Subject: swaks 3", b"Subject: msmtp 4"]


class Screen:
    """A terminal program inside tmux: keys go in, the screen is read until it shows what is due."""

    def __init__(self, folder, *command):
        self.socket = folder / "tmux.sock"
        quoted = " ".join(f"'{part}'" for part in command)
        self.tmux("new-session", "-d", "-x", "120", "-y", "40", quoted)

    def tmux(self, *words):
        return run("tmux", "-S", self.socket, *words, env={"TERM": "screen"}).decode()

    def keys(self, *keys):
        self.tmux("send-keys", *keys)

    def until(self, pattern):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            screen = self.tmux("capture-pane", "-p")
            if re.search(pattern, screen):
                return screen
            time.sleep(0.05)  # a screen has no event to wait for
        raise AssertionError(f"{pattern!r} never shown:\n{screen}")


def test_mutt(palomar, box, tmp_path):
    need("mutt"), need("tmux")
    url = f"imaps://localhost:{palomar.ports['imaps']}/"
    rc = tmp_path / "muttrc"
    rc.write_text(
        f'set imap_user="{box.address}"\nset imap_pass="{box.password}"\nset folder="{url}"\n'
        f'set spoolfile="{url}INBOX"\nset certificate_file="{palomar.ca}"\nset ssl_verify_host=yes\n'
        f"set imap_check_subscribed=no\nset confirmcreate=no\nset mail_check=1\nset copy=no\n"
        f"set move=no\nset sleep_time=0\nset confirmappend=no\nset delete=yes\nset timeout=1\n"
    )
    env = ("env", f"HOME={tmp_path}", "LANG=C.UTF-8", "TERM=screen")
    screen = Screen(tmp_path, *env, "mutt", "-n", "-F", rc)
    screen.until("letter 5")
    screen.keys("1", "Enter", "Enter")
    assert "ünï" in screen.until("Text 1")
    screen.keys("q")
    screen.until("letter 5")
    screen.keys("2", "Enter", "F")
    screen.until(r"!.*letter 2")
    screen.keys("3", "Enter", "d")
    screen.until(r"D .*letter 3")
    screen.keys("4", "Enter", "s")
    screen.until("Save")
    screen.keys("C-u")
    screen.keys("=Archive", "Enter")
    screen.until(r"D .*letter 4")
    screen.keys("$")
    screen.until(r"2.*letter 2[^$]*3.*letter 5")
    with palomar.imap(box) as client:
        client.select("INBOX", readonly=True)
        assert client.search(None, "FLAGGED")[1] == [b"2"]
        assert client.search(None, "SEEN")[1][0].startswith(b"1")
        client.append("INBOX", None, None, letter(6))
    screen.until("letter 6")  # new mail shows without asking
    screen.keys("q")
    assert count(palomar, box) == 4
    assert count(palomar, box, "Archive") == 1


def test_imapflow(palomar, box):
    need("node")
    script = HERE / "imapflow.cjs"
    env = {
        "PALOMAR_PORT": str(palomar.ports["imaps"]),
        "PALOMAR_USER": box.address,
        "PALOMAR_PASSWORD": box.password,
        "NODE_EXTRA_CA_CERTS": str(palomar.ca),
    }
    out = run("node", script, env=env, cwd=HERE).decode()
    assert "fetched 5" in out and "flagged 1" in out and "archived 2" in out and "pushed 6" in out
    assert count(palomar, box, "Arc") == 3
