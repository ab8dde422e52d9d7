"""SORT and THREAD (RFC 5256, RFC 5957), compared with an implementation in Python."""

import random

import pytest
from imap_wire import Literal
from mail_order import fetched, ordered, threads

CRITERIA = (
    "ARRIVAL", "CC", "DATE", "FROM", "SIZE", "SUBJECT", "TO", "DISPLAYFROM", "DISPLAYTO",
    "REVERSE ARRIVAL", "REVERSE DATE", "REVERSE SUBJECT", "REVERSE SIZE", "REVERSE DISPLAYFROM",
    "SUBJECT REVERSE DATE", "FROM SUBJECT", "TO REVERSE CC SIZE", "REVERSE FROM REVERSE TO ARRIVAL",
)
ALGORITHMS = ("REFERENCES", "ORDEREDSUBJECT", "REFS")


def mail(subject="", sender="", to="", date="", id="", references="", extra="", body="x"):
    fields = [
        ("From", sender), ("To", to), ("Subject", subject), ("Date", date), ("Message-ID", id),
        ("References", references),
    ]
    head = "".join(f"{name}: {value}\r\n" for name, value in fields if value)
    return f"{head}{extra}X-Test: yes\r\n\r\n{body}\r\n".encode()


def numbers(client, command, kind=b"SORT"):
    lines = [line for line in client.ok(command).untagged if line.startswith(b"* " + kind)]
    assert len(lines) == 1, lines
    return [int(number) for number in lines[0].split()[2:]]


def thread(client, command):
    (line,) = [line for line in client.ok(command).untagged if line.startswith(b"* THREAD")]
    return line[len(b"* THREAD "):].decode()


def test_by_hand(imap):
    client = imap()
    client.append(mail("Zebra", '"Anna" <zoe@x.test>', "b@x.test", "Mon, 2 Nov 2026 10:00:00 +0100"))
    client.append(mail("Re: apple", "Bert <Carl@x.test>", "A@x.test", "Mon, 2 Nov 2026 04:30:00 -0500"))
    client.append(mail("[list] APPLE (fwd)", "abe@x.test", "", "Mon, 2 Nov 2026 09:10:00 +0000"))
    client.append(mail("", "=?utf-8?q?=C3=81lvaro?= <z@x.test>", "c@x.test", ""), "INBOX",
                  '"01-Jan-2020 00:00:00 +0000"')
    client.ok("NOOP")
    # Answers and blobs do not count; equal ones in the order of the mailbox; the empty one first.
    assert numbers(client, "SORT (SUBJECT) UTF-8 ALL") == [4, 2, 3, 1]
    assert numbers(client, "SORT (REVERSE SUBJECT) UTF-8 ALL") == [1, 2, 3, 4]
    # Of all zones in UTC; without a Date field INTERNALDATE.
    assert numbers(client, "SORT (DATE) UTF-8 ALL") == [4, 1, 3, 2]
    # The mailbox alone, in no case.
    assert numbers(client, "SORT (FROM) UTF-8 ALL") == [3, 2, 4, 1]
    # What is shown; "A" with a combining acute is above all of ASCII.
    assert numbers(client, "SORT (DISPLAYFROM) UTF-8 ALL") == [3, 1, 4, 2]
    assert numbers(client, "SORT (TO) UTF-8 ALL") == [3, 2, 1, 4]
    assert numbers(client, "SORT (SUBJECT) US-ASCII SUBJECT zebra") == [1]
    assert numbers(client, 'SORT (SUBJECT) US-ASCII TEXT "not in mailbox"') == []
    assert numbers(client, "UID SORT (REVERSE DATE) UTF-8 1:3") == [2, 3, 1]
    client.bad("SORT (NOTHING) UTF-8 ALL")
    client.bad("SORT (DATE) UTF-8")
    assert client.no("SORT (DATE) X-UNKNOWN ALL").code.startswith(b"BADCHARSET")


def test_esort(imap):
    client = imap()
    for size in (30, 10, 20, 40, 50):
        client.append(mail("s", body="x" * size))
    client.ok("NOOP")

    def esort(command):
        answer = client.ok(command)
        (line,) = answer.of(b"ESEARCH")
        return line.split(b") ", 1)[1].decode()

    assert esort("SORT RETURN () (SIZE) UTF-8 ALL") == "ALL 2:3,1,4:5"
    assert esort("UID SORT RETURN (ALL) (SIZE) UTF-8 ALL") == "UID ALL 2:3,1,4:5"
    assert esort("UID SORT RETURN (COUNT MIN MAX) (SIZE) UTF-8 2:4") == "UID MIN 2 MAX 4 COUNT 3"
    assert esort("SORT RETURN (PARTIAL 2:3) (REVERSE SIZE) UTF-8 ALL") == "PARTIAL (2:3 4,1)"
    assert esort("SORT RETURN (PARTIAL -1:-2) (REVERSE SIZE) UTF-8 ALL") == "PARTIAL (-1:-2 3,2)"
    assert esort("SORT RETURN (PARTIAL 9:7) (SIZE) UTF-8 ALL") == "PARTIAL (9:7 NIL)"
    assert esort("SORT RETURN (COUNT) (SIZE) UTF-8 SUBJECT nothing") == "COUNT 0"
    client.ok("SORT RETURN (SAVE PARTIAL 1:2) (SIZE) UTF-8 ALL")
    assert numbers(client, "SEARCH $", b"SEARCH") == [2, 3]
    client.ok("SORT RETURN (SAVE) (SIZE) UTF-8 LARGER 1 3:5")
    assert numbers(client, "SEARCH $", b"SEARCH") == [3, 4, 5]


