//! With rspamd.

use crate::daemon;
use bytes::Bytes;
use server::scan::{
    Action, Failure,
    rspamd::{Envelope, Learnt, Lesson, RECIPIENTS_MAX, Rspamd, Settings},
};
use std::time::Duration;
use tokio::time;
use wire::auth::Secret;

const GTUBE: &str = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";

fn settings(server: &daemon::Rspamd) -> Settings {
    Settings {
        url: Some(format!("http://{}", server.address)),
        learn_url: Some(format!("http://{}/", server.address)),
        password: Some(Secret::new(b"hush".to_vec())),
        seconds: 30,
        message_octets_max: 1 << 20,
        connections_max: 2,
        required: true,
    }
}

fn client(settings: Settings) -> Rspamd {
    Rspamd::new(settings).unwrap().unwrap()
}

fn message(subject: &str, text: &str) -> Bytes {
    let head = "From: ana@example.test\r\nTo: leo@example.test\r\nMessage-ID: <m@example.test>";
    let mime = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8";
    Bytes::from(format!("{head}\r\nSubject: {subject}\r\n{mime}\r\n\r\n{text}\r\n"))
}

#[tokio::test]
async fn verdicts() {
    let server = daemon::Rspamd::start().await;
    let rspamd = client(settings(&server));
    let envelope = Envelope::default();
    let ham = rspamd.check(&envelope, message("lunch", "At noon?")).await.unwrap();
    assert_eq!((ham.action, ham.required), (Action::Accept, Some(15.0)));
    assert_eq!(ham.message_id.as_deref(), Some("m@example.test"));
    let spam = rspamd.check(&envelope, message("x", GTUBE)).await.unwrap();
    assert_eq!((spam.action, spam.score), (Action::Reject, 15.0));
    assert!(spam.reasons.iter().any(|reason| reason.name == "GTUBE"), "{spam:?}");
    assert_eq!(spam.reply.as_deref(), Some("Gtube pattern"));
    let heavy = rspamd.check(&envelope, message("heavy", "x")).await.unwrap();
    assert_eq!((heavy.action, heavy.score), (Action::Junk, 7.5));
    let first = &heavy.reasons[0];
    let first = (first.name.as_str(), first.score, first.text.as_str());
    assert_eq!(first, ("TEST_HEAVY", 7.0, "Heavy"));
    for (word, action) in [
        ("no action", Action::Accept),
        ("greylist", Action::Greylist),
        ("add header", Action::Junk),
        ("rewrite subject", Action::Junk),
        ("soft reject", Action::SoftReject),
        ("reject", Action::Reject),
    ] {
        let subject = format!("do {word}");
        let verdict = rspamd.check(&envelope, message(&subject, "x")).await.unwrap();
        assert_eq!(verdict.action, action, "{word}");
        assert_eq!(verdict.reply.as_deref(), Some("As you wish"), "{word}");
    }
}

#[tokio::test]
async fn fields_are_added_and_none_removed() {
    let server = daemon::Rspamd::start().await;
    let rspamd = client(settings(&server));
    let verdict = rspamd.check(&Envelope::default(), message("fields", "x")).await.unwrap();
    let mut fields = verdict.fields;
    fields.sort();
    let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(fields, [field("X-Second", "x"), field("X-Test", "one two")]);
}

#[tokio::test]
async fn the_envelope_arrives() {
    let server = daemon::Rspamd::start().await;
    let rspamd = client(settings(&server));
    let recipients = ["leo@example.test".to_owned(), "\"a b\"@example.test".to_owned()];
    let envelope = Envelope {
        address: Some("::ffff:192.0.2.7".parse().unwrap()),
        helo: "mx.example.org\r\nUser: eve",
        client_name: Some("out.example.org"),
        from: "sender@example.org",
        recipients: &recipients,
        user: Some("ana"),
        queue_id: "q17",
        deliver_to: Some("leo"),
        tls: Some(("TLSv1.3", "TLS13_AES_256_GCM_SHA384")),
        host_name: "mx.example.test",
    };
    let verdict = rspamd.check(&envelope, message("x", "x")).await.unwrap();
    let told = verdict.reasons.iter().find(|reason| reason.name == "TEST_ENVELOPE").unwrap();
    let expected = "What was told (192.0.2.7, mx.example.org  User: eve, out.example.org, \
                    <sender@example.org>, ana, q17, leo, TLSv1.3, TLS13_AES_256_GCM_SHA384, \
                    mx.example.test, leo@example.test, a b@example.test)";
    assert_eq!(told.text, expected);
    let bounce = Envelope { helo: "mx.example.org", ..Envelope::default() };
    let verdict = rspamd.check(&bounce, message("x", "x")).await.unwrap();
    let told = verdict.reasons.iter().find(|reason| reason.name == "TEST_ENVELOPE").unwrap();
    assert!(told.text.starts_with("What was told (nil, mx.example.org, -, <>)"), "{told:?}");
    // As many recipients as anybody may name, and one more.
    for count in [RECIPIENTS_MAX, RECIPIENTS_MAX + 1] {
        let recipients: Vec<String> = (0..count).map(|n| format!("r{n}@example.test")).collect();
        let many = Envelope { recipients: &recipients, ..Envelope::default() };
        assert_eq!(rspamd.verdict(&many, message("x", "x")).await.action, Action::Accept);
    }
}

