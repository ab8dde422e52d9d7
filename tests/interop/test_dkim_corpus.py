"""DKIM on the corpus, both ways: an independent signer's messages are judged as its own verifier does, and what
Palomar signs is verified by it."""

import base64
import imaplib
import json
import re
import smtplib
import subprocess

import dkim
import nacl.signing
import pytest
from conftest import served
from dns_zone import Zone
from test_dkim import judged, signing  # noqa: F401 (a fixture)
from test_queue import arrived, until
from test_smtp_corpus import to_send
from test_three_peers import own, suits

# Messages of a bigger corpus than the repository's own are taken in such steps that so many remain.
MESSAGES_MAX = 800
SEED = nacl.signing.SigningKey.generate()
# RFC 8463 appendix A.2 and A.3: keys of messages that other projects test with.
RFC8463 = {
    b"brisbane._domainkey.football.example.com.": b"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    b"test._domainkey.football.example.com.": b"v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWR"
    b"iGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5"
    b"QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB",
}
FORMS = [(one, other) for one in (b"relaxed", b"simple") for other in (b"relaxed", b"simple")]


def sample(corpus):
    return corpus[:: max(1, -(-len(corpus) // MESSAGES_MAX))]


def rsa_key():
    """(PEM, record)"""
    pem = subprocess.run(["openssl", "genrsa", "-traditional", "2048"], capture_output=True, check=True).stdout
    public = subprocess.run(["openssl", "rsa", "-pubout", "-outform", "DER"], input=pem, capture_output=True, check=True).stdout
    return pem, b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)


def record(name, text):
    """A line of a zone file: strings have 255 octets at most."""
    parts = [text[at : at + 250].decode() for at in range(0, len(text), 250)]
    return f"{name.decode()} TXT " + " ".join(f'"{part}"' for part in parts)


@pytest.fixture
def keys():
    pem, rsa = rsa_key()
    public = {
        b"r._domainkey.corpus.test.": rsa,
        b"e._domainkey.corpus.test.": b"v=DKIM1; k=ed25519; p=" + base64.b64encode(bytes(SEED.verify_key)),
        **RFC8463,
    }
    return pem, public


@pytest.fixture
def palomar_with_keys(tmp_path, keys):
    zone = Zone(tmp_path / "zone")
    zone.set("\n".join(record(name, text) for name, text in keys[1].items()))
    serving = served(f'log = "server=info"\n[inbound]\ncheck_senders = true\n{zone.settings}')
    try:
        yield next(serving)
    finally:
        for _ in serving:
            pass
        zone.stop()


def signed(data, number, pem):
    """A message of the corpus with a signature of dkimpy; none where it cannot sign or verify it itself."""
    form = FORMS[number % len(FORMS)]
    try:
        if number % 2:
            secret = base64.b64encode(bytes(SEED))
            field = dkim.sign(data, b"e", b"corpus.test", secret, canonicalize=form, signature_algorithm=b"ed25519-sha256")
        else:
            field = dkim.sign(data, b"r", b"corpus.test", pem, canonicalize=form)
    except (dkim.DKIMException, ValueError, UnicodeError, IndexError):
        return None
    return field + data


def results(server, account):
    """What our Authentication-Results say of the signatures of each message, by its number."""
    with imaplib.IMAP4_SSL("localhost", server.ports["imaps"], ssl_context=server.tls) as client:
        client.login(account.address, account.password)
        client.select("INBOX")
        _, parts = client.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (AUTHENTICATION-RESULTS X-CORPUS)])")
    found = {}
    for part in parts:
        if isinstance(part, tuple):
            fields = re.sub(rb"\r\n[ \t]+", b" ", part[1]).decode("latin-1")
            number = re.search(r"(?mi)^X-Corpus: (\d+)", fields)
            if number:
                found[int(number[1])] = re.findall(r"\bdkim=(\w+)[^;]*?header\.d=([^ ;]+)", fields)
    return found