@pytest.fixture
def conversations(imap):
    """Letters that answer each other, in part wrongly."""
    client, chance = imap(), random.Random(5256)
    subjects = ["alpha", "beta", "[x] gamma", ""]
    for number in range(60):
        names = [f"<{chance.randrange(45)}@x>" for _ in range(chance.choice([0, 0, 1, 1, 2, 4]))]
        subject = chance.choice(["", "Re: ", "Fwd: "]) + chance.choice(subjects)
        own = "" if chance.random() < 0.1 else f"<{chance.randrange(45)}@x>"
        in_reply = f"In-Reply-To: {names[0]} and {names[-1]}\r\n" if names and number % 3 == 0 else ""
        client.append(mail(
            subject, f"Name {number % 4} <u{number % 7}@x>", f"t{number % 5}@x",
            f"Mon, {1 + chance.randrange(20)} Nov 2026 10:00:00 +0{chance.randrange(9)}00",
            own, "" if in_reply else " ".join(names), in_reply,
        ), "INBOX", f'"{1 + chance.randrange(20):02}-Oct-2026 10:00:00 +0000"')
    client.ok("NOOP")
    return client


@pytest.mark.parametrize("criteria", CRITERIA)
def test_order_of_conversations(conversations, criteria):
    client = conversations
    assert numbers(client, f"SORT ({criteria}) UTF-8 ALL") == ordered(fetched(client), criteria)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_threads_of_conversations(conversations, algorithm):
    client = conversations
    messages = fetched(client)
    assert thread(client, f"THREAD {algorithm} UTF-8 ALL") == threads(messages, algorithm)
    half = [one for one in messages if one.sequence % 2]
    chosen = ",".join(str(one.sequence) for one in half)
    assert thread(client, f"THREAD {algorithm} UTF-8 {chosen}") == threads(half, algorithm)
    assert thread(client, f"THREAD {algorithm} US-ASCII SUBJECT nothing") == ""


def test_threads_by_hand(imap):
    client = imap()
    for subject, own, references in [
        ("a", "<1@x>", ""), ("Re: a", '<"2"@x>', "<1@x>"), ("c", "<3@x>", "<9@x>"),
        ("d", "<4@x>", "<9@x>"), ("e", "<5@x>", "<1@x> <2@x>"), ("Re: f", "<6@x>", ""), ("f", "<7@x>", ""),
    ]:
        client.append(mail(subject, date="Mon, 2 Nov 2026 10:00:00 +0000", id=own, references=references))
    client.ok("NOOP")
    assert thread(client, "THREAD REFERENCES UTF-8 ALL") == "(1 2 5)((3)(4))(7 6)"
    assert thread(client, "THREAD REFS UTF-8 ALL") == "((3)(4))(1 2 5)(6)(7)"
    assert thread(client, "THREAD ORDEREDSUBJECT UTF-8 ALL") == "(1 2)(3)(4)(5)(6 7)"
    client.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
    client.ok("EXPUNGE")
    assert thread(client, "UID THREAD REFERENCES UTF-8 ALL") == "(2 5)((3)(4))(7 6)"
    assert thread(client, "THREAD REFERENCES UTF-8 ALL") == "(1 4)((2)(3))(6 5)"


def plain(path):
    """Whether all that orders a message can be read in one way only."""
    head = path.read_bytes().replace(b"\r\n", b"\n").partition(b"\n\n")[0]
    names = [line.partition(b":")[0].lower() for line in head.split(b"\n") if line[:1] not in b" \t"]
    return (
        head.isascii() and b"=?" not in head and b"\0" not in head and b'"' not in head and b"(" not in head
        and all(names.count(name) <= 1 for name in (b"from", b"to", b"cc", b"subject", b"date", b"references"))
    )


@pytest.fixture(scope="module")
def corpus_client(palomar, corpus):
    from imap_wire import Imap

    account = palomar.new_account()
    with Imap(palomar.connect("imaps")) as client:
        client.login(account)
        for path in [path for path in corpus if plain(path)][:400]:
            client.run("APPEND INBOX", Literal(path.read_bytes()))
        client.ok("SELECT INBOX")
        yield client


@pytest.mark.parametrize("criteria", [one for one in CRITERIA if "DATE" not in one])
def test_order_of_the_corpus(corpus_client, criteria):
    told = numbers(corpus_client, f"SORT ({criteria}) UTF-8 ALL")
    assert len(told) > 20
    assert told == ordered(fetched(corpus_client), criteria)


@pytest.mark.parametrize("algorithm", ["REFS"])
def test_threads_of_the_corpus(corpus_client, algorithm):
    """Each message once, whatever stands in it."""
    told = thread(corpus_client, f"THREAD {algorithm} UTF-8 ALL")
    found = told.replace("(", " ").replace(")", " ").split()
    assert sorted(map(int, found)) == list(range(1, len(found) + 1))
    assert len(found) == len(fetched(corpus_client))