#[tokio::test]
async fn lessons() {
    let server = daemon::Rspamd::controller().await;
    let rspamd = client(settings(&server));
    let words = |stem: &str| {
        let text: Vec<String> = (0..60).map(|n| format!("{stem}{n}word")).collect();
        message("lesson", &text.join(" "))
    };
    let (spam, ham) = (words("cheap"), words("friendly"));
    assert_eq!(rspamd.learn(Lesson::Spam, spam.clone()).await, Ok(Learnt::New));
    assert_eq!(rspamd.learn(Lesson::Ham, ham.clone()).await, Ok(Learnt::New));
    // It knows a message again, but it may take a few until it has written down what it learnt.
    let mut known = [false; 2];
    for _ in 0..4 {
        let spam = rspamd.learn(Lesson::Spam, spam.clone()).await.unwrap();
        let ham = rspamd.learn(Lesson::Ham, ham.clone()).await.unwrap();
        known = [known[0] | (spam == Learnt::Nothing), known[1] | (ham == Learnt::Nothing)];
    }
    assert_eq!(known, [true; 2]);
    let judged = async {
        loop {
            let verdict = rspamd.check(&Envelope::default(), spam.clone()).await.unwrap();
            if verdict.reasons.iter().any(|reason| reason.name == "BAYES_SPAM") {
                break;
            }
            time::sleep(Duration::from_millis(50)).await;
        }
    };
    assert!(time::timeout(Duration::from_secs(30), judged).await.is_ok());
    let mut wrong = settings(&server);
    wrong.password = Some(Secret::new(b"guess".to_vec()));
    let refused = client(wrong.clone()).learn(Lesson::Spam, spam.clone()).await;
    assert!(matches!(refused, Err(Failure::Refused(_))), "{refused:?}");
    wrong.learn_url = None;
    assert_eq!(client(wrong).learn(Lesson::Spam, spam).await, Ok(Learnt::Nothing));
}

#[tokio::test]
async fn a_failure_decides_nothing() {
    let nobody = daemon::free_address();
    let mut settings = Settings {
        url: Some(format!("http://{nobody}")),
        seconds: 5,
        message_octets_max: 100,
        connections_max: 1,
        ..Settings::default()
    };
    let envelope = Envelope::default();
    let verdict = client(settings.clone()).verdict(&envelope, Bytes::from_static(b"x")).await;
    assert_eq!((verdict.action, verdict.score), (Action::Accept, 0.0));
    assert_eq!(verdict.reasons[0].name, "RSPAMD_FAILED");
    assert!(verdict.reasons[0].text.contains("refused"), "{verdict:?}");
    settings.required = true;
    let rspamd = client(settings.clone());
    let verdict = rspamd.verdict(&envelope, Bytes::from_static(b"x")).await;
    assert_eq!(verdict.action, Action::SoftReject);
    // It is not asked about large messages, and they need not wait for it.
    let large = Bytes::from(vec![b'x'; 101]);
    assert_eq!(rspamd.check(&envelope, large.clone()).await, Err(Failure::TooLarge(100)));
    assert_eq!(rspamd.verdict(&envelope, large).await.action, Action::Accept);
    let fits = rspamd.check(&envelope, Bytes::from(vec![b'x'; 100])).await;
    assert!(matches!(fits, Err(Failure::Unreachable(_))), "{fits:?}");
    settings.url = None;
    assert!(Rspamd::new(settings).unwrap().is_none());
}

#[tokio::test]
async fn a_server_that_says_nothing_is_late() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = Settings {
        url: Some(format!("http://{}", silent.local_addr().unwrap())),
        seconds: 1,
        message_octets_max: 100,
        connections_max: 1,
        ..Settings::default()
    };
    let rspamd = client(settings);
    let envelope = Envelope::default();
    // The second waits for its turn, and no longer than the first.
    let message = Bytes::from_static(b"x");
    let both = tokio::join!(
        rspamd.check(&envelope, message.clone()),
        rspamd.check(&envelope, message.clone())
    );
    assert_eq!(both, (Err(Failure::Late(1)), Err(Failure::Late(1))));
}
