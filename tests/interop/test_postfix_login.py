"""Palomar logs in at a real Postfix (its logins are checked by a real Dovecot) with PLAIN and with LOGIN."""

import contextlib
import os
import re
import subprocess

import pytest
from conftest import served
from imap_wire import letter
from postfix_peer import DOMAIN, Postfix, as_root
from test_pause import submission
from test_queue import until

LOGIN, PASSWORD = f"ana@{DOMAIN}", "kept words 43"
DOVECOT = """\
base_dir = {base}/run
state_dir = {base}/state
log_path = {base}/log
protocols =
ssl = no
auth_mechanisms = {mechanism}
disable_plaintext_auth = no
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {base}/passwd
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home=/nowhere
}}
service auth {{
  unix_listener {base}/auth {{
    mode = 0666
  }}
}}
service anvil {{
  chroot =
}}
"""
ASKS_FOR_LOGIN = """\
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = {base}/auth
smtpd_sasl_authenticated_header = yes
smtpd_tls_auth_only = yes
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = permit_sasl_authenticated, reject
"""


@contextlib.contextmanager
def dovecot(base, mechanism):
    base.mkdir()
    for folder in (base, *base.parents[:-2]):
        as_root("chmod", "a+x", folder)
    (base / "passwd").write_text(f"{LOGIN}:{PASSWORD}\n")
    (base / "passwd").chmod(0o644)
    conf = base / "dovecot.conf"
    conf.write_text(DOVECOT.format(base=base, mechanism=mechanism))
    sudo = [] if os.getuid() == 0 else ["sudo", "-n"]
    words = [*sudo, "dovecot", "-F", "-c", conf]
    running = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until((base / "auth").exists)
        yield
    finally:
        as_root("doveadm", "-c", conf, "stop")
        running.wait(30)


@pytest.mark.parametrize("mechanism", ["plain", "login"])
def test_a_postfix_that_asks_for_a_login(tmp_path, mechanism):
    postfix = Postfix(tmp_path / "postfix")
    with contextlib.ExitStack() as ends:
        ends.callback(postfix.remove)
        ends.enter_context(dovecot(tmp_path / "dovecot", mechanism))
        postfix.start(ASKS_FOR_LOGIN.format(base=tmp_path / "dovecot"))
        logins = tmp_path / "logins"
        logins.write_text(f"localhost:{postfix.port} {LOGIN} wrong words\n")
        settings = (
            f'log = "trace"\n[outbound]\nsmart_host = "localhost:{postfix.port}"\nlogins_file = "{logins}"\n'
            f'ca_file = "{postfix.base / "ca.pem"}"\nretry_seconds_min = 1\nretry_seconds_max = 2\n'
        )
        serving = served(settings)
        server = next(serving)
        ends.callback(lambda: [None for _ in serving])
        ana = server.new_account("ana")
        with submission(server, ana) as smtp:
            smtp.sendmail(ana.address, [f"bob@{DOMAIN}"], letter(1).replace(b"Carla <carla@example.org>", ana.address.encode()))
        until(lambda: "authentication failed" in postfix.log())
        assert not postfix.mail()
        logins.write_text(f"localhost:{postfix.port} {LOGIN} {PASSWORD}\n")
        server.stop()
        server.start()
        server.cli("queue", "retry")
        until(postfix.mail)
        (body,) = postfix.mail()
        assert f"(Authenticated sender: {LOGIN})".encode() in body and b"Subject: letter 1" in body
        assert re.search(f"sasl_method={mechanism.upper()}, sasl_username={LOGIN}", postfix.log())
        assert PASSWORD not in server.log.read_text()
