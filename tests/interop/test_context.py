"""Results of searches in parts and kept up to date (RFC 5267, RFC 9394), FUZZY (RFC 6203) and save
dates (RFC 8514)."""

import random
import re

import pytest
from imap_wire import letter, numbers

CONTEXTS_MAX = 16


def filled(client, count, flags=""):
    for number in range(1, count + 1):
        client.append(letter(number), "INBOX", *([flags] if flags else []))
    client.ok("NOOP")
    return client


def esearch(answer):
    """(tag, the rest) of each ESEARCH."""
    found = (re.match(rb'\(TAG "([^"]*)"\) ?(.*)', line) for line in answer.of(b"ESEARCH"))
    return [(one.group(1).decode(), one.group(2).decode()) for one in found]


def only(answer):
    ((_, rest),) = esearch(answer)
    return rest


def test_partial(imap):
    client = filled(imap(), 10)
    client.ok("STORE 2,5 +FLAGS (\\Deleted)")
    assert only(client.ok("UID SEARCH RETURN (PARTIAL 1:3) UNDELETED")) == "UID PARTIAL (1:3 1,3:4)"
    assert only(client.ok("UID SEARCH RETURN (PARTIAL 3:1) UNDELETED")) == "UID PARTIAL (3:1 1,3:4)"
    assert only(client.ok("SEARCH RETURN (PARTIAL -1:-2) UNDELETED")) == "PARTIAL (-1:-2 9:10)"
    assert only(client.ok("SEARCH RETURN (PARTIAL -8:-20) UNDELETED")) == "PARTIAL (-8:-20 1)"
    assert only(client.ok("SEARCH RETURN (PARTIAL 8:9) UNDELETED")) == "PARTIAL (8:9 10)"
    assert only(client.ok("SEARCH RETURN (PARTIAL 9:20) UNDELETED")) == "PARTIAL (9:20 NIL)"
    told = only(client.ok("SEARCH RETURN (COUNT MIN MAX PARTIAL 2:2) UNDELETED"))
    assert told == "MIN 1 MAX 10 COUNT 8 PARTIAL (2:2 3)"
    client.bad("SEARCH RETURN (ALL PARTIAL 1:2) ALL")


@pytest.mark.parametrize("options, saved", [
    ("PARTIAL 2:3", [3, 4]), ("PARTIAL 2:3 MIN", [1, 3, 4]), ("PARTIAL 2:3 MAX", [3, 4, 10]),
    ("PARTIAL -1:-2 MIN MAX", [1, 9, 10]), ("PARTIAL 2:3 COUNT", [1, 3, 4, 6, 7, 8, 9, 10]),
])
def test_partial_saved(imap, options, saved):
    """RFC 9394 §3.2, table 1."""
    client = filled(imap(), 10)
    client.ok("STORE 2,5 +FLAGS.SILENT (\\Deleted)")
    client.ok(f"SEARCH RETURN (SAVE {options}) UNDELETED")
    (line,) = client.ok("SEARCH $").of(b"SEARCH")
    assert [int(number) for number in line.split()] == saved


def test_partial_fetch(imap):
    client = filled(imap(), 10)
    client.ok("STORE 3 +FLAGS.SILENT (\\Deleted)")
    client.ok("EXPUNGE")
    uids = lambda command: [int(re.search(rb"UID (\d+)", rest).group(1)) for _, rest in client.ok(command).fetches]
    assert uids("UID FETCH 1:* (UID FLAGS) (PARTIAL -1:-3)") == [8, 9, 10]
    assert uids("UID FETCH 2:9 (UID) (PARTIAL 1:3)") == [2, 4, 5]
    assert uids("UID FETCH 2:9 (UID) (PARTIAL 3:2)") == [4, 5]
    assert uids("UID FETCH 8:10,1:2 (UID ENVELOPE) (PARTIAL 2:4)") == [2, 8, 9]
    assert uids("UID FETCH 1:* (UID) (PARTIAL 10:12)") == []
    # The window first, then what changed in it.
    (line,) = client.ok("STATUS INBOX (HIGHESTMODSEQ)").of(b"STATUS")
    modseq = re.search(rb"HIGHESTMODSEQ (\d+)", line).group(1).decode()
    client.ok("UID STORE 2,9 +FLAGS.SILENT (\\Flagged)")
    assert uids(f"UID FETCH 1:* (UID) (PARTIAL -1:-3 CHANGEDSINCE {modseq})") == [9]
    assert uids(f"UID FETCH 1:* (UID) (CHANGEDSINCE {modseq} PARTIAL 1:3)") == [2]
    client.bad("FETCH 1:* (UID) (PARTIAL 1:3)")


