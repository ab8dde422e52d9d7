"""Every message of the corpus, by LMTP and by SMTP, and read back over IMAP: the trace fields, then
what was sent, octet for octet.

Bare LF becomes CRLF before sending, as every sender does. Refused by design, and counted here by
rule: a bare CR (RFC 5321 §2.3.8), a line of more than `data_line_octets_max`, a loop.
"""

import re

import pytest
from smtp_wire import stuffed
from test_smtp import SENDER, content, inbox, smtp  # noqa: F401 (fixtures)

BATCH = 20
LINE_OCTETS_MAX = 1 << 20
RECEIVED_FIELDS_MAX = 100


def to_send(data):
    """With CRLF at the end of each line, the last too."""
    data = re.sub(rb"(?<!\r)\n", b"\r\n", data)
    return data if data.endswith(b"\r\n") else data + b"\r\n"


def refusal(data):
    """How the reply starts that a message gets by design."""
    if re.search(rb"\r(?!\n)", data):
        return "554 5.6.11"
    if max(map(len, data.split(b"\r\n"))) > LINE_OCTETS_MAX:
        return "554 5.6.0"
    head = data.split(b"\r\n\r\n")[0]
    if len(re.findall(rb"(?mi)^received[ \t]*:", head)) >= RECEIVED_FIELDS_MAX:
        return "554 5.4.6"
    return None


@pytest.mark.parametrize("protocol", ["lmtp", "smtp"])
def test_what_is_sent_is_read_back(palomar, imap, smtp, account, corpus, protocol):
    client, reader = smtp(protocol), imap()
    refused, uid = [], 0
    for start in range(0, len(corpus), BATCH):
        sent = []
        for path in corpus[start:start + BATCH]:
            data = to_send(path.read_bytes())
            client.envelope(SENDER, account.address)
            reply = client.data(stuffed(data))
            expected = refusal(data)
            assert reply.startswith(expected or "250 2.0.0"), (path, reply)
            if expected:
                refused.append(path.name)
            else:
                sent.append((path, data))
        reader.ok("NOOP")
        fetches = reader.ok(f"UID FETCH {uid + 1}:{uid + BATCH} BODY.PEEK[]").fetches
        assert len(fetches) == len(sent)
        for (path, data), (_, line) in zip(sent, fetches):
            octets, _, rest = line.split(b"BODY[] ", 1)[1].partition(b"}\r\n")
            assert content(rest[:int(octets.lstrip(b"~{"))]) == data, path
        uid += len(sent)
    # The rules above are for few.
    assert len(refused) * 10 < len(corpus), refused
