//! Random work by several sessions against a naive model: what each session was told is always a
//! mailbox that once was, flags and places agree, the log folds to what is stored, and a reopened
//! account is the same.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod world;

use account::{Account, FlagChange, FlagOp, MailboxName, Numbers, Update, View};
use mail::{Flags, MailboxId, MessageId, NumberSet, SystemFlags};
use proptest::prelude::*;
use std::{collections::BTreeMap, sync::Arc};
use store::Memory;
use world::{account, letter, open, run};

#[derive(Clone, Debug)]
enum Op {
    Append { mailbox: usize, count: u32 },
    Store { view: usize, at: u32, span: u32, add: bool, deleted: bool },
    Copy { view: usize, at: u32, span: u32, to: usize },
    Move { view: usize, at: u32, span: u32, to: usize },
    Expunge { view: usize },
    Poll { view: usize, expunges: bool },
}

fn op() -> impl Strategy<Value = Op> {
    let (view, at, span, mailbox) = (0..4_usize, 1..12_u32, 0..4_u32, 0..2_usize);
    prop_oneof![
        2 => (mailbox.clone(), 1..4_u32).prop_map(|(mailbox, count)| Op::Append { mailbox, count }),
        3 => (view.clone(), at.clone(), span.clone(), any::<bool>(), any::<bool>())
            .prop_map(|(view, at, span, add, deleted)| Op::Store { view, at, span, add, deleted }),
        1 => (view.clone(), at.clone(), span.clone(), mailbox.clone())
            .prop_map(|(view, at, span, to)| Op::Copy { view, at, span, to }),
        1 => (view.clone(), at, span, mailbox)
            .prop_map(|(view, at, span, to)| Op::Move { view, at, span, to }),
        1 => view.clone().prop_map(|view| Op::Expunge { view }),
        3 => (view, any::<bool>()).prop_map(|(view, expunges)| Op::Poll { view, expunges }),
    ]
}

/// The truth, naively: Uid → (message, \Deleted) of each mailbox; \Flagged of each message.
#[derive(Default)]
struct Model {
    mailboxes: [BTreeMap<u32, (MessageId, bool)>; 2],
    flagged: BTreeMap<MessageId, bool>,
}

/// A session and what it was told.
struct Session {
    view: View,
    mailbox: usize,
    told: Vec<u32>,
}

impl Session {
    fn poll(&mut self, expunges: bool, model: &Model) {
        for update in self.view.poll(expunges) {
            match update {
                Update::Expunged(gone) => {
                    assert!(expunges);
                    for (sequence, uid) in gone {
                        assert_eq!(self.told.remove(sequence as usize - 1), uid.0);
                    }
                }
                Update::Exists { exists, .. } => {
                    let known = self.told.last().copied().unwrap_or(0);
                    let new = model.mailboxes[self.mailbox].range(known + 1..);
                    self.told.extend(new.map(|(uid, _)| *uid));
                    assert_eq!(self.told.len(), exists as usize);
                }
                Update::Flags(row) => assert_eq!(self.told[row.sequence as usize - 1], row.uid.0),
                Update::Gone => panic!("nobody deleted the mailbox"),
            }
        }
    }

    /// The numbers that the session works with are those that it was told.
    fn check(&mut self, model: &Model) {
        let all = NumberSet::of([(1, u32::MAX - 1)]);
        let rows = self.view.rows(&all, Numbers::Sequence, 1, usize::MAX);
        let uids: Vec<u32> = rows.iter().map(|row| row.uid.0).collect();
        assert_eq!(uids, self.told);
        assert_eq!(self.view.exists() as usize, self.told.len());
        for (at, row) in rows.iter().enumerate() {
            assert_eq!(row.sequence as usize, at + 1);
            if let Some((message, deleted)) = model.mailboxes[self.mailbox].get(&row.uid.0) {
                assert_eq!(row.message, *message);
                assert_eq!(row.system.contains(SystemFlags::DELETED), *deleted);
                assert_eq!(row.system.contains(SystemFlags::FLAGGED), model.flagged[message]);
                assert!(!self.view.is_expunged(row.uid));
            } else {
                assert!(self.view.is_expunged(row.uid));
            }
        }
        for (at, uid) in self.told.iter().enumerate() {
            let one = NumberSet::of([(*uid, *uid)]);
            let found = self.view.rows(&one, Numbers::Uid, 1, 9);
            assert_eq!(found[0].sequence as usize, at + 1);
        }
    }
}

struct World {
    account: Arc<Account>,
    ids: [MailboxId; 2],
    model: Model,
    sessions: Vec<Session>,
    letters: u32,
}

impl World {
    async fn new(account: Arc<Account>) -> Self {
        let id = |name: &str| account.mailbox(&MailboxName::parse(name).unwrap()).unwrap().id;
        let ids = [id("INBOX"), id("Archive")];
        let session = |at: usize| Session {
            view: account.select(ids[at % 2], false).unwrap(),
            mailbox: at % 2,
            told: Vec::new(),
        };
        let sessions = (0..4).map(session).collect();
        Self { account, ids, model: Model::default(), sessions, letters: 0 }
    }

    /// Uids of the set that are still there.
    fn live(&self, view: usize, at: u32, span: u32) -> Vec<u32> {
        let session = &self.sessions[view];
        let told = session.told.iter().skip(at as usize - 1).take(span as usize + 1);
        let there = &self.model.mailboxes[session.mailbox];
        told.copied().filter(|uid| there.contains_key(uid)).collect()
    }