def test_their_signatures_are_judged_as_they_judge_them(palomar_with_keys, keys, corpus):
    server, (pem, public) = palomar_with_keys, keys
    account = server.new_account("ana")
    lookup = lambda name, timeout=5: public.get(name if name.endswith(b".") else name + b".")
    expected, football = {}, 0
    with smtplib.SMTP("localhost", server.ports["smtp"], local_hostname="client.test") as smtp:
        for number, path in enumerate(sample(corpus)):
            data = to_send(path.read_bytes())
            if not suits(data, ()):
                continue
            data = f"X-Corpus: {number}\r\n".encode() + data
            message = signed(data, number, pem)
            if message is None or not judged(message, 0, lookup):
                continue
            # Every fourth is changed on its way.
            if number % 4 == 3:
                message += b"one line more\r\n"
            expected[number] = judged(message, 0, lookup)
            smtp.sendmail("x@client.test", [account.address], message, mail_options=["body=8bitmime"])
        assert len(expected) * 10 > len(sample(corpus)) * 7
        # Those whose keys are at hand, as their signers left them.
        for number, path in enumerate(corpus, 1_000_000):
            data = to_send(path.read_bytes())
            head = re.sub(rb"\r\n[ \t]+", b"", data.partition(b"\r\n\r\n")[0])
            fields = re.findall(rb"(?mi)^DKIM-Signature:.*$", head)
            if not fields or not all(b"d=football.example.com" in field for field in fields) or not suits(data, ()):
                continue
            expected[number] = sorted(judged(data, index, lookup) for index in range(len(fields)))
            football += 1
            smtp.sendmail("x@client.test", [account.address], f"X-Corpus: {number}\r\n".encode() + data, mail_options=["body=8bitmime"])
    found = results(server, account)
    for number, right in expected.items():
        told = [result == "pass" for result, domain in found[number] if domain in ("corpus.test", "football.example.com")]
        if isinstance(right, list):
            assert sorted(told) == right, (corpus[number - 1_000_000], found[number])
        else:
            assert told[:1] == [right], (sample(corpus)[number], found[number])
    assert sum(right is True for right in expected.values()) > 2 * sum(right is False for right in expected.values()) > 0
    assert football > 0


def test_our_signatures_verify(signing, corpus):
    public = signing.public()
    for key in signing.keys():
        signing.sender.cli("domain", "dkim", "use", signing.domain, key["selector"])
    lookup = lambda name, timeout=5: public.get(name)
    sent = 0
    with smtplib.SMTP_SSL("localhost", signing.sender.ports["submissions"], context=signing.sender.tls) as smtp:
        smtp.login(signing.ana.address, signing.ana.password)
        for number, path in enumerate(sample(corpus)):
            data = to_send(path.read_bytes())
            if suits(data, ()):
                message = own(data, f"a.{number}", signing.ana.address)
                smtp.sendmail(signing.ana.address, [signing.bob.address], message, mail_options=["body=8bitmime"])
                sent += 1
    assert sent * 10 > len(sample(corpus)) * 8
    inbox = signing.inbox(signing.receiver, signing.bob)
    until(lambda: not json.loads(signing.sender.cli("queue", "list", "--json"))["queue"]["messages"])
    arrived(inbox, sent)
    with imaplib.IMAP4_SSL("localhost", signing.receiver.ports["imaps"], ssl_context=signing.receiver.tls) as client:
        client.login(signing.bob.address, signing.bob.password)
        client.select("INBOX")
        wrong, seen, unread = [], 0, 0
        for first in range(1, sent + 1, 100):
            _, parts = client.fetch(f"{first}:{first + 99}", "(BODY.PEEK[])")
            for message in (part[1] for part in parts if isinstance(part, tuple)):
                seen += 1
                # The two signatures of ours stand before any that the message came with.
                try:
                    verdicts = [judged(message, index, lookup) for index in (0, 1)]
                except dkim.MessageFormatError:
                    # No header that it could read, signed or not.
                    unread += 1
                    continue
                if verdicts != [True, True]:
                    wrong.append((re.search(rb"(?m)^Message-ID: .*$", message), verdicts))
    assert seen == sent and not wrong, wrong[:5]
    assert unread * 20 < sent
