"""Senders that are new: greylisting, and what is remembered of them."""

import smtplib

import pytest
from conftest import served
from dns_zone import Zone
from imap_wire import letter

ZONE = """
    good.test. TXT "v=spf1 ip4:127.0.0.0/8 -all"
    other.test. TXT "v=spf1 ip4:127.0.0.0/8 -all"
    known.test. TXT "v=spf1 ip4:127.0.0.0/8 -all"
    forged.test. TXT "v=spf1 -all"
    _dmarc.forged.test. TXT "v=DMARC1; p=reject"
"""
GREYLIST = """
[inbound]
exempt = []
connections_minute_max = 0
[greylist]
enabled = true
delay_seconds = {delay}
exempt_domains = ["known.test"]
"""


@pytest.fixture(scope="module")
def zone(tmp_path_factory):
    zone = Zone(tmp_path_factory.mktemp("zone"))
    zone.set(ZONE)
    yield zone
    zone.stop()


@pytest.fixture
def server(zone, request):
    yield from served('log = "server=info"\n' + request.param + zone.settings)


def give(server, account, sender, source="127.0.0.1"):
    """What the server says of a message from an address."""
    message = letter(1).replace(b"Carla <carla@example.org>", sender.encode())
    with smtplib.SMTP(
        "127.0.0.1", server.ports["smtp"], "client.test", source_address=(source, 0)
    ) as smtp:
        try:
            smtp.sendmail(sender, [account.address], message)
        except smtplib.SMTPDataError as refused:
            return refused.smtp_code, refused.smtp_error.decode()
        return 250, ""


@pytest.mark.parametrize("server", [GREYLIST.format(delay=1)], indirect=True)
def test_who_comes_again_is_let_in_and_its_domain_is_known_from_then_on(server):
    account = server.new_account()
    code, said = give(server, account, "ana@good.test")
    assert code == 450 and said.startswith("4.7.1 Greylisted")
    assert "GREYLIST" in server.log.read_text()
    # Nothing of it is forgotten.
    server.kill()
    server.start()
    tries = 1
    while (told := give(server, account, "ana@good.test", "127.0.7.1"))[0] == 450:
        tries += 1
        assert tries < 10_000, told
    assert told[0] == 250
    # The domain is known, from everywhere; another one is not.
    assert give(server, account, "eva@good.test", "127.0.9.9")[0] == 250
    assert give(server, account, "ana@other.test")[0] == 450
    server.kill()
    server.start()
    assert give(server, account, "ana@good.test")[0] == 250


@pytest.mark.parametrize("server", [GREYLIST.format(delay=3600)], indirect=True)
def test_who_comes_too_soon_waits_and_some_never_do(server):
    account = server.new_account()
    assert [give(server, account, "ana@good.test")[0] for _ in range(3)] == [450] * 3
    assert give(server, account, "ana@known.test")[0] == 250
    # Whom the author's domain disowns is refused for good, not asked to come again.
    assert give(server, account, "ana@forged.test")[0] == 550
    # Nobody vouches for it: its network is asked.
    assert give(server, account, "ana@nowhere.test")[0] == 450
    # Who logs in, and our own servers, are no strangers.
    with smtplib.SMTP_SSL("localhost", server.ports["submissions"], context=server.tls) as smtp:
        smtp.login(account.address, account.password)
        smtp.sendmail(account.address, [account.address], f"From: <{account.address}>\r\n\r\nx\r\n")
    with smtplib.LMTP("127.0.0.1", server.ports["lmtp"]) as lmtp:
        lmtp.sendmail("ana@good.test", [account.address], letter(1))


@pytest.mark.parametrize("server", [GREYLIST.replace("exempt = []", "").format(delay=3600)], indirect=True)
def test_networks_that_are_exempt_are_not_asked(server):
    assert give(server, server.new_account(), "ana@nowhere.test")[0] == 250


def test_nobody_is_asked_to_come_again_by_default(palomar, account):
    assert give(palomar, account, "ana@good.test")[0] == 250
