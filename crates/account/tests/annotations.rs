//! Annotations (RFC 5464): what is set is there, for whom it is, for as long as its mailbox is.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use account::{
    Annotate, AnnotationChange, Error, MailboxName, Options, Refused, SPECIAL_USE_ENTRY, SpecialUse,
};
use bytes::Bytes;
use mail::{AccountId, EntryName, MailboxId, ModSeq};
use store::Kv;
use support::{Bench, letters, options, run};

const BOB: AccountId = AccountId(77);

fn mailbox(name: &str) -> MailboxName {
    MailboxName::parse(name).unwrap()
}

fn entry(name: &str) -> EntryName {
    EntryName::parse(name).unwrap()
}

fn asked(user: AccountId, entries: &[(&str, Option<&str>)]) -> Annotate {
    let value = |value: &str| Bytes::copy_from_slice(value.as_bytes());
    let entries = entries.iter().map(|(name, v)| (entry(name), v.map(value))).collect();
    Annotate { user, entries, special_use: None }
}

fn set(bench: &Bench, name: &str, entries: &[(&str, Option<&str>)]) -> Result<ModSeq, Error> {
    let name = (!name.is_empty()).then(|| mailbox(name));
    run(bench.ana.annotate(name.as_ref(), asked(bench.ana.id(), entries)))
}

fn seen_by(bench: &Bench, name: &str, user: AccountId) -> Vec<(String, String)> {
    let id = (!name.is_empty()).then(|| bench.ana.mailbox(&mailbox(name)).unwrap().id);
    let text = |value: &Bytes| String::from_utf8(value.to_vec()).unwrap();
    let all = bench.ana.annotations(id, user).into_iter();
    all.map(|(name, value)| (name.as_str().to_owned(), text(&value))).collect()
}

