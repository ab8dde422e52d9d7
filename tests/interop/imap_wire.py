"""IMAP as octets: what is said and heard, response by response, nothing interpreted."""

import re
from dataclasses import dataclass


class Literal(bytes):
    """Octets that go as a non-synchronising literal (LITERAL+)."""


class Literal8(bytes):
    """The same with the `~` of BINARY."""


@dataclass(frozen=True)
class Answer:
    """Untagged responses, then the tagged one: its word (OK, NO, BAD) and the rest."""

    untagged: list
    word: bytes
    text: bytes

    @property
    def code(self):
        """Inside of the response code, without its brackets; empty for none."""
        found = re.match(rb"\[([^\]]*)\]", self.text)
        return found.group(1) if found else b""

    def of(self, kind):
        """What follows `* KIND ` in the responses of that kind."""
        start = b"* " + kind + b" "
        return [line[len(start):] for line in self.untagged if line.startswith(start)]

    def numbered(self, kind):
        """(number, rest) of `* n KIND rest`."""
        found = (re.match(rb"\* (\d+) " + kind + rb" ?(.*)", line, re.DOTALL) for line in self.untagged)
        return [(int(one.group(1)), one.group(2)) for one in found if one]

    @property
    def fetches(self):
        return self.numbered(b"FETCH")


class Imap:
    """A connection. `ok`, `no` and `bad` run a command and check the word of its answer."""

    def __init__(self, raw):
        self.raw = raw
        self.tags = 0
        self.greeting = self.response()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.raw.close()

    def response(self):
        """One response, its literals inside."""
        whole = b""
        while True:
            line = self.raw.line()
            whole += line
            literal = re.search(rb"\{(\d+)\}$", line)
            if not literal:
                return whole
            whole += b"\r\n" + self.raw.octets(int(literal.group(1)))

    def until(self, wanted):
        """Responses up to the first for which `wanted` (a function, or octets within) holds."""
        if isinstance(wanted, bytes):
            within = wanted
            wanted = lambda line: within in line
        heard = []
        while True:
            heard.append(self.response())
            if wanted(heard[-1]):
                return heard

    def send(self, *parts):
        """A command with its own tag, which is given back."""
        self.tags += 1
        tag = b"t%d" % self.tags
        said = [tag]
        for part in parts:
            if isinstance(part, Literal8):
                said.append(b"~{%d+}\r\n%s" % (len(part), part))
            elif isinstance(part, Literal):
                said.append(b"{%d+}\r\n%s" % (len(part), part))
            else:
                said.append(part.encode() if isinstance(part, str) else bytes(part))
        self.raw.send(b" ".join(said) + b"\r\n")
        return tag

    def answer(self, tag):
        heard = self.until(lambda line: line.startswith(tag + b" "))
        word, _, text = heard[-1][len(tag) + 1:].partition(b" ")
        return Answer(heard[:-1], word, text)

    def run(self, *parts):
        return self.answer(self.send(*parts))

    def expect(self, word, parts):
        answer = self.run(*parts)
        assert answer.word == word, (parts, answer)
        # Clients fall over answers without a text (quirk 18).
        assert re.sub(rb"^\[[^\]]*\] ?", b"", answer.text), answer
        return answer

    def ok(self, *parts):
        return self.expect(b"OK", parts)

    def no(self, *parts):
        return self.expect(b"NO", parts)

    def bad(self, *parts):
        return self.expect(b"BAD", parts)

    def login(self, account):
        return self.ok("LOGIN", account.address, Literal(account.password.encode()))

    def append(self, message, mailbox="INBOX", *before):
        """The Uid of an appended message."""
        answer = self.ok("APPEND", mailbox, *before, Literal(message))
        return int(re.match(rb"APPENDUID \d+ (\d+)$", answer.code).group(1))

    def idle(self):
        """Begins IDLE; `done` ends it."""
        self.idling = self.send("IDLE")
        assert self.until(lambda line: line.startswith(b"+ "))

    def done(self):
        self.raw.send(b"DONE\r\n")
        answer = self.answer(self.idling)
        assert answer.word == b"OK", answer
        return answer


def letter(number=1, subject="letter", body=None, extra=""):
    body = f"Text {number}.\r\n" if body is None else body
    return (
        f"From: Carla <carla@example.org>\r\nTo: ana@example.test\r\n"
        f"Subject: {subject} {number}\r\nDate: Mon, 2 Nov 2026 10:00:{number % 60:02} +0100\r\n"
        f"Message-ID: <{subject}{number}@example.org>\r\n{extra}\r\n{body}"
    ).encode()


def numbers(text):
    """The numbers of a set such as `1:3,7`."""
    found = []
    for part in text.split(b","):
        if part:
            first, _, last = part.partition(b":")
            found.extend(range(int(first), int(last or first) + 1))
    return found
