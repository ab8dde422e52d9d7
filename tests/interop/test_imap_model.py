"""Three clients change one mailbox in a random order; each keeps, from the responses alone, what IMAP
promises that it may know: the Uid behind each number, and the flags. At no time may it be wrong.

PALOMAR_SEED repeats a run; PALOMAR_ROUNDS makes it longer.
"""

import os
import random
import re

import pytest
from imap_wire import Imap, Literal, letter, numbers

ROUNDS = int(os.environ.get("PALOMAR_ROUNDS", "150"))
SEEDS = [int(os.environ["PALOMAR_SEED"])] if "PALOMAR_SEED" in os.environ else [1, 2, 3]
FLAGS = [rb"\Seen", rb"\Flagged", rb"\Answered", rb"\Draft", b"$One", b"$Two"]


class Known:
    """A client and what it was told."""

    def __init__(self, client, enable=""):
        self.client, self.uids, self.flags, self.modseqs = client, [], {}, {}
        self.qresync = enable == "QRESYNC"
        self.condstore = bool(enable)
        self.take(client.ok("SELECT INBOX"))
        self.fetch_all()

    def take(self, answer):
        for line in answer.untagged:
            self.hear(line)
        return answer

    def hear(self, line):
        found = re.match(rb"\* (\d+) (EXISTS|EXPUNGE|FETCH)(.*)", line, re.DOTALL)
        if line.startswith(b"* VANISHED "):
            assert self.qresync, line
            for uid in numbers(line[11:]):
                self.vanish(uid)
        elif found:
            number, kind, rest = int(found.group(1)), found.group(2), found.group(3)
            if kind == b"EXISTS":
                assert number >= len(self.uids), (line, self.uids)
                self.uids += [None] * (number - len(self.uids))
            elif kind == b"EXPUNGE":
                assert not self.qresync and 1 <= number <= len(self.uids), line
                del self.uids[number - 1]
            else:
                self.hear_fetch(number, rest)

    def vanish(self, uid):
        """A Uid that was not told yet is one of those between its known neighbours."""
        if uid in self.uids:
            self.uids.remove(uid)
            return
        after = next((at for at, known in enumerate(self.uids) if known and known > uid), len(self.uids))
        assert after > 0 and self.uids[after - 1] is None, (uid, self.uids)
        del self.uids[after - 1]

    def hear_fetch(self, number, rest):
        assert 1 <= number <= len(self.uids), (number, rest, self.uids)
        uid = re.search(rb"\bUID (\d+)", rest)
        if uid:
            known = self.uids[number - 1]
            assert known in (None, int(uid.group(1))), (number, rest, self.uids)
            self.uids[number - 1] = int(uid.group(1))
        flags = re.search(rb"FLAGS \(([^)]*)\)", rest)
        modseq = re.search(rb"MODSEQ \((\d+)\)", rest)
        assert modseq or not self.condstore, rest
        who = self.uids[number - 1]
        if flags and who:
            self.flags[who] = frozenset(flags.group(1).split()) - {rb"\Recent"}
        if modseq and who:
            # The order of what is told may differ from that of the commits, but never goes back.
            assert int(modseq.group(1)) >= self.modseqs.get(who, 0), rest
            self.modseqs[who] = int(modseq.group(1))

    def fetch_all(self):
        if self.uids:
            self.take(self.client.ok("FETCH 1:* (UID FLAGS)"))
        assert None not in self.uids


def some(dice, known):
    """A set of numbers of messages that the client knows."""
    count = len(known.uids)
    first = dice.randint(1, count)
    return f"{first}:{min(count, first + dice.choice((0, 0, 1, 3)))}"


