//! A test of each quirk.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod world;

use pop3::{Options, quirks::Quirk};
use wire::Machine as _;
use world::{MESSAGES, greeted, logged_in, options};

#[test]
fn every_quirk_is_borne() {
    for quirk in Quirk::ALL {
        match quirk {
            Quirk::OutlookAuthSpace => auth_space(),
            Quirk::OutlookNul => nul(),
            Quirk::OutlookEndOfHeader => end_of_header(),
            Quirk::FetchmailExactSizes => exact_sizes(),
            Quirk::LowerCase => same("list 1", "LIST 1"),
            Quirk::ExtraSpaces => same("TOP  1  0  ", "TOP 1 0"),
            Quirk::BareLineFeeds => bare_line_feeds(),
        }
    }
}

fn heard(said: &str, options: Options) -> String {
    let (mut world, mut session) = logged_in(options);
    session.receive(said.as_bytes());
    world.run(&mut session).0
}

fn same(one: &str, other: &str) {
    let heard = |said: &str| heard(&format!("{said}\r\n"), options());
    assert_eq!(heard(one), heard(other));
    assert!(heard(one).starts_with("+OK"));
}

fn auth_space() {
    let (mut world, mut session) = greeted(options());
    session.receive(b"AUTH \r\n");
    let (heard, _) = world.run(&mut session);
    let offered = ["PLAIN", "LOGIN", "SCRAM-SHA-256", "OAUTHBEARER", "XOAUTH2"].join("\\r\\n");
    assert_eq!(heard, format!("+OK List follows\\r\\n{offered}\\r\\n.\\r\\n"));
}

fn nul() {
    assert!(heard("RETR 4\r\n", options()).contains("X: \\x00\\r\\n"));
    let outlook = Options { outlook_2003: true, ..options() };
    assert!(heard("RETR 4\r\n", outlook).contains("X: \\x80\\r\\n"));
}

fn end_of_header() {
    assert!(heard("RETR 3\r\n", options()).ends_with("body\\r\\n.\\r\\n"));
    let outlook = Options { outlook_2003: true, ..options() };
    assert!(heard("RETR 3\r\n", outlook).ends_with("body\\r\\n\\r\\n.\\r\\n"));
}

/// Of every message whose lines end with CRLF.
fn exact_sizes() {
    for (number, message) in (1..).zip(MESSAGES).filter(|(_, message)| message.ends_with(b"\r\n")) {
        let (mut world, mut session) = logged_in(options());
        session.receive(format!("LIST {number}\r\n").as_bytes());
        let size = format!("+OK {number} {}\\r\\n", message.len());
        assert_eq!(world.run(&mut session).0, size);
        session.receive(format!("RETR {number}\r\n").as_bytes());
        let (heard, _) = world.run(&mut session);
        let (_, body) = heard.split_once("\\r\\n").unwrap();
        let body = body.strip_suffix(".\\r\\n").unwrap().replace("\\r\\n.", "\\r\\n");
        assert_eq!(body, message.escape_ascii().to_string());
    }
}

fn bare_line_feeds() {
    assert_eq!(heard("STAT\nNOOP\n", options()), "+OK 4 125\\r\\n+OK Done\\r\\n");
}
