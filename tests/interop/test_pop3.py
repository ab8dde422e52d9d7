"""POP3 against the shipped binary: login, reading, deleting, limits, what a hostile client does."""

import base64
import hashlib
import hmac
import poplib
import re
import secrets

import pytest


def letter(number, text="text"):
    return f"Subject: letter {number}\r\n\r\n{text}\r\n".encode()


def client(palomar, account=None, login=True):
    """A poplib client over TLS."""
    pop3 = poplib.POP3_SSL("localhost", palomar.ports["pop3s"], context=palomar.tls, timeout=30)
    if login:
        pop3.user(account.address)
        pop3.pass_(account.password)
    return pop3


def octets(answer):
    """The message of poplib's RETR or TOP."""
    return b"".join(line + b"\r\n" for line in answer[1])


@pytest.fixture
def box(palomar, account):
    """An account with three letters in INBOX."""
    with palomar.imap(account) as imap:
        for number in range(1, 4):
            imap.append("INBOX", None, None, letter(number))
    return account


def uids(pop3):
    return [line.split()[1] for line in pop3.uidl()[1]]


def test_a_session(palomar, box):
    pop3 = client(palomar, box)
    total = sum(len(letter(number)) for number in range(1, 4))
    assert pop3.stat() == (3, total)
    assert pop3.list()[1] == [f"{n} {len(letter(n))}".encode() for n in range(1, 4)]
    assert pop3.list(2) == f"+OK 2 {len(letter(2))}".encode()
    assert octets(pop3.retr(3)) == letter(3)
    assert octets(pop3.top(1, 0)) == b"Subject: letter 1\r\n\r\n"
    assert octets(pop3.top(1, 9)) == letter(1)
    assert all(re.fullmatch(rb"[!-~]{1,70}", uid) for uid in uids(pop3))
    assert pop3.noop().startswith(b"+OK")
    with pytest.raises(poplib.error_proto, match="No such message"):
        pop3.retr(4)
    assert pop3.quit().startswith(b"+OK")


def test_capabilities_and_stls(palomar, box):
    pop3 = poplib.POP3("localhost", palomar.ports["pop3"], timeout=30)
    clear = pop3.capa()
    assert "STLS" in clear and "USER" not in clear and "SASL" not in clear
    for said in (f"USER {box.address}", "AUTH PLAIN AGEAYg==", "APOP a b"):
        with pytest.raises(poplib.error_proto, match=r"-ERR"):
            pop3._shortcmd(said)
    pop3.stls(context=palomar.tls)
    secure = pop3.capa()
    assert "STLS" not in secure and "PLAIN" in secure["SASL"] and "SCRAM-SHA-256" in secure["SASL"]
    for name in ("TOP", "UIDL", "USER", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "UTF8", "LANG"):
        assert name in secure
    assert secure["EXPIRE"] == ["NEVER"]
    pop3.user(box.address)
    pop3.pass_(box.password)
    assert pop3.stat()[0] == 3
    pop3.quit()


def test_wrong_passwords(palomar, box):
    pop3 = client(palomar, login=False)
    pop3.user(box.address)
    with pytest.raises(poplib.error_proto, match=r"\[AUTH\]"):
        pop3.pass_(box.password + "x")
    pop3.user(f"nobody{secrets.token_hex(4)}@example.test")
    with pytest.raises(poplib.error_proto, match=r"\[AUTH\]"):
        pop3.pass_(box.password)
    pop3.user(box.address)
    assert b"3 messages" in pop3.pass_(box.password)
    pop3.quit()


def coded(data):
    return base64.b64encode(data if isinstance(data, bytes) else data.encode()).decode()


