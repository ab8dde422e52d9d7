//! Each quirk of clients that is borne, with a test that has its name.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use imap::effect::{Done, Effect, Selected};
use imap::quirks::Quirk;
use imap::types::{FetchItem, ListReturn, SearchKey, SectionText, SequenceSet, StoreOp};
use imap::{Limits, Options, Session};
use mail::{Keyword, ModSeq, NumberSet, SystemFlags};
use std::sync::Arc;
use wire::auth::Answer;
use wire::{Event, Machine as _, Step};

/// A session with INBOX selected, and what it asked and said since.
struct Talk {
    session: Session,
    asked: Vec<Effect>,
}

impl Talk {
    fn new() -> Self {
        let options = Options {
            limits: Limits::default(),
            host: "mail.example.test".to_owned(),
            tls_required: false,
            starttls: false,
            append_octets_max: 1_000_000,
            hidden_capabilities: Vec::new(),
            jmap_session_url: None,
        };
        let mut talk = Self { session: Session::new(Arc::new(options)), asked: Vec::new() };
        talk.run();
        talk.say("login LOGIN ana secret\r\nselect SELECT INBOX\r\n");
        talk.asked.clear();
        talk
    }

    fn run(&mut self) {
        loop {
            match self.session.step() {
                Step::Ask(effect) => {
                    self.answer(&effect);
                    self.asked.push(effect);
                }
                Step::Wait(_) | Step::Close => return,
                Step::StartTls | Step::Compress | Step::EndCompress => panic!("not here"),
            }
        }
    }

    fn answer(&mut self, effect: &Effect) {
        match effect {
            Effect::Auth(_) => self.session.auth(Answer::Accepted { login: String::new() }),
            Effect::Select { read_only, .. } => self.session.selected(Ok(Selected {
                mailbox: "INBOX".to_owned(),
                exists: 3,
                recent: 0,
                first_unseen: None,
                uid_validity: 5,
                uid_next: 9,
                highest_modseq: 7,
                keywords: Vec::new(),
                mailbox_id: "M1".to_owned(),
                read_only: *read_only,
                permanent: imap::types::Permanent::ALL,
            })),
            Effect::Id(_) | Effect::Idle(_) | Effect::AppendAbort => {}
            _ => self.session.done(Done::Ok(None)),
        }
    }

    /// What is answered to these octets, sent in one packet.
    fn say(&mut self, octets: &str) -> String {
        self.session.receive(octets.as_bytes());
        self.run();
        String::from_utf8(self.session.outbox().take().to_vec()).unwrap()
    }

    /// The effect of one command that is answered OK.
    fn effect(&mut self, command: &str) -> Effect {
        self.asked.clear();
        let said = self.say(&format!("t {command}\r\n"));
        assert!(said.lines().any(|line| line.starts_with("t OK ")), "{said}");
        self.asked.swap_remove(0)
    }
}

#[test]
fn apple_idle_pipelined() {
    let mut talk = Talk::new();
    assert!(talk.say("a IDLE\r\n").starts_with("+ "));
    let said = talk.say("DONE\r\nb NAMESPACE\r\nc LIST \"\" \"*\" RETURN (SPECIAL-USE)\r\n");
    let tagged: Vec<_> = said.lines().filter(|line| !line.starts_with('*')).collect();
    assert_eq!(tagged, ["a OK IDLE completed", "b OK NAMESPACE completed", "c OK LIST completed"]);
}

#[test]
fn apple_echoed_header_fields() {
    let mut talk = Talk::new();
    let effect = talk.effect("UID FETCH 1 BODY.PEEK[HEADER.FIELDS (x-Apple FROM \"a b\")]");
    let Effect::Fetch { items, .. } = effect else { panic!("{effect:?}") };
    let FetchItem::BodySection { section, .. } = &items[1] else { panic!("{items:?}") };
    let names = [&b"x-Apple"[..], b"FROM", b"a b"].map(<[u8]>::to_vec).to_vec();
    assert_eq!(section.text, SectionText::HeaderFields(names));
    let mut reply = talk.session.reply();
    let mut fetch = reply.fetch(1, mail::Uid(1));
    fetch.section(&items[1], Some(0));
    fetch.end();
    let line = talk.session.outbox().take();
    assert_eq!(line, b"* 1 FETCH (BODY[HEADER.FIELDS (x-Apple FROM \"a b\")] {0}\r\n)\r\n"[..]);
}

