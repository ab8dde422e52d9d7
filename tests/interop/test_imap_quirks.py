"""What real clients do beyond the RFCs, each by its number and its client."""

import re

import pytest
from imap_wire import Literal, letter


@pytest.fixture
def client(imap):
    """Three messages in INBOX."""
    one = imap()
    for number in (1, 2, 3):
        one.append(letter(number))
    one.ok("NOOP")
    return one


def test_01_ios_18_done_and_the_next_commands_in_one_packet(client):
    client.raw.send(b"i IDLE\r\n")
    client.until(b"+ ")
    client.raw.send(b'DONE\r\nn NAMESPACE\r\nl LIST "" "*" RETURN (SPECIAL-USE)\r\n')
    heard = client.until(b"l OK")
    tagged = [line[:4] for line in heard if line[:1] in b"inl"]
    assert tagged == [b"i OK", b"n OK", b"l OK"]
    assert any(rb"\Sent" in line for line in heard)


def test_02_apple_mail_header_fields_are_echoed_verbatim(client):
    asked = b"BODY[HEADER.FIELDS (date SUBJECT From X-Priority)]"
    (_, line), = client.ok(b"FETCH 1 (%s)" % asked.replace(b"BODY[", b"BODY.PEEK[")).fetches
    assert line.startswith(b"(" + asked + b" {")


def test_03_ios_10_sequence_sets_as_search_keys(client):
    client.ok(r"STORE 2 +FLAGS.SILENT (\Deleted)")
    assert client.ok("UID SEARCH 1:* NOT DELETED").of(b"SEARCH") == [b"1 3"]
    assert client.ok("UID SEARCH 1:* DELETED").of(b"SEARCH") == [b"2"]


def test_04_apple_empty_line_before_a_tag_and_uids_that_are_gone(client):
    client.ok(r"UID STORE 2 +FLAGS.SILENT (\Deleted)")
    client.ok("UID EXPUNGE 2")
    client.raw.send(b"\r\nB41 UID MOVE 2 Trash\r\n")
    assert client.until(b"B41 ")[-1].startswith(b"B41 OK")
    client.ok(r"UID STORE 2,77 +FLAGS (\Seen)")
    client.ok("UID COPY 2 Trash")
    assert client.ok("UID FETCH 2 (FLAGS)").fetches == []


def test_05_ios_16_changedsince_0_and_condstore_esearch(client):
    found = client.ok("UID FETCH 1:* (FLAGS) (CHANGEDSINCE 0)").fetches
    assert len(found) == 3 and all(b"MODSEQ (" in line for _, line in found)
    (line,) = client.ok("UID SEARCH RETURN (ALL) MODSEQ 1").of(b"ESEARCH")
    assert re.search(rb" UID ALL 1:3 MODSEQ \d+$", line)


def test_06_iphone_special_use_in_plain_list_from_the_first_login(client):
    told = client.ok('LIST "" "*"').of(b"LIST")
    for name in (b"Sent", b"Drafts", b"Trash", b"Junk", b"Archive"):
        assert any(b"\\" + name in line and line.endswith(b'"%s"' % name) for line in told), name


def test_07_apple_mail_3_answers_in_command_order(client):
    tags = [client.send(f"FETCH {n} (BODY.PEEK[])") for n in (3, 1, 2)] + [client.send("NOOP")]
    heard = client.until(tags[-1] + b" OK")
    assert [line.split()[0] for line in heard if line[:1] != b"*"] == tags


def test_08_outlook_standard_names_and_attributes_in_lsub(client):
    told = client.ok('LIST "" "%"').of(b"LIST")
    names = {line.rsplit(b" ", 1)[1].strip(b'"') for line in told}
    assert {b"INBOX", b"Sent", b"Drafts", b"Trash", b"Junk", b"Archive"} <= names
    client.ok("CREATE Entw&APw-rfe")
    client.ok("SUBSCRIBE Entw&APw-rfe")
    (line,) = client.ok('LSUB "" "Entw*"').of(b"LSUB")
    assert rb"\HasNoChildren" in line


def test_09_outlook_exists_and_uidvalidity_on_select(client):
    answer = client.ok("SELECT INBOX")
    assert answer.numbered(b"EXISTS") == [(3, b"")]
    assert re.search(rb"\[UIDVALIDITY [1-9]\d*\] \S", b"\n".join(answer.untagged))
    assert re.search(rb"\[PERMANENTFLAGS \([^)]*\\\*\)\]", b"\n".join(answer.untagged))


def test_13_thunderbird_lower_case_and_subscribed_list(client):
    client.ok('create "Trash-2"')
    client.ok('subscribe "Trash-2"')
    told = client.ok('list (subscribed) "" "*"').of(b"LIST")
    (line,) = [line for line in told if line.endswith(b'"Trash-2"')]
    # A wrong \NonExistent makes the folder unusable.
    assert rb"\Subscribed" in line and rb"\NonExistent" not in line and rb"\Noselect" not in line


def test_14_thunderbird_n_star_above_the_last_uid(client):
    (number, line), = client.ok("UID fetch 99:* (FLAGS)").fetches
    assert number == 3 and b"UID 3" in line
    (_, line), = client.ok("UID fetch 1 (UID BODY.PEEK[TEXT]<0.2048>)").fetches
    assert b"BODY[TEXT]<0> {" in line
    client.ok("uid store 1 +FLAGS ($label1)")
    client.ok('uid move 1 "Archive"')


