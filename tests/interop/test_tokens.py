"""Tokens: OAUTHBEARER and XOAUTH2 with Python's own clients, and sessions that end when what they
logged in with is good no longer."""

import base64
import imaplib
import json
import poplib
import smtplib

import pytest

DUMMY = {"OAUTHBEARER": "\1", "XOAUTH2": ""}


def bearer(mechanism, address, token):
    if mechanism == "XOAUTH2":
        return f"user={address}\1auth=Bearer {token}\1\1"
    return f"n,a={address},\1host=localhost\1port=993\1auth=Bearer {token}\1\1"


def coded(text):
    return base64.b64encode(text.encode()).decode()


def add(palomar, account, *words, name="test"):
    told = palomar.cli("token", "add", account.address, "--name", name, *words, "--json")
    return json.loads(told)["token"]["token"]


def tokens(palomar, account):
    return json.loads(palomar.cli("token", "list", account.address, "--json"))["tokens"]


def imap(palomar, mechanism, address, token):
    client = imaplib.IMAP4_SSL("localhost", palomar.ports["imaps"], ssl_context=palomar.tls, timeout=30)
    assert f"AUTH={mechanism}" in client.capabilities
    reasons = []

    def answer(challenge):
        if not challenge:
            return bearer(mechanism, address, token).encode()
        reasons.append(json.loads(challenge))
        return DUMMY[mechanism].encode()

    try:
        client.authenticate(mechanism, answer)
    except imaplib.IMAP4.error as error:
        client.shutdown()
        return str(error), reasons
    return client, reasons


class Pop3(poplib.POP3_SSL):
    def bearer(self, mechanism, address, token):
        """The last answer, and the reasons heard before."""
        assert mechanism in self.capa()["SASL"]
        self._putcmd(f"AUTH {mechanism} {coded(bearer(mechanism, address, token))}")
        line, _ = self._getline()
        reasons = []
        if line.startswith(b"+ "):
            reasons.append(json.loads(base64.b64decode(line[2:])))
            self._putcmd(coded(DUMMY[mechanism]))
            line, _ = self._getline()
        return line, reasons


def pop3(palomar):
    return Pop3("localhost", palomar.ports["pop3s"], context=palomar.tls, timeout=30)


def submission(palomar, mechanism, address, token):
    client = smtplib.SMTP("localhost", palomar.ports["submission"], timeout=30)
    client.ehlo()
    assert "auth" not in client.esmtp_features
    client.starttls(context=palomar.tls)
    client.ehlo()
    assert mechanism in client.esmtp_features["auth"].split()
    reasons = []

    def answer(challenge=None):
        if challenge is None:
            return bearer(mechanism, address, token)
        reasons.append(json.loads(challenge))
        return DUMMY[mechanism]

    try:
        client.auth(mechanism, answer)
    except smtplib.SMTPAuthenticationError as error:
        client.close()
        return error.smtp_code, reasons
    return client, reasons


@pytest.mark.parametrize("mechanism", DUMMY)
def test_all_protocols_with_one_token(palomar, account, mechanism):
    token = add(palomar, account)
    client, reasons = imap(palomar, mechanism, account.address, token)
    assert client.select("INBOX")[0] == "OK" and not reasons
    client.logout()
    pop = pop3(palomar)
    line, reasons = pop.bearer(mechanism, account.address, token)
    assert line.startswith(b"+OK") and not reasons
    pop.quit()
    smtp, reasons = submission(palomar, mechanism, account.address, token)
    text = f"From: {account.address}\r\nSubject: by token\r\n\r\nx\r\n"
    assert smtp.sendmail(account.address, [account.address], text) == {} and not reasons
    smtp.quit()


@pytest.mark.parametrize("mechanism", DUMMY)
def test_what_a_wrong_token_hears(fresh_palomar, mechanism):
    # Failed logins slow down their address, which other tests share.
    palomar, account = fresh_palomar, fresh_palomar.accounts[0]
    token = add(palomar, account, "--scope", "imap")
    invalid, scope = {
        "OAUTHBEARER": ("invalid_token", "insufficient_scope"),
        "XOAUTH2": ("401", "403"),
    }[mechanism]
    wrong = token[:-6] + ("AAAAAA" if token[-6:] != "AAAAAA" else "BBBBBB")
    error, reasons = imap(palomar, mechanism, account.address, wrong)
    assert "AUTHENTICATIONFAILED" in error
    assert reasons[0]["status"] == invalid and reasons[0]["scope"] == "imap"
    # Somebody else's.
    _, reasons = imap(palomar, mechanism, palomar.new_account().address, token)
    assert reasons[0]["status"] == invalid
    # The password is no token.
    _, reasons = imap(palomar, mechanism, account.address, account.password)
    assert reasons[0]["status"] in (invalid, "invalid_request", "400")
    pop = pop3(palomar)
    line, reasons = pop.bearer(mechanism, account.address, token)
    assert line.startswith(b"-ERR [AUTH]")
    assert reasons[0]["status"] == scope and reasons[0]["scope"] == "pop"
    pop.close()
    code, reasons = submission(palomar, mechanism, account.address, token)
    assert code == 535 and reasons[0]["status"] == scope and reasons[0]["scope"] == "smtp"


