"""Attachments are searched: the text that confined children read from real documents."""

import base64
from pathlib import Path

import pytest
from imap_wire import Literal

DOCUMENTS = Path(__file__).parents[2] / "crates/extract/tests/documents"
OOXML = "application/vnd.openxmlformats-officedocument."
ODF = "application/vnd.oasis.opendocument."

# (document, media type): the type that mail programs give, or none at all.
ATTACHED = [
    ("harvest.pdf", "application/pdf"),
    ("harvest.docx", OOXML + "wordprocessingml.document"),
    ("harvest.xlsx", "application/octet-stream"),
    ("harvest.pptx", OOXML + "presentationml.presentation"),
    ("harvest.odt", ODF + "text"),
    ("harvest.ods", ODF + "spreadsheet"),
    ("harvest.odp", "application/octet-stream"),
    ("locked.pdf", "application/pdf"),
]


def message(name, media_type, content):
    encoded = base64.encodebytes(content).decode().replace("\n", "\r\n")
    text = (
        f"From: ana@example.org\r\nSubject: {media_type[:40]}\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n"
        f"See the document.\r\n--b\r\nContent-Type: {media_type}\r\n"
        f"Content-Disposition: attachment; filename={name}\r\n"
        f"Content-Transfer-Encoding: base64\r\n\r\n{encoded}\r\n--b--\r\n"
    )
    return text.encode()


@pytest.fixture
def filled(imap):
    client = imap()
    for name, media_type in ATTACHED:
        client.ok("APPEND", "INBOX", Literal(message(name, media_type, (DOCUMENTS / name).read_bytes())))
    client.ok("NOOP")
    return client


def found(client, *keys):
    lines = client.ok("SEARCH CHARSET UTF-8", *keys).of(b"SEARCH")
    return [int(number) for line in lines for number in line.split()]


@pytest.mark.parametrize(("needle", "expected"), [
    ("remarkable", [1, 2, 3, 4, 5, 6, 7]),
    ("EMARKABL", [1, 2, 3, 4, 5, 6, 7]),
    ("gave a remarkable yield", [1, 2, 5]),
    ("NIÑO", [1, 2, 4, 5, 7]),
    ("収穫", [2, 3, 4, 5, 6, 7]),
    ("Cooperative letterhead", [2, 5]),
    ("Arbequina", [1, 2, 3, 6]),
    ("See the document", [1, 2, 3, 4, 5, 6, 7, 8]),
    ("harvest.odp", [7]),
    ("locked", [8]),
    ("nowhere in them", []),
])
def test_words_of_attachments_are_found(filled, needle, expected):
    assert found(filled, "BODY", Literal(needle.encode())) == expected
    assert found(filled, "TEXT", Literal(needle.encode())) == expected


def test_delivered_a_moment_ago(filled, account, palomar):
    from imap_wire import Imap

    (pdf, media_type) = ATTACHED[0]
    with Imap(palomar.connect("imaps")) as other:
        other.login(account)
        other.ok("APPEND", "INBOX", Literal(message("late.pdf", media_type, (DOCUMENTS / pdf).read_bytes())))
    filled.ok("NOOP")
    assert found(filled, "BODY", "Picual") == [1, 2, 3, 9]


def test_after_indexing_as_before(filled, account, palomar):
    before = found(filled, "BODY", "remarkable")
    palomar.cli("reindex", account.address)
    assert found(filled, "BODY", "remarkable") == before == [1, 2, 3, 4, 5, 6, 7]


def test_a_broken_document_costs_only_itself(imap):
    client = imap()
    whole = (DOCUMENTS / "harvest.pdf").read_bytes()
    for content in (whole[: len(whole) // 3], b"%PDF-1.7\n" + b"\xff" * 5_000, whole):
        client.ok("APPEND", "INBOX", Literal(message("a.pdf", "application/pdf", content)))
    client.ok("NOOP")
    assert found(client, "BODY", "remarkable")[-1:] == [3]
