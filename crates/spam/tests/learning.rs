//! What is learnt, forgotten and bounded, on the repository's messages (or those of the folder that
//! `PALOMAR_CORPUS` names) and on any octets.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use mail::mime::{self, Structure};
use proptest::prelude::*;
use spam::{
    ALL_MESSAGES, Book, Class, Counts, Key, Kind, Limits, Tokens, score, tokens, worthwhile,
};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

fn tokens_within(message: &[u8], limits: &Limits) -> Tokens {
    let structure = Structure::parse(message, &mime::Limits::default());
    tokens(message, &structure, &Key::new([7; 16]), limits)
}

fn tokens_of(message: &str) -> Tokens {
    tokens_within(message.as_bytes(), &Limits::default())
}

fn texts(message: &str, kind: Kind) -> Vec<String> {
    let tokens = tokens_of(message);
    let of_kind = tokens.list().iter().filter(|token| token.kind == kind);
    of_kind.map(|token| tokens.text(token)).collect()
}

fn corpus() -> Vec<Vec<u8>> {
    let own = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus");
    let mut folders = vec![std::env::var_os("PALOMAR_CORPUS").map_or_else(own, PathBuf::from)];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "eml") {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(found.len() >= 800, "{} messages only", found.len());
    found.into_iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// Counts of all the tokens of some messages.
fn counts(book: &Book, messages: &[Tokens]) -> Vec<Counts> {
    let tokens = messages.iter().flat_map(Tokens::list);
    tokens.map(|token| book.counts(token.hash)).collect()
}

#[test]
fn every_message_of_the_corpus_is_bounded_and_repeatable() {
    let limits = Limits { tokens_max: 300, ..Limits::default() };
    for message in corpus() {
        let found = tokens_within(&message, &limits);
        assert!((1..=300).contains(&found.list().len()));
        let distinct: HashSet<u64> = found.list().iter().map(|token| token.hash).collect();
        assert_eq!(distinct.len(), found.list().len());
        assert_eq!(found.list(), tokens_within(&message, &limits).list());
        assert!(found.list().iter().all(|token| found.text(token).len() <= 140));
    }
}

#[test]
fn lessons_taken_back_leave_nothing() {
    // So many that no page is full: a full page forgets, and that cannot be taken back.
    let messages: Vec<Tokens> = corpus()
        .iter()
        .step_by(8)
        .take(100)
        .map(|message| tokens_within(message, &Limits::default()))
        .collect();
    let mut book = Book::default();
    let (kept, passing) = messages.split_at(50);
    for (at, tokens) in kept.iter().enumerate() {
        book.train(tokens, if at % 2 == 0 { Class::Ham } else { Class::Spam });
    }
    let (before, totals) = (counts(&book, &messages), *book.totals());
    for tokens in passing {
        assert!(!book.train(tokens, Class::Spam).is_empty());
    }
    assert_ne!(counts(&book, &messages), before);
    for tokens in passing.iter().rev() {
        book.untrain(tokens, Class::Spam);
    }
    assert_eq!(counts(&book, &messages), before);
    assert_eq!(*book.totals(), totals);
}

#[test]
fn a_book_is_stored_and_read() {
    let mut book = Book::default();
    let changed = book.train(&tokens_of("Subject: one two\n\nthree four"), Class::Ham);
    let pages: Vec<Vec<u8>> = (0..=255).map(|n| book.page(n).unwrap().pack()).collect();
    let stored: Vec<u8> = (0..=255).filter(|n| !pages[usize::from(*n)].is_empty()).collect();
    assert_eq!(changed, stored);
    let again = Book::open(&book.totals().pack(), |n| &pages[usize::from(n)]);
    assert_eq!(again, Ok(book));
}

#[test]
fn what_is_learnt_is_judged() {
    let (mut server, none) = (Book::default(), Book::default());
    let junk = |n: usize| tokens_of(&format!("Subject: cheap pills {n}\n\nbuy cheap pills now"));
    let kept = |n: usize| tokens_of(&format!("Subject: minutes {n}\n\nthe meeting was adjourned"));
    assert_eq!(score(&junk(0), &server, &none).probability, 0.5);
    for n in 0..10 {
        server.train(&junk(n), Class::Spam);
        server.train(&kept(n), Class::Ham);
    }
    let verdict = score(&junk(99), &server, &none);
    assert!(verdict.probability > 0.9, "{verdict:?}");
    assert!(verdict.reasons.iter().any(|reason| reason.text == "pills"));
    assert!(score(&kept(99), &server, &none).probability < 0.1);
}

#[test]
fn what_is_sure_teaches_only_a_book_that_has_little() {
    let (mut book, none) = (Book::default(), Book::default());
    let junk = tokens_of("Subject: cheap pills\n\nbuy cheap pills at lowest prices now");
    let kept = tokens_of("Subject: minutes\n\nthe meeting was adjourned until next friday");
    for lessons in 0..=ALL_MESSAGES {
        let verdict = score(&junk, &none, &book);
        assert_eq!(worthwhile(&verdict, Class::Spam, &book), lessons < ALL_MESSAGES);
        assert!(worthwhile(&verdict, Class::Ham, &book));
        book.train(&junk, Class::Spam);
        book.train(&kept, Class::Ham);
    }
    assert!(!worthwhile(&score(&kept, &none, &book), Class::Ham, &book));
    let unsure = tokens_of("Subject: cheap minutes\n\nbuy the meeting");
    assert!(worthwhile(&score(&unsure, &none, &book), Class::Spam, &book));
}

#[test]
fn a_book_never_grows_beyond_its_bound() {
    let mut book = Book::default();
    let octets = |book: &Book| -> usize {
        (0..=255).map(|number| book.page(number).unwrap().pack().len()).sum()
    };
    let letters = |n: usize| n.to_string().bytes().map(|b| char::from(b + 49)).collect::<String>();
    for lesson in 0..300 {
        let words: Vec<String> = (0..1_500).map(|n| letters(lesson * 1_500 + n)).collect();
        book.train(&tokens_of(&format!("Subject: s\n\n{}", words.join(" "))), Class::Spam);
    }
    let found = octets(&book);
    assert!((1_700_000..2_000_000).contains(&found), "{found}");
}

#[test]
fn an_account_outweighs_the_server_as_it_grows() {
    let message = || tokens_of("Subject: pharmacy news\n\nprices of pills and creams in march");
    let other = || tokens_of("Subject: minutes\n\nthe meeting was adjourned until friday");
    let (mut server, mut account) = (Book::default(), Book::default());
    for _ in 0..50 {
        server.train(&message(), Class::Spam);
        server.train(&other(), Class::Ham);
    }
    let mut before = score(&message(), &server, &account).probability;
    assert!(before > 0.9);
    for _ in 0..10 {
        account.train(&message(), Class::Ham);
        account.train(&other(), Class::Spam);
        let now = score(&message(), &server, &account).probability;
        assert!(now <= before, "{now} after {before}");
        before = now;
    }
    assert!(before < 0.1, "{before}");
}

#[test]
fn counts_are_halved_when_the_totals_are_full() {
    let mut book = Book::default();
    let (often, once) = (tokens_of("Subject: often\n\n"), tokens_of("Subject: once\n\n"));
    book.train(&once, Class::Spam);
    for _ in 0..4_095 {
        book.train(&often, Class::Ham);
    }
    assert_eq!((book.totals().ham, book.totals().age), (4_095, 0));
    book.train(&often, Class::Ham);
    assert_eq!((book.totals().ham, book.totals().spam, book.totals().age), (2_048, 0, 1));
    for token in often.list() {
        assert!(book.counts(token.hash).ham <= book.totals().ham);
    }
}

#[test]
fn disguises_are_the_same_word() {
    let plain = texts("Subject: s\n\nviagra", Kind::Word);
    for disguised in ["ｖｉａｇｒａ", "V\u{200b}iag\u{ad}ra", "vіаgrа", "VIÁGRA"] {
        let message = format!("Content-Type: text/plain; charset=utf-8\n\n{disguised}");
        assert_eq!(texts(&message, Kind::Word), plain, "{disguised}");
    }
}

#[test]
fn words_of_a_script_without_spaces_are_pairs_of_characters() {
    let message = "Content-Type: text/plain; charset=utf-8\n\n免费发票 a";
    assert_eq!(texts(message, Kind::Word), ["免费", "费发", "发票", "a"]);
}

#[test]
fn nothing_is_learnt_of_the_way_nor_of_the_recipient() {
    let message = "To: me@home.example\nFrom: a <b@far.example>\nSubject: s\n\nhello\n";
    let way = "Received: from x\nX-Spam-Flag: YES\nDelivered-To: y\nList-Id: z\n\
        Return-Path: <q>\nReferences: <r>\nX-BeenThere: l\nPrecedence: bulk\n";
    let plain = tokens_of(message);
    assert_eq!(tokens_of(&format!("{way}{message}")).list(), plain.list());
    assert_eq!(texts(message, Kind::From), ["far.example", ".example"]);
    let own = message.replace("far.example", "mx.home.example");
    assert_eq!(texts(&own, Kind::From), Vec::<String>::new());
    let link = format!("{own}http://www.home.example/");
    assert_eq!(texts(&link, Kind::Link), Vec::<String>::new());
}

#[test]
fn of_a_date_the_form_is_learnt_and_not_the_day() {
    let of = |date: &str| texts(&format!("Date: {date}\nSubject: s\n\n"), Kind::Header);
    assert_eq!(of("Tue, 3 Sep 2002 01:02:03 +0200"), of("Mon, 5 Oct 2026 23:59:00 -0700"));
    assert_ne!(of("Tue, 3 Sep 2002 01:02:03 +0200"), of("3 Sep 02 01:02:03 GMT"));
}

#[test]
fn html_tells() {
    let message = "Content-Type: text/html\n\n<p style='display: none'>x</p><form action=mailto:a>\
        <a href='http://1.2.3.4:8080/a/b.php?c=d'>http://bank.example/</a><img src=cid:1>\
        <a href=http://bank.example/>www.bank.example</a>";
    let html = texts(message, Kind::Html);
    for expected in
        ["hidden text", "form", "action mailto", "a link that says another host", "src cid"]
    {
        assert!(html.iter().any(|text| text == expected), "{expected} in {html:?}");
    }
    let link = texts(message, Kind::Link);
    for expected in ["a host that is a number", "a port", "/….php", "a query", "bank.example"] {
        assert!(link.iter().any(|text| text == expected), "{expected} in {link:?}");
    }
}

#[test]
fn limits_hold() {
    let words: Vec<String> =
        ('a'..='z').flat_map(|a| ('a'..='z').map(move |b| format!("{a}{b}"))).collect();
    let message = format!("Subject: s\n\n{}", words.join(" "));
    let all = tokens_of(&message).list().len();
    let within = |limits| tokens_within(message.as_bytes(), &limits).list().len();
    for (tokens_max, expected) in [(all + 1, all), (all, all), (all - 1, all - 1), (0, 0)] {
        assert_eq!(within(Limits { tokens_max, ..Limits::default() }), expected);
    }
    let body = words.join(" ").len();
    assert_eq!(within(Limits { text_octets_max: body, ..Limits::default() }), all);
    assert!(within(Limits { text_octets_max: body / 2, ..Limits::default() }) < all);
    let header = "Subject: s\n\n".len();
    assert_eq!(within(Limits { header_octets_max: header, ..Limits::default() }), all);
    assert_ne!(within(Limits { header_octets_max: 0, ..Limits::default() }), all);
}

#[test]
fn limits_of_links_and_parts_hold() {
    let message = "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nhttp://a.example \
        http://b.example http://c.example\n--b\nContent-Type: image/png\n\nx\n--b--\n";
    let found = |limits| {
        let tokens = tokens_within(message.as_bytes(), &limits);
        let texts = tokens.list().iter().map(|token| tokens.text(token));
        texts.filter(|t| t.ends_with("c.example") || t == "image/png").collect::<HashSet<_>>()
    };
    assert_eq!(found(Limits { links_max: 3, parts_max: 3, ..Limits::default() }).len(), 2);
    assert_eq!(found(Limits { links_max: 2, ..Limits::default() }).len(), 1);
    assert_eq!(found(Limits { parts_max: 2, ..Limits::default() }).len(), 1);
}

proptest! {
    #[test]
    fn any_octets_are_some_message(octets in prop::collection::vec(any::<u8>(), 0..600)) {
        let limits = Limits { tokens_max: 100, ..Limits::default() };
        prop_assert!(tokens_within(&octets, &limits).list().len() <= 100);
    }

    #[test]
    fn any_markup_is_read(
        text in "(<(a|img|!--|/a)? ?(href|style)?=?['\"]?|[a-z:/.@%&?=>]{0,9}|é| ){0,80}",
    ) {
        let message = format!("Content-Type: text/html; charset=utf-8\nFrom: {text}\n\n{text}");
        let (mut book, found) = (Book::default(), tokens_of(&message));
        book.train(&found, Class::Spam);
        let probability = score(&found, &book, &book).probability;
        prop_assert!((0.0..=1.0).contains(&probability));
        book.untrain(&found, Class::Spam);
        prop_assert_eq!(counts(&book, &[found]).iter().all(|c| *c == Counts::default()), true);
    }
}
