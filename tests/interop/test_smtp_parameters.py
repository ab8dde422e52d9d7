"""MAIL and RCPT in all their forms, chunks, who gets mail and who does not, LMTP's many replies."""

import pytest
from imap_wire import letter
from smtp_wire import stuffed
from test_smtp import SENDER, content, inbox, smtp  # noqa: F401 (fixtures)

LOCAL_PART_OCTETS_MAX = 64
DOMAIN_OCTETS_MAX = 255


def mail_codes(client, rows):
    """Says MAIL FROM: for each row of code and argument, and forgets it."""
    for code, argument in rows:
        client.wants(code, f"MAIL FROM:{argument}".encode())
        client.wants(250, "RSET")


def test_reverse_paths(smtp):
    label = "d" * 60
    mail_codes(smtp(), [
        (250, "<>"), (250, " <a@example.org>"), (250, "  <a@example.org> SIZE=10"), (250, " <>"),
        (250, "<@x.example,@y.example:a@example.org>"), (250, '<"a b"@example.org>'),
        (250, '<"a\\"b"@example.org>'), (250, '<"a>b"@example.org>'), (250, "<a@[192.0.2.1]>"),
        (250, "<a@[IPv6:2001:db8::1]>"), (250, "<a@xn--bcher-kva.example>"), (250, "<a@b>"),
        (501, "a@example.org"), (501, ""), (501, "<a@example.org"), (501, "<a@example.org>SIZE=1"),
        (553, "<a>"), (553, "<a@>"), (553, "<@example.org>"), (553, "<a b@example.org>"),
        (553, "<a@exa mple.org>"), (553, "<a@@example.org>"), (250, "<.a@example.org>"),
        (501, '<"a@example.org>'),
        (250, f"<{'a' * LOCAL_PART_OCTETS_MAX}@example.org>"),
        (553, f"<{'a' * (LOCAL_PART_OCTETS_MAX + 1)}@example.org>"),
        (553, f"<a@{'.'.join([label] * 5)}>"), (553, f"<a@{'d' * 64}.example>"),
        (250, f"<a@{'d' * 63}.example>"),
    ])


def test_path_of_254_octets(smtp):
    domain = ".".join(["d" * 60] * 4)
    local = "a" * (254 - len(domain) - 1)
    mail_codes(smtp(), [(250, f"<{local}@{domain}>"), (553, f"<{local}a@{domain}>")])


def test_internationalized_paths(smtp):
    mail_codes(smtp(), [
        ("550 5.6.7", "<ü@example.org>"), ("550 5.6.7", "<a@bücher.example>"),
        (250, "<ü@example.org> SMTPUTF8"), (250, "<a@bücher.example> SMTPUTF8"),
        (250, "<ü@example.org> BODY=8BITMIME SMTPUTF8"), (501, "<a@b.example> SMTPUTF8=1"),
    ])
    client = smtp()
    client.wants(501, b"MAIL FROM:<\xff@example.org> SMTPUTF8")
    client.wants(250, f"MAIL FROM:<{SENDER}>")
    client.wants("550 5.6.7", "RCPT TO:<ü@example.test>")


def test_parameters_of_mail(smtp):
    words = smtp().wants(250, "EHLO x").split()
    size_max = int(words[words.index("250-SIZE") + 1] if "250-SIZE" in words else
                   next(w for a, w in zip(words, words[1:]) if a.endswith("SIZE")))
    mail_codes(smtp(), [
        (250, f"<a@b.example> SIZE={size_max}"), ("552 5.3.4", f"<a@b.example> SIZE={size_max + 1}"),
        (501, "<a@b.example> SIZE=x"), (501, "<a@b.example> SIZE"), (501, "<a@b.example> SIZE=-1"),
        (250, "<a@b.example> body=7bit size=1"), (250, "<a@b.example> BODY=BINARYMIME"),
        (501, "<a@b.example> BODY=9BIT"), ("555 5.5.4", "<a@b.example> XYZZY"),
        ("555 5.5.4", "<a@b.example> NOTIFY=NEVER"), (250, "<a@b.example> RET=HDRS ENVID=a+2Bb"),
        (250, "<a@b.example> RET=full"), (501, "<a@b.example> RET=X"),
        (501, "<a@b.example> ENVID=a+2"), (250, f"<a@b.example> ENVID={'e' * 100}"),
        (501, f"<a@b.example> ENVID={'e' * 101}"), (250, "<a@b.example> AUTH=<>"),
        (250, "<a@b.example> AUTH=a+40b"),
    ])


