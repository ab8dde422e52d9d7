"""Clients that mean harm: each costs bounded memory and hears a clear reply."""

import contextlib
import random
import socket
import ssl
import threading

import pytest
from imap_wire import Imap, Literal, letter

GROWTH_OCTETS_MAX = 48 << 20


@pytest.fixture
def bounded(palomar, account):
    """Fails when the server's memory has grown by more than a test should cost."""
    with palomar.imap(account):
        pass
    before = palomar.resident_octets()
    yield
    assert palomar.resident_octets() - before < GROWTH_OCTETS_MAX


def still_works(palomar, account):
    with palomar.imap(account) as client:
        assert client.select("INBOX")[0] == "OK"


def last_words(client):
    """What is said before the connection ends."""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        return client.raw.rest()
    return b""


@pytest.mark.parametrize("command", [
    "SEARCH " + "(" * 100_000,
    "SEARCH " + "NOT " * 100_000 + "ALL",
    "SEARCH " + "OR ALL " * 50_000 + "ALL",
    "FETCH 1 " + "(" * 100_000,
    "LIST (" + "(" * 100_000,
    'ID (' + '("' * 100_000,
])
def test_nesting_is_refused(palomar, account, imap, bounded, command):
    client = imap()
    client.bad(command)
    client.ok("NOOP")


def test_a_line_without_end(palomar, account, bounded):
    with Imap(palomar.connect("imaps")) as client:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            for _ in range(64):
                client.raw.send(b"x" * (1 << 20))
    still_works(palomar, account)


@pytest.mark.parametrize("octets", [1 << 30, 1 << 32, (1 << 63) - 1, 10**30])
@pytest.mark.parametrize("plus", [b"", b"+"])
def test_gigabyte_literals_are_refused(palomar, account, imap, bounded, octets, plus):
    client = imap()
    client.raw.send(b"a APPEND INBOX {%d%s}\r\n" % (octets, plus))
    heard = client.response()
    assert heard.startswith((b"a NO [TOOBIG]", b"a BAD", b"* BYE")), heard
    still_works(palomar, account)


@pytest.mark.parametrize("octets", [1 << 20, 1 << 30, 10**25])
def test_literals_before_login_are_small(palomar, account, bounded, octets):
    with Imap(palomar.connect("imaps")) as client:
        client.raw.send(b"a LOGIN {%d}\r\n" % octets)
        heard = client.response()
        assert heard.startswith((b"a BAD", b"a NO", b"* BYE")), heard


def test_announced_literals_cost_nothing_until_they_come(palomar, account, imap, bounded):
    (line,) = imap().ok("CAPABILITY").of(b"CAPABILITY")
    limit = int(line.split(b"APPENDLIMIT=")[1].split()[0])
    for _ in range(3):
        client = imap(select=None)
        client.raw.send(b"a APPEND INBOX {%d}\r\n" % limit)
        assert client.response().startswith(b"+ ")
    still_works(palomar, account)


def test_octet_by_octet(imap):
    client = imap()
    for octet in b"a SEARCH 1:* NOT DELETED\r\n":
        client.raw.send(bytes([octet]))
    assert client.until(b"a OK")


def test_a_client_that_never_reads(palomar, account, imap, bounded):
    """Its own session stops; memory stays bounded and others go on."""
    writer = imap()
    writer.append(letter(1, body="".join(f"{n:078}\r\n" for n in range(50_000))))
    deaf = imap(select="INBOX")
    asked = b"".join(b"d%d FETCH 1 (BODY.PEEK[])\r\n" % n for n in range(500))
    deaf.raw.send(asked)
    still_works(palomar, account)
    # It can still read all of what it asked, when it likes to: two of them now.
    assert deaf.until(b"d0 OK") and deaf.until(b"d1 OK")


def test_a_client_that_leaves_in_the_middle(palomar, account, imap):
    writer = imap()
    writer.append(letter(1, body="x" * 4_000_000))
    for said in (b"a FETCH 1 (BODY.PEEK[])\r\n", b"a APPEND INBOX {100+}\r\nhalf", b"a IDLE\r\n"):
        client = imap()
        client.raw.send(said)
        client.raw.close()
    assert writer.ok("STATUS INBOX (MESSAGES)").of(b"STATUS") == [b"INBOX (MESSAGES 1)"]


def test_too_many_errors_end_the_session(palomar):
    with Imap(palomar.connect("imaps")) as client:
        client.raw.send(b"a BOGUS\r\n" * 100)
        assert b"* BYE" in last_words(client)