def test_save_dates(imap):
    client = imap()
    client.append(letter(1), "INBOX", '"01-Jan-2001 00:00:00 +0000"')
    client.ok("NOOP")
    search = lambda keys: client.ok(f"SEARCH {keys}").untagged[-1].split()[2:]
    assert search("SAVEDSINCE 1-Jan-2020") == [b"1"]
    assert search("SAVEDBEFORE 1-Jan-2020") == []
    assert search("SAVEDON 1-Jan-2001") == []
    assert search("ON 1-Jan-2001 SAVEDATESUPPORTED") == [b"1"]
    assert search("NOT SAVEDATESUPPORTED") == []


def test_fuzzy(imap):
    client = imap()
    client.append(letter(1, body="Nothing of the kind.\r\n"))
    client.append(letter(2, body="We are meeting on Monday: meetings, meeting, meet.\r\n"))
    client.append(letter(3, body="They met; one meeting.\r\n"))
    client.ok("NOOP")
    told = only(client.ok("SEARCH RETURN (RELEVANCY ALL COUNT) FUZZY BODY meeting"))
    found = re.fullmatch(r"COUNT (\d) ALL (\S+) RELEVANCY \(([\d ]+)\)|ALL .*", told)
    assert found, told
    scores = [int(score) for score in found.group(3).split()]
    listed = numbers(found.group(2).encode())
    assert {2, 3} <= set(listed) and len(scores) == len(listed) == int(found.group(1))
    assert all(1 <= score <= 100 for score in scores) and max(scores) == 100
    told = only(client.ok("SORT RETURN (RELEVANCY ALL) (RELEVANCY) UTF-8 FUZZY BODY meeting"))
    scores = [int(score) for score in re.search(r"RELEVANCY \(([\d ]+)\)", told).group(1).split()]
    assert scores == sorted(scores, reverse=True)
    client.bad("SORT (RELEVANCY) UTF-8 BODY meeting")
    client.bad("SEARCH RETURN (RELEVANCY) BODY meeting")


def test_updates_of_a_search(imap):
    client, other = filled(imap(), 5), imap()
    tag = client.send("UID SEARCH RETURN (UPDATE COUNT) DELETED")
    assert only(client.answer(tag)) == "UID COUNT 0"
    name = tag.decode()
    # By another session: behind the FETCH that says why.
    other.ok("STORE 2,4 +FLAGS (\\Deleted)")
    answer = client.ok("NOOP")
    assert esearch(answer) == [(name, "UID ADDTO (0 2,4)")]
    kinds = [line.split()[1] if line.split()[1] == b"ESEARCH" else line.split()[2] for line in answer.untagged]
    assert kinds == [b"FETCH", b"FETCH", b"ESEARCH"]
    # By itself, silently.
    answer = client.ok("STORE 3 +FLAGS.SILENT (\\Deleted)")
    assert esearch(answer) == [(name, "UID ADDTO (0 3)")]
    answer = client.ok("STORE 2 -FLAGS (\\Deleted)")
    assert esearch(answer) == [(name, "UID REMOVEFROM (0 2)")]
    # Flags that make no difference are not told.
    assert esearch(client.ok("STORE 1:5 +FLAGS (\\Seen)")) == []
    # REMOVEFROM before EXPUNGE.
    answer = client.ok("EXPUNGE")
    lines = [line for line in answer.untagged if b"EXPUNGE" in line or b"ESEARCH" in line]
    assert lines[0] == b'* ESEARCH (TAG "%s") UID REMOVEFROM (0 3:4)' % tag and len(lines) == 3
    # ADDTO behind EXISTS.
    other.append(letter(6), "INBOX", "(\\Deleted)")
    other.append(letter(7))
    answer = client.ok("NOOP")
    lines = [line for line in answer.untagged if b"EXISTS" in line or b"ESEARCH" in line]
    assert lines == [b"* 5 EXISTS", b'* ESEARCH (TAG "%s") UID ADDTO (0 6)' % tag]
    client.ok(f'CANCELUPDATE "{name}"')
    client.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)")
    assert esearch(client.ok("NOOP")) == []