def test_parameters_of_rcpt(smtp, account):
    client = smtp()
    client.wants(250, f"MAIL FROM:<{SENDER}>")
    for code, rest in [
        (250, "NOTIFY=NEVER"), (250, "NOTIFY=SUCCESS,failure,DELAY"), (501, "NOTIFY=NEVER,DELAY"),
        (501, "NOTIFY="), (250, "ORCPT=rfc822;a+2Bb@example.org"), (501, "ORCPT=rfc822"),
        (501, "ORCPT=rfc822;a+2"), (501, f"ORCPT=rfc822;{'o' * 500}"), ("555 5.5.4", "SIZE=1"),
    ]:
        client.wants(code, f"RCPT TO:<{account.address}> {rest}")


def test_order_of_commands(smtp, account):
    client = smtp()
    client.wants(503, f"RCPT TO:<{account.address}>")
    client.wants(503, "DATA")
    client.wants(250, f"MAIL FROM:<{SENDER}>")
    client.wants(503, f"MAIL FROM:<{SENDER}>")
    client.wants("503 5.5.1", "DATA")
    client.wants(501, "DATA now")
    client.wants(550, "RCPT TO:<nobody@example.test>")
    client.wants("503 5.5.1", "DATA")
    client.wants(250, f"RCPT TO: <{account.address}>")
    assert client.data(stuffed(letter())).startswith("250")
    client.wants(503, "DATA")


def test_recipients(palomar, smtp, inbox, account):
    local, domain = account.address.split("@")
    alias = f"alias-{account.address}"
    palomar.cli("alias", "set", alias, account.address)
    client = smtp()
    for path in (
        account.address, account.address.upper(), f"{local}+tag@{domain}", f'"{local}"@{domain}',
        f"@relay.example:{account.address}", alias,
    ):
        client.envelope(SENDER, path)
        assert client.data(stuffed(letter(1, path.replace('"', "")))).startswith("250"), path
    # Named twice and by its alias, a mailbox gets one copy.
    client.envelope(SENDER, account.address, account.address, alias)
    assert client.data(stuffed(letter())).startswith("250")
    assert len(inbox()) == 7
    client.wants(250, f"MAIL FROM:<{SENDER}>")
    client.wants("550 5.1.1", f"RCPT TO:<nobody-{account.address}>")
    for elsewhere in ("x@example.org", "x@[192.0.2.1]", f"{local}%{domain}@example.org"):
        client.wants("550 5.7.1", f"RCPT TO:<{elsewhere}>")
    client.wants("550 5.1.1", f"RCPT TO:<x%example.org@{domain}>")
    client.wants(553, "RCPT TO:<>")


def test_recipients_max(smtp, account):
    client = smtp()
    rcpt = f"RCPT TO:<{account.address}>\r\n"
    client.raw.send(f"MAIL FROM:<{SENDER}>\r\n" + rcpt * 1_001)
    assert all(client.reply().startswith("250") for _ in range(1_001))
    assert client.reply().startswith("452 4.5.3")


def test_quota(palomar, smtp, inbox, account):
    palomar.cli("quota", "set", account.address, "--messages", "1")
    client = smtp()
    client.envelope(SENDER, account.address)
    assert client.data(stuffed(letter())).startswith("250")
    client.wants(250, f"MAIL FROM:<{SENDER}>")
    client.wants("452 4.2.2", f"RCPT TO:<{account.address}>")
    palomar.cli("quota", "set", account.address, "--octets", "5000", "--messages", "100")
    client.wants(250, "RSET")
    client.wants(250, f"MAIL FROM:<{SENDER}> SIZE=6000")
    client.wants("452 4.2.2", f"RCPT TO:<{account.address}>")
    client.wants(250, "RSET")
    client.envelope(SENDER, account.address)
    assert client.data(stuffed(letter(body="x" * 70 + "\r\n" + "y" * 6_000 + "\r\n"))).startswith("452 4.2.2")
    assert len(inbox()) == 1


