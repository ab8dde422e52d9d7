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
    return (
        f"From: ana@example.org\r\nSubject: {media_type[:40]}\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n"
        f"See the document.\r\n--b\r\nContent-Type: {media_type}\r\n"
        f"Content-Disposition: attachment; filename={name}\r\n"
        f"Content-Transfer-Encoding: base64\r\n\r\n{encoded}\r\n--b--\r\n"
    )


@pytest.fixture
def filled(imap):
    client = imap.connect()
    for name, media_type in ATTACHED:
        client.ok("APPEND", "INBOX", Literal(message(name, media_type, (DOCUMENTS / name).read_bytes())))
    client.ok("NOOP")
    return client
