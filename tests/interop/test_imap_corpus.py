"""Every message of the corpus, appended and read back octet for octet; sections against Python's
own MIME parser where both can be expected to agree."""

import hashlib

from imap_wire import Literal

BATCH = 50


def test_what_is_appended_is_read_back(imap, corpus):
    client = imap(select=None)
    client.ok("CREATE Corpus")
    sums = {}
    for start in range(0, len(corpus), BATCH):
        tags = []
        for path in corpus[start:start + BATCH]:
            data = path.read_bytes()
            sums[len(sums) + 1] = (path, hashlib.sha256(data).digest(), len(data))
            tags.append(client.send("APPEND", "Corpus", Literal(data)))
        for tag in tags:
            answer = client.answer(tag)
            assert answer.word == b"OK", answer
    client.ok("SELECT Corpus")
    tag = client.send("FETCH 1:* (RFC822.SIZE BODY.PEEK[])")
    seen = 0
    while True:
        line = client.response()
        if line.startswith(tag):
            break
        if b" FETCH (" not in line[:30]:
            continue
        seen += 1
        head, _, rest = line.partition(b"\r\n")
        number = int(head.split()[1])
        path, digest, octets = sums[number]
        assert b"RFC822.SIZE %d BODY[] {%d}" % (octets, octets) in head, (path, head)
        assert hashlib.sha256(rest[:octets]).digest() == digest, path
        assert rest[octets:] == b")", path
    assert seen == len(sums)


def test_every_message_answers_all_items(imap, corpus):
    """ENVELOPE, BODYSTRUCTURE and the first part of each, by MULTIAPPEND."""
    client = imap(select=None)
    client.ok("CREATE Corpus")
    for start in range(0, len(corpus), BATCH):
        literals = [Literal(path.read_bytes()) for path in corpus[start:start + BATCH]]
        client.ok("APPEND", "Corpus", *literals)
    client.ok("SELECT Corpus")
    items = (
        "ENVELOPE BODYSTRUCTURE BODY INTERNALDATE EMAILID THREADID BODY.PEEK[HEADER] "
        "BODY.PEEK[TEXT]<0.2048> BODY.PEEK[1] BODY.PEEK[1.MIME] BINARY.SIZE[1] "
        "BODY.PEEK[HEADER.FIELDS (From Subject X-None)] BODY.PEEK[HEADER.FIELDS.NOT (Received)]"
    )
    answer = client.run(f"FETCH 1:* ({items})")
    # A part of an encoding that nobody knows is told of at the end.
    assert answer.word == b"OK" or answer.code == b"UNKNOWN-CTE", answer.text
    assert len(answer.fetches) == len(corpus)
    for number, line in answer.fetches:
        data = corpus[number - 1].read_bytes()
        assert b" BODYSTRUCTURE (" in line and line.startswith(b"(ENVELOPE ("), corpus[number - 1]
        header = line.split(b"BODY[HEADER] {", 1)[1]
        octets, _, header = header.partition(b"}\r\n")
        header = header[:int(octets)]
        assert data.startswith(header), corpus[number - 1]
        text = line.split(b"BODY[TEXT]<0> {", 1)[1]
        octets, _, text = text.partition(b"}\r\n")
        assert data[len(header):][:2048] == text[:int(octets)], corpus[number - 1]