def test_updates_by_number(imap):
    client, other = filled(imap(), 5), imap()
    tag = client.send("SEARCH RETURN (UPDATE ALL) ALL")
    assert only(client.answer(tag)) == "ALL 1:5"
    other.ok("STORE 2,4 +FLAGS.SILENT (\\Deleted)")
    other.ok("EXPUNGE")
    # Numbers must not move while SEARCH is answered; the result says so at once (RFC 5267 §A.3).
    answer = client.ok("SEARCH UNSEEN")
    assert esearch(answer) == [(tag.decode(), "REMOVEFROM (0 2,4)")]
    assert not answer.numbered(b"EXPUNGE")
    answer = client.ok("NOOP")
    assert esearch(answer) == [] and len(answer.numbered(b"EXPUNGE")) == 2
    other.append(letter(6))
    answer = client.ok("NOOP")
    assert esearch(answer) == [(tag.decode(), "ADDTO (0 4)")]
    # Numbers of the command meant messages: `1:5` says nothing of new ones.
    fixed = client.send("SEARCH RETURN (UPDATE ALL) 1:3 UNSEEN")
    assert only(client.answer(fixed)) == "ALL 1:3"
    other.append(letter(7))
    assert [one for one in esearch(client.ok("NOOP")) if one[0] == fixed.decode()] == []


def test_updates_in_idle(imap):
    client, other = filled(imap(), 3), imap()
    tag = client.send("UID SEARCH RETURN (UPDATE) UNSEEN")
    assert client.answer(tag).word == b"OK"
    client.idle()
    other.append(letter(4))
    heard = client.until(b"ESEARCH")
    assert heard[-1] == b'* ESEARCH (TAG "%s") UID ADDTO (0 4)' % tag
    other.ok("STORE 1 +FLAGS (\\Seen)")
    assert client.until(b"ESEARCH")[-1] == b'* ESEARCH (TAG "%s") UID REMOVEFROM (0 1)' % tag
    other.ok("STORE 4 +FLAGS.SILENT (\\Deleted)")
    other.ok("EXPUNGE")
    heard = client.until(b"EXPUNGE")
    assert b'* ESEARCH (TAG "%s") UID REMOVEFROM (0 4)' % tag in heard[:-1]
    client.done()


def apply(result, change):
    """What a client makes of an update (RFC 5267 §4.3.3, §4.3.4)."""
    for kind, pairs in re.findall(r"(ADDTO|REMOVEFROM) \(([^)]*)\)", change):
        words = pairs.split()
        for place, told in zip(words[::2], words[1::2]):
            place, told = int(place), in_order(told)
            assert place > 0
            if kind == "ADDTO":
                result[place - 1:place - 1] = told
            else:
                assert result[place - 1:place - 1 + len(told)] == told
                del result[place - 1:place - 1 + len(told)]


def in_order(text):
    found = []
    for part in text.split(","):
        first, _, last = part.partition(":")
        found += range(int(first), int(last or first) + 1)
    return found


def sorted_now(client, order, keys):
    (line,) = [one for one in client.ok(f"UID SORT ({order}) UTF-8 {keys}").untagged if one.startswith(b"* SORT")]
    return [int(number) for number in line.split()[2:]]


@pytest.mark.parametrize("order", ["REVERSE SIZE", "SUBJECT", "REVERSE DATE SIZE"])
def test_updates_of_a_sort(imap, order):
    """A client that does what it is told has what a new SORT gives, whatever two sessions do."""
    client, other = imap(), imap()
    chance = random.Random(order)
    new = lambda: letter(chance.randrange(30), chance.choice("abc"), "x" * chance.randrange(5) + "\r\n")
    for _ in range(12):
        client.append(new())
    client.ok("NOOP")
    tag = client.send(f"UID SORT RETURN (UPDATE ALL) ({order}) UTF-8 UNFLAGGED")
    result = in_order(only(client.answer(tag)).split()[-1])
    hear = client.answer

    def answer(sent):
        heard = hear(sent)
        for name, change in esearch(heard):
            assert name == tag.decode() and change.startswith("UID ")
            apply(result, change)
        return heard

    client.answer = answer
    for _ in range(40):
        who = chance.choice([client, other])
        act = chance.randrange(5)
        if act == 0:
            who.append(new())
        elif act == 1:
            who.ok("STORE * +FLAGS.SILENT (\\Deleted)")
            if chance.random() < 0.5:
                who.ok("EXPUNGE")
        else:
            chosen = ",".join(str(chance.randrange(1, 12)) for _ in range(3))
            sign, silent = chance.choice("+-"), chance.choice(["", ".SILENT"])
            who.ok(f"UID STORE {chosen} {sign}FLAGS{silent} (\\Flagged)")
        client.ok("NOOP")
        other.ok("NOOP")
        assert result == sorted_now(client, order, "UNFLAGGED")


