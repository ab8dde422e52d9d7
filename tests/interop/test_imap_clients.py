"""Python's own client and IMAPClient, over TLS and STARTTLS."""

import asyncio
import imaplib

import aioimaplib
import imapclient
import pytest
from imap_wire import letter


def test_imaplib_over_tls(palomar, account):
    with palomar.imap(account) as client:
        assert client.capability()[0] == "OK"
        assert client.append("INBOX", r"(\Flagged)", imaplib.Time2Internaldate(86400), letter())[0] == "OK"
        kind, data = client.select("INBOX")
        assert (kind, data) == ("OK", [b"1"])
        assert client.search(None, "FLAGGED") == ("OK", [b"1"])
        kind, data = client.fetch("1", "(RFC822 INTERNALDATE)")
        assert data[0][1] == letter()
        assert b"02-Jan-1970 00:00:00 +0000" in data[0][0] + data[1]
        assert client.store("1", "+FLAGS", r"(\Deleted $Label1)")[0] == "OK"
        kind, data = client.fetch("1", "(FLAGS)")
        wanted = {rb"\Seen", rb"\Flagged", rb"\Deleted", b"$Label1"}
        assert wanted == set(imaplib.ParseFlags(data[0])) - {rb"\Recent"}
        assert client.expunge() == ("OK", [b"1"])
        assert client.create("Ablage/2026")[0] == "OK"
        assert any(b'"Ablage/2026"' in line for line in client.list()[1])
        assert client.rename("Ablage/2026", "Ablage/2027")[0] == "OK"
        assert client.delete("Ablage/2027")[0] == "OK"
        assert client.close()[0] == "OK"


def test_imaplib_over_starttls(palomar, account):
    client = imaplib.IMAP4("localhost", palomar.ports["imap"], timeout=30)
    with client:
        assert "STARTTLS" in client.capabilities
        assert "LOGINDISABLED" in client.capabilities
        with pytest.raises(imaplib.IMAP4.error):
            client.login(account.address, account.password)
        assert client.starttls(palomar.tls)[0] == "OK"
        assert "STARTTLS" not in client.capabilities
        assert client.login(account.address, account.password)[0] == "OK"
        assert client.select("INBOX")[0] == "OK"


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256"])
def test_mechanisms_are_offered(palomar, mechanism):
    client = imaplib.IMAP4_SSL("localhost", palomar.ports["imaps"], ssl_context=palomar.tls)
    with client:
        assert f"AUTH={mechanism}" in client.capabilities


def test_imaplib_authenticate_plain(palomar, account):
    client = imaplib.IMAP4_SSL("localhost", palomar.ports["imaps"], ssl_context=palomar.tls)
    with client:
        said = f"\0{account.address}\0{account.password}".encode()
        assert client.authenticate("PLAIN", lambda _: said)[0] == "OK"


def test_a_wrong_password_is_refused(palomar, account):
    client = imaplib.IMAP4_SSL("localhost", palomar.ports["imaps"], ssl_context=palomar.tls)
    with client, pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
        client.login(account.address, account.password + "x")


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
def test_imapclient(palomar, account, tls):
    implicit = tls == "implicit"
    port = palomar.ports["imaps" if implicit else "imap"]
    client = imapclient.IMAPClient("localhost", port, ssl=implicit, ssl_context=palomar.tls)
    with client:
        if not implicit:
            client.starttls(palomar.tls)
        client.login(account.address, account.password)
        assert client.namespace().personal == (("", "/"),)
        client.id_({"name": "test"})
        assert client.find_special_folder(imapclient.imapclient.SENT) == "Sent"
        client.create_folder("Räume & Zeiten")
        assert "Räume & Zeiten" in [name for _, _, name in client.list_folders()]
        for number in range(1, 6):
            client.append("INBOX", letter(number))
        assert client.select_folder("INBOX")[b"EXISTS"] == 5
        assert client.search(["SUBJECT", "letter 3"]) == [3]
        assert client.search("NOT SEEN") == [1, 2, 3, 4, 5]
        client.add_flags([1, 2], [imapclient.SEEN, "Old"])
        assert {imapclient.SEEN, b"Old"} <= set(client.get_flags([1])[1])
        got = client.fetch([1, 2], ["ENVELOPE", "BODYSTRUCTURE", "RFC822.SIZE", "BODY.PEEK[]"])
        assert got[1][b"ENVELOPE"].subject == b"letter 1"
        assert got[2][b"RFC822.SIZE"] == len(letter(2))
        assert got[2][b"BODY[]"] == letter(2)
        client.copy([1], "Räume & Zeiten")
        client.move([2], "Räume & Zeiten")
        client.delete_messages([3])
        client.uid_expunge([3])
        assert client.search() == [1, 4, 5]
        assert client.folder_status("Räume & Zeiten", ["MESSAGES"]) == {b"MESSAGES": 2}
        client.unselect_folder()
        client.delete_folder("Räume & Zeiten")
        client.logout()


def test_aioimaplib_hears_new_mail_while_idle(palomar, account):
    async def session():
        client = aioimaplib.IMAP4_SSL("localhost", palomar.ports["imaps"], ssl_context=palomar.tls)
        await client.wait_hello_from_server()
        await client.login(account.address, account.password)
        await client.select("INBOX")
        idle = await client.idle_start(timeout=60)
        with palomar.imap(account) as other:
            assert other.append("INBOX", None, None, letter())[0] == "OK"
        assert b"1 EXISTS" in await client.wait_server_push(30)
        client.idle_done()
        await asyncio.wait_for(idle, 30)
        kind, lines = await client.uid("fetch", "1", "(BODY.PEEK[])")
        assert kind == "OK" and letter() in [bytes(line) for line in lines]
        await client.logout()

    asyncio.run(session())