def test_a_token_needs_no_address(palomar, account):
    token = add(palomar, account)
    client = imaplib.IMAP4_SSL("localhost", palomar.ports["imaps"], ssl_context=palomar.tls, timeout=30)
    client.authenticate("OAUTHBEARER", lambda _: f"n,,\1auth=Bearer {token}\1\1".encode())
    assert client.select("INBOX")[0] == "OK"
    client.logout()


def test_listing(palomar, account):
    add(palomar, account, "--scope", "imap,smtp", "--expires", "90d", name="laptop")
    token = add(palomar, account, name="phone")
    laptop, phone = tokens(palomar, account)
    assert laptop["name"] == "laptop" and laptop["scopes"] == ["imap", "smtp"]
    assert laptop["expires"] - laptop["made"] == 90 * 86_400 and laptop["used"] is None
    assert phone["scopes"] == ["imap", "pop", "smtp"] and phone["expires"] is None
    assert token not in json.dumps([laptop, phone])
    text = palomar.cli("token", "list", account.address)
    assert "laptop  imap,smtp  made" in text and "never" in text
    palomar.cli("token", "add", account.address, "--name", "phone", codes=(3,))
    palomar.cli("token", "add", account.address, "--name", "x", "--scope", "all", codes=(2,))
    palomar.cli("token", "add", account.address, "--name", "x", "--expires", "0d", codes=(3,))
    palomar.cli("token", "revoke", account.address, "watch", codes=(3,))


def idling(palomar, account, token=None):
    """A raw IMAP connection that is logged in and idles."""
    raw = palomar.connect("imaps")
    raw.line()
    if token is None:
        raw.send(f"a LOGIN {account.address} {account.password}\r\n")
    else:
        raw.send(f"a AUTHENTICATE OAUTHBEARER {coded(bearer('OAUTHBEARER', account.address, token))}\r\n")
    assert raw.line().startswith(b"a OK")
    raw.send("b SELECT INBOX\r\n")
    while not raw.line().startswith(b"b OK"):
        pass
    raw.send("c IDLE\r\n")
    assert raw.line().startswith(b"+ ")
    return raw


def waiting_pop3(palomar, account):
    raw = palomar.connect("pop3s")
    raw.send(f"USER {account.address}\r\nPASS {account.password}\r\n")
    assert [raw.line()[:3] for _ in range(3)] == [b"+OK"] * 3
    return raw


def waiting_submission(palomar, account):
    raw = palomar.connect("submissions")
    raw.send("EHLO x\r\n")
    while not raw.line().startswith(b"250 "):
        pass
    raw.send(f"AUTH PLAIN {coded(chr(0) + account.address + chr(0) + account.password)}\r\n")
    while not (line := raw.line()).startswith(b"235"):
        assert line.startswith(b"2")
    return raw


def test_revoking_ends_the_sessions_of_that_token_alone(palomar, account):
    laptop, phone = (add(palomar, account, name=name) for name in ("laptop", "phone"))
    with idling(palomar, account, laptop) as ended, idling(palomar, account, phone) as stays:
        with idling(palomar, account) as own:
            palomar.cli("token", "revoke", account.address, "laptop")
            assert ended.rest() == b"* BYE [CONTACTADMIN] Access was withdrawn\r\n"
            for raw in (stays, own):
                raw.send("DONE\r\n")
                assert raw.line().startswith(b"c OK")
    _, reasons = imap(palomar, "OAUTHBEARER", account.address, laptop)
    assert reasons[0]["status"] == "invalid_token"


@pytest.mark.parametrize("how", ["disable", "remove"])
def test_an_account_that_goes_ends_its_sessions(palomar, account, how):
    token = add(palomar, account)
    other = palomar.new_account()
    sessions = [
        (idling(palomar, account), b"* BYE [CONTACTADMIN] Access was withdrawn\r\n"),
        (idling(palomar, account, token), b"* BYE [CONTACTADMIN] Access was withdrawn\r\n"),
        (waiting_pop3(palomar, account), b"-ERR [AUTH] Access was withdrawn\r\n"),
        (waiting_submission(palomar, account), b"421 4.7.0 Access was withdrawn, closing connection\r\n"),
    ]
    with idling(palomar, other) as stays:
        palomar.cli("account", how, account.address, *(["--yes"] if how == "remove" else []))
        for raw, goodbye in sessions:
            assert raw.rest() == goodbye
            raw.close()
        stays.send("DONE\r\n")
        assert stays.line().startswith(b"c OK")
    _, reasons = imap(palomar, "OAUTHBEARER", account.address, token)
    assert reasons[0]["status"] == "invalid_token"


def test_a_new_password_ends_the_sessions_of_the_old(palomar, account):
    token = add(palomar, account)
    with idling(palomar, account) as ended, idling(palomar, account, token) as stays:
        palomar.cli("password", "set", account.address, "--password-stdin", stdin="another password")
        assert ended.rest().startswith(b"* BYE ")
        stays.send("DONE\r\n")
        assert stays.line().startswith(b"c OK")


def test_a_token_that_expires_ends_its_session(palomar, account):
    token = add(palomar, account, "--expires", "10s")
    with idling(palomar, account, token) as raw:
        assert raw.rest().startswith(b"* BYE ")
