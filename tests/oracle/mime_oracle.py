#!/usr/bin/env python3
"""Reads the messages whose paths stand on standard input, a line each, with Python's own `email`
package, and prints for each a line of JSON: the tree of its parts. The independent reader against
which `crates/mail/tests/oracle.rs` compares ours. Standard library only.

A part: {"type": "text/plain", "kind": "leaf" | "multipart" | "message", "header": sha256 of its
fields as `name:value` lines, "body": sha256 of the decoded content of a leaf or null, "octets": its
length, "defects": names of what Python found wrong, "children": [parts]}
"""

import email
import hashlib
import json
import sys

IDENTITY = {"", "7bit", "8bit", "binary"}
DECODED = IDENTITY | {"base64", "quoted-printable"}


def octets(text):
    return text.encode("ascii", "surrogateescape")


def header_digest(part):
    digest = hashlib.sha256()
    for name, value in part._headers:
        digest.update(octets(name) + b":" + octets(str(value)) + b"\n")
    return digest.hexdigest()


def encoding(part):
    words = str(part.get("content-transfer-encoding", "")).split()
    return words[0].rstrip(";").lower() if words else ""


def describe(part):
    kind, body = "leaf", None
    children = []
    payload = part.get_payload()
    main = part.get_content_maintype()
    if main == "multipart" and isinstance(payload, list):
        kind, children = "multipart", payload
    elif main == "message":
        embedded = part.get_content_type() in ("message/rfc822", "message/global")
        if embedded and encoding(part) in IDENTITY and isinstance(payload, list) and payload:
            kind, children = "message", payload[:1]
        # Python parses every message/*; what it has of the others is no longer their bytes.
    elif encoding(part) in DECODED:
        body = part.get_payload(decode=True)
    return {
        "type": part.get_content_type(),
        "kind": kind,
        "header": header_digest(part),
        "body": None if body is None else hashlib.sha256(body).hexdigest(),
        "octets": None if body is None else len(body),
        "defects": sorted({type(defect).__name__ for defect in part.defects}),
        "children": [describe(child) for child in children],
    }


def main():
    sys.setrecursionlimit(10_000)
    for line in sys.stdin:
        with open(line.rstrip("\n"), "rb") as file:
            message = file.read()
        try:
            tree = describe(email.message_from_bytes(message))
        except Exception as error:  # Python gives up on some mail; the comparison says on which.
            tree = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(tree))


if __name__ == "__main__":
    main()