def test_15_thunderbird_raw_ampersand_extra_separator_and_numbers(imap):
    client = imap(select=None, enable="UTF8=ACCEPT")
    client.ok('CREATE "Q&A"')
    client.ok('SELECT "Q&A/"')
    client.ok('CREATE "Parent/"')
    assert client.ok('LIST "" "Parent"').of(b"LIST")[0].endswith(b'"Parent"')
    client.append(letter(1), '"Q&A"')
    client.append(letter(2), '"Q&A"')
    client.ok("NOOP")
    client.ok(r"STORE 1 +FLAGS.SILENT (\Deleted)")
    client.ok("EXPUNGE")
    # The sequence number, not the Uid, stands before FETCH.
    (number, line), = client.ok("UID FETCH 2 (FLAGS)").fetches
    assert number == 1 and b"UID 2" in line


def test_16_mutt_enable_and_keyword_old(client):
    client.ok("ENABLE UTF8=ACCEPT")
    (_, line), = client.ok("UID STORE 1 +FLAGS (Old)").fetches
    assert re.search(rb"FLAGS \([^)]*\bOld\b", line)


def test_16_aerc_charset_and_list_status(client):
    assert client.ok("UID SEARCH CHARSET UTF-8 ALL").of(b"SEARCH") == [b"1 2 3"]
    answer = client.ok('LIST "" "*" RETURN (STATUS (MESSAGES RECENT UNSEEN))')
    assert len(answer.of(b"STATUS")) == len(answer.of(b"LIST")) >= 6


def test_16_node_imap_a_tag_called_idle(client):
    client.raw.send(b"IDLE IDLE\r\n")
    client.until(b"+ ")
    client.raw.send(b"DONE\r\n")
    assert client.until(b"IDLE OK")


def test_16_imapflow_enable_condstore_and_literals(client):
    client.ok("ENABLE CONDSTORE")
    client.ok("SELECT", Literal(b"INBOX"))


def test_16_fetchmail_exact_size_and_header_by_number(client):
    (_, line), = client.ok("FETCH 2 RFC822.SIZE").fetches
    assert line == b"(RFC822.SIZE %d)" % len(letter(2))
    (_, line), = client.ok("FETCH 2 RFC822.HEADER").fetches
    header = letter(2).split(b"\r\n\r\n", 1)[0] + b"\r\n\r\n"
    assert line == b"(RFC822.HEADER {%d}\r\n%s)" % (len(header), header)


def test_16_offlineimap_examine_after_select(client):
    client.ok("SELECT INBOX")
    assert client.ok("EXAMINE INBOX").code == b"READ-ONLY"


def test_16_roundcube_search_for_one_uid_and_mime_headers(client):
    assert client.ok("UID SEARCH 2").of(b"SEARCH") == [b"2"]
    (_, line), = client.ok("UID FETCH 2 (BODY.PEEK[2.MIME])").fetches
    assert line == b"(UID 2 BODY[2.MIME] NIL)"


def test_16_imapfilter_creates_after_trycreate(client):
    assert client.no("COPY 1 Sorted").code == b"TRYCREATE"
    client.ok("CREATE Sorted")
    assert client.ok("COPY 1 Sorted").code.startswith(b"COPYUID ")


def test_17_k9_examine_and_long_uid_lists(client):
    client.ok('EXAMINE "INBOX"')
    uids = ",".join(str(uid) for uid in range(1, 161))
    assert len(client.ok(f"UID FETCH {uids} (UID FLAGS)").fetches) == 3
    client.idle()
    client.done()
    client.ok("NOOP")


def test_18_text_after_codes_and_after_plus(client):
    answer = client.ok("SELECT INBOX (CONDSTORE)")
    for line in answer.untagged:
        if line.startswith(b"* OK ["):
            assert re.match(rb"\* OK \[[^\]]+\] \S", line), line
    client.raw.send(b"i IDLE\r\n")
    assert re.match(rb"\+ \S", client.response())
    client.raw.send(b"DONE\r\n")
    client.until(b"i OK")


@pytest.mark.parametrize("name", ["inbox", "Inbox", '"iNbOx"', "INBOX"])
def test_18_inbox_in_any_case(client, name):
    assert client.ok("SELECT", name).numbered(b"EXISTS") == [(3, b"")]
    assert client.ok(f"STATUS {name} (MESSAGES)").of(b"STATUS") == [b"INBOX (MESSAGES 3)"]


def test_18_descending_sets(client):
    assert [n for n, _ in client.ok("FETCH 3:1 (UID)").fetches] == [1, 2, 3]


def test_18_quotes_in_message_ids_are_escaped(client):
    client.append(letter(4).replace(b"<letter4@", b'<"let\\"ter4"@'))
    client.ok("NOOP")
    (_, line), = client.ok("FETCH 4 (ENVELOPE)").fetches
    assert rb'"<\"let\\\"ter4\"@example.org>"' in line


def test_18_rfc822_is_answered_by_its_name(client):
    (_, line), = client.ok("FETCH 1 RFC822").fetches
    assert line.startswith(b"(RFC822 {%d}\r\n%s" % (len(letter(1)), letter(1)))


def test_18_modseq_in_every_fetch_under_condstore(client, imap):
    watcher = imap(enable="CONDSTORE")
    watcher.ok("SELECT INBOX")
    watcher.idle()
    client.ok(r"STORE 1 +FLAGS (\Flagged)")
    assert b"MODSEQ (" in watcher.until(b"* 1 FETCH")[-1]