    async fn append(&mut self, mailbox: usize, count: u32) {
        let new = (0..count).map(|n| letter(self.letters + n)).collect();
        self.letters += count;
        let done = self.account.append(self.ids[mailbox], new).await.unwrap();
        for (uid, message) in done.uids.iter().zip(done.messages) {
            self.model.mailboxes[mailbox].insert(uid.0, (message, false));
            self.model.flagged.insert(message, false);
        }
    }

    async fn store(&mut self, (view, at, span): (usize, u32, u32), add: bool, deleted: bool) {
        let live = self.live(view, at, span);
        let mailbox = self.sessions[view].mailbox;
        let system = if deleted { SystemFlags::DELETED } else { SystemFlags::FLAGGED };
        let op = if add { FlagOp::Add } else { FlagOp::Remove };
        let flags = Flags { system, keywords: Vec::new() };
        let change = FlagChange { op, flags, unchanged_since: None };
        let set = NumberSet::of([(at, at + span)]);
        let view = &mut self.sessions[view].view;
        let done = view.store(&set, Numbers::Sequence, &change).await.unwrap();
        assert_eq!(done.rows.iter().map(|row| row.uid.0).collect::<Vec<_>>(), live);
        for uid in live {
            let entry = self.model.mailboxes[mailbox].get_mut(&uid).unwrap();
            if deleted {
                entry.1 = add;
            } else {
                self.model.flagged.insert(entry.0, add);
            }
        }
    }

    async fn transfer(&mut self, (view, at, span): (usize, u32, u32), to: usize, leave: bool) {
        let live = self.live(view, at, span);
        let from = self.sessions[view].mailbox;
        let set = NumberSet::of([(at, at + span)]);
        let target = self.ids[to];
        let view = &mut self.sessions[view].view;
        let done = match leave {
            true => view.move_to(&set, Numbers::Sequence, target).await.unwrap(),
            false => view.copy(&set, Numbers::Sequence, target).await.unwrap(),
        };
        assert_eq!(done.pairs.iter().map(|(uid, _)| uid.0).collect::<Vec<_>>(), live);
        for (uid, new) in done.pairs {
            let message = self.model.mailboxes[from][&uid.0].0;
            let all = NumberSet::of([(new.0, new.0)]);
            let mut fresh = self.account.select(target, true).unwrap();
            let row = fresh.rows(&all, Numbers::Uid, 1, 1).remove(0);
            // A message that the target has already becomes one of its own.
            let has = self.model.mailboxes[to].values().any(|(other, _)| *other == message);
            assert_eq!(row.message != message, has && !(leave && from == to));
            let flagged = self.model.flagged[&message];
            self.model.flagged.insert(row.message, flagged);
            if leave {
                self.model.mailboxes[from].remove(&uid.0);
            }
            self.model.mailboxes[to].insert(new.0, (row.message, false));
        }
    }

    async fn work(&mut self, op: Op) {
        match op {
            Op::Append { mailbox, count } => self.append(mailbox, count).await,
            Op::Store { view, at, span, add, deleted } => {
                self.store((view, at, span), add, deleted).await;
            }
            Op::Copy { view, at, span, to } => self.transfer((view, at, span), to, false).await,
            Op::Move { view, at, span, to } => self.transfer((view, at, span), to, true).await,
            Op::Expunge { view } => {
                let session = &mut self.sessions[view];
                session.view.expunge(None).await.unwrap();
                // Only messages that the session was told of go.
                let told = session.told.clone();
                self.model.mailboxes[session.mailbox]
                    .retain(|uid, (_, deleted)| !*deleted || !told.contains(uid));
            }
            Op::Poll { view, expunges } => self.sessions[view].poll(expunges, &self.model),
        }
        for session in &mut self.sessions {
            session.check(&self.model);
        }
    }
}

fn state(account: &Arc<Account>) -> Vec<String> {
    let mut all = Vec::new();
    for info in account.mailboxes() {
        let counts = (info.exists, info.unseen, info.deleted, info.octets, info.uid_next);
        all.push(format!("{} {counts:?}", info.name.as_str()));
        let mut view = account.select(info.id, true).unwrap();
        let set = NumberSet::of([(1, u32::MAX - 1)]);
        for row in view.rows(&set, Numbers::Uid, 1, usize::MAX) {
            all.push(format!("{:?} {:?} {:?} {:?}", row.uid, row.message, row.system, row.modseq));
        }
    }
    all.push(format!("{:?}", account.quota()));
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn sessions_agree_with_the_model(ops in prop::collection::vec(op(), 1..60)) {
        run(async {
            let memory = Arc::new(Memory::new());
            let accounts = open(&memory).await;
            let mut world = World::new(account(&accounts, "ana@example.test").await).await;
            for op in ops {
                world.work(op).await;
            }
            for at in 0..4 {
                world.sessions[at].poll(true, &world.model);
                world.sessions[at].check(&world.model);
                let now: Vec<u32> =
                    world.model.mailboxes[at % 2].keys().copied().collect();
                assert_eq!(world.sessions[at].told, now);
            }
            let report = account::check::all(&accounts).await.unwrap();
            assert_eq!(report.told, Vec::<String>::new());
            let before = state(&world.account);
            let reopened = open(&memory).await;
            assert_eq!(state(&account(&reopened, "ana@example.test").await), before);
        });
    }
}