def test_auth_plain_login_and_list(palomar, box):
    plain = coded(f"\0{box.address}\0{box.password}")
    for said in (
        [f"AUTH PLAIN {plain}"],
        ["auth plain", plain],
        ["AUTH LOGIN", coded(box.address), coded(box.password)],
        [f"AUTH LOGIN {coded(box.address)}", coded(box.password)],
    ):
        with palomar.connect("pop3s") as raw:
            assert raw.line().startswith(b"+OK")
            for line in said:
                raw.send(line + "\r\n")
                answer = raw.line()
            assert answer.startswith(b"+OK"), (said, answer)
            raw.send("QUIT\r\n")
            assert raw.line().startswith(b"+OK")
    with palomar.connect("pop3s") as raw:
        raw.line()
        # Quirk: a trailing space and no mechanism asks for the list.
        raw.send("AUTH \r\n")
        assert raw.line().startswith(b"+OK")
        assert raw.line() == b"PLAIN"
        while raw.line() != b".":
            pass
        raw.send("AUTH PLAIN\r\n*\r\nAUTH GSSAPI\r\n")
        assert raw.line() == b"+ "
        assert raw.line().startswith(b"-ERR")
        assert raw.line().startswith(b"-ERR")


def test_auth_scram(palomar, box):
    """A client's side of RFC 5802 with hashlib, checking the server's proof too."""
    with palomar.connect("pop3s") as raw:
        raw.line()
        bare = f"n={box.address},r={secrets.token_hex(12)}"
        raw.send(f"AUTH SCRAM-SHA-256 {coded('n,,' + bare)}\r\n")
        first = base64.b64decode(raw.line()[2:]).decode()
        fields = dict(field.split("=", 1) for field in first.split(","))
        salt = base64.b64decode(fields["s"])
        salted = hashlib.pbkdf2_hmac("sha256", box.password.encode(), salt, int(fields["i"]))
        key = hmac.digest(salted, b"Client Key", "sha256")
        without_proof = f"c=biws,r={fields['r']}"
        said = f"{bare},{first},{without_proof}".encode()
        signature = hmac.digest(hashlib.sha256(key).digest(), said, "sha256")
        proof = bytes(a ^ b for a, b in zip(key, signature))
        raw.send(coded(f"{without_proof},p={coded(proof)}") + "\r\n")
        last = base64.b64decode(raw.line()[2:])
        server_key = hmac.digest(salted, b"Server Key", "sha256")
        assert last.decode() == "v=" + coded(hmac.digest(server_key, said, "sha256"))
        raw.send("\r\nSTAT\r\n")
        assert b"Logged in" in raw.line()
        assert raw.line().startswith(b"+OK 3 ")


def test_pipelining(palomar, box):
    with palomar.connect("pop3s") as raw:
        raw.send(
            f"USER {box.address}\r\nPASS {box.password}\r\nSTAT\r\nLIST\r\nRETR 1\r\nDELE 1\r\nRETR 1\r\n"
            "RSET\r\nTOP 2 0\r\nQUIT\r\nNOOP\r\n"
        )
        heard = raw.rest()
    lines = [line for line in heard.split(b"\r\n") if line[:1] in b"+-" and line]
    words = [line.split()[0] for line in lines]
    assert words == [b"+OK"] * 7 + [b"-ERR"] + [b"+OK"] * 3, heard
    assert lines[-1] == b"+OK Bye"


def test_dele_rset_and_quit(palomar, box):
    pop3 = client(palomar, box)
    before = uids(pop3)
    pop3.dele(1)
    assert [line.split()[0] for line in pop3.list()[1]] == [b"2", b"3"]
    for command in (pop3.retr, pop3.dele, pop3.list, pop3.uidl):
        with pytest.raises(poplib.error_proto):
            command(1)
    pop3.rset()
    assert pop3.stat()[0] == 3
    pop3.dele(2)
    pop3.quit()
    pop3 = client(palomar, box)
    assert uids(pop3) == [before[0], before[2]]
    # Without QUIT nothing is deleted.
    pop3.dele(1)
    pop3.close()
    pop3 = client(palomar, box)
    assert uids(pop3) == [before[0], before[2]]
    pop3.quit()


