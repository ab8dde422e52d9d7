//! How a message is written, whatever its words say: each kind of token from a message that has it,
//! and none from one that has not.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use mail::mime::{self, Structure};
use spam::{Book, Class, Key, Kind, Limits, Tokens, score, tokens};
use std::path::{Path, PathBuf};

fn tokens_of(message: &[u8]) -> Tokens {
    let structure = Structure::parse(message, &mime::Limits::default());
    tokens(message, &structure, &Key::new([7; 16]), &Limits::default())
}

fn has(message: &str, kind: Kind, text: &str) -> bool {
    let tokens = tokens_of(message.as_bytes());
    tokens.list().iter().any(|token| token.kind == kind && tokens.text(token) == text)
}

/// What is a token of the first message is none of the second.
#[track_caller]
fn tells(kind: Kind, text: &str, [with, without]: [&str; 2]) {
    assert!(has(with, kind, text), "{text} of {with}");
    assert!(!has(without, kind, text), "{text} of {without}");
}

fn written(text: &str, with: &str, without: &str) {
    let head = "To: jsmith@home.example\nFrom: a <b@far.example>\n\
        Content-Type: text/plain; charset=utf-8\n\n";
    tells(Kind::Writing, text, [&format!("{head}{with}"), &format!("{head}{without}")]);
}

#[test]
fn length_and_lines() {
    written("length 1", "one two three", "one two three four");
    written("length 2", "one two three four", "one two three");
    written("length 0", "", "one");
    written("empty lines", "a\n\n\n\n\n\n\nb", "a\n\n\n\n\n\nb");
    written("long lines", &"word ".repeat(41), &"word ".repeat(39));
}

#[test]
fn loudness() {
    written("mostly words in capitals", "THIS MUST BE read", "this must be read");
    written("no words in capitals", "the IP address", "the URL");
    written("many exclamation marks", "buy now! see this and that and more", "buy now. see this");
    written("no exclamation marks", "calm", "calm!");
}

#[test]
fn numbers_by_what_they_count() {
    written("few sums of money", "for $100", "for 100");
    written("few sums of money", "for 100€", "for 100m");
    written("many sums of money", "$1 $2 $3", "$1 $2");
    written("few per cents", "30% off", "30 off");
    written("few telephones", "call 555-123-4567", "call 5551234567");
    written("few telephones", "call (555)123-4567", "on 2026-11");
}

#[test]
fn words_by_chance_and_letters_apart() {
    written("few words nobody can say", "ewidvtdksrvp here", "unpronounceable here");
    written("ends in a word nobody can say", "here xqzkrtwpl", "xqzkrtwpl here");
    // Not short ones, not names and abbreviations in capitals, nothing with signs in it.
    written("few words nobody can say", "ewidvtdksrvp", "xqzkrt Xqzkrtwpl XQZKRTWPL xqz-krt_wpl");
    written("letters apart", "c h e a p", "c h e a");
}

#[test]
fn scripts() {
    written("letters: Cyrillic", "добрый день", "good day");
    written("letters: Han", "免费发票", "free");
    written("letters: Kana", "ください", "please");
    written("letters: Hangul", "안녕하세요", "hello");
    written("letters: accents", "très élégant", "very elegant");
    let once = format!("é {}", "plain ".repeat(20));
    written("letters: accents", "é a", &once);
    written("what is no text", "a\u{fffd}b", "ab");
}

#[test]
fn addresses_in_the_text() {
    written("an address of from's domain", "ask me@mx.far.example.", "ask me@other.example");
    written("an address of another domain", "ask <me@other.example>", "ask me@home.example");
    written("the recipient by his address", "Dear JSmith,", "Dear Smith,");
}