def test_limit_of_contexts_and_tags(imap):
    client = filled(imap(), 2)
    tags = []
    for number in range(CONTEXTS_MAX):
        program = "(DATE) UTF-8 SEEN" if number % 2 else "SEEN"
        tags.append(client.send(f"{'SORT' if number % 2 else 'SEARCH'} RETURN (UPDATE COUNT)", program))
        answer = client.answer(tags[-1])
        assert answer.word == b"OK"
        assert not any(b"NOUPDATE" in line for line in answer.untagged)
    tag = client.send("UID SEARCH RETURN (UPDATE COUNT) SEEN")
    answer = client.answer(tag)
    # The others are honoured; the refusal comes before the tagged answer.
    assert only(answer) == "UID COUNT 0" and answer.word == b"OK"
    assert any(line.startswith(b'* NO [NOUPDATE "%s"]' % tag) for line in answer.untagged)
    client.raw.send('x SEARCH RETURN (UPDATE) ALL\r\n')
    client.until(b"x OK")
    client.ok(b'CANCELUPDATE "%s" "%s"' % (tags[0], tags[1]))
    client.raw.send('y SEARCH RETURN (UPDATE) ALL\r\n')
    assert not any(b"NOUPDATE" in line for line in client.until(b"y OK"))
    client.raw.send('y SORT RETURN (UPDATE) (DATE) UTF-8 ALL\r\n')
    assert client.until(b"y BAD")[-1].startswith(b"y BAD")
    # A score moves when another message comes: such an order is not kept.
    answer = client.ok("SORT RETURN (UPDATE) (RELEVANCY) UTF-8 FUZZY BODY text")
    assert any(b"NOUPDATE" in line for line in answer.untagged)
    # They end with the mailbox.
    client.ok("SELECT Archive")
    client.ok("SELECT INBOX")
    assert esearch(client.ok("STORE 1 +FLAGS (\\Seen)")) == []
    client.raw.send('y SEARCH RETURN (UPDATE) ALL\r\n')
    client.until(b"y OK")


def test_updates_of_the_selected_mailbox_alone(imap):
    client, other = filled(imap(), 1), imap()
    tag = client.send("ESEARCH IN (mailboxes (INBOX Archive)) RETURN (UPDATE) UNSEEN")
    assert client.answer(tag).word == b"OK"
    other.append(letter(2))
    other.append(letter(3), "Archive")
    assert esearch(client.ok("NOOP")) == [(tag.decode(), "UID ADDTO (0 2)")]
    unselected = imap(select=None)
    unselected.bad("ESEARCH IN (mailboxes Archive) RETURN (UPDATE) UNSEEN")


@pytest.mark.parametrize("command", ["UID SEARCH RETURN (COUNT UPDATE (BODY.PEEK[HEADER.FIELDS (Subject)])) FLAGGED",
                                     "UID SORT RETURN (COUNT UPDATE (BODY.PEEK[HEADER.FIELDS (Subject)])) (ARRIVAL) UTF-8 FLAGGED"])
def test_items_of_new_messages(imap, command):
    """RFC 5465 §7: after EXISTS, before ESEARCH, and not of messages whose flags changed."""
    client, other = imap(), imap()
    other.append(letter(1))
    client.ok("NOOP")
    assert "COUNT 0" in only(client.ok(command))
    uid = other.append(letter(2), "INBOX", "(\\Flagged)")
    lines = client.ok("NOOP").untagged
    kinds = [next(word for word in (b"EXISTS", b"RECENT", b"FETCH", b"ESEARCH") if word in line) for line in lines]
    assert [kind for kind in kinds if kind != b"RECENT"] == [b"EXISTS", b"FETCH", b"ESEARCH"]
    fetched = lines[kinds.index(b"FETCH")]
    assert b"UID %d " % uid in fetched and b"Subject: letter 2" in fetched and b"ADDTO" in lines[-1]
    other.ok("SELECT INBOX")
    other.ok("STORE 1 +FLAGS (\\Flagged)")
    answer = client.ok("NOOP")
    assert not [line for line in answer.untagged if b"Subject" in line] and "ADDTO" in only(answer)
