//! SELECT, EXAMINE, CLOSE, UNSELECT, and resynchronisation (RFC 7162 §3.2.5).

use super::{
    Imap, PIECE_OCTETS, Selected, Work, foreign_id, mailbox_id, place::permanent, refusal::Stop,
    tell::FlagLine,
};
use account::{Numbers, View};
use imap::{
    Session,
    effect::{self, Done},
    types::{Permanent, QResync, SequenceSet},
};
use mail::{ModSeq, NumberSet, Rights, Uid};

/// Rows looked at in one go.
const ROWS_MAX: usize = 1_024;
/// Pairs of (sequence number, Uid) of a QRESYNC parameter that are looked at.
const PAIRS_MAX: usize = 1_000;

impl Imap {
    /// Opens the view; what the machine says of it.
    pub(super) async fn select(
        &mut self,
        name: &str,
        read_only: bool,
    ) -> Result<effect::Selected, Stop> {
        self.selected = None;
        let place = self.place(name).await?;
        // Before the view is opened: HIGHESTMODSEQ must not be ahead of what the view tells.
        let info = place.existing(Rights::READ)?;
        let permanent = permanent(place.rights);
        // RFC 4314 §4: nothing can be changed here.
        let fixed = permanent == Permanent::NONE && !place.rights.has(Rights::EXPUNGE);
        let read_only = read_only || fixed;
        let permanent = if read_only { Permanent::NONE } else { permanent };
        let mut view = place.account.select(info.id, read_only)?;
        view.allow(permanent.system, permanent.keywords);
        let keywords = view.keywords();
        let selected = effect::Selected {
            mailbox: name.strip_suffix('/').unwrap_or(name).to_owned(),
            exists: view.exists(),
            recent: view.recent(),
            first_unseen: view.first_unseen(),
            uid_validity: info.uid_validity.0,
            uid_next: info.uid_next.max(view.uid_max().next()).0,
            highest_modseq: info.highest_modseq.0.max(1),
            keywords,
            mailbox_id: foreign_id(mailbox_id(info.id), place.foreign_id()),
            read_only,
            permanent,
        };
        let (keywords_told, foreign) = (selected.keywords.len(), place.foreign_id());
        let (saved, told) = (NumberSet::default(), info.highest_modseq);
        self.selected = Some(Box::new(Selected {
            view,
            saved,
            keywords_told,
            permanent,
            foreign,
            told,
            contexts: None,
        }));
        Ok(selected)
    }

    /// CLOSE expunges without a word; RFC 7162 §3.2.8: "The server MUST NOT send the updated
    /// per-mailbox modification sequence".
    pub(super) async fn unselect(&mut self, expunge: bool) -> Result<Done, Stop> {
        // RFC 4314 §4: without the right CLOSE expunges nothing, and says nothing.
        let expunge = expunge && self.selected_rights().await?.has(Rights::EXPUNGE);
        let Some(mut selected) = self.selected.take() else { return Ok(Done::Ok(None)) };
        if expunge && !selected.view.read_only() {
            match selected.view.expunge(None).await {
                // A mailbox that is gone has nothing to expunge.
                Ok(_) | Err(account::Error::Refused(account::Refused::NoSuchMailbox)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Done::Ok(None))
    }

    /// The QRESYNC parameter of the SELECT that just succeeded.
    pub(super) fn begin_resync(&mut self, asked: QResync) {
        self.work = Some(Work::Resync(Box::new(Resync::new(asked))));
    }
}

/// Resynchronisation: what vanished, then what changed.
pub(super) struct Resync {
    asked: QResync,
    /// Uids that the client knows; `None` until the first step.
    known: Option<NumberSet>,
    next: u32,
}

impl Resync {
    fn new(asked: QResync) -> Self {
        Self { asked, known: None, next: 1 }
    }

    pub async fn step(
        &mut self,
        session: &mut Session,
        selected: &mut Selected,
    ) -> Result<Done, Stop> {
        let view = &mut selected.view;
        let since = self.asked.modseq;
        let known = match self.known.take() {
            Some(known) => known,
            None => {
                // RFC 7162 §3.2.5.1: with another UIDVALIDITY "the server MUST ignore the remaining
                // parameters".
                let Some(info) = view.info().filter(|i| i.uid_validity == self.asked.uid_validity)
                else {
                    return Ok(Done::Ok(None));
                };
                // "1:<maxuid>, where <maxuid> is the mailbox's UIDNEXT value minus 1"
                let all = info.uid_next.0.saturating_sub(1);
                let known = self.asked.known.as_ref().and_then(|known| known.resolve(all));
                let known = known.unwrap_or_else(|| NumberSet::of([(1, all)]));
                let matching = self.asked.matching.as_ref();
                let unmoved = matching.and_then(|(numbers, uids)| unmoved(view, numbers, uids));
                let from = unmoved.map_or(1, |uid| uid.next().0);
                let asked = between(&known, from, all);
                let vanished = vanished(view, since, &asked).await?;
                session.reply().vanished(true, &vanished);
                known
            }
        };
        let line = FlagLine { uid: true, flags: true, modseq: true };
        loop {
            let rows = view.rows(&known, Numbers::Uid, self.next, ROWS_MAX);
            let Some(last) = rows.last() else { return Ok(Done::Ok(None)) };
            self.next = last.sequence.saturating_add(1);
            for row in rows.iter().filter(|row| row.modseq > since) {
                line.write(session, row);
            }
            if session.reply().pending_octets() >= PIECE_OCTETS {
                self.known = Some(known);
                return Ok(Done::More);
            }
        }
    }
}

/// The numbers of a set from `first` to `last`.
pub(super) fn between(set: &NumberSet, first: u32, last: u32) -> NumberSet {
    let clamped = set.ranges().iter().map(|&(a, b)| (a.max(first), b.min(last)));
    NumberSet::of(clamped.filter(|(a, b)| a <= b))
}

/// Uids of `known` that are gone since, without those that this session still counts: these are
/// told by a VANISHED without EARLIER. `known` must not reach beyond the Uids that ever were.
pub(super) async fn vanished(
    view: &mut View,
    since: ModSeq,
    known: &NumberSet,
) -> Result<NumberSet, Stop> {
    let vanished = view.vanished(since, Some(known)).await?;
    let mut earlier = NumberSet::default();
    for &(first, last) in vanished.ranges() {
        for uid in first..=last {
            if !view.is_expunged(Uid(uid)) {
                earlier.push(uid);
            }
        }
    }
    Ok(earlier)
}

/// RFC 7162 §3.2.5.2: where a sequence number still has the Uid that the client remembers, nothing
/// below was expunged. Gives the largest such Uid.
fn unmoved(view: &mut View, sequences: &SequenceSet, uids: &SequenceSet) -> Option<Uid> {
    let sequences = sequences.resolve(view.exists())?;
    let uids = uids.resolve(view.uid_max().0)?;
    let pairs: Vec<(u32, u32)> = sequences.iter().zip(uids.iter()).take(PAIRS_MAX).collect();
    let wanted = NumberSet::of_numbers(pairs.iter().map(|(sequence, _)| *sequence));
    let rows = view.rows(&wanted, Numbers::Sequence, 1, PAIRS_MAX);
    let unmoved = pairs.iter().rev().find(|(sequence, uid)| {
        rows.iter().any(|row| row.sequence == *sequence && row.uid.0 == *uid)
    });
    unmoved.map(|(_, uid)| Uid(*uid))
}
