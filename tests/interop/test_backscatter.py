"""Reports go to nobody whose address was made up: SPF and DMARC say whose mail it is."""

import re
import smtplib

import pytest
from conftest import served
from dns_zone import Zone
from imap_wire import Imap, letter
from test_queue import Two, arrived, text, until

# Mail comes from 127.0.0.1. All of these have the same host, which takes their reports.
DOMAINS = {
    "good.test": 'TXT "v=spf1 ip4:127.0.0.1 -all"',
    "forged.test": 'TXT "v=spf1 ip4:192.0.2.1 -all"',
    "soft.test": 'TXT "v=spf1 ip4:192.0.2.1 ~all"',
    "silent.test": 'TXT "nothing"',
}


class Net(Two):
    """`sender` is the server that is written to; `receiver` has those who write, or do not."""

    def arrives(self, sender, to, number, *options):
        with smtplib.SMTP("localhost", self.sender.ports["smtp"]) as smtp:
            message = letter(number).replace(b"Carla <carla@example.org>", sender.encode())
            smtp.sendmail(sender, [to], message, rcpt_options=list(options))

    def settled(self):
        until(lambda: not self.queue()["messages"])

    def reports(self, domain):
        with Imap(self.receiver.connect("imaps")) as client:
            client.login(self.users[domain])
            client.ok("SELECT INBOX")
            (line,) = client.ok("STATUS INBOX (MESSAGES)").of(b"STATUS")
            count = int(line.split(b"MESSAGES ")[1].rstrip(b")"))
            found = [text(client, number) for number in range(1, count + 1)]
        return sorted(re.search(rb"Action: (\w+)", one).group(1).decode() for one in found)


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    from conftest import Account

    zone = Zone(tmp_path_factory.mktemp("zone"))
    receiving = served()
    receiver = next(receiving)
    records = ["mx.test. A 127.0.0.1"]
    for domain, record in {**DOMAINS, "other.test": 'TXT "x"'}.items():
        records += [f"{domain}. MX 1 mx.test.", f"{domain}. {record}"]
    zone.set("\n".join(records))
    sending = served(
        f'log = "server=info"\n[outbound]\nport = {receiver.ports["smtp"]}\nretry_seconds_min = 1\nretry_seconds_max = 2\n' + zone.settings
    )
    one = Net(next(sending), receiver)
    one.users = {}
    for domain in DOMAINS:
        receiver.cli("domain", "add", domain)
        one.users[domain] = Account(f"carla@{domain}", "p-long-enough-words")
        receiver.cli("account", "add", f"carla@{domain}", "--password-stdin", stdin="p-long-enough-words")
    try:
        yield one
    finally:
        for generator in (sending, receiving):
            for _ in generator:
                pass
        zone.stop()


@pytest.mark.parametrize("domain, success, failure", [
    ("good.test", True, True), ("silent.test", False, True), ("forged.test", False, False), ("soft.test", False, False),
])
def test_who_hears_what(net, domain, success, failure):
    sender = f"carla@{domain}"
    ana = net.inbox(net.sender, net.ana)
    (line,) = ana.ok("STATUS INBOX (MESSAGES)").of(b"STATUS")
    before = int(line.split(b"MESSAGES ")[1].rstrip(b")"))
    # It arrives, whoever may hear of it.
    net.arrives(sender, net.ana.address, 1, "NOTIFY=SUCCESS,FAILURE")
    arrived(ana, before + 1)
    net.settled()
    assert net.reports(domain) == ["delivered"] * success
    # What goes on from here and is refused there.
    net.sender.cli("alias", "set", "gone@example.test", "nobody@other.test")
    net.arrives(sender, "gone@example.test", 2)
    until(lambda: net.sender.log.read_text().count("550") and not net.queue()["messages"])
    net.settled()
    wanted = ["delivered"] * success + ["failed"] * failure
    if failure:
        until(lambda: net.reports(domain) == wanted)
    assert net.reports(domain) == wanted
