"""From which address Palomar calls, and under which name: seen by the server that is called."""

import contextlib
import re
import smtplib

from conftest import Account, served
from imap_wire import letter
from test_queue import Two, arrived, text, until


@contextlib.contextmanager
def calling(settings, host="127.0.0.1"):
    receiving = served()
    receiver = next(receiving)
    smart = f'smart_host = "{host}:{receiver.ports["smtp"]}"\nretry_seconds_min = 1\nretry_seconds_max = 2\n'
    sending = served("[outbound]\n" + smart + settings)
    try:
        yield Two(next(sending), receiver)
    finally:
        for generator in (sending, receiving):
            for _ in generator:
                pass


def caller(body):
    """(name in EHLO, address) of the call that brought it."""
    return re.search(rb"Received: from (\S+) \([^()]*\[([0-9.]+)\]", body).groups()


def test_one_host_is_called_from_one_address(tmp_path):
    settings = 'source_addresses = ["127.0.0.41", "127.0.0.42", "::1"]\nehlo_names = ["127.0.0.41=a.example.test", "127.0.0.42=b.example.test"]\n'
    with calling(settings) as two:
        bob = two.inbox(two.receiver, two.bob)
        seen = set()
        for count in (1, 2, 3):
            two.send("bob@other.test")
            seen.add(caller(text(arrived(bob, count), count)))
            until(lambda: not two.queue()["messages"])
        assert len(seen) == 1
        assert seen <= {(b"a.example.test", b"127.0.0.41"), (b"b.example.test", b"127.0.0.42")}


def test_a_senders_domain_has_its_own(tmp_path):
    settings = 'source_addresses = ["127.0.0.41"]\nsender_sources = ["news.test=127.0.0.43"]\nehlo_names = ["127.0.0.43=out.news.test"]\n'
    with calling(settings) as two:
        two.sender.cli("domain", "add", "news.test")
        news = Account("eva@news.test", "p-long-enough-words")
        two.sender.cli("account", "add", news.address, "--password-stdin", stdin=news.password)
        bob = two.inbox(two.receiver, two.bob)
        # All on their way at once: connections are not shared between the two.
        two.receiver.stop()
        for _ in range(3):
            two.send("bob@other.test")
            with smtplib.SMTP_SSL("localhost", two.sender.ports["submissions"], context=two.sender.tls) as smtp:
                smtp.login(news.address, news.password)
                smtp.sendmail(news.address, ["bob@other.test"], letter(1).replace(b"Carla <carla@example.org>", news.address.encode()))
        two.receiver.start()
        two.sender.cli("queue", "retry")
        bob = arrived(two.inbox(two.receiver, two.bob), 6)
        name = two.sender.told.get("host_name", "mail.example.test").encode()
        for number in range(1, 7):
            body = text(bob, number)
            wanted = (b"out.news.test", b"127.0.0.43") if b"Return-Path: <eva@" in body else (name, b"127.0.0.41")
            assert caller(body) == wanted, body[:700]


def test_a_family_without_an_address_is_not_used(tmp_path):
    with calling('source_addresses = ["127.0.0.41"]\n', host="[::1]") as two:
        two.send("bob@other.test")
        until(lambda: any(site["failures"] > 0 for site in two.queue()["sites"]))
        assert "there is no outbound.source_addresses for it" in two.sender.log.read_text()
        assert two.queue()["messages"]


def test_an_address_that_is_not_ours_keeps_the_mail(tmp_path):
    with calling('source_addresses = ["192.0.2.1"]\n') as two:
        two.send("bob@other.test")
        until(lambda: any(site["failures"] > 0 for site in two.queue()["sites"]))
        assert two.queue()["messages"]