def test_8_bit_without_body(smtp, inbox, account):
    message = "Subject: ünï\r\n\r\nünï \u2603\r\n".encode() + b"\xff\xfe\r\n"
    client = smtp()
    for parameters in ("", " SMTPUTF8", " BODY=7BIT", " BODY=8BITMIME"):
        client.wants(250, f"MAIL FROM:<{SENDER}>{parameters}")
        client.wants(250, f"RCPT TO:<{account.address}>")
        assert client.data(stuffed(message)).startswith("250")
    assert [content(one) for one in inbox()] == [message] * 4


def test_chunks(smtp, inbox, account):
    message = letter(body="a\r\n.\r\n..b\r\n")
    client = smtp()
    client.envelope(SENDER, account.address)
    client.raw.send(b"BDAT 10\r\n" + message[:10])
    assert client.reply().startswith("250")
    client.wants(503, "DATA")
    client.wants(503, f"RCPT TO:<{account.address}>")
    client.raw.send(b"BDAT %d\r\n%s" % (len(message) - 10, message[10:]))
    assert client.reply().startswith("250")
    client.wants(250, "BDAT 0 LAST")
    client.envelope(SENDER, account.address)
    client.raw.send(b"BDAT %d LAST\r\n%sNOOP\r\n" % (len(message), message))
    assert client.reply().startswith("250") and client.reply().startswith("250")
    assert [content(one) for one in inbox()] == [message] * 2


def test_refused_chunks_are_consumed(smtp, inbox, account):
    client = smtp()
    client.raw.send(b"BDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n")
    assert [client.reply()[:3] for _ in range(3)] == ["503", "503", "250"]
    client.envelope(SENDER, account.address)
    client.raw.send(b"BDAT 4\r\na\nb\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n")
    assert [client.reply()[:3] for _ in range(3)] == ["554", "503", "250"]
    assert inbox() == []
    client.wants(501, "BDAT x")
    assert client.is_closed()


def test_binary(smtp, account):
    client = smtp()
    client.wants(250, f"MAIL FROM:<{SENDER}> BODY=BINARYMIME")
    client.wants(250, f"RCPT TO:<{account.address}>")
    client.wants(503, "DATA")
    message = b"Content-Transfer-Encoding: binary\r\n\r\n" + bytes(range(256)) + b"\r"
    client.raw.send(b"BDAT %d LAST\r\n%s" % (len(message), message))
    assert client.reply().startswith("250")


def test_lmtp_answers_each_recipient(palomar, smtp, inbox, account):
    full = palomar.new_account()
    palomar.cli("quota", "set", full.address, "--octets", "100")
    client = smtp("lmtp")
    client.wants(500, "EHLO x")
    client.wants(500, "HELO x")
    client.envelope(SENDER, account.address, full.address, palomar.accounts[0].address)
    assert client.data(stuffed(letter())).startswith("250")
    assert client.reply().startswith("452 4.2.2")
    assert client.reply().startswith("250")
    client.wants(250, f"MAIL FROM:<{SENDER}>")
    client.wants(550, "RCPT TO:<nobody@example.test>")
    client.wants("503 5.5.1", "DATA")
    client.wants(250, "RSET")
    client.envelope(SENDER, *[full.address] * 40)
    replies = [client.data(stuffed(letter()))] + [client.reply() for _ in range(39)]
    assert all(reply.startswith("452") for reply in replies)
    client.wants(250, "NOOP")
    client.envelope(SENDER, account.address, account.address)
    assert client.data(b"a\nb\r\n.\r\n").startswith("554") and client.reply().startswith("554")
    assert [content(one) for one in inbox()] == [letter()]


def test_pipelined_transactions(smtp, inbox, account):
    client = smtp()
    one = f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{account.address}>\r\nDATA\r\n".encode()
    client.raw.send(b"".join(one + stuffed(letter(n)) for n in range(20)) + b"QUIT\r\n")
    replies = [client.reply()[:3] for _ in range(81)]
    assert replies == ["250", "250", "354", "250"] * 20 + ["221"]
    assert [content(one) for one in inbox()] == [letter(n) for n in range(20)]
