"""SORT and THREAD done anew from what FETCH tells of messages: RFC 5256 by its letter, for small
mailboxes. Shares nothing with the server."""

import email.header
import email.utils
import re
import unicodedata
from dataclasses import dataclass, field


def parse(data):
    """The first parenthesised list of a FETCH response, as nested lists, octets and None."""
    value, _ = _value(data, data.index(b"("))
    return value


def _value(data, at):
    if data[at:at + 1] == b"(":
        items, at = [], at + 1
        while data[at:at + 1] != b")":
            if data[at:at + 1] == b" ":
                at += 1
                continue
            item, at = _value(data, at)
            items.append(item)
        return items, at + 1
    if data[at:at + 1] == b'"':
        text, at = b"", at + 1
        while data[at:at + 1] != b'"':
            at += data[at:at + 1] == b"\\"
            text, at = text + data[at:at + 1], at + 1
        return text, at + 1
    literal = re.compile(rb"\{(\d+)\}\r\n").match(data, at)
    if literal:
        end = literal.end() + int(literal.group(1))
        return data[literal.end():end], end
    atom = re.compile(rb"(?:[^\s()\[]|\[[^\]]*\])+").match(data, at)
    return (None if atom.group() == b"NIL" else atom.group()), atom.end()


def decoded(octets):
    if octets is None:
        return ""
    text = octets.decode("utf-8", "replace")
    pieces = email.header.decode_header(text)
    return "".join(
        piece.decode(charset or "ascii", "replace") if isinstance(piece, bytes) else piece
        for piece, charset in pieces
    )


def casemap(text):
    """i;unicode-casemap."""
    folded = "".join(c.upper() if len(c.upper()) == 1 else c for c in unicodedata.normalize("NFKD", text))
    return unicodedata.normalize("NFKD", folded)


def base_subject(subject):
    """RFC 5256 §2.1, step by step."""
    text = re.sub(r"[ \t\r\n]+", " ", subject)
    blob = r"\[[^\[\]]*\] *"
    refwd = rf"(?:re|fwd?) *(?:{blob})?:"
    reply = False
    while True:
        while True:
            shorter = re.sub(r"(?:\(fwd\)| )$", "", text, flags=re.I)
            if shorter == text:
                break
            reply |= text.lower().endswith("(fwd)")
            text = shorter
        while True:
            before = text
            leader = re.match(rf"(?: |(?:{blob})*{refwd})", text, re.I)
            if leader:
                reply |= leader.group() != " "
                text = text[leader.end():]
            start = re.match(blob, text)
            if start and text[start.end():]:
                text = text[start.end():]
            if text == before:
                break
        forward = re.fullmatch(r"\[fwd:(.*)\]", text, re.I | re.S)
        if not forward:
            return text, reply
        text, reply = forward.group(1), True


@dataclass
class Message:
    sequence: int
    uid: int
    size: int
    arrival: float
    sent: float
    subject: str
    reply: bool
    addresses: dict
    id: str
    references: list = field(default_factory=list)

    def value(self, criterion):
        if criterion.startswith("DISPLAY"):
            name, mailbox, host = self.addresses.get(criterion[7:], (None, None, None))
            shown = decoded(name)
            if not shown and mailbox:
                shown = f"{decoded(mailbox)}@{decoded(host)}" if host else decoded(mailbox)
            return casemap(shown).encode()
        if criterion in ("FROM", "TO", "CC"):
            return casemap(decoded(self.addresses.get(criterion, (None, None, None))[1])).encode()
        return {
            "SIZE": self.size, "ARRIVAL": self.arrival, "DATE": self.sent,
            "SUBJECT": casemap(self.subject).encode(),
        }[criterion]


def message(sequence, items):
    """Of `(UID … RFC822.SIZE … INTERNALDATE … ENVELOPE (…) BODY[HEADER.FIELDS (REFERENCES)] …)`."""
    told = dict(zip(items[::2], items[1::2]))
    envelope = told[b"ENVELOPE"]
    arrival = email.utils.parsedate_to_datetime(told[b"INTERNALDATE"].decode()).timestamp()
    try:
        # "-0000" gives a naive time, which is UTC.
        date = email.utils.parsedate_tz((envelope[0] or b"").decode("ascii"))
        sent = email.utils.mktime_tz(date) if date else arrival
    except (ValueError, UnicodeDecodeError, OverflowError):
        sent = arrival
    subject, reply = base_subject(decoded(envelope[1]))
    first = {
        name: tuple(envelope[at][0][part] for part in (0, 2, 3))
        for name, at in (("FROM", 2), ("TO", 5), ("CC", 6)) if envelope[at]
    }
    ids = lambda octets: re.findall(r"<([^<>]+)>", (octets or b"").decode("latin-1"))
    header = next(value for key, value in told.items() if key.startswith(b"BODY["))
    references = ids(header) or ids(envelope[8])[:1]
    own = ids(envelope[9])
    return Message(
        sequence, int(told[b"UID"]), int(told[b"RFC822.SIZE"]), arrival, sent, subject, reply, first,
        own[0] if own else "", references,
    )


