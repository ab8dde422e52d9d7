"""COMPRESS=DEFLATE (RFC 4978), seen with Python's zlib as the other side."""

import contextlib
import ssl
import zlib

import pytest
from imap_wire import Imap, Literal, letter

GROWTH_OCTETS_MAX = 48 << 20
BOMB_OCTETS = 100 << 20


class Deflated:
    """A connection's socket, compressed in both directions."""

    def __init__(self, sock):
        self.sock = sock
        self.packer = zlib.compressobj(wbits=-15)
        self.unpacker = zlib.decompressobj(wbits=-15)
        self.packed_octets = 0

    def settimeout(self, seconds):
        self.sock.settimeout(seconds)

    def sendall(self, data):
        self.sock.sendall(self.packer.compress(data) + self.packer.flush(zlib.Z_SYNC_FLUSH))

    def recv(self, octets):
        """What a packet holds; what is said must be whole in what came."""
        while packed := self.sock.recv(octets):
            self.packed_octets += len(packed)
            if clear := self.unpacker.decompress(packed):
                return clear
        return b""

    def close(self):
        self.sock.close()


def compress(client):
    client.ok("COMPRESS DEFLATE")
    assert not client.raw.buffer
    client.raw.sock = Deflated(client.raw.sock)
    return client


def last_words(client):
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        return client.raw.rest()
    return b""


def bomb():
    """Zeros that inflate to BOMB_OCTETS, in pieces to send."""
    packer = zlib.compressobj(9, wbits=-15)
    for _ in range(BOMB_OCTETS >> 20):
        yield packer.compress(bytes(1 << 20))
    yield packer.flush(zlib.Z_SYNC_FLUSH)


@pytest.mark.parametrize("protocol", ["imaps", "imap"])
def test_a_session(palomar, account, imap, protocol):
    client = imap(login=False, protocol=protocol)
    if protocol == "imap":
        client.ok("STARTTLS")
        client.raw.starttls(palomar.tls)
    client.bad("COMPRESS DEFLATE")
    client.login(account)
    (capabilities,) = client.ok("CAPABILITY").of(b"CAPABILITY")
    assert b"COMPRESS=DEFLATE" in capabilities.split()
    client.bad("COMPRESS LZ4")
    compress(client)
    assert client.no("COMPRESS DEFLATE").code == b"COMPRESSIONACTIVE"
    client.ok("SELECT INBOX")
    tags = [client.send("NOOP") for _ in range(50)]
    assert [client.answer(tag).word for tag in tags] == [b"OK"] * 50
    body = "".join(f"Line {number} of a text that is worth packing.\r\n" for number in range(50_000))
    message = letter(1, body=body)
    client.append(message)
    before = client.raw.sock.packed_octets
    ((_, fetched),) = client.ok("FETCH 1 BODY.PEEK[]").fetches
    assert message in fetched
    assert client.raw.sock.packed_octets - before < len(message) // 4
    client.ok("LOGOUT")
    assert last_words(client) == b""


def test_commands_behind_it_are_answered_in_clear(imap):
    client = imap()
    client.raw.send(b"a COMPRESS DEFLATE\r\nb NOOP\r\n")
    assert client.answer(b"a").word == b"BAD"
    assert client.answer(b"b").word == b"OK"
    compress(client).ok("NOOP")


def test_idle_pushes(imap):
    client, other = compress(imap()), imap()
    client.idle()
    for number in range(1, 4):
        other.append(letter(number))
        client.until(b"* %d EXISTS" % number)
    client.done()


def test_unauthenticate_ends_it(account, imap):
    client = compress(imap())
    tag = client.send("UNAUTHENTICATE")
    assert client.answer(tag).word == b"OK"
    assert client.raw.sock.unpacker.eof
    assert not client.raw.sock.unpacker.unused_data
    client.raw.sock = client.raw.sock.sock
    client.login(account)
    compress(client).ok("SELECT INBOX")


@pytest.fixture
def telling_palomar(monkeypatch, request):
    """A server of this test alone that logs connections that were lost to harm."""
    monkeypatch.setenv("PALOMAR_LOG", "info")
    return request.getfixturevalue("fresh_palomar")


@pytest.mark.parametrize("garbage", [b"b NOOP\r\n", b"\xff" * 5000, b"\x07", b"\x16\x03\x01" * 99])
def test_garbage_ends_the_session(telling_palomar, garbage):
    account = telling_palomar.new_account()
    with Imap(telling_palomar.connect("imaps")) as client:
        client.login(account)
        compress(client)
        client.raw.sock.sock.sendall(garbage)
        assert last_words(client) == b""
    with telling_palomar.imap(account) as again:
        assert again.select("INBOX")[0] == "OK"
    assert telling_palomar.stop()
    assert "not DEFLATE" in telling_palomar.log.read_text()


@pytest.mark.parametrize("before", [b"", b"a APPEND INBOX {%d+}\r\n" % BOMB_OCTETS])
def test_bombs_cost_no_memory(palomar, account, imap, before):
    client = compress(imap())
    rss = palomar.resident_octets()
    sock = client.raw.sock
    sock.sendall(before)
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        # A stream of its own is the same stream behind a flush.
        for piece in bomb():
            sock.sock.sendall(piece)
    heard = last_words(client)
    assert b"BYE" in heard or b"TOOBIG" in heard, heard
    assert palomar.resident_octets() - rss < GROWTH_OCTETS_MAX
    imap().ok("NOOP")


def test_a_big_append_streams(imap):
    client = compress(imap())
    message = letter(1, body="x" * (20 << 20) + "\r\n")
    assert client.append(message)
    assert Literal(message) in client.ok("FETCH 1 BODY.PEEK[]").fetches[0][1]