#[test]
fn names_and_addresses() {
    let from = |text: &str, with: &str, without: &str| {
        let message = |from: &str| format!("From: {from}\nSubject: s\n\nx");
        tells(Kind::Header, text, [&message(with), &message(without)]);
    };
    from("from \"name\" <address>", "\"A B\" <a@b.example>", "A B <a@b.example>");
    from("from address", "a@b.example", "<a@b.example>");
    from("from's name in his address", "Jo Smith <jsmith@b.example>", "Jo Smith <xy@b.example>");
    from("from's name in his address", "Jo Doe <jd7@b.example>", "Jo Doe <dj@b.example>");
    from("from's name in his domain", "Bank <info@bank.example>", "Bank <info@far.example>");
    from("from's name and all of his address", "Bank <bank@bank.example>", "Bank <x@bank.example>");
    from("from's name not in his address", "Bank <info@far.example>", "info@far.example");
    from("from's name in capitals", "JO SMITH <a@b.example>", "Jo Smith <a@b.example>");
    from("from's name in small letters", "jo smith <a@b.example>", "Jo Smith <a@b.example>");
    from("from's name nobody can say", "uvfsppr xqzkrtwpl <a@b.example>", "Jo <a@b.example>");
    from("from's address nobody can say", "Jo <xqzkrtwpl@b.example>", "Jo <jo@b.example>");
    from("from without an address", "somebody", "a@b.example");
    let to = |to: &str| format!("From: a <b@c.example>\nTo: {to}\n\nx");
    tells(Kind::Header, "from the recipient himself", [&to("B@c.example"), &to("d@c.example")]);
    tells(Kind::Header, "to no address", [&to("undisclosed-recipients:;"), &to("d@c.example")]);
}

#[test]
fn programs_and_what_they_write() {
    let of = |mailer: &str, id: &str| format!("X-Mailer: {mailer}\nMessage-ID: {id}\n\nx");
    let token = "Fine Mailer writes <0a0$0";
    let [with, other] = [of("Fine Mailer 6.0", "<12ab3$4@x>"), of("Fine Mailer 7", "<ab@x>")];
    tells(Kind::Mailer, token, [&with, &other]);
    tells(Kind::Mailer, "no program writes <a", ["Message-ID: <ab@x>\n\nx", &other]);
}

#[test]
fn forms_of_the_header() {
    let typed = |value: &str| format!("Content-Type: {value}\n\nx");
    let quoted = typed("text/plain; charset=\"utf-8\"");
    tells(
        Kind::Header,
        "content-type a/a; charset=\"\"",
        [&quoted, &typed("text/plain; charset=utf-8")],
    );
    tells(
        Kind::Header,
        "content-type A/A;|>charset=",
        [&typed("Text/Plain;\n\tcharset=utf-8"), &quoted],
    );
    let subject = |text: &str| format!("Subject: {text}\n\nx");
    let [hello, kana] = [subject("=?UTF-8?Q?hello?="), subject("=?iso-2022-jp?B?GyRCJDc=?=")];
    tells(Kind::Header, "subject in utf-8 Q", [&hello, &kana]);
    tells(Kind::Header, "subject in iso-2022-jp B", [&kana, &hello]);
    tells(Kind::Header, "subject encoded for nothing", [&hello, &kana]);
    let ends = subject("hello xqzkrtwpl");
    tells(Kind::Header, "subject ends in a word nobody can say", [&ends, &subject("hello")]);
    let answer = subject("Re: hello");
    let real = format!("In-Reply-To: <a@b>\n{answer}");
    tells(Kind::Header, "an answer to nothing", [&answer, &real]);
}

#[test]
fn charsets_and_encodings() {
    let part = |head: &str, body: &str| format!("MIME-Version: 1.0\n{head}\n\n{body}");
    let bare = "Content-Type: text/plain";
    tells(Kind::Structure, "letters of no charset", [&part(bare, "é"), &part(bare, "e")]);
    tells(Kind::Structure, "eight bits called seven", [&part(bare, "é"), &part(bare, "e")]);
    let ascii = "Content-Type: text/plain; charset=us-ascii";
    tells(Kind::Structure, "letters that us-ascii has not", [&part(ascii, "é"), &part(bare, "é")]);
    let unicode = "Content-Type: text/plain; charset=utf-8";
    tells(Kind::Structure, "a charset for ASCII", [&part(unicode, "e"), &part(unicode, "é")]);
    let base64 = format!("{unicode}\nContent-Transfer-Encoding: base64");
    tells(Kind::Structure, "ASCII in base64", [&part(&base64, "aGVsbG8="), &part(&base64, "w6k=")]);
}

