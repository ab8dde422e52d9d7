"""New addresses of ours: little on the first day, the rest waits or leaves from an address that is known."""

import contextlib
import json
import re
import secrets

from conftest import Account, served
from dns_zone import Zone
from test_queue import Two, arrived, text, until
from test_sources import caller

FIRST_DAY_MAX = 3


@contextlib.contextmanager
def calling(tmp_path, addresses, new):
    """A sender that asks a zone, where all hosts are the receiver."""
    zone = Zone(tmp_path / "zone")
    receiving = served()
    receiver = next(receiving)
    settings = (
        f'log = "server=info"\n[outbound]\nport = {receiver.ports["smtp"]}\nretry_seconds_min = 1\n'
        f"source_addresses = {json.dumps(addresses)}\nwarmup_addresses = {json.dumps(new)}\n"
        f"warmup_first_day_messages_max = {FIRST_DAY_MAX}\n"
    )
    sending = served(settings + zone.settings)
    try:
        two = Two(next(sending), receiver)
        two.zone = zone
        yield two
    finally:
        for generator in (sending, receiving):
            for _ in generator:
                pass
        zone.stop()


def inbox(two, domain):
    two.receiver.cli("domain", "add", domain)
    bob = Account(f"bob@{domain}", secrets.token_urlsafe(12))
    two.receiver.cli("account", "add", bob.address, "--password-stdin", stdin=bob.password)
    return two.inbox(two.receiver, bob)


def waiting(two):
    return [one for one in two.queue()["messages"] if one["waits"]]


def messages(client):
    (line,) = client.ok("STATUS INBOX (MESSAGES)").of(b"STATUS")
    return int(line.split(b"MESSAGES ")[1].rstrip(b")"))


def test_a_provider_gets_so_many_on_the_first_day_and_the_rest_waits(tmp_path):
    with calling(tmp_path, ["127.0.0.41"], ["127.0.0.41"]) as two:
        two.zone.set("""
            one.test. MX 5 mx1.big.test.
            one.test. MX 7 mx2.big.test.
            two.test. MX 5 mx3.big.test.
            small.test. MX 5 mx.small.test.
            mx1.big.test. A 127.0.0.1
            mx2.big.test. A 127.0.0.1
            mx3.big.test. A 127.0.0.1
            mx.small.test. A 127.0.0.1
        """)
        boxes = {domain: inbox(two, domain) for domain in ("one.test", "two.test", "small.test")}
        for domain in ("one.test", "two.test") * FIRST_DAY_MAX:
            two.send(f"bob@{domain}")
        # Both domains are of one provider; another one has its own share.
        until(lambda: len(waiting(two)) == FIRST_DAY_MAX)
        big = lambda: messages(boxes["one.test"]) + messages(boxes["two.test"])
        assert big() == FIRST_DAY_MAX
        for one in waiting(two):
            assert re.fullmatch(
                r"127\.0\.0\.41 is new \(outbound\.warmup_addresses\) and gave big\.test as much as it may "
                r"today; more from \d{4}-\d\d-\d\d \d\d:\d\d UTC on", one["waits"]
            )
            assert all(to["attempts"] == 0 and to["reply"] is None for to in one["recipients"])
            assert one["expires_at"] - one["received_at"] == 432_000
        assert "    waits: 127.0.0.41 is new" in two.sender.cli("queue", "list")
        assert not any(site["failures"] for site in two.queue()["sites"])
        two.send("bob@small.test")
        arrived(boxes["small.test"], 1)
        # Neither whoever asks for it nor a kill makes the day longer.
        for again in (False, True):
            if again:
                two.sender.kill()
                two.sender.start()
            two.sender.cli("queue", "retry")
            two.send("bob@one.test", "bob@small.test")
            arrived(boxes["small.test"], 2 + again)
            until(lambda: len(waiting(two)) == FIRST_DAY_MAX + 1 + again)
            assert big() == FIRST_DAY_MAX
        assert messages(boxes["small.test"]) == FIRST_DAY_MAX
        two.send("bob@small.test")
        until(lambda: len(waiting(two)) == FIRST_DAY_MAX + 3)
        # Whoever runs the server says that the address is known by now.
        settings = two.sender.settings.read_text()
        two.sender.settings.write_text(settings.replace('warmup_addresses = ["127.0.0.41"]', "warmup_addresses = []"))
        two.sender.stop()
        two.sender.start()
        until(lambda: not two.queue()["messages"])
        assert (big(), messages(boxes["small.test"])) == (2 * FIRST_DAY_MAX + 2, FIRST_DAY_MAX + 1)


def test_what_is_more_leaves_from_an_address_that_is_known(tmp_path):
    domains = [f"d{number}.test" for number in range(8)]
    with calling(tmp_path, ["127.0.0.41", "127.0.0.42"], ["127.0.0.41"]) as two:
        two.zone.set("".join(f"{one}. MX 5 mx.{one}.\nmx.{one}. A 127.0.0.1\n" for one in domains))
        seen = {}
        for domain in domains:
            box = inbox(two, domain)
            for _ in range(FIRST_DAY_MAX + 2):
                two.send(f"bob@{domain}")
            arrived(box, FIRST_DAY_MAX + 2)
            callers = [caller(text(box, number))[1] for number in range(1, FIRST_DAY_MAX + 3)]
            seen[domain] = callers.count(b"127.0.0.41")
        # Domains that call from the new address do so until it has given enough.
        assert set(seen.values()) == {0, FIRST_DAY_MAX}, seen
        until(lambda: not two.queue()["messages"])


def test_a_smart_host_knows_us(tmp_path):
    with calling(tmp_path, ["127.0.0.41"], ["127.0.0.41"]) as two:
        settings = two.sender.settings.read_text()
        smart = f'[outbound]\nsmart_host = "127.0.0.1:{two.receiver.ports["smtp"]}"\n'
        two.sender.settings.write_text(settings.replace("[outbound]\n", smart))
        two.sender.stop()
        two.sender.start()
        bob = two.inbox(two.receiver, two.bob)
        for _ in range(FIRST_DAY_MAX + 1):
            two.send("bob@other.test")
        arrived(bob, FIRST_DAY_MAX + 1)
