//! Values of annotations that no transcript can hold, and who is shown JMAPACCESS.

#![allow(clippy::unwrap_used, clippy::panic)]

use bytes::Bytes;
use imap::effect::{Done, Effect};
use imap::{Limits, Options, Session};
use std::sync::Arc;
use wire::auth::Answer;
use wire::{Event, Machine as _, Step};

fn options(jmap_session_url: Option<&str>) -> Options {
    Options {
        limits: Limits::default(),
        host: "mail.example.test".to_owned(),
        tls_required: false,
        starttls: false,
        append_octets_max: 1_000_000,
        hidden_capabilities: Vec::new(),
        jmap_session_url: jmap_session_url.map(str::to_owned),
    }
}

/// Says octets; gives the effects asked, each answered well, and what is heard.
fn say(session: &mut Session, octets: &[u8]) -> (Vec<Effect>, String) {
    session.receive(octets);
    let mut effects = Vec::new();
    loop {
        match session.step() {
            Step::Ask(effect) => {
                match &effect {
                    Effect::Auth(_) => session.auth(Answer::Accepted { login: String::new() }),
                    _ => session.done(Done::Ok(None)),
                }
                effects.push(effect);
            }
            Step::Wait(_) => break,
            other => panic!("{other:?}"),
        }
    }
    (effects, String::from_utf8(session.outbox().take().to_vec()).unwrap())
}

#[test]
fn a_literal8_may_hold_nul_and_a_literal_may_not() {
    let mut session = Session::new(Arc::new(options(None)));
    say(&mut session, b"a LOGIN ana secret\r\n");
    let (effects, _) = say(&mut session, b"b SETMETADATA \"\" (/private/a ~{4+}\r\n\0\r\n))\r\n");
    let [Effect::SetMetadata { entries, .. }] = &effects[..] else { panic!("{effects:?}") };
    let [(_, Some(value))] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!(value, &Bytes::from_static(b"\0\r\n)"));
    let (effects, heard) = say(&mut session, b"c SETMETADATA \"\" (/private/a {1+}\r\n\0)\r\n");
    assert!(effects.is_empty() && heard.starts_with("c BAD"), "{heard}");
}

#[test]
fn a_value_with_nul_is_told_as_literal8() {
    let mut session = Session::new(Arc::new(options(None)));
    say(&mut session, b"");
    let values: [(&str, Option<&[u8]>); 3] =
        [("/private/a", Some(b"\0")), ("/private/b c", Some(b"x\r\ny")), ("/private/d", None)];
    session.reply().metadata("INBOX", &values);
    let heard = session.outbox().take();
    let expected: &[u8] = b"* METADATA INBOX (/private/a ~{1}\r\n\0 \
        \"/private/b c\" {4}\r\nx\r\ny /private/d NIL)\r\n";
    assert_eq!(&heard[..], expected);
    session.reply().metadata("INBOX", &[]);
    session.reply().metadata_changed("INBOX", &[]);
    assert!(session.outbox().take().is_empty());
}

/// RFC 9698 §3: shown "if the IMAP server can infer from the client's authentication process that
/// its credentials suffice to authenticate via JMAP".
#[test]
fn jmapaccess_is_shown_after_a_login_that_is_good_for_jmap() {
    let login = b"a LOGIN ana secret\r\n";
    let token = b"a AUTHENTICATE OAUTHBEARER bixhPWFuYSwBYXV0aD1CZWFyZXIgdDBrM24BAQ==\r\n";
    for (url, login, shown) in [
        (Some("https://example.com/.s"), &login[..], true),
        (Some("https://example.com/.s"), &token[..], false),
        (None, &login[..], false),
    ] {
        let mut session = Session::new(Arc::new(options(url)));
        session.event(Event::Secured { exporter: None, description: String::new() });
        let (_, greeting) = say(&mut session, b"");
        assert!(!greeting.contains("JMAPACCESS"));
        let (_, heard) = say(&mut session, login);
        assert!(heard.contains("a OK [CAPABILITY"), "{heard}");
        assert_eq!(heard.contains(" JMAPACCESS"), shown, "{heard}");
        let (_, heard) = say(&mut session, b"b CAPABILITY\r\n");
        assert_eq!(heard.contains(" JMAPACCESS"), shown, "{heard}");
    }
}
