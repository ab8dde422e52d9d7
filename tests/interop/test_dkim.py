"""DKIM: what users send is signed with keys that DNS shows, judged by an independent verifier."""

import json
import re

import dkim
import pytest
from conftest import served
from dns_zone import Zone
from imap_wire import letter
from test_queue import Two, arrived, text, until


class Signing(Two):
    def __init__(self, sender, receiver, zone):
        super().__init__(sender, receiver)
        self.zone, self.domain = zone, "example.test"

    def records(self):
        """What the zone should have, as the server says."""
        until(lambda: len(self.keys()) == 2)
        return json.loads(self.sender.cli("domain", "dns", self.domain, "--json"))["records"]

    def keys(self):
        return json.loads(self.sender.cli("domain", "dkim", "list", self.domain, "--json"))["dkim_keys"]

    def public(self):
        """Key records, for a verifier that asks nobody."""
        return {one["name"].encode(): one["data"].encode() for one in self.records() if "_domainkey" in one["name"]}


@pytest.fixture
def signing(tmp_path):
    zone = Zone(tmp_path / "zone")
    receiving = served()
    receiver = next(receiving)
    settings = f'log = "server=info"\n[outbound]\nsmart_host = "127.0.0.1:{receiver.ports["smtp"]}"\nretry_seconds_min = 1\n'
    sending = served(settings + zone.settings)
    try:
        yield Signing(next(sending), receiver, zone)
    finally:
        for generator in (sending, receiving):
            for _ in generator:
                pass
        zone.stop()


def message_of(body):
    """The message of a FETCH response."""
    start = re.search(rb"\{\d+\}\r\n", body)
    return body[start.end() :] if start else body


def judged(message, index, lookup):
    try:
        return dkim.DKIM(message).verify(idx=index, dnsfunc=lookup)
    except dkim.ValidationError:
        return False


def test_signed_once_dns_shows_the_keys(signing):
    bob = signing.inbox(signing.receiver, signing.bob)
    assert {key["state"] for key in signing.keys()} <= {"waiting"}
    public = signing.public()
    assert len(public) == 2
    signing.send("bob@other.test")
    assert b"DKIM-Signature" not in text(arrived(bob), 1), "nobody could verify it"
    # The zone as it is printed, which is looked at when the server starts.
    zone = signing.sender.cli("domain", "dns", signing.domain)
    signing.zone.set(re.sub(r"(?m)^;.*$", "", zone).replace(" IN ", " "))
    signing.sender.stop()
    signing.sender.start()
    until(lambda: all(key["state"] == "active" for key in signing.keys()))
    signing.send("bob@other.test")
    signed = message_of(text(arrived(bob, 2), 2)).rsplit(b")", 1)[0]
    assert signed.count(b"DKIM-Signature:") == 2
    lookup = lambda name, timeout=5: public.get(name)
    verifier = dkim.DKIM(signed)
    assert [verifier.verify(idx=index, dnsfunc=lookup) for index in (0, 1)] == [True, True]
    for old, new in ((b"Subject: letter", b"Subject: Letter"), (b"\r\nFrom:", b"\r\nFrom: x@example.test\r\nFrom:"), (b"\r\n\r\n", b"\r\n\r\nMore. ")):
        assert old in signed
        changed = signed.replace(old, new, 1)
        assert [judged(changed, index, lookup) for index in (0, 1)] == [False, False], new


def test_records_are_checked(signing):
    rows = lambda: {(one["name"], one["data"].split()[0]): one["state"] for one in json.loads(signing.sender.cli("domain", "check", signing.domain, "--json"))["checks"]}
    signing.records()
    assert set(rows().values()) == {"missing"}
    zone = re.sub(r"(?m)^;.*$", "", signing.sender.cli("domain", "dns", signing.domain)).replace(" IN ", " ")
    signing.zone.set(zone.replace("v=spf1 mx -all", "v=spf1 a -all").replace("mail.example.test.", "other.example.test."))
    signing.sender.stop()
    signing.sender.start()
    found = rows()
    assert found[("example.test.", "v=spf1")] == "other" and found[("example.test.", "10")] == "other"
    assert {state for (name, _), state in found.items() if "_domainkey" in name} == {"ok"}
    told = signing.sender.cli("domain", "check", signing.domain)
    assert "other    example.test. IN TXT \"v=spf1 mx -all\"\n         there is: v=spf1 a -all" in told


def test_keys_are_made_used_and_removed(signing):
    signing.records()
    first = {key["selector"] for key in signing.keys()}
    made = json.loads(signing.sender.cli("domain", "dkim", "make", signing.domain, "--json"))["dkim_keys"]
    assert len(made) == 2 and not first & {key["selector"] for key in made}
    for key in made:
        signing.sender.cli("domain", "dkim", "use", signing.domain, key["selector"])
    old = next(iter(first))
    signing.sender.cli("domain", "dkim", "use", signing.domain, old)
    states = {key["selector"]: key["state"] for key in signing.keys()}
    assert states[old] == "active" and sorted(states.values()) == ["active", "active", "retired", "waiting"]
    signing.sender.cli("domain", "dkim", "remove", signing.domain, old)
    assert old not in {key["selector"] for key in signing.keys()}
    signing.sender.cli("domain", "dkim", "use", signing.domain, "none", codes=(1, 2, 3, 4, 5))
    # Kept over a restart; the kind that has none any more gets another.
    kept = {key["selector"]: key["state"] for key in signing.keys()}
    signing.sender.stop()
    signing.sender.start()
    until(lambda: len(signing.keys()) == 4)
    assert kept.items() <= {key["selector"]: key["state"] for key in signing.keys()}.items()