def fetched(client, numbers="1:*"):
    items = "UID RFC822.SIZE INTERNALDATE ENVELOPE BODY.PEEK[HEADER.FIELDS (REFERENCES)]"
    return [
        message(sequence, parse(line)) for sequence, line in client.ok(f"FETCH {numbers} ({items})").fetches
    ]


def ordered(messages, criteria):
    """Sequence numbers in the order of `REVERSE DATE SUBJECT …`."""
    keys, reverse = [], False
    for word in criteria.split():
        if word == "REVERSE":
            reverse = True
        else:
            keys.append((word, reverse))
            reverse = False
    found = sorted(messages, key=lambda one: one.sequence)
    for criterion, reverse in reversed(keys):
        # A stable sort in reverse keeps equal ones in their order.
        found.sort(key=lambda one: one.value(criterion), reverse=reverse)
    return [one.sequence for one in found]


class Item:
    def __init__(self, message=None):
        self.message, self.parent, self.children = message, None, []

    def is_below(self, other):
        return self is other or (self.parent is not None and self.parent.is_below(other))

    def adopt(self, child):
        if not self.is_below(child):
            child.parent = self
            self.children.append(child)

    def leave(self):
        if self.parent:
            self.parent.children.remove(self)
            self.parent = None

    @property
    def first(self):
        if self.message:
            return self.message
        return min((child.message for child in self.children), key=lambda one: (one.sent, one.sequence))

    @property
    def date(self):
        return self.first.sent, self.first.sequence

    @property
    def latest(self):
        own = [(self.message.arrival, self.message.sequence)] if self.message else []
        return max(own + [child.latest for child in self.children])

    @property
    def is_reply(self):
        return bool(self.message and self.message.reply)


def _linked(messages):
    ids, own = {}, []
    for one in messages:
        item = Item(one)
        own.append(item)
        if one.id:
            ids.setdefault(one.id, item)
    for item in own:
        last = None
        for name in item.message.references:
            item_of = ids.setdefault(name, Item())
            if last is not None and item_of.parent is None:
                last.adopt(item_of)
            last = item_of
        item.leave()
        if last is not None:
            last.adopt(item)
    return [item for item in [*own, *ids.values()] if item.parent is None]


def _pruned(item):
    kept = []
    for child in item.children:
        below = _pruned(child)
        if child.message:
            child.children = below
            kept.append(child)
        else:
            kept += below
    return kept


def _roots(messages):
    roots = []
    for root in dict.fromkeys(_linked(messages)):
        root.children = _pruned(root)
        if root.message or len(root.children) > 1:
            roots.append(root)
        else:
            roots += root.children
    return roots


def _gathered(roots):
    table = {}
    subject = lambda item: casemap(item.first.subject)
    for item in roots:
        there = table.get(subject(item))
        if not subject(item):
            continue
        if there is None or (
            there.message and (not item.message or (there.is_reply and not item.is_reply))
        ):
            table[subject(item)] = item
    kept = list(roots)
    for item in roots:
        there = table.get(subject(item)) if subject(item) else None
        if there is None or there is item:
            continue
        kept.remove(item)
        if not there.message and not item.message:
            there.children += item.children
        elif not there.message or (item.is_reply and not there.is_reply):
            there.children.append(item)
        else:
            kept.remove(there)
            both = Item()
            both.children = [there, item]
            kept.append(both)
            table[subject(item)] = both
    return kept


def threads(messages, algorithm):
    """What follows `* THREAD `."""
    messages = sorted(messages, key=lambda one: one.sequence)
    if algorithm == "ORDEREDSUBJECT":
        groups = {}
        for one in sorted(messages, key=lambda one: (one.sent, one.sequence)):
            groups.setdefault(casemap(one.subject), []).append(one)
        roots = []
        for first, *rest in groups.values():
            root = Item(first)
            root.children = [Item(one) for one in rest]
            roots.append(root)
        return "".join(map(_list, sorted(roots, key=lambda item: item.date)))
    roots = _roots(messages)
    if algorithm == "REFS":
        return "".join(map(_list, sorted(roots, key=lambda item: item.latest)))
    roots = _gathered(sorted(roots, key=lambda item: item.date))
    return "".join(map(_list, sorted(roots, key=lambda item: item.date)))


def _list(item):
    return f"({_inner(item)})"


def _inner(item):
    own = str(item.message.sequence) if item.message else ""
    children = sorted(item.children, key=lambda child: child.date)
    if len(children) == 1:
        return f"{own} {_inner(children[0])}".strip()
    lists = "".join(map(_list, children))
    return f"{own} {lists}" if own and lists else own + lists