fn seen(bench: &Bench, name: &str) -> Vec<(String, String)> {
    seen_by(bench, name, bench.ana.id())
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn check(bench: &Bench) {
    let report = run(account::check::all(&bench.accounts)).unwrap();
    assert_eq!(report.told, Vec::<String>::new());
}

fn refused<T: std::fmt::Debug>(result: Result<T, Error>) -> Refused {
    match result {
        Err(Error::Refused(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_set_is_there_after_reopening_and_agrees_with_the_log() {
    let bench = Bench::new();
    let both = [("/private/Comment", Some("mine\r\nalone")), ("/shared/comment", Some("ours"))];
    set(&bench, "Archive", &both).unwrap();
    set(&bench, "", &[("/private/vendor/x/y", Some(""))]).unwrap();
    let expected = [("/shared/comment", "ours"), ("/private/Comment", "mine\r\nalone")];
    let bench = bench.reopened();
    assert_eq!(seen(&bench, "Archive"), pairs(&expected));
    assert_eq!(seen(&bench, ""), pairs(&[("/private/vendor/x/y", "")]));
    assert_eq!(seen(&bench, "INBOX"), []);
    check(&bench);
    // NIL removes, a name in other letters is the same, and of two the last counts.
    let again = [("/PRIVATE/comment", Some("one")), ("/private/comment", Some("two"))];
    set(&bench, "Archive", &again).unwrap();
    set(&bench, "Archive", &[("/Shared/Comment", None), ("/private/none", None)]).unwrap();
    assert_eq!(seen(&bench.reopened(), "Archive"), pairs(&[("/private/comment", "two")]));
    check(&bench);
}

#[test]
fn private_entries_are_of_one_user() {
    let bench = Bench::new();
    set(&bench, "Sent", &[("/private/comment", Some("ana")), ("/shared/a", Some("x"))]).unwrap();
    let by_bob = asked(BOB, &[("/private/comment", Some("bob"))]);
    run(bench.ana.annotate(Some(&mailbox("Sent")), by_bob)).unwrap();
    let expected = |who| pairs(&[("/shared/a", "x"), ("/private/comment", who)]);
    assert_eq!(seen(&bench, "Sent"), expected("ana"));
    assert_eq!(seen_by(&bench, "Sent", BOB), expected("bob"));
    check(&bench);
}

#[test]
fn annotations_follow_their_mailbox() {
    let bench = Bench::new();
    run(bench.ana.create(&mailbox("a/b"), None)).unwrap();
    set(&bench, "a/b", &[("/shared/comment", Some("b"))]).unwrap();
    run(bench.ana.rename(&mailbox("a"), &mailbox("c"))).unwrap();
    assert_eq!(seen(&bench, "c/b"), pairs(&[("/shared/comment", "b")]));
    // RFC 5464 §4.1: "so that a mailbox created with the same name … does not inherit".
    run(bench.ana.delete(&mailbox("c/b"))).unwrap();
    run(bench.ana.create(&mailbox("c/b"), None)).unwrap();
    assert_eq!(seen(&bench, "c/b"), []);
    check(&bench);
    assert_eq!(seen(&bench.reopened(), "c/b"), []);
}

#[test]
fn renaming_inbox_copies_its_annotations() {
    let bench = Bench::new();
    set(&bench, "INBOX", &[("/private/comment", Some("old"))]).unwrap();
    let inbox = bench.ana.mailbox(&MailboxName::inbox()).unwrap().id;
    run(bench.ana.append(inbox, letters(1..=2))).unwrap();
    run(bench.ana.rename(&MailboxName::inbox(), &mailbox("old"))).unwrap();
    let expected = pairs(&[("/private/comment", "old")]);
    assert_eq!((seen(&bench, "INBOX"), seen(&bench, "old")), (expected.clone(), expected));
    check(&bench);
}

#[test]
fn all_or_nothing_is_set() {
    let bench = Bench::with(Options { metadata_value_octets_max: 3, ..options() });
    let (good, bad) = (("/shared/a", Some("123")), ("/private/b", Some("1234")));
    set(&bench, "Sent", &[good]).unwrap();
    let before = bench.ana.modseq();
    let refusal = refused(set(&bench, "Sent", &[("/shared/a", None), bad]));
    assert_eq!((refusal, bench.ana.modseq()), (Refused::AnnotationTooBig, before));
    assert_eq!(seen(&bench, "Sent"), pairs(&[("/shared/a", "123")]));
    assert_eq!(refused(set(&bench, "nowhere", &[good])), Refused::NoSuchMailbox);
    for name in ["/private", "/shared/vendor/x", "/private/specialuse"] {
        assert_eq!(refused(set(&bench, "Sent", &[(name, Some("1"))])), Refused::Cannot, "{name}");
    }
}

#[test]
fn metadata_entries_max() {
    let few =
        Options { metadata_shared_entries_max: 2, metadata_private_entries_max: 1, ..options() };
    let bench = Bench::with(few);
    let one = Some("1");
    set(&bench, "Sent", &[("/shared/a", one), ("/shared/b", one), ("/private/a", one)]).unwrap();
    for name in ["/shared/c", "/private/b"] {
        assert_eq!(refused(set(&bench, "Sent", &[(name, one)])), Refused::TooManyAnnotations);
    }
    // What is there can be changed, and one can take another's place.
    set(&bench, "Sent", &[("/shared/a", Some("2"))]).unwrap();
    set(&bench, "Sent", &[("/shared/a", None), ("/shared/c", one)]).unwrap();
    // Each user, each mailbox and the server have a room of their own.
    run(bench.ana.annotate(Some(&mailbox("Sent")), asked(BOB, &[("/private/b", one)]))).unwrap();
    set(&bench, "Trash", &[("/private/b", one)]).unwrap();
    set(&bench, "", &[("/private/b", one)]).unwrap();
    check(&bench);
}

#[test]
fn metadata_octets_max_of_an_account() {
    let bench = Bench::with(Options { metadata_octets_max: 20, ..options() });
    // Nine octets of name.
    set(&bench, "Sent", &[("/shared/a", Some("1"))]).unwrap();
    assert_eq!(refused(set(&bench, "", &[("/shared/b", Some("12"))])), Refused::Limit);
    set(&bench, "", &[("/shared/b", Some("1"))]).unwrap();
    assert_eq!(refused(set(&bench, "Sent", &[("/shared/a", Some("12"))])), Refused::Limit);
    set(&bench, "Sent", &[("/shared/a", Some(""))]).unwrap();
    set(&bench, "", &[("/shared/b", Some("12"))]).unwrap();
    // Where the limit was lowered, less is still allowed.
    let lower = Options { metadata_octets_max: 1, ..options() };
    let bench = Bench::over(bench.store.clone(), bench.clock.clone(), lower);
    set(&bench, "", &[("/shared/b", Some("1"))]).unwrap();
    assert_eq!(refused(set(&bench, "", &[("/shared/b", Some("12"))])), Refused::Limit);
}

#[test]
fn no_private_annotations() {
    let bench = Bench::with(Options { metadata_private_entries_max: 0, ..options() });
    set(&bench, "Sent", &[("/shared/a", Some("1")), ("/private/a", None)]).unwrap();
    let refusal = refused(set(&bench, "Sent", &[("/private/a", Some("1"))]));
    assert_eq!(refusal, Refused::NoPrivateAnnotations);
}

#[test]
fn a_special_use_is_set_moved_and_taken_away() {
    let bench = Bench::new();
    let special = |name: &str, special_use| {
        let asked = Annotate { special_use: Some(special_use), ..asked(bench.ana.id(), &[]) };
        run(bench.ana.annotate(Some(&mailbox(name)), asked))
    };
    let of = |bench: &Bench, name: &str| bench.ana.mailbox(&mailbox(name)).unwrap().special_use;
    run(bench.ana.create(&mailbox("Gone"), None)).unwrap();
    assert_eq!(refused(special("Gone", Some(SpecialUse::Trash))), Refused::SpecialUseTaken);
    special("Trash", None).unwrap();
    special("Gone", Some(SpecialUse::Trash)).unwrap();
    special("Gone", Some(SpecialUse::Trash)).unwrap();
    let again = bench.reopened();
    assert_eq!((of(&again, "Trash"), of(&again, "Gone")), (None, Some(SpecialUse::Trash)));
    check(&again);
    assert_eq!(refused(special("INBOX", Some(SpecialUse::Archive))), Refused::Cannot);
    let server = Annotate { special_use: Some(None), ..asked(bench.ana.id(), &[]) };
    assert_eq!(refused(run(bench.ana.annotate(None, server))), Refused::Cannot);
}

#[test]
fn what_changed_is_told_from_the_log() {
    let bench = Bench::new();
    let id = |name: &str| bench.ana.mailbox(&mailbox(name)).unwrap().id;
    let start = bench.ana.modseq();
    let first = set(&bench, "Sent", &[("/private/a", Some("1")), ("/shared/a", None)]).unwrap();
    run(bench.ana.append(id("INBOX"), letters(1..=3))).unwrap();
    let second = set(&bench, "", &[("/private/B", Some("1"))]).unwrap();
    let bobs = asked(BOB, &[("/private/c", Some("1"))]);
    run(bench.ana.annotate(Some(&mailbox("Sent")), bobs)).unwrap();
    let third = set(&bench, "Sent", &[("/private/a", None)]).unwrap();
    let special = Annotate { special_use: Some(None), ..asked(bench.ana.id(), &[]) };
    let fourth = run(bench.ana.annotate(Some(&mailbox("Trash")), special)).unwrap();
    let changes = |after, to| run(bench.ana.annotation_changes((after, to), bench.ana.id()));
    let change = |modseq, mailbox: Option<MailboxId>, name: &str| AnnotationChange {
        modseq,
        mailbox,
        name: entry(name),
    };
    let expected = [
        change(second, None, "/private/b"),
        change(third, Some(id("Sent")), "/private/a"),
        change(fourth, Some(id("Trash")), SPECIAL_USE_ENTRY),
    ];
    assert_eq!(changes(start, bench.ana.modseq()).unwrap(), expected);
    assert_eq!(changes(first, second).unwrap(), expected[..1]);
    let only = [change(first, Some(id("Sent")), "/private/a")];
    assert_eq!(changes(start, first).unwrap(), only);
    assert_eq!(changes(fourth, bench.ana.modseq()).unwrap(), []);
    assert_eq!(bench.ana.annotations_modseq(), fourth);
    assert!(bench.reopened().ana.annotations_modseq() >= fourth);
}

/// All keys of a tag, as the store has them.
fn stored(bench: &Bench, tag: u8) -> Vec<(Bytes, Bytes)> {
    let scan = store::Scan {
        account: bench.ana.id().0,
        from: Bytes::copy_from_slice(&[tag]),
        to: Bytes::copy_from_slice(&[tag + 1]),
        reverse: false,
        entries_max: 1_000,
    };
    run(bench.store.scan(scan)).unwrap()
}

#[test]
fn the_log_keeps_no_values() {
    let bench = Bench::new();
    let value = "x".repeat(60_000);
    let octets = || stored(&bench, b'C').iter().map(|(_, value)| value.len()).sum::<usize>();
    let before = octets();
    for _ in 0..100 {
        set(&bench, "Sent", &[("/private/a", Some(&value))]).unwrap();
    }
    assert!(octets() - before < 20_000, "{}", octets() - before);
    assert_eq!(stored(&bench, b'J').len(), 1);
}

#[test]
fn a_value_that_is_lost_or_another_is_told() {
    let bench = Bench::new();
    set(&bench, "Sent", &[("/private/a", Some("1"))]).unwrap();
    let [(key, value)] = &stored(&bench, b'J')[..] else { panic!("one") };
    let (key, old) = (key.clone(), value.clone());
    set(&bench, "Sent", &[("/private/a", Some("2"))]).unwrap();
    for put in [None, Some(old), Some(Bytes::from_static(b"nonsense"))] {
        let head = run(bench.store.head(bench.ana.id().0)).unwrap();
        let commit = store::Commit {
            account: bench.ana.id().0,
            expected: head,
            head: head + 1,
            puts: vec![(key.clone(), put)],
            ..store::Commit::default()
        };
        run(bench.store.commit(commit)).unwrap();
        let report = run(account::check::all(&bench.accounts)).unwrap();
        // The log ends before the head, too.
        let told = report.told.iter().filter(|told| told.contains("annotation"));
        assert_eq!(told.count(), 1, "{:?}", report.told);
    }
}