def test_http_on_the_imap_port(palomar):
    with Imap(palomar.connect("imap")) as client:
        client.raw.send(b"GET / HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n")
        assert client.response().startswith(b"GET BAD")


def test_no_password_in_clear(palomar, account):
    with Imap(palomar.connect("imap")) as client:
        assert client.no("LOGIN", account.address, account.password).code == b"PRIVACYREQUIRED"
        client.raw.send(b"a AUTHENTICATE PLAIN AGEAYg==\r\n")
        assert client.until(b"a NO")


def test_starttls_drops_what_came_before(palomar):
    with Imap(palomar.connect("imap")) as client:
        client.raw.send(b"a STARTTLS\r\nb NOOP\r\n")
        assert client.response().startswith(b"a OK")
        client.raw.buffer = b""
        client.raw.starttls(palomar.tls)
        client.raw.send(b"c NOOP\r\n")
        assert client.response().startswith(b"c OK")
        client.bad("STARTTLS")


def test_wide_sets(imap, bounded):
    client = imap()
    client.append(letter(1))
    client.ok("NOOP")
    everything = ",".join(f"{n}:4294967295" for n in range(1, 20_000))
    assert len(client.ok(f"UID FETCH {everything} (UID)").fetches) == 1
    client.ok("ENABLE QRESYNC")
    client.ok("UID FETCH 1:4294967295 (FLAGS) (CHANGEDSINCE 1 VANISHED)")
    client.ok(r"STORE 1:4294967295 +FLAGS (\Seen)")
    client.ok("SEARCH UID 1:4294967295 4294967295:1")
    client.ok("SELECT INBOX (QRESYNC (1 1 1:4294967295 (1:4294967295 1:4294967295)))")


def test_wild_patterns(imap, bounded):
    client = imap(select=None)
    client.ok("CREATE", "/".join(["a" * 20] * 30))
    client.ok("LIST", '""', '"' + "*a%" * 5_000 + '"')
    client.ok("LIST", '""', "(" + " ".join(['"*%*%*b"'] * 100) + ")")


def test_random_octets(palomar, account, bounded):
    """Nothing that is said before or after login ends anything but its own session."""
    dice = random.Random(20261123)
    words = [b"a", b"FETCH", b"UID", b"SEARCH", b"1:*", b"(", b")", b"BODY[", b"]", b"<0.1>", b'"', b"\\",
             b"{3}", b"{3+}", b"~{2}", b"\r\n", b"\n", b"\0", b"\xff", b"STORE", b"FLAGS", b"LIST", b"*", b"%",
             b"NOT", b"OR", b"APPEND", b"INBOX", b"SELECT", b"QRESYNC", b"RETURN", b"IDLE", b"DONE"]
    for login in (False, True):
        for _ in range(20):
            with Imap(palomar.connect("imaps")) as client:
                if login:
                    client.login(account)
                    client.ok("SELECT INBOX")
                said = b"".join(
                    dice.choice(words) + dice.choice((b" ", b"", b" ")) for _ in range(dice.randrange(300))
                )
                with contextlib.suppress(ConnectionError, ssl.SSLError):
                    client.raw.send(said + b"\r\nz LOGOUT\r\n")
                    # The end of input ends a session whatever it was in the middle of.
                    client.raw.sock.shutdown(socket.SHUT_WR)
                    client.raw.rest()
    still_works(palomar, account)


def test_many_connections_that_say_nothing(palomar, account, bounded):
    held = [palomar.connect("imap") for _ in range(200)]
    still_works(palomar, account)
    for raw in held:
        raw.close()


def test_half_a_tls_handshake(palomar, account):
    sock = socket.create_connection((palomar.host, palomar.ports["imaps"]))
    with sock:
        sock.sendall(b"\x16\x03\x01\x02\x00")
        still_works(palomar, account)


def test_appends_at_once_into_one_mailbox(palomar, account, imap):
    """Uids are each given once, in order."""
    uids, lock = [], threading.Lock()

    def work(client):
        for number in range(20):
            uid = client.append(letter(number))
            with lock:
                uids.append(uid)

    threads = [threading.Thread(target=work, args=(imap(select=None),)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(uids) == list(range(1, 161))
    client = imap()
    assert [n for n, _ in client.ok("FETCH 1:* (UID)").fetches] == list(range(1, 161))
