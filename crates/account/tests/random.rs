//! Random work with many commits on their way at once: the store lets them go, fails them or fails
//! them after writing them, waiters give up, mailboxes come and go. However that ends, what is in
//! memory is what the store gives, the log folds to it, and no session lost count.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use account::{Account, Error, FlagChange, FlagOp, MailboxName, Numbers, Refused, Update, View};
use mail::{MailboxId, NumberSet, SystemFlags};
use proptest::prelude::*;
use std::{future::Future, pin::Pin, sync::Arc};
use support::{Bench, all, flags, letters, poll, run, set};

const MAILBOXES: [&str; 4] = ["INBOX", "Archive", "A", "A/B"];

#[derive(Clone, Debug)]
enum Op {
    Append {
        to: usize,
        count: u32,
    },
    Flags {
        at: usize,
        uids: Vec<u32>,
        op: FlagOp,
        system: u8,
        keyword: Option<u8>,
    },
    Copy {
        from: usize,
        to: usize,
        uids: Vec<u32>,
        leave: bool,
    },
    Erase {
        at: usize,
        uids: Vec<u32>,
    },
    Expunge {
        at: usize,
    },
    Create {
        name: usize,
    },
    Delete {
        name: usize,
    },
    Rename {
        from: usize,
        to: usize,
    },
    Undelete {
        nth: usize,
    },
    Purge,
    /// The store ends its oldest commit.
    Go,
    Full,
    InDoubt {
        written: bool,
    },
    /// A waiter gives up.
    GiveUp {
        nth: usize,
    },
    /// A session is told.
    Tell {
        session: usize,
        expunges: bool,
    },
}

fn op() -> impl Strategy<Value = Op> {
    // Few places, so that operations meet.
    let at = prop_oneof![3 => Just(0_usize), 3 => Just(1_usize), 1 => 2..4_usize];
    let uids = prop::collection::vec(1..5_u32, 1..4);
    let kind = prop_oneof![Just(FlagOp::Add), Just(FlagOp::Remove), Just(FlagOp::Replace)];
    let keyword = prop::option::of(0..4_u8);
    prop_oneof![
        4 => (at.clone(), 1..4_u32).prop_map(|(to, count)| Op::Append { to, count }),
        6 => (at.clone(), uids.clone(), kind, 0..32_u8, keyword)
            .prop_map(|(at, uids, op, system, keyword)| {
                Op::Flags { at, uids, op, system, keyword }
            }),
        5 => (at.clone(), at.clone(), uids.clone(), any::<bool>())
            .prop_map(|(from, to, uids, leave)| Op::Copy { from, to, uids, leave }),
        3 => (at.clone(), uids).prop_map(|(at, uids)| Op::Erase { at, uids }),
        2 => at.clone().prop_map(|at| Op::Expunge { at }),
        1 => at.clone().prop_map(|name| Op::Create { name }),
        1 => at.clone().prop_map(|name| Op::Delete { name }),
        1 => (at.clone(), at.clone()).prop_map(|(from, to)| Op::Rename { from, to }),
        1 => (0..3_usize).prop_map(|nth| Op::Undelete { nth }),
        1 => Just(Op::Purge),
        8 => Just(Op::Go),
        1 => Just(Op::Full),
        1 => any::<bool>().prop_map(|written| Op::InDoubt { written }),
        2 => (0..6_usize).prop_map(|nth| Op::GiveUp { nth }),
        5 => (0..3_usize, any::<bool>())
            .prop_map(|(session, expunges)| Op::Tell { session, expunges }),
    ]
}

type Work = Pin<Box<dyn Future<Output = Result<(), Error>>>>;

fn id(account: &Account, at: usize) -> Option<MailboxId> {
    account.mailbox(&MailboxName::parse(MAILBOXES[at]).unwrap()).map(|info| info.id)
}

fn view(account: &Arc<Account>, at: usize) -> Result<View, Error> {
    account.select(id(account, at).ok_or(Refused::NoSuchMailbox)?, false)
}

async fn undelete(account: &Account, nth: usize) -> Result<(), Error> {
    let deleted = account.deleted().await?;
    match deleted.get(nth) {
        Some(one) => account.undelete(one.message).await.map(|_| ()),
        None => Ok(()),
    }
}

/// What an operation does, as a future of its own.
fn work(account: &Arc<Account>, op: Op, number: u32) -> Work {
    let account = Arc::clone(account);
    let name = |at: usize| MailboxName::parse(MAILBOXES[at]).unwrap();
    Box::pin(async move {
        match op {
            Op::Append { to, count } => {
                let to = id(&account, to).ok_or(Refused::NoSuchMailbox)?;
                let mut new = letters(number..=number + count - 1);
                new[0].flags = flags(SystemFlags::FLAGGED, &["first"]);
                account.append(to, new).await.map(|_| ())
            }
            Op::Flags { at, uids, op, system, keyword } => {
                let names = ["one", "two", "three", "four"];
                let words: Vec<&str> = keyword.iter().map(|k| names[usize::from(*k)]).collect();
                let flags = flags(SystemFlags(system), &words);
                let change = FlagChange { op, flags, unchanged_since: None };
                let mut view = view(&account, at)?;
                view.store(&set(&uids), Numbers::Uid, &change).await.map(|_| ())
            }
            Op::Copy { from, to, uids, leave } => {
                let to = id(&account, to).ok_or(Refused::NoSuchMailbox)?;
                let (mut view, uids) = (view(&account, from)?, set(&uids));
                match leave {
                    true => view.move_to(&uids, Numbers::Uid, to).await.map(|_| ()),
                    false => view.copy(&uids, Numbers::Uid, to).await.map(|_| ()),
                }
            }
            Op::Erase { at, uids } => view(&account, at)?.erase(&set(&uids)).await.map(|_| ()),
            Op::Expunge { at } => view(&account, at)?.expunge(None).await.map(|_| ()),
            Op::Create { name: at } => account.create(&name(at), None).await.map(|_| ()),
            Op::Delete { name: at } => account.delete(&name(at)).await,
            Op::Rename { from, to } => account.rename(&name(from), &name(to)).await,
            Op::Undelete { nth } => undelete(&account, nth).await,
            Op::Purge => account.purge(i64::MAX).await.map(|_| ()),
            _ => Ok(()),
        }
    })
}