#[test]
fn apple_sequence_set_first() {
    let mut talk = Talk::new();
    for (command, deleted) in [
        ("UID SEARCH 1:* NOT DELETED", SearchKey::Not(Box::new(SearchKey::Deleted))),
        ("UID SEARCH 1:* DELETED", SearchKey::Deleted),
    ] {
        let effect = talk.effect(command);
        let Effect::Search { key: SearchKey::And(keys), .. } = effect else { panic!("{effect:?}") };
        assert!(matches!(keys[0], SearchKey::Sequence(_)));
        assert_eq!(keys[1], deleted);
    }
}

#[test]
fn apple_empty_line() {
    let said = Talk::new().say("\r\nB41 UID MOVE 7 Archive\r\n\r\n\r\nB42 NOOP\r\n");
    assert_eq!(said, "B41 OK MOVE completed\r\nB42 OK NOOP completed\r\n");
}

#[test]
fn apple_changed_since_zero() {
    let effect = Talk::new().effect("UID FETCH 1:* (FLAGS) (CHANGEDSINCE 0)");
    let Effect::Fetch { modifiers, .. } = effect else { panic!("{effect:?}") };
    assert_eq!(modifiers.changed_since, Some(ModSeq(0)));
}

#[test]
fn apple_special_use_in_plain_list() {
    let effect = Talk::new().effect("LIST \"\" \"*\"");
    let Effect::List { returns, .. } = effect else { panic!("{effect:?}") };
    let wanted = ListReturn { special_use: true, children: true, ..ListReturn::default() };
    assert_eq!(returns, wanted);
}

#[test]
fn apple_answers_in_order() {
    let said = Talk::new().say("a FETCH 1 FLAGS\r\nb NOOP\r\nc XYZZY\r\nd STATUS x (MESSAGES)\r\n");
    let tags: String = said.lines().filter_map(|line| line.chars().next()).collect();
    assert_eq!(tags, "abcd");
}

#[test]
fn outlook_still_here() {
    let mut talk = Talk::new();
    talk.session.keep_alive();
    assert_eq!(talk.say("a IDLE\r\n"), "+ Idling\r\n");
    talk.session.keep_alive();
    assert_eq!(talk.say(""), "* OK Still here\r\n");
    talk.session.event(Event::News);
    assert!(matches!(talk.session.step(), Step::Ask(Effect::Poll { .. })));
    talk.session.keep_alive();
    talk.session.done(Done::Ok(None));
    assert_eq!(talk.say("DONE\r\n"), "* OK Still here\r\na OK IDLE completed\r\n");
}

#[test]
fn thunderbird_lower_case() {
    let mut talk = Talk::new();
    let effect = talk.effect("uid store 2 +Flags \\flagged $label1");
    let Effect::Store { op, flags, silent, .. } = effect else { panic!("{effect:?}") };
    assert_eq!((op, silent, flags.system), (StoreOp::Add, false, SystemFlags::FLAGGED));
    assert_eq!(flags.keywords, [Keyword::parse("$Label1").unwrap()]);
    let effect = talk.effect("list (subscribed) \"\" \"*\"");
    let Effect::List { select, .. } = effect else { panic!("{effect:?}") };
    assert!(select.subscribed);
}

#[test]
fn thunderbird_range_above_last() {
    let effect = Talk::new().effect("UID fetch 19:* (FLAGS)");
    let Effect::Fetch { set, .. } = effect else { panic!("{effect:?}") };
    assert_eq!(set.resolve(18), Some(NumberSet::of([(18, 19)])));
}

#[test]
fn thunderbird_raw_ampersand() {
    let mut talk = Talk::new();
    for (written, meant) in [
        ("\"Gr&APYA3w-e &- Co\"", "Größe & Co"),
        ("\"R&D\"", "R&D"),
        ("\"Größe & Co/\"", "Größe & Co"),
    ] {
        let effect = talk.effect(&format!("CREATE {written}"));
        assert_eq!(effect, Effect::Create { mailbox: meant.to_owned(), special_use: Vec::new() });
    }
    talk.say("a ENABLE UTF8=ACCEPT\r\n");
    let effect = talk.effect("CREATE \"R&- &APY-\"");
    let mailbox = "R&- &APY-".to_owned();
    assert_eq!(effect, Effect::Create { mailbox, special_use: Vec::new() });
}

#[test]
fn mutt_keyword_old() {
    let effect = Talk::new().effect("UID STORE 1:17 +FLAGS.SILENT (Old)");
    let Effect::Store { flags, silent, .. } = effect else { panic!("{effect:?}") };
    assert!(silent);
    assert_eq!(flags.keywords, [Keyword::parse("Old").unwrap()]);
}