#[test]
fn markup() {
    let html = |text: &str, with: &str, without: &str| {
        let message = |body: &str| format!("Content-Type: text/html\n\n{body}");
        tells(Kind::Html, text, [&message(with), &message(without)]);
    };
    html("an element that is none", "vi<zq>sit", "vi<b>sit<o:p>");
    html("tags in capitals", "<P>x", "<p>x");
    html("tags in small letters", "<p>x", "<P>x");
    html("doctype", "<!DOCTYPE html><p>x", "<p>x");
    html("letters written as numbers", "&#104;&#x69;<br>", "&#233;&#8364;<br>");
    html("a picture that is a link", "<a href=http://a.example/><img src=cid:1></a>", "<img>");
}

#[test]
fn html_that_is_common_in_junk_does_not_outweigh_a_text() {
    let kept = |n: usize| format!("Subject: minutes {n}\n\nthe meeting was adjourned until friday");
    let junk = |n: usize| {
        format!(
            "Subject: offer {n}\nContent-Type: text/html\n\n<FORM action=mailto:a@b><INPUT>\
             <SELECT><IMG src=http://c.example/><A href=mailto:d><MAP><AREA></A>buy pills</FORM>"
        )
    };
    let (mut book, none) = (Book::default(), Book::default());
    for n in 0..20 {
        book.train(&tokens_of(kept(n).as_bytes()), Class::Ham);
        book.train(&tokens_of(junk(n).as_bytes()), Class::Spam);
    }
    let verdict = score(&tokens_of(junk(99).as_bytes()), &book, &none);
    let of_html = verdict.reasons.iter().filter(|reason| reason.kind == Kind::Html).count();
    assert!(verdict.probability > 0.9 && of_html == 2, "{verdict:?}");
}

/// The repository has no collection of junk; reports of mail servers stand for it here, as a kind
/// of mail that the learner has to tell from all other. See the example `evaluate` for junk.
#[test]
fn one_kind_of_mail_is_told_from_all_other() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus");
    let mut paths: Vec<(PathBuf, Class)> = Vec::new();
    for (name, class) in
        [("sisimai", Class::Spam), ("mail-parser", Class::Ham), ("ruby-mail", Class::Ham)]
    {
        let entries = std::fs::read_dir(folder.join(name)).unwrap();
        paths.extend(entries.map(|entry| (entry.unwrap().path(), class)));
    }
    paths.sort_by(|(a, _), (b, _)| a.file_name().cmp(&b.file_name()).then(a.cmp(b)));
    let messages: Vec<(Tokens, Class)> = paths
        .iter()
        .map(|(path, class)| (tokens_of(&std::fs::read(path).unwrap()), *class))
        .collect();
    let (mut wrong, mut caught, mut ham, mut spam) = (0, 0, 0, 0);
    for side in 0..2 {
        let (mut book, none) = (Book::default(), Book::default());
        for (tokens, class) in messages.iter().skip(side).step_by(2) {
            if spam::worthwhile(&score(tokens, &none, &book), *class, &book) {
                book.train(tokens, *class);
            }
        }
        for (tokens, class) in messages.iter().skip(1 - side).step_by(2) {
            let junk = usize::from(score(tokens, &none, &book).probability >= spam::JUNK_MIN);
            match class {
                Class::Ham => (ham, wrong) = (ham + 1, wrong + junk),
                Class::Spam => (spam, caught) = (spam + 1, caught + junk),
            }
        }
    }
    println!("{wrong} of {ham} wrong, {caught} of {spam} caught");
    assert!(ham > 100 && spam > 100, "{ham} and {spam}");
    assert!(wrong * 20 <= ham && caught * 100 >= spam * 97, "{wrong}/{ham}, {caught}/{spam}");
}
