"""Keywords of RFC 9979 and RFC 8457, seen from outside."""

import re

from imap_wire import letter
from smtp_wire import Smtp, stuffed

KEYWORDS = (
    "$notify $muted $followed $memo $hasmemo $autosent $unsubscribed $canunsubscribe $imported "
    "$istrusted $maskedemail $new $MailFlagBit0 $MailFlagBit1 $MailFlagBit2 $Important"
).split()
PDF = "Content-Type: application/pdf; name=a.pdf\r\n"


def flags(client, number):
    (answer,) = client.ok(f"FETCH {number} (FLAGS)").fetches
    return set(re.search(rb"FLAGS \(([^)]*)\)", answer[1]).group(1).decode().split())


def deliver(palomar, account, message):
    with palomar.connect("lmtp") as raw:
        client = Smtp(raw)
        client.greeting("LHLO")
        client.envelope("carla@example.org", account.address)
        assert client.data(stuffed(message)).startswith("250")


def test_keywords_are_kept_as_written_and_found_in_any_case(imap):
    client = imap()
    client.append(letter())
    client.append(letter(2))
    client.ok("NOOP")
    told = client.ok(f"STORE 1 +FLAGS ({' '.join(KEYWORDS)})")
    permanent = [line for line in told.untagged if b"PERMANENTFLAGS" in line][-1].decode()
    assert all(f" {keyword} " in permanent for keyword in KEYWORDS) and "\\*" in permanent
    for keyword in KEYWORDS:
        for written in (keyword.upper(), keyword.lower()):
            assert client.ok(f"SEARCH KEYWORD {written}").of(b"SEARCH") == [b"1"]
            assert client.ok(f"SEARCH UNKEYWORD {written}").of(b"SEARCH") == [b"2"]
    assert flags(imap(), 1) >= set(KEYWORDS)
    client.ok("STORE 2 +FLAGS ($mailflagbit0)")
    assert "$MailFlagBit0" in flags(client, 2), "as it was first written"
    client.ok("STORE 1:2 -FLAGS ($MAILFLAGBIT0)")
    assert client.ok("SEARCH RETURN (COUNT) KEYWORD $MailFlagBit0").untagged[0].endswith(b"COUNT 0")


def test_delivered_mail_says_whether_it_has_attachments(palomar, account, imap):
    """RFC 9979 §4.1: "set by the server during message delivery"."""
    client = imap()
    deliver(palomar, account, letter(1))
    deliver(palomar, account, letter(2, extra=PDF))
    told = client.ok("NOOP")
    assert any(b"$hasattachment" in line for line in told.untagged if b"PERMANENTFLAGS" in line)
    assert "$hasnoattachment" in flags(client, 1) and "$hasattachment" in flags(client, 2)
    assert client.ok("SEARCH KEYWORD $HasAttachment").of(b"SEARCH") == [b"2"]
    # What is appended is its client's.
    client.append(letter(3, extra=PDF))
    client.ok("NOOP")
    assert not {"$hasattachment", "$hasnoattachment"} & flags(client, 3)


def test_no_message_has_both(palomar, account, imap):
    client = imap()
    deliver(palomar, account, letter())
    client.ok("NOOP")
    client.ok("STORE 1 +FLAGS ($HasAttachment)")
    assert {"$hasattachment", "$hasnoattachment"} & {flag.lower() for flag in flags(client, 1)} == {
        "$hasattachment"
    }
    client.append(letter(2), "INBOX", "($hasnoattachment $hasattachment)")
    client.ok("NOOP")
    assert "$hasnoattachment" not in flags(client, 2)
