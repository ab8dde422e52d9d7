//! What is the same for all protocols, against the shipped binary: TLS, STARTTLS, limits, shutdown,
//! one mailbox seen through all of them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod palomar;

use palomar::{
    Server, Talk, json,
    tls::{Secure, clear, secure},
};
use rustix::process::Signal;
use std::{io::Read, path::PathBuf};

fn ca(server: &Server) -> PathBuf {
    server.told["ca"].as_str().unwrap().into()
}

fn tls(server: &Server, protocol: &str) -> Talk<Secure> {
    Talk::new(secure(clear(server.port(protocol)), &ca(server)))
}

fn login(server: &Server) -> Talk<Secure> {
    let (address, password) = server.account(0);
    let mut imap = tls(server, "imaps");
    imap.until("* OK");
    imap.say(&format!("a LOGIN {address} {password}\r\n"));
    assert!(imap.until("a ").last().unwrap().starts_with("a OK"));
    imap
}

/// Delivers a message over LMTP.
fn deliver(server: &Server, to: &str, body: &str) {
    let mut lmtp = Talk::new(clear(server.port("lmtp")));
    lmtp.until("220 ");
    lmtp.say("LHLO test.example\r\n");
    lmtp.until("250 ");
    lmtp.say(&format!("MAIL FROM:<x@test.example>\r\nRCPT TO:<{to}>\r\nDATA\r\n"));
    lmtp.until("250 ");
    lmtp.until("250 ");
    lmtp.until("354 ");
    lmtp.say(&format!("Subject: test\r\n\r\n{body}\r\n.\r\n"));
    lmtp.until("250 ");
    lmtp.say("QUIT\r\n");
    lmtp.until("221 ");
}

#[test]
fn what_was_injected_before_tls_is_never_performed() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    // (protocol, end of greeting, hello, its end, start, its end, injected, probe, its answer)
    let cases = [
        ("imap", "* OK", "", "", "a STARTTLS\r\n", "a OK", "b NOOP\r\n", "c NOOP\r\n", "c OK"),
        ("pop3", "+OK", "", "", "STLS\r\n", "+OK", "NOOP\r\n", "QUIT\r\n", "+OK"),
        (
            "submission",
            "220 ",
            "EHLO x\r\n",
            "250 ",
            "STARTTLS\r\n",
            "220 ",
            "NOOP\r\n",
            "RSET\r\n",
            "250 ",
        ),
        (
            "smtp",
            "220 ",
            "EHLO x\r\n",
            "250 ",
            "STARTTLS\r\n",
            "220 ",
            "NOOP\r\n",
            "RSET\r\n",
            "250 ",
        ),
    ];
    for (protocol, greeting, hello, hello_end, start, start_end, injected, probe, answer) in cases {
        let mut talk = Talk::new(clear(server.port(protocol)));
        talk.until(greeting);
        if !hello.is_empty() {
            talk.say(hello);
            talk.until(hello_end);
        }
        talk.say(&format!("{start}{injected}"));
        talk.until(start_end);
        let mut talk = Talk::new(secure(talk.into_inner(), &ca(&server)));
        talk.say(probe);
        let heard = talk.line();
        // The first line heard in TLS answers what was said in TLS.
        assert!(heard.starts_with(answer), "{protocol}: {heard}");
        talk.say(probe);
        if protocol != "pop3" {
            let heard = talk.line();
            assert!(heard.starts_with(answer), "{protocol}: {heard}");
        }
    }
}

#[test]
fn no_password_is_taken_in_clear() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let (address, password) = server.account(0);
    let mut imap = Talk::new(clear(server.port("imap")));
    assert!(imap.until("* OK")[0].contains("LOGINDISABLED"));
    imap.say(&format!("a LOGIN {address} {password}\r\n"));
    assert!(imap.until("a ")[0].starts_with("a NO [PRIVACYREQUIRED]"));
    let mut pop3 = Talk::new(clear(server.port("pop3")));
    pop3.until("+OK");
    pop3.say(&format!("USER {address}\r\n"));
    assert!(pop3.line().starts_with("-ERR"));
    let mut smtp = Talk::new(clear(server.port("submission")));
    smtp.until("220 ");
    smtp.say("EHLO x\r\n");
    assert!(smtp.until("250 ").iter().all(|line| !line.contains("AUTH")));
    smtp.say("AUTH PLAIN AGFuYQBzZWNyZXQ=\r\n");
    assert!(smtp.line().starts_with('5'));
}

