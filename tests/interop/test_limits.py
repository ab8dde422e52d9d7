"""A stolen password cannot be used to write to the world."""

import smtplib

import pytest
from conftest import served
from imap_wire import Imap
from test_queue import arrived, text


@pytest.fixture
def server():
    yield from served(
        'log = "server=info"\n[outbound]\nsmart_host = "127.0.0.1:1"\n'
        'account_recipients_hour_max = 5\naccount_recipients_day_max = 100\n'
        'notice_address = "admin@example.test"\n'
    )


def submission(server, account):
    smtp = smtplib.SMTP_SSL("localhost", server.ports["submissions"], context=server.tls)
    smtp.login(account.address, account.password)
    return smtp


def send(smtp, account, *recipients):
    smtp.sendmail(account.address, recipients, f"From: <{account.address}>\r\nSubject: x\r\n\r\nx\r\n")


def inbox(server, account):
    client = Imap(server.connect("imaps"))
    client.login(account)
    client.ok("SELECT INBOX")
    return client


def test_an_account_writes_to_as_many_as_it_may_and_its_owner_is_told(server):
    account, admin = server.new_account(), server.new_account("boss")
    server.cli("alias", "set", "admin@example.test", admin.address)
    with submission(server, account) as smtp:
        send(smtp, account, *(f"r{n}@elsewhere.test" for n in range(3)))
        # Two more are within the limit; of three, the third is not.
        smtp.mail(account.address)
        assert [smtp.rcpt(f"s{n}@elsewhere.test")[0] for n in range(3)] == [250, 250, 450]
        smtp.rset()
        send(smtp, account, "t1@elsewhere.test", "t2@elsewhere.test")
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
            send(smtp, account, "u@elsewhere.test")
        code, said = refused.value.recipients["u@elsewhere.test"]
        assert code == 450 and b"4.7.28" in said
        # People here are no strangers.
        send(smtp, account, admin.address)
    for one, number in ((account, 1), (admin, 2)):
        notices = text(arrived(inbox(server, one), number), 1)
        assert b"Subject: Sending paused" in notices and account.address.encode() in notices
    assert "sends no more" in server.log.read_text()
    # Nothing of it is forgotten, and nobody is told twice a day.
    server.kill()
    server.start()
    with submission(server, account) as smtp, pytest.raises(smtplib.SMTPRecipientsRefused):
        send(smtp, account, "v@elsewhere.test")
    assert inbox(server, account).ok("STATUS INBOX (MESSAGES)").of(b"STATUS")[0].endswith(b"(MESSAGES 1)")