/// A session that is told now and then, and what it knows.
struct Session {
    view: View,
    told: Vec<u32>,
    gone: bool,
}

impl Session {
    fn uids(&mut self) -> Vec<u32> {
        let rows = self.view.rows(&all(), Numbers::Sequence, 1, usize::MAX);
        for (at, row) in rows.iter().enumerate() {
            assert_eq!(row.sequence as usize, at + 1);
            let one = NumberSet::of([(row.uid.0, row.uid.0)]);
            let found = self.view.rows(&one, Numbers::Uid, 1, 9);
            assert_eq!((found.len(), found[0].sequence), (1, row.sequence));
        }
        rows.iter().map(|row| row.uid.0).collect()
    }

    fn tell(&mut self, expunges: bool) {
        for update in self.view.poll(expunges) {
            match update {
                Update::Expunged(gone) => {
                    assert!(expunges);
                    for (sequence, uid) in gone {
                        assert_eq!(self.told.remove(sequence as usize - 1), uid.0);
                    }
                }
                Update::Exists { exists, .. } => {
                    let now = self.uids();
                    assert!(now.starts_with(&self.told) && now.len() > self.told.len());
                    assert_eq!(now.len(), exists as usize);
                    self.told = now;
                }
                Update::Flags(row) => assert_eq!(self.told[row.sequence as usize - 1], row.uid.0),
                Update::Gone => self.gone = true,
            }
        }
    }

    fn check(&mut self) {
        if !self.gone && self.view.info().is_some() {
            assert_eq!(self.uids(), self.told);
        }
    }
}

/// Everything that sessions can see of an account.
fn shown(account: &Arc<Account>) -> Vec<String> {
    let mut out = vec![format!("{:?} {:?}", account.quota(), account.subscriptions())];
    for mut info in account.mailboxes() {
        info.recent = 0;
        let mut view = account.select(info.id, true).unwrap();
        out.push(format!("{info:?}"));
        for mut row in view.rows(&all(), Numbers::Uid, 1, usize::MAX) {
            row.recent = false;
            out.push(format!("{row:?}"));
        }
    }
    out
}

struct World {
    bench: Bench,
    on_their_way: Vec<Work>,
    sessions: Vec<Session>,
    letters: u32,
}

impl World {
    fn new() -> Self {
        let bench = Bench::new();
        let sessions = (0..3).map(|at| {
            let view = view(&bench.ana, at % 2).unwrap();
            Session { view, told: Vec::new(), gone: false }
        });
        let sessions = sessions.collect();
        bench.store.hold(true);
        Self { bench, on_their_way: Vec::new(), sessions, letters: 0 }
    }

    fn go_on(&mut self) {
        self.on_their_way.retain_mut(|work| poll(work.as_mut()).is_pending());
    }

    fn step(&mut self, op: Op) {
        let store = &self.bench.store;
        let waiting = store.waiting() > 0;
        match op {
            Op::Go if waiting => store.go(),
            Op::Full if waiting => store.fail(store::Error::Full),
            Op::InDoubt { written } if waiting => {
                let error = store::Error::Io("cable".into());
                if written { store.go_and_fail(error) } else { store.fail(error) }
            }
            Op::Go | Op::Full | Op::InDoubt { .. } => {}
            Op::GiveUp { nth } => {
                if nth < self.on_their_way.len() {
                    drop(self.on_their_way.remove(nth));
                }
            }
            Op::Tell { session, expunges } => self.sessions[session].tell(expunges),
            op => {
                self.letters += 4;
                self.on_their_way.push(work(&self.bench.ana, op, self.letters));
            }
        }
        self.go_on();
        self.sessions.iter_mut().for_each(Session::check);
    }

    fn end(mut self) {
        while !self.on_their_way.is_empty() || self.bench.store.waiting() > 0 {
            self.bench.store.go_all();
            self.go_on();
        }
        self.bench.store.hold(false);
        // A failure in doubt is cleared up by the next change.
        let name = MailboxName::parse("last").unwrap();
        run(self.bench.ana.subscribe(&name, true)).unwrap();
        for session in &mut self.sessions {
            session.tell(true);
            session.check();
            assert!(session.gone || session.view.poll(true).is_empty());
        }
        let again = self.bench.reopened();
        assert_eq!(shown(&self.bench.ana), shown(&again.ana));
        let report = run(account::check::all(&again.accounts)).unwrap();
        assert_eq!(report.told, Vec::<String>::new());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn commits_on_their_way_never_lose_each_others_changes(
        ops in prop::collection::vec(op(), 1..80),
    ) {
        let mut world = World::new();
        for op in ops {
            world.step(op);
        }
        world.end();
    }
}