def test_one_session_at_a_time(palomar, box):
    first = client(palomar, box)
    second = client(palomar, login=False)
    second.user(box.address)
    with pytest.raises(poplib.error_proto, match=r"\[IN-USE\]"):
        second.pass_(box.password)
    assert first.stat()[0] == 3
    first.quit()
    second.user(box.address)
    second.pass_(box.password)
    assert second.stat()[0] == 3
    # A session that breaks off leaves no lock behind.
    second.close()
    third = client(palomar, box)
    assert third.stat()[0] == 3
    third.quit()


def test_every_octet_of_a_message_is_kept(palomar, account):
    texts = [
        ".\r\n..\r\n.x\r\n...", "", "\r\n\r\n", "x" * 5_000, "ñ ü € 🕊", "a\tb \x01\x7f",
        "line\r\n" * 60_000,
    ]
    sent = [letter(number, text) for number, text in enumerate(texts)]
    with palomar.imap(account) as imap:
        for message in sent:
            assert imap.append("INBOX", None, None, message)[0] == "OK"
    with palomar.connect("pop3s") as raw:
        raw.send(f"USER {account.address}\r\nPASS {account.password}\r\n")
        for _ in range(3):
            assert raw.line().startswith(b"+OK")
        for number, message in enumerate(sent, 1):
            raw.send(f"LIST {number}\r\nRETR {number}\r\n")
            assert raw.line() == f"+OK {number} {len(message)}".encode()
            assert raw.line() == f"+OK {len(message)} octets".encode()
            stuffed = re.sub(rb"(?m)^\.", b"..", message)
            assert raw.octets(len(stuffed)) == stuffed
            assert raw.octets(3) == b".\r\n"


def test_what_was_appended_with_bare_line_feeds_is_sent_with_crlf(palomar, account):
    with palomar.connect("imaps") as raw:
        message = b"Subject: lf\nX: \0\n\n.dot\nno end"
        raw.send(f"a LOGIN {account.address} {account.password}\r\n")
        raw.send(b"b APPEND INBOX {%d+}\r\n%s\r\nc LOGOUT\r\n" % (len(message), message))
        assert b"b OK" in raw.rest()
    pop3 = client(palomar, account)
    assert octets(pop3.retr(1)) == b"Subject: lf\r\nX: \0\r\n\r\n.dot\r\nno end\r\n"
    assert octets(pop3.top(1, 1)) == b"Subject: lf\r\nX: \0\r\n\r\n.dot\r\n"
    pop3.quit()


@pytest.mark.parametrize("said", [
    b"USER " + b"x" * 506, b"\0\0\0\0", b"\xff\xfe RETR", b"", b"RETR 1", b"RETR -1", b"LIST a b",
    b"PASS", b"STLS now", b"AUTH PLAIN " + b"A" * 12_000, b"AUTH PLAIN =", b"AUTH PLAIN ====",
])
def test_bad_commands_are_borne(palomar, said):
    with palomar.connect("pop3s") as raw:
        raw.line()
        raw.send(said + b"\r\n")
        assert raw.line().startswith(b"-ERR")
        raw.send("CAPA\r\n")
        assert raw.line().startswith(b"+OK")


def test_endless_lines_and_errors_are_cut_off(palomar):
    before = palomar.resident_octets()
    with palomar.connect("pop3s") as raw:
        raw.line()
        for _ in range(256):
            raw.send(b"x" * (1 << 16))
        assert raw.line() == b"-ERR Line is too long"
        raw.send("\r\nCAPA\r\n")
        assert raw.line().startswith(b"+OK")
    assert palomar.resident_octets() - before < 8 << 20
    with palomar.connect("pop3s") as raw:
        raw.send("FOO\r\n" * 50)
        heard = raw.rest()
    assert heard.count(b"-ERR Unknown command") == 11
    assert heard.endswith(b"closing connection\r\n")


def test_other_protocols_are_cut_off(palomar):
    with palomar.connect("pop3") as raw:
        raw.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        heard = raw.rest()
    assert heard.count(b"\r\n") == 2 and b"-ERR" in heard
