//! Conversations.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use account::{MailboxName, NewMessage, Numbers};
use bytes::Bytes;
use mail::ThreadId;
use std::sync::atomic::Ordering;
use support::{Bench, all, run};

struct Talk(Bench);

impl Talk {
    fn new() -> Self {
        Self(Bench::new())
    }
    /// A message of these header fields; gives its thread.
    fn say(&self, header: &str) -> ThreadId {
        let bench = &self.0;
        let inbox = bench.ana.mailbox(&MailboxName::inbox()).unwrap().id;
        let text = format!("{}\r\n\r\nbody\r\n", header.replace('\n', "\r\n"));
        let new = NewMessage::new(Bytes::from(text));
        let message = run(bench.ana.append(inbox, vec![new])).unwrap().messages[0];
        let thread = run(bench.ana.thread(message)).unwrap().unwrap();
        let mut view = bench.ana.select(inbox, true).unwrap();
        let rows = view.rows(&all(), Numbers::Uid, 1, usize::MAX);
        assert_eq!(rows.last().unwrap().thread, thread);
        thread
    }
    /// Forgets what is in memory.
    fn restart(self) -> Self {
        Self(self.0.reopened())
    }
}

#[test]
fn answers_are_of_the_thread_also_after_a_restart() {
    let talk = Talk::new();
    let first = talk.say("Message-ID: <1@x>\nSubject: plans");
    let other = talk.say("Message-ID: <2@x>\nSubject: other");
    assert_ne!(first, other);
    assert_eq!(talk.say("Message-ID: <3@x>\nIn-Reply-To: <1@x>\nSubject: Re: plans"), first);
    let talk = talk.restart();
    let header = "Message-ID: <4@x>\nReferences: <1@x> <3@x>\nSubject: RE: [list] plans";
    assert_eq!(talk.say(header), first);
    assert_eq!(talk.say("Message-ID: <5@x>\nReferences: <4@x>\nSubject: AW: plans"), {
        // `AW:` is no mark of RFC 5256: to it this is another subject.
        talk.say("Message-ID: <6@x>\nReferences: <5@x>\nSubject: AW: plans")
    });
}

#[test]
fn an_answer_may_come_before_what_it_answers() {
    let talk = Talk::new();
    let answer = talk.say("Message-ID: <2@x>\nReferences: <0@x> <1@x>\nSubject: Re: plans");
    let talk = talk.restart();
    assert_eq!(talk.say("Message-ID: <1@x>\nSubject: plans"), answer);
    assert_eq!(talk.say("Message-ID: <0@x>\nSubject: plans"), answer);
}

#[test]
fn another_subject_is_another_thread() {
    let talk = Talk::new();
    let first = talk.say("Message-ID: <1@x>\nSubject: plans");
    let new = talk.say("Message-ID: <2@x>\nIn-Reply-To: <1@x>\nSubject: something else");
    assert_ne!(first, new);
    assert_eq!(talk.say("Message-ID: <3@x>\nIn-Reply-To: <2@x>\nSubject: Re: something else"), new);
}

#[test]
fn a_subject_alone_ties_answers_of_its_time_only() {
    let talk = Talk::new();
    let first = talk.say("Message-ID: <1@x>\nSubject: plans");
    assert_eq!(talk.say("Message-ID: <2@x>\nSubject: Re: Plans"), first, "names no message");
    assert_ne!(talk.say("Message-ID: <3@x>\nSubject: plans"), first, "no answer");
    let empty = talk.say("Message-ID: <4@x>\nSubject: Re:");
    assert_ne!(talk.say("Message-ID: <5@x>\nSubject: Re:"), empty, "no subject");
    talk.0.clock.0.fetch_add(31 * 86_400, Ordering::Relaxed);
    assert_ne!(talk.say("Message-ID: <6@x>\nSubject: Re: plans"), first, "long ago");
}

#[test]
fn copies_of_one_message_are_of_one_thread() {
    let talk = Talk::new();
    let first = talk.say("Message-ID: <1@x>\nSubject: plans");
    assert_eq!(talk.say("Message-ID: <1@x>\nSubject: plans"), first);
    let none = talk.say("From: a@b");
    assert_ne!(talk.say("From: a@b"), none, "without any id each is its own");
}