#[test]
fn node_imap_tag_idle() {
    let mut talk = Talk::new();
    assert_eq!(talk.say("IDLE IDLE\r\n"), "+ Idling\r\n");
    assert_eq!(talk.say("DONE\r\n"), "IDLE OK IDLE completed\r\n");
}

#[test]
fn offline_imap_examine_after_select() {
    let said = Talk::new().say("a EXAMINE INBOX\r\n");
    assert!(said.starts_with("* OK [CLOSED] "), "{said}");
    assert!(said.ends_with("a OK [READ-ONLY] Mailbox is selected\r\n"), "{said}");
}

#[test]
fn android_long_uid_lists() {
    let uids: Vec<_> = (1..2_000).map(|uid| (uid * 7).to_string()).collect();
    let effect = Talk::new().effect(&format!("UID FETCH {} (FLAGS)", uids.join(",")));
    let Effect::Fetch { set: SequenceSet::Ranges(ranges), .. } = effect else { panic!("no set") };
    assert_eq!(ranges.len(), 1_999);
}

#[test]
fn text_after_code() {
    let mut talk = Talk::new();
    let said = talk.say("a SELECT INBOX\r\nb IDLE\r\nDONE\r\nc APPEND x {1}\r\n");
    for line in said.lines() {
        if let Some((_, text)) = line.split_once("] ") {
            assert!(!text.is_empty(), "{line}");
        } else {
            assert!(!line.ends_with(']'), "{line}");
        }
        assert!(!line.starts_with('+') || line.starts_with("+ "), "{line}");
    }
}

#[test]
fn descending_sets() {
    let effect = Talk::new().effect("FETCH 5:1,*:3 FLAGS");
    let Effect::Fetch { set, .. } = effect else { panic!("{effect:?}") };
    assert_eq!(set.resolve(8), Some(NumberSet::of([(1, 8)])));
}

#[test]
fn inbox_in_any_case() {
    let mut talk = Talk::new();
    for name in ["inbox", "INBOX", "\"iNbOx\"", "InBox/"] {
        let effect = talk.effect(&format!("STATUS {name} (MESSAGES)"));
        let Effect::Status { mailbox, .. } = effect else { panic!("{effect:?}") };
        assert_eq!(mailbox, "INBOX");
    }
}

#[test]
fn extra_spaces() {
    let mut talk = Talk::new();
    talk.effect("FETCH  1   ( FLAGS  UID ) ");
    talk.effect("NOOP ");
    talk.effect("STORE 1 +FLAGS ( \\Seen ) ");
    talk.effect("SEARCH  ALL  ");
}

/// Does not compile without a test for each.
#[test]
fn every_quirk_has_a_test() {
    let mut tests: Vec<_> = Quirk::ALL.iter().map(|quirk| test_of(*quirk) as usize).collect();
    tests.sort_unstable();
    tests.dedup();
    assert_eq!(tests.len(), Quirk::ALL.len());
}

fn test_of(quirk: Quirk) -> fn() {
    match quirk {
        Quirk::AppleIdlePipelined => apple_idle_pipelined,
        Quirk::AppleEchoedHeaderFields => apple_echoed_header_fields,
        Quirk::AppleSequenceSetFirst => apple_sequence_set_first,
        Quirk::AppleEmptyLine => apple_empty_line,
        Quirk::AppleChangedSinceZero => apple_changed_since_zero,
        Quirk::AppleSpecialUseInPlainList => apple_special_use_in_plain_list,
        Quirk::AppleAnswersInOrder => apple_answers_in_order,
        Quirk::OutlookStillHere => outlook_still_here,
        Quirk::ThunderbirdLowerCase => thunderbird_lower_case,
        Quirk::ThunderbirdRangeAboveLast => thunderbird_range_above_last,
        Quirk::ThunderbirdRawAmpersand => thunderbird_raw_ampersand,
        Quirk::MuttKeywordOld => mutt_keyword_old,
        Quirk::NodeImapTagIdle => node_imap_tag_idle,
        Quirk::OfflineImapExamineAfterSelect => offline_imap_examine_after_select,
        Quirk::AndroidLongUidLists => android_long_uid_lists,
        Quirk::TextAfterCode => text_after_code,
        Quirk::DescendingSets => descending_sets,
        Quirk::InboxInAnyCase => inbox_in_any_case,
        Quirk::ExtraSpaces => extra_spaces,
    }
}