#[test]
fn a_delivery_is_seen_by_an_idling_client_at_once_and_by_pop3() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let (address, password) = server.account(0);
    let mut imap = login(&server);
    imap.say("b SELECT INBOX\r\n");
    imap.until("b OK");
    imap.say("c IDLE\r\n");
    imap.until("+ ");
    deliver(&server, "ana+tag@example.test", "pigeon post");
    let exists = imap.until("* 6 EXISTS");
    assert_eq!(exists.last().unwrap(), "* 6 EXISTS");
    imap.say("DONE\r\n");
    imap.until("c OK");
    imap.say("d FETCH 6 BODY.PEEK[TEXT]\r\n");
    assert!(imap.until("d OK").iter().any(|line| line.contains("pigeon post")));
    let mut pop3 = tls(&server, "pop3s");
    pop3.until("+OK");
    pop3.say(&format!("USER {address}\r\nPASS {password}\r\nSTAT\r\n"));
    pop3.until("+OK");
    pop3.until("+OK");
    assert!(pop3.line().starts_with("+OK 6 "));
}

#[test]
fn a_stopping_server_says_goodbye_in_each_protocol() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let mut imap = login(&server);
    imap.say("c NOOP\r\n");
    imap.until("c OK");
    let mut pop3 = tls(&server, "pop3s");
    pop3.until("+OK");
    let mut smtp = Talk::new(clear(server.port("smtp")));
    smtp.until("220 ");
    server.signal(Signal::TERM);
    assert!(imap.line().starts_with("* BYE"));
    assert!(smtp.line().starts_with("421 "));
    assert!(pop3.line().starts_with("-ERR"));
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn certificates_are_read_again_on_sighup() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let path = folder.path().join("tls");
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(path.join("server.key"), made.signing_key.serialize_pem()).unwrap();
    std::fs::write(path.join("server.pem"), made.cert.pem()).unwrap();
    let trusted = folder.path().join("trusted.pem");
    std::fs::write(&trusted, made.cert.pem()).unwrap();
    server.signal(Signal::HUP);
    // The signal is handled by a thread of its own: a few connections may still see the old one.
    let seen = (0..200).any(|_| {
        let mut stream = secure(clear(server.port("imaps")), &trusted);
        let heard = stream.read(&mut [0; 4]).is_ok();
        if !heard {
            std::thread::yield_now();
        }
        heard
    });
    assert!(seen);
}

#[test]
fn wrong_passwords_are_refused_and_the_owner_is_not_locked_out() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let (address, password) = server.account(0);
    for login in [&*address, "nobody@example.test"] {
        let mut imap = tls(&server, "imaps");
        imap.until("* OK");
        imap.say(&format!("a LOGIN {login} wrong-password\r\n"));
        let heard = imap.until("a ");
        assert!(heard.last().unwrap().starts_with("a NO [AUTHENTICATIONFAILED]"), "{heard:?}");
    }
    login(&server);
    let made = json(folder.path(), &["password", "app", "add", &address, "phone"], "");
    let app = made["app_password"]["password"].as_str().unwrap().to_owned();
    json(folder.path(), &["account", "disable", &address], "");
    for secret in [&app, &password] {
        let mut imap = tls(&server, "imaps");
        imap.until("* OK");
        imap.say(&format!("a LOGIN {address} {secret}\r\n"));
        assert!(imap.until("a ").last().unwrap().starts_with("a NO"));
    }
    json(folder.path(), &["account", "enable", &address], "");
    let mut imap = tls(&server, "imaps");
    imap.until("* OK");
    imap.say(&format!("a LOGIN {address} {app}\r\n"));
    assert!(imap.until("a ").last().unwrap().starts_with("a OK"));
}

#[test]
fn what_was_expunged_can_be_brought_back() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let (address, _) = server.account(0);
    let mut imap = login(&server);
    imap.say("b SELECT INBOX\r\n");
    imap.until("b OK");
    imap.say("c STORE 1:2 +FLAGS (\\Deleted)\r\nd EXPUNGE\r\n");
    imap.until("d OK");
    let listed = json(folder.path(), &["undelete", "list", &address], "");
    let rows = listed["deleted"].as_array().unwrap().clone();
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().any(|row| row["subject"] == "¿Comemos juntos mañana?"), "{rows:?}");
    assert!(rows.iter().all(|row| row["mailbox"] == "INBOX"));
    let number = rows[0]["message"].to_string();
    let restore = ["undelete", "restore", &address, &number, "--mailbox", "Rescued"];
    assert_eq!(json(folder.path(), &restore, "")["restored"]["messages"], 1);
    let restore = ["undelete", "restore", &address];
    assert_eq!(json(folder.path(), &restore, "")["restored"]["messages"], 1);
    imap.say("e STATUS Rescued (MESSAGES)\r\nf NOOP\r\n");
    let heard = imap.until("f OK");
    assert!(heard.iter().any(|line| line.contains("(MESSAGES 1)")), "{heard:?}");
    assert!(heard.iter().any(|line| line == "* 4 EXISTS"), "{heard:?}");
    let listed = json(folder.path(), &["undelete", "list", &address], "");
    assert_eq!(listed["deleted"], serde_json::json!([]));
}
