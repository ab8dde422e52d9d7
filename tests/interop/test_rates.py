"""How much may come from one place: connections, messages, recipients, and names that are tried out."""

import re
import smtplib
import socket

import pytest
from conftest import served

SETTINGS = (
    'log = "server=info"\nmetrics = "127.0.0.1:0"\n[inbound]\nexempt = []\ncheck_senders = false\n'
)


@pytest.fixture
def server(request):
    yield from served(SETTINGS + request.param)


def client(server):
    smtp = smtplib.SMTP("127.0.0.1", server.ports["smtp"])
    smtp.ehlo("client.test")
    return smtp


@pytest.mark.parametrize("server", ["connections_minute_max = 3\n"], indirect=True)
def test_connections_of_a_minute(server):
    for _ in range(3):
        client(server).quit()
    with socket.create_connection(("127.0.0.1", server.ports["smtp"])) as more:
        assert more.recv(200).startswith(b"421 4.3.2 ")
    assert "too_often" in server.log.read_text()
    # Who logs in is not concerned.
    assert server.connect("imaps")


@pytest.mark.parametrize("server", ["messages_hour_max = 2\n"], indirect=True)
def test_messages_of_an_hour(server):
    account = server.new_account()
    smtp = client(server)
    for _ in range(2):
        smtp.sendmail("a@client.test", [account.address], b"Subject: x\r\n\r\nx\r\n")
    code, said = smtp.mail("a@client.test")
    assert (code, said[:6]) == (450, b"4.7.28")
    assert "inbound.messages_hour_max" in server.log.read_text()
    # LMTP and submission are not of strangers.
    if "lmtp" in server.ports:
        lmtp = smtplib.LMTP("127.0.0.1", server.ports["lmtp"])
        lmtp.sendmail("a@client.test", [account.address], b"Subject: x\r\n\r\nx\r\n")


@pytest.mark.parametrize("server", ["recipients_hour_max = 3\n"], indirect=True)
def test_recipients_of_an_hour(server):
    account = server.new_account()
    smtp = client(server)
    smtp.mail("a@client.test")
    assert [smtp.rcpt(account.address)[0] for _ in range(4)] == [250, 250, 250, 450]
    # What was accepted goes on.
    assert smtp.data(b"Subject: x\r\n\r\nx\r\n")[0] == 250


@pytest.mark.parametrize("server", ["unknown_recipients_hour_max = 3\n"], indirect=True)
def test_who_tries_out_names_hears_no_more(server):
    account = server.new_account()
    smtp = client(server)
    smtp.mail("a@client.test")
    tried = [smtp.rcpt(f"nobody{n}@example.test")[0] for n in range(5)]
    assert tried == [550, 550, 550, 450, 450]
    assert smtp.rcpt(account.address)[0] == 450
    # Not in another connection either.
    other = client(server)
    other.mail("a@client.test")
    assert other.rcpt(account.address)[0] == 450
    assert re.search(r"too much comes.*unknown_recipients_hour_max", server.log.read_text())
