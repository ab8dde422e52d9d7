"""PREVIEW (RFC 8970) and UNAUTHENTICATE (RFC 8437)."""

import re

from imap_wire import letter


def test_preview(imap):
    client = imap()
    client.append(letter(1, body="First words of a letter,\r\nand more   of them.\r\n"))
    html = b"From: a@example.org\r\nSubject: x\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
    client.append(html + "<html><style>p{}</style><p>Gr\u00fc\u00dfe &amp; <b>mehr</b></p>".encode())
    image = b"From: a@example.org\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    client.append(image + b"iVBORw0KGgo=\r\n")
    client.append(letter(4, body="word " * 200))
    client.ok("NOOP")
    told = [rest for _, rest in client.ok("FETCH 1:4 (PREVIEW (LAZY))").fetches]
    assert told[0] == b'(PREVIEW "First words of a letter, and more of them.")'
    assert "Gr\u00fc\u00dfe & mehr".encode() in told[1] and b"<" not in told[1]
    # RFC 8970 section 3.2: nothing to show is an empty string, never NIL.
    assert told[2] == b'(PREVIEW "")'
    text = re.fullmatch(rb'\(PREVIEW "(.*)"\)', told[3])[1]
    assert 150 < len(text) <= 200
    flags = client.ok("FETCH 1 (FLAGS)").fetches[0][1]
    assert b"Seen" not in flags


def test_unauthenticate(palomar, account, imap):
    client = imap(enable="CONDSTORE")
    client.append(letter(1))
    client.ok("UNAUTHENTICATE")
    client.bad("FETCH 1 FLAGS")
    client.bad("SELECT INBOX")
    other = palomar.new_account()
    client.login(other)
    client.bad("FETCH 1 FLAGS")
    (exists,) = [n for n, _ in client.ok("SELECT INBOX").numbered(b"EXISTS")]
    assert exists == 0
    # Nothing that was enabled before is enabled now.
    client.append(letter(2))
    client.ok("NOOP")
    assert b"MODSEQ" not in client.ok("STORE 1 +FLAGS (\\Seen)").fetches[0][1]
    client.ok("UNAUTHENTICATE")
    client.login(account)
    (exists,) = [n for n, _ in client.ok("SELECT INBOX").numbered(b"EXISTS")]
    assert exists == 1