def step(dice, known, counter):
    client = known.client
    flags = b" ".join(dice.sample(FLAGS, dice.randint(1, 2))).decode()
    sign = dice.choice(("+", "-", ""))
    silent = dice.choice(("", ".SILENT"))
    choice = dice.random()
    if not known.uids or choice < 0.2:
        counter[0] += 1
        parts = [Literal(letter(counter[0])) for _ in range(dice.choice((1, 1, 3)))]
        known.take(client.ok("APPEND INBOX", f"({flags})", *parts))
    elif choice < 0.45:
        answer = known.take(client.ok(f"STORE {some(dice, known)} {sign}FLAGS{silent} ({flags})"))
        # RFC 9051 §7.5.1: numbers do not move in the answer to STORE by number.
        assert not answer.numbered(b"EXPUNGE") and not answer.of(b"VANISHED")
        if silent and not known.condstore:
            known.flags.clear()
    elif choice < 0.55:
        known.take(client.ok(rf"STORE {some(dice, known)} +FLAGS.SILENT (\Deleted)"))
        if not known.condstore:
            known.flags.clear()
    elif choice < 0.62:
        known.take(client.ok("EXPUNGE"))
    elif choice < 0.68:
        known.take(client.ok(f"MOVE {some(dice, known)} {dice.choice(('Trash', 'Archive'))}"))
    elif choice < 0.72:
        known.take(client.ok(f"COPY {some(dice, known)} INBOX"))
    elif choice < 0.85:
        answer = known.take(client.ok(f"FETCH {some(dice, known)} (UID FLAGS BODY[TEXT])"))
        assert not answer.numbered(b"EXPUNGE") and not answer.of(b"VANISHED")
    elif choice < 0.92:
        known.take(client.ok(f"SEARCH {dice.choice(('UNSEEN', 'ALL', 'TEXT text', 'KEYWORD $One'))}"))
    else:
        known.take(client.ok(dice.choice(("NOOP", "CHECK", "UID FETCH 1:* (FLAGS)"))))


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_told_is_true(imap, palomar, account, seed):
    dice, counter = random.Random(seed), [0]
    clients = [Known(imap(select=None, enable=e), e) for e in ("", "CONDSTORE", "QRESYNC")]
    for _ in range(ROUNDS):
        step(dice, dice.choice(clients), counter)
    truth = Known(imap(select=None))
    for known in clients:
        known.take(known.client.ok("NOOP"))
        told = dict(known.flags)
        known.fetch_all()
        assert known.uids == truth.uids
        assert known.flags.keys() >= set(truth.uids)
        for uid in truth.uids:
            assert known.flags[uid] == truth.flags[uid], uid
            # What was told before the last FETCH was true already, unless it was silent.
            if known.condstore is False and uid in told:
                assert told[uid] == truth.flags[uid], uid
    assert truth.uids == sorted(truth.uids)


@pytest.mark.parametrize("seed", SEEDS)
def test_resynchronisation_gives_the_same_as_a_new_look(imap, seed):
    """A QRESYNC client that was away ends with the same as one that reads all."""
    dice, counter = random.Random(seed), [0]
    worker = Known(imap(select=None))
    away = Known(imap(select=None, enable="QRESYNC"), "QRESYNC")
    (line,) = worker.client.ok("STATUS INBOX (UIDVALIDITY)").of(b"STATUS")
    validity = int(re.search(rb"UIDVALIDITY (\d+)", line).group(1))
    for _ in range(6):
        (line,) = away.client.ok("STATUS INBOX (HIGHESTMODSEQ)").of(b"STATUS")
        away.take(away.client.ok("NOOP"))
        (line,) = away.client.ok("STATUS INBOX (HIGHESTMODSEQ)").of(b"STATUS")
        modseq = int(re.search(rb"HIGHESTMODSEQ (\d+)", line).group(1))
        away.fetch_all()
        known, flags = list(away.uids), dict(away.flags)
        away.client.ok("UNSELECT")
        for _ in range(ROUNDS // 5):
            step(dice, worker, counter)
        pairs = ""
        if known and dice.random() < 0.5:
            sample = sorted(dice.sample(range(1, len(known) + 1), min(3, len(known))))
            uids = ",".join(str(known[n - 1]) for n in sample)
            pairs = f" 1:{max(known)} ({','.join(map(str, sample))} {uids})"
        answer = away.client.ok(f"SELECT INBOX (QRESYNC ({validity} {modseq}{pairs}))")
        exists = answer.numbered(b"EXISTS")[0][0]
        for line in answer.of(b"VANISHED"):
            known = [uid for uid in known if uid not in numbers(line.removeprefix(b"(EARLIER) "))]
        changed = {}
        for _, line in answer.fetches:
            uid = int(re.search(rb"UID (\d+)", line).group(1))
            changed[uid] = frozenset(re.search(rb"FLAGS \(([^)]*)\)", line).group(1).split()) - {rb"\Recent"}
        if not pairs:
            known = sorted(set(known) | set(changed))
            assert len(known) == exists
        flags = {uid: now for uid, now in {**flags, **changed}.items() if uid in known}
        away.uids, away.flags, away.modseqs = [None] * exists, {}, {}
        away.fetch_all()
        assert [uid for uid in away.uids if uid in known] == known
        assert {uid: away.flags[uid] for uid in flags} == flags
